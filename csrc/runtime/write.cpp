#include <bit>
#include <cstring>
#include <unordered_map>

#include "graph/control.h"
#include "runtime/file.h"

namespace tahr::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "graph files are written as memory is");

constexpr size_t kAlign = 64;

class Writer {
 public:
  template <class T>
  void number(T v) {
    bytes.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  void count(size_t n) { number(static_cast<uint32_t>(n)); }
  void string(const std::string& s) {
    count(s.size());
    bytes += s;
  }
  void spec(const Spec& s) {
    number(static_cast<uint8_t>(s.dtype));
    number(static_cast<uint8_t>(s.shape.rank()));
    for (int64_t d : s.shape) number(d);
  }

  void value(int64_t v) { number(v); }
  void value(double v) { number(v); }
  void value(bool v) { number(static_cast<uint8_t>(v)); }
  void value(DType v) { number(static_cast<uint8_t>(v)); }
  void value(const std::string& v) { string(v); }
  void value(const Ints& v) {
    count(v.size());
    for (int64_t x : v) number(x);
  }
  void value(const Axes& v) {
    value(v.all);
    value(v.scalar);
    value(v.list);
  }
  void value(const NumberOrName& v) {
    number(static_cast<uint8_t>(v.index()));
    if (const auto* x = std::get_if<double>(&v)) number(*x);
    if (const auto* s = std::get_if<std::string>(&v)) string(*s);
  }
  void value(const GraphBodies& v) {
    count(v->list.size());
    for (const auto& body : v->list) graph(body->traced());
  }
  template <class T>
  void value(const std::optional<T>& v) {
    value(v.has_value());
    if (v) value(*v);
  }

  void graph(const graph::Graph& g) {
    std::vector<int32_t> number_of(g.values.size(), graph::kAbsent);
    int32_t next = 0;
    const auto give = [&](graph::ValueId v) { number_of[static_cast<size_t>(v)] = next++; };
    const auto ids = [&](const std::vector<graph::ValueId>& list) {
      count(list.size());
      for (graph::ValueId v : list) number(v == graph::kAbsent ? v : number_of[static_cast<size_t>(v)]);
    };
    count(g.inputs.size());
    for (graph::ValueId v : g.inputs) {
      spec(g.value(v).spec);
      give(v);
    }
    std::vector<graph::ValueId> constants;
    for (size_t i = 0; i < g.values.size(); ++i) {
      if (g.values[i].kind == graph::Value::Kind::Constant) constants.push_back(static_cast<graph::ValueId>(i));
    }
    count(constants.size());
    for (graph::ValueId v : constants) {
      number(tensor(g.value(v).constant));
      give(v);
    }
    count(g.nodes.size());
    for (const graph::Node& n : g.nodes) {
      string(n.op->name);
      const std::span<const AttrField> fields = n.attrs ? n.op->attrs->fields : std::span<const AttrField>();
      count(fields.size());
      for (const AttrField& f : fields) {
        string(f.name);
        number(static_cast<uint8_t>(f.kind));
        visit_attr_kind(f.kind, [&]<class T>() {
          value(*reinterpret_cast<const T*>(static_cast<const char*>(n.attrs.get()) + f.offset));
        });
      }
      ids(n.in);
      count(n.out.size());
      for (graph::ValueId v : n.out) give(v);
    }
    ids(g.outputs);
  }

  std::string bytes;
  Tensors tensors;

 private:
  uint32_t tensor(const Tensor& t) {
    const auto [at, fresh] = index_.try_emplace(t.raw(), static_cast<uint32_t>(tensors.size()));
    if (!fresh && tensors[at->second].spec() == t.spec()) return at->second;
    tensors.push_back(t);
    return static_cast<uint32_t>(tensors.size() - 1);
  }
  std::unordered_map<const void*, uint32_t> index_;
};

size_t aligned(size_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

}  // namespace

std::string to_bytes(const File& file) {
  Writer body;
  body.graph(file.graph);
  Writer header;
  header.count(body.tensors.size());
  uint64_t offset = 0;
  for (const Tensor& t : body.tensors) {
    header.spec(t.spec());
    header.number(offset);
    offset += aligned(t.nbytes());
  }
  header.bytes += body.bytes;
  for (const auto* names : {&file.inputs, &file.outputs}) {
    header.count(names->size());
    for (const std::string& name : *names) header.string(name);
  }
  constexpr size_t kPrefix = 32;
  const size_t data = aligned(kPrefix + header.bytes.size());
  Writer all;
  all.bytes.reserve(data + offset);
  all.bytes = "TAHRGRPH";
  all.number(uint32_t{1});
  all.number(uint32_t{0});
  all.number(static_cast<uint64_t>(header.bytes.size()));
  all.number(static_cast<uint64_t>(data + offset));
  all.bytes += header.bytes;
  all.bytes.resize(data);
  for (const Tensor& t : body.tensors) {
    all.bytes.append(static_cast<const char*>(on_host(t).raw()), t.nbytes());
    all.bytes.resize(aligned(all.bytes.size()));
  }
  return std::move(all.bytes);
}

}  // namespace tahr::runtime
