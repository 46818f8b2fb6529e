#include "ops/placement.h"

#include <cstdlib>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "core/variable.h"
#include "ops/functions.h"

namespace tahr {
namespace {

struct Fallbacks {
  std::mutex mutex;
  std::map<std::string, uint64_t> count;
};
Fallbacks& fallbacks() {
  static Fallbacks* f = new Fallbacks;
  return *f;
}

bool verbose() {
  static const bool on = [] {
    const char* s = std::getenv("TAHR_VERBOSE");
    return s && std::string_view(s) == "devices";
  }();
  return on;
}

void count_fallback(const OpDef& op) {
  Fallbacks& f = fallbacks();
  const std::lock_guard lock(f.mutex);
  if (++f.count[op.name] == 1 && verbose())
    std::fprintf(stderr, "[devices] %s has no kernel for the GPU: it runs on the CPU\n", op.name.c_str());
}

// Filled while the device library is opened.
std::unordered_set<const OpDef*>& takes_host_scalars() {
  static auto* ops = new std::unordered_set<const OpDef*>;
  return *ops;
}

// While alive, a variable's value lies on the host. What was written there goes back to the device by `finish`.
class HostValue {
 public:
  explicit HostValue(VariableImpl& v) : variable_(v), on_device_(v.writable_value()) {
    variable_.exchange_value(on_host(on_device_));
  }
  HostValue(const HostValue&) = delete;
  HostValue& operator=(const HostValue&) = delete;
  void finish() { copy_into(on_device_, variable_.value()); }
  ~HostValue() { variable_.exchange_value(on_device_); }

 private:
  VariableImpl& variable_;
  Tensor on_device_;
};

}  // namespace

Device placement_of(const OpDef& op, std::span<const Tensor> in) {
  if (in.empty()) return current_device();
  if (!devices_present()) return kCpu;
  bool given = false;
  for (const Tensor& t : in) {
    if (!t.defined()) continue;
    given = true;
    const VariableImpl* v = t.impl()->variable;
    const Device d = v ? v->value().device() : t.device();
    if (!d.is_cpu()) return d;
  }
  return given ? kCpu : current_device();
}

Tensors apply_on_device(const OpDef& op, std::span<const Tensor> in, const void* attrs, Device device) {
  if (op.eager) return op.eager(in, attrs);
  if (!op.infer) throw_runtime("[", op.name, "] has no shape inference");
  const KernelFn kernel = op.kernel[static_cast<int>(DeviceType::CUDA)];
  Tensors out;
  // Shapes follow from the inputs as they came: values that decide on them are often on the host.
  for (const Spec& s : infer_specs(op, in, attrs)) out.push_back(Tensor::empty_on(device, s.shape, s.dtype));
  if (!kernel) {
    run_on_host(op, {in, out, attrs, nullptr});
    return out;
  }
  const auto there_already = [&](const Tensor& t) { return !t.defined() || t.is_symbolic() || t.device() == device; };
  bool moved = false;
  for (const Tensor& t : in) moved |= !there_already(t);
  if (!moved) {
    run_device_kernel(device, kernel, {in, out, attrs, nullptr});
  } else {
    const bool scalars_stay = takes_host_scalars().contains(&op);
    Tensors there;
    there.reserve(in.size());
    for (const Tensor& t : in) {
      const bool stays = there_already(t) || (scalars_stay && t.size() == 1 && t.device().is_cpu());
      there.push_back(stays ? t : to_device(t, device));
    }
    run_device_kernel(device, kernel, {there, out, attrs, nullptr});
  }
  return out;
}

namespace {
DeviceReserve g_reserve = nullptr;
}

void set_device_reserve(DeviceReserve reserve) { g_reserve = reserve; }

int64_t device_reserve(const char* op, std::span<const Spec> in, const void* attrs) {
  if (!devices_present() || !g_reserve) return 0;
  const Device d = current_device();
  if (d.is_cpu()) return 0;
  Failure failure;
  const int64_t bytes = g_reserve(hardware_number(d), op, in, attrs, &failure);
  if (failure.set) throw Error(failure.kind, failure.message);
  return bytes;
}

void let_device_take_host_scalars(const char* op) { takes_host_scalars().insert(&get_op(op)); }

void run_on_host(const OpDef& op, const KernelArgs& args) {
  const KernelFn kernel = op.kernel[static_cast<int>(DeviceType::CPU)];
  if (!kernel) throw Error(ErrorKind::NotImplemented, concat("[", op.name, "] has no CPU kernel"));
  count_fallback(op);
  Tensors in, out;
  std::vector<std::unique_ptr<HostValue>> values;
  for (const Tensor& t : args.in) {
    in.push_back(t.defined() && !t.is_symbolic() ? on_host(t) : t);
    VariableImpl* v = t.defined() ? t.impl()->variable : nullptr;
    if (v && !v->value().device().is_cpu()) values.push_back(std::make_unique<HostValue>(*v));
  }
  for (const Tensor& t : args.out) out.push_back(t.device().is_cpu() ? t : Tensor::empty(t.shape(), t.dtype()));
  kernel({in, out, args.attrs, nullptr});
  for (const auto& v : values) v->finish();
  for (size_t i = 0; i < out.size(); ++i) {
    if (!args.out[i].same(out[i])) copy_into(args.out[i], out[i]);
  }
}

std::map<std::string, uint64_t> device_fallbacks() {
  const std::lock_guard lock(fallbacks().mutex);
  return fallbacks().count;
}

void reset_device_fallbacks() {
  const std::lock_guard lock(fallbacks().mutex);
  fallbacks().count.clear();
}

}  // namespace tahr
