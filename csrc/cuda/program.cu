#include <algorithm>

#include "cuda/convert.h"
#include "cuda/elementwise_functions.h"
#include "cuda/program.h"
#include "ops/fused.h"

namespace tahr::cuda {
namespace {

template <int kCode, int kTensors>
struct Program {
  static constexpr int code_limit = kCode, tensor_limit = kTensors;
  int64_t size;  // elements of the space
  int length, rank;
  Spread spread[kTensors];
  void* data[kTensors];  // inputs, then outputs
  int64_t dim[kMaxRank];
  int64_t stride[kTensors][kMaxRank];
  Instruction code[kCode];
};
using Small = Program<12, 8>;
using Large = Program<256, kFusedMaxInputs + 64>;  // what a fused program may have
static_assert(sizeof(Large) < 30 << 10, "a kernel's parameters end at 32 KiB");

// A register holds an element of any type.
template <class T, class Cell>
__device__ __forceinline__ T get(const Cell& c) {
  T v;
  memcpy(&v, &c, sizeof v);
  return v;
}
template <class T, class Cell>
__device__ __forceinline__ void set(Cell& c, T v) {
  memcpy(&c, &v, sizeof v);
}

template <class P>
__device__ __forceinline__ int64_t place(const P& p, int tensor, int64_t i) {
  if (p.spread[tensor] == Spread::Contiguous) return i;
  if (p.spread[tensor] == Spread::Single) return 0;
  int64_t at = 0;
  for (int d = p.rank - 1; d > 0; --d) {
    const int64_t q = i / p.dim[d];
    at += (i - q * p.dim[d]) * p.stride[tensor][d];
    i = q;
  }
  return at + i * p.stride[tensor][0];
}

template <class T, class Cell, int L>
__device__ void compute_lanes(const Instruction& s, Cell (*r)[L]) {
  for (int l = 0; l < L; ++l) {
    const T a = get<T>(r[s.in[0]][l]), b = get<T>(r[s.in[1]][l]), c = get<T>(r[s.in[2]][l]);
    if constexpr (kHalf<T>) {  // nothing but these is computed on the halves themselves
      constexpr uint16_t infinity = std::is_same_v<T, float16> ? 0x7c00 : 0x7f80;
      const uint16_t next = s.op == Ew::Nextafter ? scalar::next_half<infinity>(a.bits, b.bits) : uint16_t{0};
      set<uint16_t>(r[s.out][l], next);
    } else if (s.what == Do::Test) {
      set<bool>(r[s.out][l], test<T>(s.op, a, b));
    } else {
      set<T>(r[s.out][l], compute<T>(s.op, a, b, c, s.params));
    }
  }
}

// L elements per thread; fewer of them leave room for more registers.
template <class P, class Cell, int L>
__global__ void __launch_bounds__(kBlock) interpret(const __grid_constant__ P p) {
  Cell r[kRegisters * kLanes / L][L];
  const int64_t step = grid_size() * L;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x * L; first < p.size; first += step) {
    for (int n = 0; n < p.length; ++n) {
      const Instruction& s = p.code[n];
      with_type(s.type, [&]<class T>() {
        if constexpr (sizeof(T) <= sizeof(Cell)) {
          if (s.what == Do::Load) {
            const T* from = static_cast<const T*>(p.data[s.tensor]);
            for (int l = 0; l < L; ++l) {
              const int64_t i = first + l * static_cast<int64_t>(blockDim.x) + threadIdx.x;
              set<T>(r[s.out][l], i < p.size ? from[place(p, s.tensor, i)] : T{});
            }
          } else if (s.what == Do::Constant) {
            for (int l = 0; l < L; ++l) set<T>(r[s.out][l], get<T>(s.bits));
          } else if (s.what == Do::Store) {
            T* to = static_cast<T*>(p.data[s.tensor]);
            for (int l = 0; l < L; ++l) {
              const int64_t i = first + l * static_cast<int64_t>(blockDim.x) + threadIdx.x;
              if (i < p.size && (i == 0 || p.spread[s.tensor] != Spread::Single)) to[i] = get<T>(r[s.in[0]][l]);
            }
          } else if (s.what == Do::Select) {
            for (int l = 0; l < L; ++l) {
              const T v = get<T>(r[get<bool>(r[s.in[0]][l]) ? s.in[1] : s.in[2]][l]);
              set<T>(r[s.out][l], v);
            }
          } else if (s.what == Do::Convert) {
            with_type(s.to, [&]<class To>() {
              if constexpr (sizeof(To) <= sizeof(Cell)) {
                for (int l = 0; l < L; ++l) set<To>(r[s.out][l], convert<To>(get<T>(r[s.in[0]][l])));
              }
            });
          } else {
            compute_lanes<T>(s, r);
          }
        }
      });
    }
  }
}

// The broadcast of `shape` to `whole`: strides in elements, 0 along what is repeated.
void strides_of(const Shape& shape, const Shape& whole, int64_t* strides) {
  const auto own = contiguous_strides(shape);
  for (int d = 0; d < whole.rank(); ++d) {
    const int o = d - (whole.rank() - shape.rank());
    strides[d] = o < 0 || shape[o] == 1 ? 0 : own[static_cast<size_t>(o)];
  }
}

template <class P>
void launch_as(const std::vector<Instruction>& code, int registers, const Shape& whole, std::span<const Tensor> in,
               std::span<const Tensor> out) {
  P p{};
  p.size = whole.size();
  p.length = static_cast<int>(code.size());
  std::copy(code.begin(), code.end(), p.code);
  size_t widest = 1;
  for (const Instruction& s : code)
    widest = std::max({widest, size_of(s.type), s.what == Do::Convert ? size_of(s.to) : 1});
  int64_t strides[P::tensor_limit][kMaxRank];
  int strided[P::tensor_limit], count = 0;
  for (size_t k = 0; k < in.size() + out.size(); ++k) {
    const Tensor& t = k < in.size() ? in[k] : out[k - in.size()];
    p.data[k] = t.mutable_raw();  // of a constant that lies on the host, nobody reads it
    p.spread[k] = t.size() == 1 ? Spread::Single : t.size() == p.size ? Spread::Contiguous : Spread::Strided;
    if (p.spread[k] != Spread::Strided) continue;
    strides_of(t.shape(), whole, strides[k]);
    strided[count++] = static_cast<int>(k);
  }
  // Neighbouring dimensions that every strided tensor walks through in one go are merged.
  for (int d = 0; count && d < whole.rank(); ++d) {
    if (whole[d] == 1) continue;
    bool merge = p.rank > 0;
    for (int c = 0; merge && c < count; ++c)
      merge = p.stride[strided[c]][p.rank - 1] == strides[strided[c]][d] * whole[d];
    const int at = merge ? p.rank - 1 : p.rank++;
    p.dim[at] = merge ? p.dim[at] * whole[d] : whole[d];
    for (int c = 0; c < count; ++c) p.stride[strided[c]][at] = strides[strided[c]][d];
  }
  const auto run = [&]<int L>() {
    const dim3 grid = grid_for(p.size, L);
    if (widest <= 4) launch(interpret<P, uint32_t, L>, grid, dim3(kBlock), 0, p);
    else launch(interpret<P, uint64_t, L>, grid, dim3(kBlock), 0, p);
  };
  if constexpr (P::code_limit > kRegisters) {
    if (registers > kRegisters) return run.template operator()<1>();
  }
  run.template operator()<kLanes>();
}

}  // namespace

