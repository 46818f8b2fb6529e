// A loaded graph, prepared for each combination of input shapes that it meets.
#pragma once

#include <mutex>

#include "graph/function.h"
#include "runtime/file.h"
#include "tahr/runtime.h"

namespace tahr::runtime {

class Session {
 public:
  Session(const Ref<Storage>& bytes, const Limits& limits);
  const File& file() const { return file_; }
  Tensors run(std::span<const Tensor> inputs);

 private:
  std::shared_ptr<graph::GraphFunction> prepared(std::span<const Tensor> inputs);

  size_t memory(size_t inputs) const;  // bytes that a run on so many may take

  const Limits limits_;
  const size_t size_;  // of the file
  File file_;
  std::mutex mutex_;
  std::vector<std::pair<std::vector<Shape>, std::shared_ptr<graph::GraphFunction>>> ready_;  // latest last
};

Ref<Storage> aligned_copy(const void* bytes, size_t count);

}  // namespace tahr::runtime
