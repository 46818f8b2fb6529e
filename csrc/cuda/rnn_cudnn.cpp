// Plans of cuDNN's recurrent layers: descriptors, sizes of its spaces and where its weights lie, made once per problem.
#include "cuda/rnn_cudnn.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "core/device.h"
#include "cuda/cudnn.h"
#include "cuda/dispatch.h"
#include "ops/rnn_attrs.h"

namespace tahr::cuda::rnn {

using namespace cudnn;

namespace {

constexpr size_t kMostPlans = 1024;

// Positions among the ops' inputs and outputs. Forward: x, kernel, recurrent kernel, bias, states, mask -> y, states,
// `kept`, reserve. Backward: x, kernel, recurrent kernel, y, `kept`, bias, states, mask, dy, dstates, reserve ->
// gradients of x, kernels, bias, states.
struct Places {
  const char* name;
  int gates;
  size_t states, kept;
  size_t mask() const { return 4 + states; }
  size_t reserve_out() const { return 1 + states + kept; }
  size_t bias_in() const { return 4 + kept; }
  size_t state_in() const { return 5 + kept; }
  size_t dy_in() const { return 6 + kept + states; }
  size_t reserve_in() const { return 7 + kept + 2 * states; }
};
constexpr Places kPlaces[] = {{"simple_rnn", 1, 1, 0}, {"lstm", 4, 2, 2}, {"gru", 3, 1, 2}};
const Places& places(Cell cell) { return kPlaces[static_cast<size_t>(cell)]; }

// A layer, as far as cuDNN is concerned.
struct Layer {
  Cell cell;
  RnnMode mode;
  DType dtype;
  bool biased, backwards;
  int64_t batch, steps, features, units;
};

// What the attributes of a forward or a gradient op choose.
struct Choice {
  bool known, backwards;
  RnnMode mode;
};
template <class Simple, class Lstm, class Gru>
Choice choice_of(Cell cell, const void* attrs) {
  const auto usual = [](const auto& at) { return at.activation == "tanh" && at.recurrent_activation == "sigmoid"; };
  if (cell == Cell::Simple) {
    const auto& at = *static_cast<const Simple*>(attrs);
    const bool relu = at.activation == "relu";
    return {relu || at.activation == "tanh", at.go_backwards, relu ? RnnMode::Relu : RnnMode::Tanh};
  }
  if (cell == Cell::Lstm) {
    const auto& at = *static_cast<const Lstm*>(attrs);
    return {usual(at), at.go_backwards, RnnMode::Lstm};
  }
  const auto& at = *static_cast<const Gru*>(attrs);
  return {usual(at) && at.reset_after, at.go_backwards, RnnMode::Gru};
}
Choice forward_choice(Cell cell, const void* attrs) {
  return choice_of<SimpleRnnAttrs, LstmAttrs, GruAttrs>(cell, attrs);
}
Choice backward_choice(Cell cell, const void* attrs) {
  return choice_of<SimpleRnnGradAttrs, LstmGradAttrs, GruGradAttrs>(cell, attrs);
}

bool type_of(DType d, DataType* type) {
  switch (d) {
    case DType::Float32: *type = DataType::Float; return true;
    case DType::Float16: *type = DataType::Half; return true;
    case DType::BFloat16: *type = DataType::BFloat16; return true;
    default: return false;
  }
}

// TAHR_CUDNN_RNN: none, standard or persistent; by default as fits the layer. Persistent algorithms stay on the GPU for
// all steps and keep the recurrent kernel in registers; for halves they are known to win in the range below.
std::vector<RnnAlgo> algorithms_for(const Layer& l) {
  static const std::string wanted = [] {
    const char* v = std::getenv("TAHR_CUDNN_RNN");
    return std::string(v ? v : "");
  }();
  if (wanted == "none") return {};
  if (wanted == "standard") return {RnnAlgo::Standard};
  const bool fits = is_half(l.dtype) && l.units % 128 == 0 && l.units <= 1024 && l.features % 128 == 0 &&
                    l.batch % 16 == 0 && l.batch <= 128 && l.steps >= 10;
  if (fits || wanted == "persistent") return {RnnAlgo::PersistStatic, RnnAlgo::Standard};
  return {RnnAlgo::Standard};
}

}  // namespace

class Plan {
 public:
  Plan(const Layer& layer, DataType type, RnnAlgo algo);
  ~Plan() {
    library()->destroy_tensor(state_);
    library()->destroy_rnn_data(x_);
    library()->destroy_rnn_data(y_);
    library()->destroy_rnn(rnn_);
    library()->destroy_dropout(dropout_);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  bool found() const { return found_; }
  RnnAlgo algorithm() const { return algo_; }
  size_t reserve() const { return reserve_; }
  size_t workspace() const { return workspace_; }
  Status forward(const KernelArgs& a) const;
  Status backward(const KernelArgs& a) const;

 private:
  bool find_weights();
  const void* forwards(const void* x, const Scratch& room) const;
  TensorDesc* cell_state() const { return layer_.cell == Cell::Lstm ? state_ : nullptr; }

  Layer layer_;
  RnnAlgo algo_;
  TensorDesc* state_ = nullptr;
  RnnDataDesc *x_ = nullptr, *y_ = nullptr;
  RnnDesc* rnn_ = nullptr;
  DropoutDesc* dropout_ = nullptr;
  WeightLayout layout_{};
  size_t weights_ = 0, workspace_ = 0, reserve_ = 0;
  bool found_ = false;
};

Plan::Plan(const Layer& layer, DataType type, RnnAlgo algo) : layer_(layer), algo_(algo) {
  const Api& api = *library().get();
  const auto i = [](int64_t v) { return static_cast<int>(v); };
  check(api.create_dropout(&dropout_), "describe a layer");
  check(api.set_dropout(dropout_, handle(), 0, nullptr, 0, 0), "describe a layer");  // none
  check(api.create_rnn(&rnn_), "describe a layer");
  const Math math = type != DataType::Float             ? Math::TensorOp
                    : device_settings().tensor_float_32 ? Math::Default
                                                        : Math::Fma;
  check(api.create_rnn_data(&x_), "describe a sequence");
  check(api.create_rnn_data(&y_), "describe a sequence");
  check(api.create_tensor(&state_), "describe a state");
  const std::vector<int> lengths(static_cast<size_t>(layer.batch), i(layer.steps));
  const int sizes[] = {1, i(layer.batch), i(layer.units)}, strides[] = {i(layer.batch * layer.units), sizes[2], 1};
  if (api.set_rnn(rnn_, algo, layer.mode, layer.biased ? RnnBias::Double : RnnBias::None, RnnDirection::Forward,
                  RnnInput::Linear, type, DataType::Float, math, i(layer.features), i(layer.units), i(layer.units), 1,
                  dropout_, kRnnPadded) != Status::Success ||
      api.set_rnn_data(x_, type, RnnLayout::BatchMajor, i(layer.steps), i(layer.batch), i(layer.features),
                       lengths.data(), nullptr) != Status::Success ||
      api.set_rnn_data(y_, type, RnnLayout::BatchMajor, i(layer.steps), i(layer.batch), i(layer.units), lengths.data(),
                       nullptr) != Status::Success ||
      api.set_tensor(state_, type, 3, sizes, strides) != Status::Success ||
      api.rnn_spaces(handle(), rnn_, RnnPass::Training, x_, &workspace_, &reserve_) != Status::Success ||
      api.rnn_weight_space(handle(), rnn_, &weights_) != Status::Success)
    return;
  found_ = reserve_ > 0 && find_weights();
}

// Where weights lie, if they lie as api/cudnn.h says.
bool Plan::find_weights() {
  const Api& api = *library().get();
  const int gates = places(layer_.cell).gates;
  layout_ = {gates, {0, 1, 2, 3}, layer_.units, {layer_.features, layer_.units}, {}, {}, layer_.biased};
  if (layer_.cell == Cell::Gru) std::swap(layout_.order[0], layout_.order[1]);  // ours: update, reset, candidate
  const Scratch space(weights_);
  const auto* base = space.as<char>();
  const int64_t element = static_cast<int64_t>(size_of(layer_.dtype));
  TensorDesc *matrix = nullptr, *bias = nullptr;
  check(api.create_tensor(&matrix), "describe a tensor");
  check(api.create_tensor(&bias), "describe a tensor");
  bool good = true;
  for (int n = 0; n < 2 * gates && good; ++n) {
    const int side = n / gates, q = n % gates;
    void *m = nullptr, *b = nullptr;
    int sizes[8] = {}, strides[8] = {}, rank = 0;
    DataType type;
    good = api.rnn_weights(handle(), rnn_, 0, weights_, base, n, matrix, &m, bias, &b) == Status::Success && m &&
           (b || !layer_.biased) && api.get_tensor(matrix, 8, &type, &rank, sizes, strides) == Status::Success &&
           rank == 3 && sizes[1] == layer_.units && sizes[2] == layout_.inputs[side] &&
           (strides[1] == sizes[2] || sizes[1] == 1) && (strides[2] == 1 || sizes[2] == 1);
    layout_.matrix[side][q] = (static_cast<char*>(m) - base) / element;
    layout_.bias[side][q] = b ? (static_cast<char*>(b) - base) / element : 0;
  }
  api.destroy_tensor(matrix);
  api.destroy_tensor(bias);
  return good;
}

// x in the order of the steps.
const void* Plan::forwards(const void* x, const Scratch& room) const {
  if (!layer_.backwards) return x;
  reverse_steps(layer_.dtype, layer_.batch, layer_.steps, layer_.features, x, room.as<void>());
  return room.as<void>();
}

namespace {

void* given(std::span<const Tensor> in, size_t i) {
  return i < in.size() && in[i].defined() ? const_cast<void*>(static_cast<const void*>(in[i].raw())) : nullptr;
}
void* wanted(const KernelArgs& a, size_t i) { return a.out[i].size() > 0 ? a.out[i].mutable_raw() : nullptr; }

// The op's parameters, or their gradients, as two of each.
Weights weights_of(const Layer& l, void* kernel, void* recurrent, void* bias) {
  const size_t row = static_cast<size_t>(places(l.cell).gates * l.units) * size_of(l.dtype);
  const bool two = l.cell == Cell::Gru && bias;
  return {{kernel, recurrent}, {bias, two ? static_cast<char*>(bias) + row : nullptr}};
}

size_t bytes_of(const Layer& l, int64_t width) {
  return static_cast<size_t>(l.batch * l.steps * width) * size_of(l.dtype);
}

}  // namespace

Status Plan::forward(const KernelArgs& a) const {
  const Places& at = places(layer_.cell);
  const bool lstm = layer_.cell == Cell::Lstm;
  const Scratch weights(weights_), work(std::max<size_t>(workspace_, 1)),
      turned(layer_.backwards ? bytes_of(layer_, layer_.features) : 1);
  weights_to_cudnn(layer_.dtype, layout_, weights_of(layer_, given(a.in, 1), given(a.in, 2), given(a.in, 3)),
                   weights.as<void>());
  return library()->rnn_forward(handle(), rnn_, RnnPass::Training, nullptr, x_, forwards(a.in[0].raw(), turned), y_,
                                a.out[0].mutable_raw(), state_, given(a.in, 4), wanted(a, 1), cell_state(),
                                lstm ? given(a.in, 5) : nullptr, lstm ? wanted(a, 2) : nullptr, weights_,
                                weights.as<void>(), workspace_, work.as<void>(), reserve_,
                                a.out[at.reserve_out()].mutable_raw());
}

Status Plan::backward(const KernelArgs& a) const {
  const Api& api = *library().get();
  const Places& at = places(layer_.cell);
  const bool lstm = layer_.cell == Cell::Lstm;
  const size_t sequence = bytes_of(layer_, layer_.units), inputs = bytes_of(layer_, layer_.features);
  const Scratch weights(weights_), work(std::max<size_t>(workspace_, 1)), turned(layer_.backwards ? inputs : 1);
  const void* dy = given(a.in, at.dy_in());
  const Scratch zeros(dy ? 1 : sequence);
  if (!dy) {
    check(cudaMemsetAsync(zeros.as<void>(), 0, sequence, stream()), "memory could not be set");
    dy = zeros.as<void>();
  }
  // The call writes to the reserve, and ours is a tensor, which may be read again.
  const Scratch reserve(reserve_);
  check(cudaMemcpyAsync(reserve.as<void>(), given(a.in, at.reserve_in()), reserve_, cudaMemcpyDeviceToDevice, stream()),
        "a copy on the GPU failed");
  void* dx = wanted(a, 0);
  const bool own = !dx || layer_.backwards;
  const Scratch dx_room(own ? inputs : 1);
  void* dx_steps = own ? dx_room.as<void>() : dx;
  const void *x = forwards(a.in[0].raw(), turned), *y = a.in[3].raw(), *hx = given(a.in, at.state_in());
  weights_to_cudnn(layer_.dtype, layout_, weights_of(layer_, given(a.in, 1), given(a.in, 2), given(a.in, at.bias_in())),
                   weights.as<void>());
  Status s =
      api.rnn_backward_data(handle(), rnn_, nullptr, y_, y, dy, x_, dx_steps, state_, hx, given(a.in, at.dy_in() + 1),
                            wanted(a, 4), cell_state(), lstm ? given(a.in, at.state_in() + 1) : nullptr,
                            lstm ? given(a.in, at.dy_in() + 2) : nullptr, lstm ? wanted(a, 5) : nullptr, weights_,
                            weights.as<void>(), workspace_, work.as<void>(), reserve_, reserve.as<void>());
  if (s != Status::Success) return s;
  if (dx && layer_.backwards) reverse_steps(layer_.dtype, layer_.batch, layer_.steps, layer_.features, dx_steps, dx);
  if (!wanted(a, 1) && !wanted(a, 2) && !wanted(a, 3)) return s;
  check(cudaMemsetAsync(weights.as<void>(), 0, weights_, stream()), "memory could not be set");  // it is added to
  s = api.rnn_backward_weights(handle(), rnn_, RnnWeightGrad::Add, nullptr, x_, x, state_, hx, y_, y, weights_,
                               weights.as<void>(), workspace_, work.as<void>(), reserve_, reserve.as<void>());
  if (s == Status::Success)
    weights_from_cudnn(layer_.dtype, layout_, weights.as<void>(),
                       weights_of(layer_, wanted(a, 1), wanted(a, 2), wanted(a, 3)));
  return s;
}

namespace {

// TAHR_VERBOSE=dispatch: what each layer goes to, once.
void say(const Layer& l, const Plan* plan) {
  if (!tells_dispatch()) return;
  const std::string to = plan ? concat("cuDNN's ", plan->algorithm() == RnnAlgo::Standard ? "standard" : "persistent",
                                       " algorithm, workspace ", plan->workspace(), ", reserve ", plan->reserve())
                              : "tahr's kernels: cuDNN refuses it";
  std::fprintf(stderr, "[dispatch] %s %s batch=%lld steps=%lld features=%lld units=%lld: %s\n", places(l.cell).name,
               name_of(l.dtype), static_cast<long long>(l.batch), static_cast<long long>(l.steps),
               static_cast<long long>(l.features), static_cast<long long>(l.units), to.c_str());
}

using Key = std::array<int64_t, 10>;
struct Entry {
  std::vector<RnnAlgo> left;         // to try when the plan turns out not to run
  std::shared_ptr<const Plan> plan;  // null: none
};
std::map<Key, Entry>& entries() {
  static auto* all = new std::map<Key, Entry>;
  return *all;
}

void next_plan(Entry& e, const Layer& l, DataType type) {
  e.plan = nullptr;
  while (!e.plan && !e.left.empty()) {
    auto plan = std::make_shared<const Plan>(l, type, e.left.front());
    e.left.erase(e.left.begin());
    if (plan->found()) e.plan = std::move(plan);
  }
  say(l, e.plan.get());
}

bool fits(const Layer& l) {
  const int64_t most = int64_t{1} << 31, gates = places(l.cell).gates;
  return l.batch * l.steps * l.features * l.units > 0 &&
         l.batch * l.steps < most / std::max(l.features, gates * l.units) &&
         l.units < most / (gates * std::max(l.features, l.units));
}

// Null where the layer is not cuDNN's. The handles' mutex is held.
Entry* entry_for(const Layer& l, DataType* type) {
  if (!type_of(l.dtype, type) || !fits(l)) return nullptr;
  if (!library().get()) {
    static bool said = false;
    if (!said)
      std::fprintf(stderr, "%s Until then recurrent layers run on tahr's own kernels, step by step.\n",
                   library().why().c_str());
    said = true;
    return nullptr;
  }
  const Key key{static_cast<int64_t>(l.mode),
                static_cast<int64_t>(l.dtype),
                l.biased,
                l.backwards,
                l.batch,
                l.steps,
                l.features,
                l.units,
                device(),
                device_settings().tensor_float_32};
  auto it = entries().find(key);
  if (it == entries().end()) {
    if (entries().size() >= kMostPlans) entries().clear();
    it = entries().emplace(key, Entry{algorithms_for(l), nullptr}).first;
    next_plan(it->second, l, *type);
  }
  return &it->second;
}

Layer layer_of(Cell cell, const Choice& c, const Shape& x, int64_t units, DType dtype, bool biased) {
  return {cell, c.mode, dtype, biased, c.backwards, x[0], x[1], x[2], units};
}

}  // namespace

int64_t reserve(const char* op, std::span<const Spec> in, const void* attrs) {
  size_t i = 0;
  while (i < std::size(kPlaces) && std::strcmp(op, kPlaces[i].name) != 0) ++i;
  if (i == std::size(kPlaces)) return 0;
  const Cell cell = static_cast<Cell>(i);
  const Choice c = forward_choice(cell, attrs);
  DataType type;
  if (!c.known || !type_of(in[0].dtype, &type)) return 0;
  if (kPlaces[i].mask() < in.size() && in[kPlaces[i].mask()].shape.rank() > 0) return 0;
  const Shape& x = in[0].shape;
  for (const int64_t d : {x[0], x[1], x[2], in[2].shape[0]})
    if (d == kUnknown) return kUnknown;
  const std::lock_guard lock(mutex());
  const bool biased = in.size() > 3 && in[3].shape.rank() > 0;
  const Entry* e = entry_for(layer_of(cell, c, x, in[2].shape[0], in[0].dtype, biased), &type);
  return e && e->plan ? static_cast<int64_t>(e->plan->reserve()) : 0;
}

bool forward_by_cudnn(Cell cell, const KernelArgs& a) {
  const Tensor& reserve = a.out[places(cell).reserve_out()];
  if (reserve.size() == 0) return false;
  const Layer l = layer_of(cell, forward_choice(cell, a.attrs), a.in[0].shape(), a.in[2].dim(0), a.in[0].dtype(),
                           given(a.in, 3) != nullptr);
  DataType type;
  const std::lock_guard lock(mutex());
  Entry* e = entry_for(l, &type);
  while (e && e->plan && e->plan->reserve() <= reserve.nbytes()) {
    const Status s = e->plan->forward(a);
    if (s == Status::Success) return true;
    if (!not_supported(s)) check(s, "run a recurrent layer");
    next_plan(*e, l, type);
  }
  return false;
}

bool backward_by_cudnn(Cell cell, const KernelArgs& a) {
  const Places& at = places(cell);
  if (at.reserve_in() >= a.in.size() || !a.in[at.reserve_in()].defined()) return false;
  const Tensor& reserve = a.in[at.reserve_in()];
  if (reserve.size() == 0) return false;
  const Layer l = layer_of(cell, backward_choice(cell, a.attrs), a.in[0].shape(), a.in[2].dim(0), a.in[0].dtype(),
                           given(a.in, at.bias_in()) != nullptr);
  DataType type;
  const std::lock_guard lock(mutex());
  const Entry* e = entry_for(l, &type);
  if (!e || !e->plan || e->plan->reserve() > reserve.nbytes()) return false;
  check(e->plan->backward(a), "differentiate a recurrent layer");
  return true;
}

}  // namespace tahr::cuda::rnn
