// Devices through the core's own interface, on the emulated GPU: memory, copies, placement, running out of memory.
// TAHR_CUDA_LIBRARY names the library, TAHR_EMULATED_MEMORY how much memory the GPU has (here 64 MiB).
#include "core/device.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "check.h"
#include "core/tensor.h"
#include "ops/functions.h"
#include "ops/placement.h"

#define EXPECT(condition) CHECK(condition, "%s", "")

namespace {

using namespace tahr;
constexpr Device kGpu{DeviceType::CUDA, 0};
constexpr size_t kMiB = size_t{1} << 20;

void test_memory() {
  device_release_cached(kGpu);
  const DeviceMemory before = device_memory(kGpu);
  EXPECT(before.total == 64 * kMiB);
  void* a = device_allocate(kGpu, 1000);
  void* b = device_allocate(kGpu, 1000);
  EXPECT(a != b);
  EXPECT(device_memory(kGpu).live == before.live + 2 * 1024);
  device_deallocate(kGpu, a, 1000);
  EXPECT(device_allocate(kGpu, 1024) == a);  // the same class
  device_deallocate(kGpu, a, 1024);
  device_deallocate(kGpu, b, 1000);
  const uint64_t system = device_memory(kGpu).system_allocations;
  for (int i = 0; i < 100; ++i) device_deallocate(kGpu, device_allocate(kGpu, 3 * kMiB), 3 * kMiB);
  EXPECT(device_memory(kGpu).system_allocations == system + 1);
  EXPECT(device_memory(kGpu).cached >= 3 * kMiB);
  device_release_cached(kGpu);
  EXPECT(device_memory(kGpu).reserved == device_memory(kGpu).live + device_memory(kGpu).cached);
  EXPECT(device_memory(kGpu).cached < 3 * kMiB);
}

void test_out_of_memory() {
  // 40 MiB that are kept but not used go back to the device when 50 are asked for.
  device_deallocate(kGpu, device_allocate(kGpu, 40 * kMiB), 40 * kMiB);
  void* p = device_allocate(kGpu, 50 * kMiB);
  bool thrown = false;
  try {
    device_allocate(kGpu, 20 * kMiB);
  } catch (const Error& e) {
    thrown = e.kind() == ErrorKind::Memory && std::strstr(e.what(), "'/gpu:0'") && std::strstr(e.what(), "of 64 MiB");
    if (!thrown) std::printf("%s\n", e.what());
  }
  EXPECT(thrown);
  device_deallocate(kGpu, p, 50 * kMiB);
  device_deallocate(kGpu, device_allocate(kGpu, 20 * kMiB), 20 * kMiB);  // and the process goes on
  device_release_cached(kGpu);
  device_backend().set_limit(0, 10 * kMiB);
  thrown = false;
  try {
    device_allocate(kGpu, 20 * kMiB);
  } catch (const Error& e) { thrown = e.kind() == ErrorKind::Memory && std::strstr(e.what(), "limit"); }
  EXPECT(thrown);
  device_backend().set_limit(0, 0);
}

void test_copies() {
  for (const size_t n : {size_t{1}, size_t{1000}, kMiB / 4 + 3, 2 * kMiB}) {
    Tensor x = Tensor::empty({static_cast<int64_t>(n)}, DType::Float32);
    for (size_t i = 0; i < n; ++i) x.mutable_data<float>()[i] = static_cast<float>(i % 1000);
    const Tensor there = to_device(x, kGpu);
    std::memset(x.mutable_raw(), 0, x.nbytes());  // the copy has read it
    EXPECT(there.device() == kGpu);
    const Tensor back = on_host(copy_of(there));
    bool same = true;
    for (size_t i = 0; i < n; ++i) same &= back.data<float>()[i] == static_cast<float>(i % 1000);
    CHECK(same, "%zu elements", n);
  }
  EXPECT(to_device(Tensor::scalar(2.5, DType::BFloat16), kGpu).item() == 2.5);
}

void test_placement() {
  EXPECT(current_device() == kGpu);
  const Tensor a = to_device(Tensor::full({3}, DType::Float32, 2), kGpu), b = Tensor::full({3}, DType::Float32, 3);
  EXPECT(ops::add(a, b).device() == kGpu);
  EXPECT(ops::add(b, b).device().is_cpu());
  EXPECT(ops::sum(ops::multiply(a, b), Axes{}, false).item() == 18);
  {
    const DeviceScope cpu(kCpu);
    EXPECT(current_device() == kCpu);
    const DeviceScope gpu(kGpu);
    EXPECT(current_device() == kGpu);
  }
  EXPECT(current_device() == kGpu);
  bool thrown = false;
  try {
    check_device({DeviceType::CUDA, 3});
  } catch (const Error& e) { thrown = e.kind() == ErrorKind::Value; }
  EXPECT(thrown);
}

}  // namespace

int main() {
  init_op_table();
  if (gpu_count() == 0) {
    std::printf("no emulated GPU: %s\n", why_no_gpu().c_str());
    return 1;
  }
  test_memory();
  test_out_of_memory();
  test_copies();
  test_placement();
  return tahr::test::check_report();
}
