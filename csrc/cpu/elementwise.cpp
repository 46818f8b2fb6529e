#include "cpu/elementwise.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/parallel.h"
#include "cpu/elementwise_tiles.h"

namespace tahr {
namespace {

constexpr int64_t kTile = 1024;            // elements of a tile: 8 KiB at most
constexpr int64_t kChunk = 64 * kTile;     // elements that one thread takes at a time
constexpr int64_t kSlowChunk = 4 * kTile;  // the same for loops that go through libm
// Results from this size on are streamed past the cache if operands and result exceed the last level of it: a plain
// store first reads the line that it overwrites. Short tiles, so that the stores of one drain while the next is
// computed, and inputs fetched two tiles ahead. Seen at 40 MB (bench/python/elementwise.py): x * 2.0 in 4.2 ms against
// 5.7 with plain stores, tanh 4.2 against 5.2, where the data came from memory; 3.1 against 2.8 and 3.9 against 3.2
// where all of it was in a very large cache.
constexpr size_t kStreamBytes = size_t{16} << 20;
constexpr int64_t kShortTile = 256, kShortBytes = 1024;

// Loops with much arithmetic fetch for themselves, evenly (isa/elementwise_loop.h): a burst in front of each tile would
// fill the line buffers, and they would wait. Their tiles are long.
constexpr double kMuchArithmetic = 0.5;  // ns per element
// Bytes; the environment variable TAHR_CACHE_BYTES overrides what the system says, for tests of the streamed path.
// A virtual machine is told the size of the whole machine's cache, of which its processors get a share.
constexpr size_t kCachePerProcessor = size_t{48} << 20;
size_t last_level_cache() {
  static const size_t bytes = [] {
    if (const char* s = std::getenv("TAHR_CACHE_BYTES"); s && *s)
      return static_cast<size_t>(std::strtoull(s, nullptr, 10));
#if defined(_SC_LEVEL3_CACHE_SIZE)
    const long n = sysconf(_SC_LEVEL3_CACHE_SIZE), processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (n > 0)
      return std::min(static_cast<size_t>(n), kCachePerProcessor * static_cast<size_t>(std::max(processors, 1L)));
#endif
    return size_t{32} << 20;
  }();
  return bytes;
}

bool past_the_cache(std::span<const Tensor> in, const Tensor& out) {
  if (out.nbytes() < kStreamBytes) return false;
  size_t moved = out.nbytes();
  for (const Tensor& t : in) moved += t.nbytes();
  return moved > last_level_cache();
}

static_assert(static_cast<int>(EwType::F64) == static_cast<int>(DType::Float64) &&
              static_cast<int>(EwType::I8) == static_cast<int>(DType::Int8) && kEwTypeCount == kDTypeCount);

// ---- filling tiles ----

// One input during a call.
struct Operand {
  enum Kind { Contiguous, Scalar, Periodic, Strided } kind;
  const std::byte* data;
  size_t size;  // bytes of a stored element
  DType stored, wanted;
  EwLoop convert;  // null if stored == wanted
  int64_t period;  // Periodic: the input repeats after so many output elements
  Strides stride;
};

void classify(Operand& o, const Space& s, int64_t out_size, int64_t in_size) {
  const int last = s.rank - 1;
  if (in_size == 1) {
    o.kind = Operand::Scalar;
  } else if (in_size == out_size) {
    o.kind = Operand::Contiguous;
  } else if (s.rank == 2 && o.stride[0] == 0 && o.stride[last] == 1 && s.dim[last] <= kTile) {
    o.kind = Operand::Periodic;
    o.period = s.dim[last];
  } else {
    o.kind = Operand::Strided;
  }
}

// Tiles of one chunk, on the stack of the thread that runs it.
struct Tiles {
  // As stored; a periodic input needs up to a period more, and filling writes up to 64 bytes too much.
  alignas(64) std::byte raw[kEwMaxInputs][2 * kTile * 8 + 64];
  alignas(64) std::byte ready[kEwMaxInputs][2 * kTile * 8];  // as wanted by the loop
  alignas(64) std::byte result[kTile * 8];
  alignas(64) std::byte halves[kTile * 2];
};

struct Job {
  int inputs;
  Operand op[kEwMaxInputs];
  Space space;
  const EwCall* call;
  std::byte* out;
  size_t out_size;            // bytes per element
  EwLoop convert;             // from what the loop writes to the output; null if the same
  bool stream, direct, past;  // past: the loop itself writes past the cache
  bool fetch;                 // in bursts, before each tile
  int64_t step;               // elements of a tile
};

void fetch_ahead(const Job& j, int64_t at, int64_t n) {
  for (int i = 0; i < j.inputs; ++i) {
    const Operand& o = j.op[i];
    if (o.kind != Operand::Contiguous) continue;
    const std::byte* from = o.data + static_cast<size_t>(at) * o.size;
    for (size_t line = 0; line < static_cast<size_t>(n) * o.size; line += 64) __builtin_prefetch(from + line);
  }
}

void run_chunk(const Job& j, int64_t begin, int64_t end) {
  const void* in[kEwMaxInputs];
  const EwCasts& casts = elementwise_cast_table();
  const EwLoop loop = j.past ? j.call->streamed : j.call->loop;
  if (j.direct) {
    for (int i = 0; i < j.inputs; ++i) in[i] = j.op[i].data + static_cast<size_t>(begin) * j.op[i].size;
    loop(j.out + static_cast<size_t>(begin) * j.out_size, in, end - begin, j.call->params);
    if (j.stream) casts.stream_end();
    return;
  }
  Tiles t;
  const int64_t step = j.step;
  // What every tile of the chunk shares.
  for (int i = 0; i < j.inputs; ++i) {
    const Operand& o = j.op[i];
    if (o.kind != Operand::Scalar && o.kind != Operand::Periodic) continue;
    int64_t n = std::min(step, end - begin);
    if (o.kind == Operand::Scalar) {
      splat(t.raw[i], o.data, n, o.size);
    } else {
      n = n < step ? begin % o.period + n : o.period + step;
      std::memcpy(t.raw[i], o.data, static_cast<size_t>(std::min(o.period, n)) * o.size);
      repeat(t.raw[i], o.period, n, o.size);
    }
    const void* raw = t.raw[i];
    if (o.convert) o.convert(t.ready[i], &raw, n, nullptr);
  }
  for (int64_t at = begin; at < end; at += step) {
    const int64_t n = std::min(step, end - at);
    if (j.fetch && at + 3 * step <= end) fetch_ahead(j, at + 2 * step, step);
    for (int i = 0; i < j.inputs; ++i) {
      const Operand& o = j.op[i];
      if (o.kind == Operand::Scalar) {
        in[i] = o.convert ? t.ready[i] : t.raw[i];
        continue;
      }
      if (o.kind == Operand::Periodic) {
        const size_t phase = static_cast<size_t>(at % o.period);
        in[i] = o.convert ? t.ready[i] + phase * size_of(o.wanted) : t.raw[i] + phase * o.size;
        continue;
      }
      const void* raw = o.data + static_cast<size_t>(at) * o.size;
      if (o.kind == Operand::Strided) {
        fill_strided(o.data, o.size, o.stride, j.space, at, n, t.raw[i]);
        raw = t.raw[i];
      }
      if (o.convert) {
        o.convert(t.ready[i], &raw, n, nullptr);
        raw = t.ready[i];
      }
      in[i] = raw;
    }
    std::byte* to = j.out + static_cast<size_t>(at) * j.out_size;
    std::byte* result = j.convert || (j.stream && !j.past) ? t.result : to;
    loop(result, in, n, j.call->params);
    if (j.convert) {
      const void* from = result;
      result = j.stream ? t.halves : to;
      j.convert(result, &from, n, nullptr);
    }
    if (j.stream && !j.past) casts.stream(to, result, static_cast<size_t>(n) * j.out_size);
  }
  if (j.stream) casts.stream_end();
}

}  // namespace

void run_elementwise(std::span<const Tensor> in, const Tensor& out, const EwCall& call) {
  const int64_t size = out.size();
  const int inputs = static_cast<int>(in.size());
  const void* at[kEwMaxInputs];
  bool direct = call.out == out.dtype();
  for (int i = 0; i < inputs; ++i) {
    direct = direct && in[i].size() == size && in[i].dtype() == call.in[i];
    at[i] = in[i].raw();
  }
  if (direct && size <= kSlowChunk) {  // the whole of a small eager op
    if (size > 0) call.loop(out.mutable_raw(), at, size, call.params);
    return;
  }
  if (size == 0) return;
  Job j;
  j.inputs = inputs;
  j.call = &call;
  j.out = static_cast<std::byte*>(out.mutable_raw());
  j.out_size = size_of(out.dtype());
  j.convert = call.out == out.dtype() ? nullptr : cast_loop(call.out, out.dtype());
  j.stream = past_the_cache(in, out);
  const bool aligned = reinterpret_cast<uintptr_t>(j.out) % 64 == 0;
  j.past = j.stream && call.streamed && aligned && !j.convert;
  j.direct = direct && (!j.stream || j.past);
  j.fetch = j.stream && !j.past && call.ns < kMuchArithmetic;
  const int64_t short_tile = std::min(kShortTile, kShortBytes / static_cast<int64_t>(j.out_size));
  j.step = j.fetch                        ? short_tile
           : !j.past && size <= 2 * kTile ? kShortTile
                                          : kTile;  // a short job spares filling a long tile
  for (int i = 0; i < inputs; ++i) {
    Operand& o = j.op[i];
    o.data = static_cast<const std::byte*>(in[i].raw());
    o.stored = in[i].dtype();
    o.wanted = call.in[i];
    o.size = size_of(o.stored);
    o.convert = o.stored == o.wanted ? nullptr : cast_loop(o.stored, o.wanted);
    o.kind = Operand::Contiguous;
  }
  if (!direct) {
    const Shape* shapes[kEwMaxInputs];
    Strides* strides[kEwMaxInputs];
    for (int i = 0; i < inputs; ++i) shapes[i] = &in[i].shape(), strides[i] = &j.op[i].stride;
    j.space = collapse({shapes, in.size()}, out.shape(), strides);
    for (int i = 0; i < inputs; ++i) {
      classify(j.op[i], j.space, size, in[i].size());
      if (j.op[i].kind == Operand::Strided && !j.stream) j.step = kTile;
    }
  }
  const double cost = call.ns * static_cast<double>(size);
  parallel_for(size, call.ns > 4 ? kSlowChunk : kChunk, cost, [&](int64_t b, int64_t e) { run_chunk(j, b, e); });
}

}  // namespace tahr
