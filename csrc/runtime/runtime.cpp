#include "tahr/runtime.h"

#include <fstream>

#include "core/parallel.h"
#include "ops/functions.h"
#include "runtime/session.h"

namespace tahr::runtime {

struct Model::Impl {
  Impl(const Ref<Storage>& bytes, const Limits& limits) : session(bytes, limits) {
    const auto describe = [&](const std::vector<graph::ValueId>& ids, const std::vector<std::string>& names) {
      std::vector<Info> list;
      for (size_t i = 0; i < ids.size(); ++i) {
        const Spec& s = session.file().graph.value(ids[i]).spec;
        list.push_back({names[i], name_of(s.dtype), {s.shape.begin(), s.shape.end()}});
      }
      return list;
    };
    inputs = describe(session.file().graph.inputs, session.file().inputs);
    outputs = describe(session.file().graph.outputs, session.file().outputs);
  }
  Session session;
  std::vector<Info> inputs, outputs;
};

Model Model::from_memory(const void* bytes, size_t count, const Limits& limits) {
  init_op_table();
  return Model(std::make_shared<Impl>(aligned_copy(bytes, count), limits));
}

Model Model::load(const std::string& path, const Limits& limits) {
  init_op_table();
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = in ? static_cast<std::streamoff>(in.tellg()) : -1;
  if (size < 0) throw_value("[load_graph] expected a file that can be read, received '", path, "'.");
  const Ref<Storage> bytes = Storage::make(static_cast<size_t>(size));
  in.seekg(0);
  if (!in.read(static_cast<char*>(bytes->data()), size))
    throw_value("[load_graph] '", path, "' could not be read to its end.");
  return Model(std::make_shared<Impl>(bytes, limits));
}

const std::vector<Info>& Model::inputs() const { return impl_->inputs; }
const std::vector<Info>& Model::outputs() const { return impl_->outputs; }

std::vector<Array> Model::run(const std::vector<View>& views) const {
  const graph::Graph& g = impl_->session.file().graph;
  if (views.size() != g.inputs.size())
    throw_value("[run] expected ", g.inputs.size(), " inputs, received ", views.size(), ".");
  Tensors in;
  for (size_t i = 0; i < views.size(); ++i) {
    const DType dtype = g.value(g.inputs[i]).spec.dtype;
    const Shape shape{std::span<const int64_t>(views[i].shape)};
    for (int64_t d : shape) {
      if (d < 0) throw_value("[run] expected shapes known in full, received ", shape.str(), ".");
    }
    // Never written to: inputs of a graph are read only.
    const Ref<Storage> s = Storage::borrow(
        const_cast<void*>(views[i].data), static_cast<size_t>(shape.size()) * size_of(dtype), nullptr, [](void*) {},
        false);
    in.push_back(Tensor::from_storage(s, 0, shape, dtype));
  }
  Tensors out = impl_->session.run(in);
  for (Tensor& t : out) t = on_host(t);
  std::vector<Array> arrays;
  for (Tensor& t : out) {
    for (size_t i = 0; i < in.size(); ++i) {  // an input handed through is the caller's memory
      if (t.impl()->storage.get() == in[i].impl()->storage.get())
        t = Tensor::from_storage(aligned_copy(t.raw(), t.nbytes()), 0, t.shape(), t.dtype());
    }
    Array a;
    a.shape.assign(t.shape().begin(), t.shape().end());
    a.dtype = name_of(t.dtype());
    a.data = t.raw();
    a.size = t.size();
    a.owner = std::make_shared<const Tensor>(t);
    arrays.push_back(std::move(a));
  }
  return arrays;
}

void set_threads(int count) { set_num_threads(count); }

}  // namespace tahr::runtime
