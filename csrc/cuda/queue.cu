#include <algorithm>
#include <cstring>

#include "cuda/pack.h"
#include "cuda/queue.h"

namespace tahr::cuda {

// ---- recordings ---------------------------------------------------------------------------------------------

Recording::Recording(Allocator& allocator) : allocator_(allocator) {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream could not be made");
  // Relaxed: memory may be taken from the driver meanwhile.
  const cudaError_t e = cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed);
  if (e != cudaSuccess) {
    cudaStreamDestroy(stream_);
    throw_cuda(e, "a recording could not be begun");
  }
  recording_ = true;
}

Recording::~Recording() {
  if (recording_) {
    cudaGraph_t unfinished = nullptr;
    if (cudaStreamEndCapture(stream_, &unfinished) == cudaSuccess && unfinished) cudaGraphDestroy(unfinished);
  }
  if (graph_) cudaGraphExecDestroy(graph_);  // one that still runs goes when it is done
  cudaStreamDestroy(stream_);
  // Not the device as a whole: another thread may be recording on it.
  if (!pinned_.empty() && replayed_on_) cudaStreamSynchronize(replayed_on_);
  for (void* p : pinned_) cudaFreeHost(p);
  for (const Block& b : blocks_) {
    if (!b.used) allocator_.deallocate(b.p, b.bytes);  // else its holder keeps it, and gives it back
  }
  cudaGetLastError();
}

void* Recording::allocate(size_t bytes) {
  const size_t size = Allocator::class_size(bytes);
  for (Block& b : blocks_) {
    if (b.used || b.bytes != size) continue;
    b.used = true;
    return b.p;
  }
  blocks_.reserve(blocks_.size() + 1);
  blocks_.push_back({allocator_.allocate(size), size, true});
  return blocks_.back().p;
}

bool Recording::deallocate(void* p) {
  const auto it = std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& b) { return b.p == p; });
  if (it == blocks_.end()) return false;
  it->used = false;
  return true;
}

void Recording::upload(void* to, const void* from, size_t bytes) {
  void* kept = nullptr;
  check(cudaHostAlloc(&kept, bytes, cudaHostAllocDefault), "pinned memory could not be taken");
  pinned_.push_back(kept);
  std::memcpy(kept, from, bytes);
  check(cudaMemcpyAsync(to, kept, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the GPU failed");
}

void Recording::finish(size_t* nodes) {
  std::erase_if(blocks_, [](const Block& b) { return b.used; });  // its holder keeps it, and gives it back
  cudaGraph_t graph = nullptr;
  recording_ = false;
  check(cudaStreamEndCapture(stream_, &graph), "the work could not be recorded");
  cudaError_t e = cudaGraphGetNodes(graph, nullptr, nodes);
  if (e == cudaSuccess) e = cudaGraphInstantiate(&graph_, graph, 0);
  cudaGraphDestroy(graph);
  check(e, "a CUDA graph could not be made");
}

// ---- feeds --------------------------------------------------------------------------------------------------

Feed::Feed(Allocator& allocator, std::span<const size_t> bytes, cudaStream_t main)
    : allocator_(allocator), bytes_(bytes.begin(), bytes.end()), main_(main) {
  try {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream could not be made");
    for (Slot& s : slots_) {
      check(cudaEventCreateWithFlags(&s.arrived, cudaEventDisableTiming), "an event could not be made");
      check(cudaEventCreateWithFlags(&s.taken, cudaEventDisableTiming), "an event could not be made");
      for (size_t n : bytes_) {
        s.device.push_back(allocator_.allocate(n));
        void* host = nullptr;
        check(cudaHostAlloc(&host, n ? n : 1, cudaHostAllocDefault), "pinned memory could not be taken");
        s.host.push_back(host);
      }
      check(cudaEventRecord(s.taken, main_), "an event could not be recorded");  // who had the memory before is done
    }
  } catch (...) {
    clear();
    throw;
  }
}

Feed::~Feed() { clear(); }

void Feed::clear() noexcept {
  if (stream_) cudaStreamSynchronize(stream_);
  cudaStreamSynchronize(main_);
  for (Slot& s : slots_) {
    for (void* p : s.host) cudaFreeHost(p);
    for (size_t i = 0; i < s.device.size(); ++i) allocator_.deallocate(s.device[i], bytes_[i]);
    if (s.arrived) cudaEventDestroy(s.arrived);
    if (s.taken) cudaEventDestroy(s.taken);
  }
  if (stream_) cudaStreamDestroy(stream_);
  cudaGetLastError();
}

void* Feed::buffer(int slot, size_t i) {
  Slot& s = slots_[slot];
  if (i == 0) check(cudaEventSynchronize(s.arrived), "waiting for the GPU failed");
  return s.host[i];
}

void Feed::push(int slot) {
  Slot& s = slots_[slot];
  check(cudaStreamWaitEvent(stream_, s.taken, 0), "a stream could not be made to wait");
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (bytes_[i] == 0) continue;
    check(cudaMemcpyAsync(s.device[i], s.host[i], bytes_[i], cudaMemcpyHostToDevice, stream_),
          "a copy to the GPU failed");
  }
  check(cudaEventRecord(s.arrived, stream_), "an event could not be recorded");
}

void Feed::take(int slot, std::span<void* const> to) {
  Slot& s = slots_[slot];
  check(cudaStreamWaitEvent(main_, s.arrived, 0), "a stream could not be made to wait");
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (bytes_[i] == 0) continue;
    check(cudaMemcpyAsync(to[i], s.device[i], bytes_[i], cudaMemcpyDeviceToDevice, main_), "a copy on the GPU failed");
  }
  check(cudaEventRecord(s.taken, main_), "an event could not be recorded");
}

