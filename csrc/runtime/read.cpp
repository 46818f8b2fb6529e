#include <cstring>

#include "autodiff/tape.h"
#include "core/limits.h"
#include "graph/control.h"
#include "graph/trace.h"
#include "runtime/file.h"

namespace tahr::runtime {
namespace {

constexpr size_t kPrefix = 32, kAlign = 64;
constexpr int kDeepest = 16;  // bodies within bodies

[[noreturn]] void bad(const std::string& what) {
  throw_value("[load_graph] expected a whole graph file, received one ", what, ". Export the model again.");
}

// Names go to people and to Python: they must be text.
bool is_utf8(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    const auto first = static_cast<unsigned char>(s[i++]);
    const int more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : (first & 0xf0) == 0xe0 ? 2 : 3;
    if (more == 3 && (first < 0xf0 || first > 0xf4)) return false;
    uint32_t code = more == 0 ? first : first & (0x3fu >> more);
    for (int k = 0; k < more; ++k, ++i) {
      if (i == s.size() || (static_cast<unsigned char>(s[i]) & 0xc0) != 0x80) return false;
      code = code << 6 | (static_cast<unsigned char>(s[i]) & 0x3fu);
    }
    const bool too_long = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
    if (too_long || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  }
  return true;
}

class Reader {
 public:
  Reader(const char* at, const char* end) : at_(at), end_(end) {}
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  template <class T>
  T number() {
    if (left() < sizeof(T)) bad("that ends within its header");
    T v;
    std::memcpy(&v, at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  // Of things that take at least `bytes` each, so that no count asks for more memory than the file has.
  size_t count(size_t bytes) {
    const auto n = number<uint32_t>();
    if (n > left() / bytes) bad("that ends within its header");
    return n;
  }
  std::string string() {
    const size_t n = count(1);
    std::string s(at_, n);
    at_ += n;
    if (!is_utf8(s)) bad("with a name that is no text");
    return s;
  }
  bool flag() {
    const auto v = number<uint8_t>();
    if (v > 1) bad("with a bool that is neither true nor false");
    return v == 1;
  }
  DType dtype() {
    const auto v = number<uint8_t>();
    if (v >= kDTypeCount) bad("with an unknown dtype");
    return static_cast<DType>(v);
  }
  Spec spec(bool unknown) {
    Spec s;
    s.dtype = dtype();
    const auto rank = number<uint8_t>();
    if (rank > kMaxRank) bad("with a tensor of too many dimensions");
    int64_t size = 1;
    for (int i = 0; i < rank; ++i) {
      const auto d = number<int64_t>();
      if (d < 0 && !(unknown && d == kUnknown)) bad("with a negative dimension");
      if (d > 0 && __builtin_mul_overflow(size, d, &size)) bad("with a tensor larger than any memory");
      s.shape.push_back(d);
    }
    int64_t bytes = 0;
    if (__builtin_mul_overflow(size, static_cast<int64_t>(size_of(s.dtype)), &bytes))
      bad("with a tensor larger than any memory");
    return s;
  }

  void value(int64_t& v) { v = number<int64_t>(); }
  void value(double& v) { v = number<double>(); }
  void value(bool& v) { v = flag(); }
  void value(DType& v) { v = dtype(); }
  void value(std::string& v) { v = string(); }
  void value(Ints& v) {
    v.resize(count(sizeof(int64_t)));
    for (int64_t& x : v) x = number<int64_t>();
  }
  void value(Axes& v) {
    v.all = flag();
    v.scalar = flag();
    value(v.list);
  }
  void value(NumberOrName& v) {
    const auto kind = number<uint8_t>();
    if (kind > 2) bad("with an attribute of unknown kind");
    if (kind == 0) v = {};
    if (kind == 1) v = number<double>();
    if (kind == 2) v = string();
  }
  void value(GraphBodies& v) {
    std::vector<std::shared_ptr<graph::GraphFunction>> list(count(16));
    if (list.empty()) bad("with a loop or branch without a body");
    for (auto& body : list) body = graph::GraphFunction::make(graph());
    v = std::make_shared<const graph::Bodies>(std::move(list));
  }
  template <class T>
  void value(std::optional<T>& v) {
    if (flag()) value(v.emplace());
    else v.reset();
  }

  graph::Graph graph() {
    if (++depth_ > kDeepest) bad("with bodies nested too deeply");
    // No tracer around: a body takes everything as inputs.
    const graph::PauseTracing alone;
    graph::Tracer tracer;
    const graph::TraceScope scope(tracer);
    Tensors values;
    for (size_t n = count(2); n-- > 0;) values.push_back(tracer.input(spec(true)));
    for (size_t n = count(4); n-- > 0;) {
      const auto i = number<uint32_t>();
      if (i >= tensors.size()) bad("with a constant that is not there");
      values.push_back(tensors[i]);
    }
    for (size_t n = count(16); n-- > 0;) node(values);
    Tensors outputs;
    for (size_t n = count(4); n-- > 0;) {
      outputs.push_back(pick(values));
      if (!outputs.back().defined()) bad("with an output that is not there");
    }
    --depth_;
    return tracer.finish(outputs);
  }

  Tensors tensors;

 private:
  Tensor pick(const Tensors& values) {
    const auto id = number<int32_t>();
    if (id == graph::kAbsent) return {};
    if (id < 0 || static_cast<size_t>(id) >= values.size()) bad("with a node that reads what is computed later");
    return values[static_cast<size_t>(id)];
  }

  void node(Tensors& values) {
    const std::string name = string();
    const OpDef* op = find_op(name);
    if (!op) throw_value("[load_graph] expected ops that this version has, received '", name, "'. Update tahr.");
    if (!allowed(*op) || !op->infer) bad("with the op '" + name + "', which graph files may not use");
    const std::shared_ptr<void> attrs = op->attrs ? op->attrs->make() : nullptr;
    for (size_t n = count(5); n-- > 0;) {
      const std::string field = string();
      const auto kind = number<uint8_t>();
      const AttrField* known = nullptr;
      if (attrs) {
        for (const AttrField& f : op->attrs->fields) {
          if (field == f.name && kind == static_cast<uint8_t>(f.kind)) known = &f;
        }
      }
      if (!known)
        throw_value("[load_graph] expected attributes of '", name, "' that this version has, received '", field,
                    "'. Update tahr.");
      visit_attr_kind(known->kind, [&]<class T>() {
        value(*reinterpret_cast<T*>(static_cast<char*>(attrs.get()) + known->offset));
      });
    }
    if (attrs) {
      for (const AttrField& f : op->attrs->fields) {
        if (f.kind == AttrKind::Graphs &&
            !*reinterpret_cast<const GraphBodies*>(static_cast<const char*>(attrs.get()) + f.offset))
          bad("with a loop or branch without a body");
      }
    }
    Tensors in(count(4));
    const size_t names = op->input_names.size();
    if (in.size() < static_cast<size_t>(op->min_inputs) || (!op->variadic && in.size() > names))
      bad("with a wrong number of inputs to '" + name + "'");
    for (size_t i = 0; i < in.size(); ++i) {
      in[i] = pick(values);
      if (!in[i].defined() && (i < static_cast<size_t>(op->min_inputs) || (op->variadic && i + 1 >= names)))
        bad("without an input that '" + name + "' needs");
    }
    const auto results = number<uint32_t>();
    if (const LimitScope* const limits = LimitScope::current()) limits->check_time();
    Tensors out = apply(*op, in, attrs.get());
    for (const Tensor& t : out) {
      for (int64_t d : t.shape()) {
        if (d < 0 && d != kUnknown) bad("in which '" + name + "' has results of negative size");
      }
    }
    if (out.size() != results) bad("with a wrong number of results of '" + name + "'");
    for (Tensor& t : out) values.push_back(std::move(t));
  }

  const char *at_, *end_;
  int depth_ = 0;
};

}  // namespace

File from_bytes(const Ref<Storage>& bytes) {
  const graph::PauseTracing now;
  const PauseRecording quiet;
  const char* begin = static_cast<const char*>(bytes->data());
  const size_t size = bytes->bytes();
  if (size < kPrefix || std::memcmp(begin, "TAHRGRPH", 8) != 0)
    throw_value("[load_graph] expected a graph file, received ", size,
                " bytes of something else. model.export(path, format='tahr') writes one.");
  Reader prefix(begin + 8, begin + kPrefix);
  const auto version = prefix.number<uint32_t>();
  if (version != 1)
    throw_value("[load_graph] expected version 1 of the graph file, received version ", version, ". Update tahr.");
  if (prefix.number<uint32_t>() != 0) bad("with an unknown flag");
  const auto header = prefix.number<uint64_t>();
  if (prefix.number<uint64_t>() != size) bad("of another length than it says");
  if (header > size - kPrefix) bad("that ends within its header");
  const size_t data = (kPrefix + header + kAlign - 1) / kAlign * kAlign;
  Reader r(begin + kPrefix, begin + kPrefix + header);
  for (size_t n = r.count(10); n-- > 0;) {
    const Spec spec = r.spec(false);
    const auto offset = r.number<uint64_t>();
    const size_t length = static_cast<size_t>(spec.shape.size()) * size_of(spec.dtype);
    if (data > size || offset > size - data || length > size - data - offset || offset % kAlign != 0)
      bad("with a tensor outside of it");
    if (spec.dtype == DType::Bool) {
      for (size_t i = 0; i < length; ++i) {
        if (static_cast<unsigned char>(begin[data + offset + i]) > 1) bad("with a bool that is neither true nor false");
      }
    }
    r.tensors.push_back(Tensor::from_storage(bytes, data + offset, spec.shape, spec.dtype));
  }
  File file;
  file.graph = r.graph();
  for (auto* names : {&file.inputs, &file.outputs}) {
    const size_t expected = names == &file.inputs ? file.graph.inputs.size() : file.graph.outputs.size();
    if (r.count(4) != expected) bad("with a wrong number of names");
    for (size_t i = 0; i < expected; ++i) names->push_back(r.string());
  }
  if (r.left() != 0) bad("with more in its header than belongs there");
  return file;
}

}  // namespace tahr::runtime