int ProgramBuilder::add(Instruction i) {
  code_.push_back(i);
  read_.emplace_back();
  result_.push_back(i.what == Do::Store ? -1 : values_++);
  return result_.back();
}

int ProgramBuilder::load(int input, DType type) {
  Instruction i;
  i.what = Do::Load;
  i.type = type;
  i.tensor = static_cast<uint16_t>(input);
  return add(i);
}

int ProgramBuilder::constant(uint64_t bits, DType type) {
  Instruction i;
  i.what = Do::Constant;
  i.type = type;
  i.bits = bits;
  return add(i);
}

int ProgramBuilder::convert(int value, DType type, DType to) {
  if (type == to) return value;
  Instruction i;
  i.what = Do::Convert;
  i.type = type;
  i.to = to;
  const int v = add(i);
  read_.back() = {value};
  return v;
}

int ProgramBuilder::apply(const EwPlan& plan, std::span<const int> values, std::span<const DType> types, DType out) {
  if (plan.op == Ew::Cast || plan.op == Ew::Copy) return convert(values[0], types[0], out);
  Instruction i;
  std::vector<int> operands;
  for (size_t k = 0; k < values.size(); ++k) operands.push_back(convert(values[k], types[k], plan.in[k]));
  i.op = plan.op;
  i.type = plan.type;
  i.params = {plan.params[0], plan.params[1], plan.params[2]};
  if (plan.op == Ew::Ldexp) {  // the exponent is an integer: as a value of the type it loses nothing that matters
    operands[1] = convert(operands[1], plan.in[1], plan.type);
  }
  if (plan.op == Ew::Select) i.what = Do::Select;
  else if (plan.out == DType::Bool && is_test(plan.op)) i.what = Do::Test;
  const int v = add(i);
  read_.back() = std::move(operands);
  return convert(v, plan.out, out);
}