// ---- rows ---------------------------------------------------------------------------------------------------

namespace {

constexpr int kArrays = 16;  // of one launch

struct Arrays {
  const void* from[kArrays];
  void* to[kArrays];
  int64_t units[kArrays];  // of a row
  uint8_t width[kArrays];  // of a unit: 16, 8, 4, 2 or 1 bytes
};

template <class T>
__device__ void gather(const void* from, void* to, int64_t units, const int64_t* order, int64_t next, int64_t rows) {
  for (int64_t i = grid_index(); i < rows * units; i += grid_size()) {
    const int64_t r = i / units, u = i - r * units;
    const int64_t row = order ? order[next + r] : next + r;
    static_cast<T*>(to)[i] = static_cast<const T*>(from)[row * units + u];
  }
}

// Floor: each row read and written once. blockIdx.y is the array.
__global__ void gather_kernel(const Arrays a, const int64_t* order, const int64_t* next, int64_t rows) {
  const int k = static_cast<int>(blockIdx.y);
  const int64_t first = *next;
  using Wide = Pack<uint32_t, 4>;
  switch (a.width[k]) {
    case 16: return gather<Wide>(a.from[k], a.to[k], a.units[k], order, first, rows);
    case 8: return gather<uint64_t>(a.from[k], a.to[k], a.units[k], order, first, rows);
    case 4: return gather<uint32_t>(a.from[k], a.to[k], a.units[k], order, first, rows);
    case 2: return gather<uint16_t>(a.from[k], a.to[k], a.units[k], order, first, rows);
    default: return gather<uint8_t>(a.from[k], a.to[k], a.units[k], order, first, rows);
  }
}

__global__ void advance_kernel(int64_t* next, int64_t rows) { *next += rows; }

}  // namespace

void gather_rows(const DeviceRows& r) {
  for (size_t at = 0; at < r.from.size(); at += kArrays) {
    const size_t count = std::min(r.from.size() - at, size_t{kArrays});
    Arrays a{};
    int64_t most = 0;
    for (size_t k = 0; k < count; ++k) {
      const size_t bytes = r.row_bytes[at + k];
      a.from[k] = r.from[at + k];
      a.to[k] = r.to[at + k];
      size_t width = 16;
      while (bytes % width || !aligned(a.from[k], width) || !aligned(a.to[k], width)) width /= 2;
      a.width[k] = static_cast<uint8_t>(width);
      a.units[k] = static_cast<int64_t>(bytes / width);
      most = std::max(most, a.units[k] * r.rows);
    }
    if (most == 0) continue;
    dim3 grid = grid_for(most);
    grid.y = static_cast<unsigned>(count);
    launch(gather_kernel, grid, dim3(kBlock), 0, a, r.order, r.next, r.rows);
  }
  launch(advance_kernel, dim3(1), dim3(1), 0, r.next, r.rows);
}

}  // namespace tahr::cuda
