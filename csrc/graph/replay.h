// A graph's steps on a device as one recording (a CUDA graph): made at the second step on the same memory, so that
// libraries have set themselves up at the first, and replayed while that memory stays where it is.
#pragma once

#include <atomic>
#include <functional>

#include "core/device_queue.h"
#include "graph/graph.h"

namespace tahr::graph {

class Replay {
 public:
  // `obstacle`: why the steps cannot be recorded; empty if they can.
  Replay(Device device, std::string obstacle) : device_(device), obstacle_(std::move(obstacle)) {}

  bool possible() const { return obstacle_.empty(); }
  // Runs `steps`, which read and write the memory of `places`, by itself or as a recording.
  void run(const std::vector<const void*>& places, const std::function<void()>& steps);
  std::string str() const;  // what became of it

 private:
  Device device_;
  std::string obstacle_;
  std::vector<const void*> last_, recorded_;
  std::unique_ptr<DeviceRecording> recording_;
  uint64_t recordings_ = 0, replays_ = 0;
};

}  // namespace tahr::graph