void ProgramBuilder::store(int value, int output, DType type) {
  Instruction i;
  i.what = Do::Store;
  i.type = type;
  i.tensor = static_cast<uint16_t>(inputs_ + static_cast<size_t>(output));
  add(i);
  read_.back() = {value};
  outputs_ = std::max(outputs_, static_cast<size_t>(output) + 1);
}

bool ProgramBuilder::finish() {
  if (code_.size() > Large::code_limit || inputs_ + outputs_ > Large::tensor_limit) return false;
  std::vector<size_t> last(static_cast<size_t>(values_), 0);
  for (size_t n = 0; n < code_.size(); ++n) {
    for (int v : read_[n]) last[static_cast<size_t>(v)] = n;
  }
  std::vector<int> at(static_cast<size_t>(values_), 0);
  std::vector<int> free;
  for (int k = kMostRegisters; k-- > 0;) free.push_back(k);
  for (size_t n = 0; n < code_.size(); ++n) {
    Instruction& s = code_[n];
    for (size_t k = 0; k < kEwMaxInputs && !read_[n].empty(); ++k)
      s.in[k] = static_cast<uint8_t>(at[static_cast<size_t>(read_[n][std::min(k, read_[n].size() - 1)])]);
    // A result may lie where an operand ends: each lane is read before it is written.
    for (size_t k = 0; k < read_[n].size(); ++k) {
      const int v = read_[n][k];
      const bool again = std::find(read_[n].begin(), read_[n].begin() + static_cast<std::ptrdiff_t>(k), v) !=
                         read_[n].begin() + static_cast<std::ptrdiff_t>(k);
      if (last[static_cast<size_t>(v)] == n && !again) free.push_back(at[static_cast<size_t>(v)]);
    }
    if (result_[n] < 0) continue;
    if (free.empty()) return false;
    at[static_cast<size_t>(result_[n])] = free.back();
    s.out = static_cast<uint8_t>(free.back());
    registers_ = std::max(registers_, free.back() + 1);
    free.pop_back();
    if (last[static_cast<size_t>(result_[n])] == 0) free.push_back(s.out);  // nobody reads it
  }
  return true;
}

void ProgramBuilder::run(const Shape& whole, std::span<const Tensor> in, std::span<const Tensor> out) const {
  if (whole.size() == 0) return;
  const size_t tensors = in.size() + out.size();
  if (code_.size() <= Small::code_limit && tensors <= Small::tensor_limit)
    launch_as<Small>(code_, registers_, whole, in, out);
  else launch_as<Large>(code_, registers_, whole, in, out);
}

EwPlan resolve(std::string_view op, const EwSite& site) {
  EwPlan plan;
  if (op == "power") {
    Resolver::resolve(Ew::Power, site, &plan);
    return plan;
  }
#define TAHR_RESOLVE(name, ...)         \
  if (op == #name) {                    \
    Resolver::__VA_ARGS__(site, &plan); \
    return plan;                        \
  }
  TAHR_ELEMENTWISE_OPS(TAHR_RESOLVE)
#undef TAHR_RESOLVE
  throw_runtime("[", op, "] has no elementwise computation");
}

}  // namespace tahr::cuda
