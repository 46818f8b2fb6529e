#include "core/device_queue.h"

namespace tahr {
namespace {

template <class F>
auto checked(F&& f) {
  struct Check {
    Failure failure;
    void operator()() const {
      if (failure.set) throw Error(failure.kind, failure.message);
    }
  } check;
  if constexpr (std::is_void_v<decltype(f(&check.failure))>) {
    f(&check.failure);
    check();
  } else {
    auto result = f(&check.failure);
    check();
    return result;
  }
}

}  // namespace

void DeviceRecording::begin(Device device) {
  checked([&](Failure* f) { device_backend().begin_recording(hardware_number(device), f); });
}

std::unique_ptr<DeviceRecording> DeviceRecording::end(Device device) {
  size_t nodes = 0;
  void* recording =
      checked([&](Failure* f) { return device_backend().end_recording(hardware_number(device), true, &nodes, f); });
  return std::unique_ptr<DeviceRecording>(new DeviceRecording(device, recording, nodes));
}

void DeviceRecording::discard(Device device) noexcept {
  Failure ignored;
  size_t nodes = 0;
  device_backend().end_recording(hardware_number(device), false, &nodes, &ignored);
}

DeviceRecording::~DeviceRecording() { device_backend().end_replays(hardware_number(device_), recording_); }

void DeviceRecording::replay() {
  checked([&](Failure* f) { device_backend().replay(hardware_number(device_), recording_, f); });
}

DeviceFeed::DeviceFeed(Device device, std::span<const size_t> bytes)
    : device_(device),
      feed_(checked([&](Failure* f) { return device_backend().make_feed(hardware_number(device), bytes, f); })) {}

DeviceFeed::~DeviceFeed() { device_backend().end_feed(hardware_number(device_), feed_); }

void* DeviceFeed::buffer(int slot, size_t i) {
  return checked([&](Failure* f) { return device_backend().feed_buffer(hardware_number(device_), feed_, slot, i, f); });
}
void DeviceFeed::push(int slot) {
  checked([&](Failure* f) { device_backend().feed_push(hardware_number(device_), feed_, slot, f); });
}
void DeviceFeed::take(int slot, std::span<void* const> to) {
  checked([&](Failure* f) { device_backend().feed_take(hardware_number(device_), feed_, slot, to, f); });
}

void device_gather_rows(Device d, const DeviceRows& rows) {
  checked([&](Failure* f) { device_backend().gather_rows(hardware_number(d), rows, f); });
}

void device_keep_pace(Device d) {
  checked([&](Failure* f) { device_backend().keep_pace(hardware_number(d), f); });
}

}  // namespace tahr
