// Running exported models from C++: a program includes this header and links the library tahr_runtime.
//
//   const tahr::runtime::Model model = tahr::runtime::Model::load("model.tahr");
//   const std::vector<tahr::runtime::Array> y = model.run({{pixels.data(), {1, 28, 28}}});
//   const float* probabilities = y[0].as<float>();
//
// Files come from `model.export(path, format="tahr")` in Python. Errors are exceptions derived from
// std::runtime_error. A model may be used by several threads at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tahr::runtime {

struct Info {
  std::string name;
  std::string dtype;           // "float32", "int32", ...
  std::vector<int64_t> shape;  // -1: any size
};

struct View {
  const void* data;            // row-major, of the input's dtype
  std::vector<int64_t> shape;  // in full
};

class Array {
 public:
  std::vector<int64_t> shape;
  std::string dtype;
  const void* data = nullptr;
  int64_t size = 0;  // elements
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
  std::shared_ptr<const void> owner;  // of the memory
};

// What loading a file, preparing it for new shapes, or one run may take. A file that asks for more is an exception.
struct Limits {
  // Bytes beside the file itself. 0: 1 GiB, four times the file and 64 times the inputs of the run.
  size_t memory = 0;
  // 0: 300. Looked at between the steps of the graph and the rounds of its loops; one step that has begun ends.
  double seconds = 0;
};

class Model {
 public:
  static Model load(const std::string& path, const Limits& limits = {});
  static Model from_memory(const void* bytes, size_t count, const Limits& limits = {});  // copied

  const std::vector<Info>& inputs() const;
  const std::vector<Info>& outputs() const;
  // In the order of inputs() and outputs(). The first run with new shapes prepares for them, which takes longer.
  std::vector<Array> run(const std::vector<View>& inputs) const;

 private:
  struct Impl;
  explicit Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

void set_threads(int count);  // for all models; default: as many as the process may use

}  // namespace tahr::runtime
