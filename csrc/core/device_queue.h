// What loops on a device are made of: work recorded once and replayed, rows gathered there, batches that arrive while
// others are computed.
#pragma once

#include <memory>

#include "core/tensor.h"

namespace tahr {

// Work of a device as one piece (a CUDA graph). The memory that the work was recorded with must stay where it is.
class DeviceRecording {
 public:
  ~DeviceRecording();
  DeviceRecording(const DeviceRecording&) = delete;
  DeviceRecording& operator=(const DeviceRecording&) = delete;

  // Records what `work` gives to the device, instead of running it. Throws what `work` does, and if a part of it cannot
  // be recorded: a wait, or a read by the host.
  template <class F>
  static std::unique_ptr<DeviceRecording> make(Device device, F&& work) {
    begin(device);
    try {
      work();
    } catch (...) {
      discard(device);
      throw;
    }
    return end(device);
  }
  void replay();
  size_t nodes() const { return nodes_; }

 private:
  DeviceRecording(Device device, void* recording, size_t nodes)
      : device_(device), recording_(recording), nodes_(nodes) {}
  static void begin(Device device);
  static std::unique_ptr<DeviceRecording> end(Device device);
  static void discard(Device device) noexcept;

  Device device_;
  void* recording_;
  size_t nodes_;
};

// Two slots of pinned host buffers, one buffer per input of a loop. While the device computes on what was taken from
// one slot, the host fills the other, and its contents travel.
class DeviceFeed {
 public:
  DeviceFeed(Device device, std::span<const size_t> bytes);
  ~DeviceFeed();
  DeviceFeed(const DeviceFeed&) = delete;
  DeviceFeed& operator=(const DeviceFeed&) = delete;

  void* buffer(int slot, size_t i);                // to be filled; waits until its last contents have left
  void push(int slot);                             // the slot is filled: its contents may travel
  void take(int slot, std::span<void* const> to);  // to the device's memory, in the order of its work

 private:
  Device device_;
  void* feed_;
};

void device_gather_rows(Device d, const DeviceRows& rows);
void device_keep_pace(Device d);

}  // namespace tahr
