#include "graph/control_grad.h"

#include <algorithm>

#include "autodiff/tape.h"
#include "graph/control.h"
#include "ops/functions.h"

namespace tahr::graph {
namespace {

bool wide_need(uint64_t needs, size_t i) { return (needs >> std::min<size_t>(i, 63)) & 1; }

// ---- what a node is widened to -----------------------------------------------------------------------------

// How a body's residuals reach its backward function, and which of the body's values the node must give for that.
struct Plan {
  std::vector<Residual> residuals;
  std::vector<ValueId> fresh;
};

// `operand(i)`: whether the node's operand i is what the body's input i is in every round. `shift`: of the body's
// output number to that of the node's result. `plain`: from which output of the body on results may serve as residuals.
template <class F>
Plan plan_residuals(const GraphFunction::Derivative& d, size_t plain, size_t shift, size_t next, F&& operand) {
  const Graph& g = d.forward->traced();
  Plan p;
  for (size_t r = d.outputs; r < g.outputs.size(); ++r) {
    const ValueId v = g.outputs[r];
    const auto in = std::find(g.inputs.begin(), g.inputs.end(), v);
    const auto place = static_cast<size_t>(in - g.inputs.begin());
    if (in != g.inputs.end() && operand(place)) {
      p.residuals.push_back({true, place});
      continue;
    }
    const auto out = std::find(g.outputs.begin() + static_cast<std::ptrdiff_t>(plain),
                               g.outputs.begin() + static_cast<std::ptrdiff_t>(d.outputs), v);
    const auto known = static_cast<size_t>(out - g.outputs.begin());
    if (known < d.outputs) {
      p.residuals.push_back({false, known + shift});
    } else {
      p.residuals.push_back({false, next + p.fresh.size()});
      p.fresh.push_back(v);
    }
  }
  return p;
}

Graph forward_with(const GraphFunction::Derivative& d, const std::vector<ValueId>& outputs) {
  Graph g = d.forward->traced();
  g.outputs.resize(d.outputs);
  g.outputs.insert(g.outputs.end(), outputs.begin(), outputs.end());
  return g;
}

Widened widen_cond(const GraphBodies& bodies) {
  const auto& list = bodies->list;
  size_t next = list[0]->traced().outputs.size();
  std::vector<Plan> plans;
  Widened w;
  for (const auto& body : list) {
    plans.push_back(plan_residuals(body->derivative(), 0, 0, next, [](size_t) { return true; }));
    next += plans.back().fresh.size();
    w.residuals.push_back(plans.back().residuals);
  }
  if (next == list[0]->traced().outputs.size()) { return w; }
  // Each body gives its own residuals, and for those of the others something of their shape that nobody will read.
  std::vector<std::shared_ptr<GraphFunction>> wide;
  for (size_t b = 0; b < list.size(); ++b) {
    Graph g = forward_with(list[b]->derivative(), {});
    for (size_t o = 0; o < list.size(); ++o) {
      const Graph& other = list[o]->derivative().forward->traced();
      for (ValueId v : plans[o].fresh)
        g.outputs.push_back(o == b ? v : g.add_constant(zero_constant(other.value(v).spec)));
    }
    wide.push_back(GraphFunction::make(std::move(g)));
  }
  w.bodies = std::make_shared<const Bodies>(std::move(wide));
  return w;
}

Widened widen_loop(const LoopAttrs& attrs) {
  const auto& body = attrs.bodies->list[0];
  const auto carries = static_cast<size_t>(attrs.carries);
  // Behind the carries the node has the number of rounds.
  const size_t next = body->traced().outputs.size() + 1;
  Plan p = plan_residuals(body->derivative(), carries, 1, next, [&](size_t input) { return input >= carries; });
  Widened w{nullptr, {std::move(p.residuals)}};
  if (p.fresh.empty()) return w;
  auto list = attrs.bodies->list;
  list[0] = GraphFunction::make(forward_with(body->derivative(), p.fresh));
  w.bodies = std::make_shared<const Bodies>(std::move(list));
  return w;
}

Widened widen_call(const GraphBodies& bodies) {
  const auto& body = bodies->list[0];
  Plan p = plan_residuals(body->derivative(), 0, 0, body->traced().outputs.size(), [](size_t) { return true; });
  Widened w{nullptr, {std::move(p.residuals)}};
  if (p.fresh.empty()) return w;
  w.bodies = std::make_shared<const Bodies>(
      std::vector<std::shared_ptr<GraphFunction>>{GraphFunction::make(forward_with(body->derivative(), p.fresh))});
  return w;
}

// All results of the widened node, which tapes around a gradient see as results of its inputs.
template <class A>
Tensors widened_results(const char* name, const VjpArgs& a, const A& wide) {
  Tracer* tracer = current_tracer();
  if (!tracer)
    throw_runtime("[", name,
                  "] a traced branch or loop can be differentiated only while tracing: ask for the gradient "
                  "inside of the traced function, or of its results.");
  const OpDef& op = get_op(name);
  Specs in;
  for (const Tensor& t : a.in) in.push_back(t.defined() ? t.spec() : Spec{});
  const Specs specs = op.infer({in, &wide, a.in, name});
  Tensors out = tracer->widen(a.out[0], std::make_shared<A>(wide), specs);
  record_on_tapes(op, a.in, &wide, out);
  return out;
}

// ---- bodies of backward nodes ---------------------------------------------------------------------------------

Tensor zeros_of(const Spec& spec, const Tensor& like) {
  return spec.shape.fully_known() ? zero_constant(spec) : ops::zeros_like(like);
}

// A body being written: ops on its inputs, no tape around.
struct Writing {
  Tracer tracer;
  RecordOnly hidden;
  TraceScope scope{tracer};
};

// The cotangents that a body's backward function gives, per input of the body; undefined where it is not connected.
Tensors backward_of(GraphFunction& body, const Tensors& residuals, const Tensors& dy) {
  const GraphFunction::Derivative& d = body.derivative();
  Tensors in = residuals;
  in.insert(in.end(), dy.begin(), dy.end());
  const Tensors grads = replay(d.backward->traced(), in);
  Tensors dx(body.traced().inputs.size());
  size_t next = 0;
  for (size_t s = 0; s < d.connected.size(); ++s) {
    if (!d.connected[s]) continue;
    if (s < d.float_inputs.size()) dx[d.float_inputs[s]] = grads[next];
    ++next;
  }
  return dx;
}

std::vector<char> connected_inputs(GraphFunction& body) {
  const GraphFunction::Derivative& d = body.derivative();
  std::vector<char> c(body.traced().inputs.size());
  for (size_t s = 0; s < d.float_inputs.size(); ++s) c[d.float_inputs[s]] = d.connected[s];
  return c;
}

Spec input_spec(const Graph& g, size_t i) { return g.value(g.inputs[i]).spec; }
Spec output_spec(const Graph& g, size_t i) { return g.value(g.outputs[i]).spec; }

// A list of tensors without repetition.
struct Distinct {
  Tensors list;
  size_t place(const Tensor& t) {
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i].same(t)) return i;
    }
    list.push_back(t);
    return list.size() - 1;
  }
};

}  // namespace

void cond_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const GraphBodies& bodies = a.as<BodiesAttrs>().bodies;
  const Widened& w = bodies->widened([&] { return widen_cond(bodies); });
  BodiesAttrs wide = a.as<BodiesAttrs>();
  if (w.bodies) wide.bodies = w.bodies;
  const Tensors out = widened_results("cond", a, wide);
  const auto operands = a.in.subspan(1);

  std::vector<size_t> wanted;  // operands
  for (size_t i = 0; i < operands.size(); ++i) {
    const bool connected = std::any_of(bodies->list.begin(), bodies->list.end(),
                                       [&](const auto& body) { return connected_inputs(*body)[i] != 0; });
    if (connected && wide_need(a.needs, 1 + i)) wanted.push_back(i);
  }
  if (wanted.empty()) return;

  // What the backward bodies take: residuals of all, the cotangents there are, and what unknown shapes are read off.
  Distinct in;
  const auto residual = [&](const Residual& r) { return in.place(r.operand ? operands[r.index] : out[r.index]); };
  for (const auto& list : w.residuals) std::for_each(list.begin(), list.end(), residual);
  for (size_t i = 0; i < a.dy.size(); ++i) {
    if (a.dy[i].defined()) in.place(a.dy[i]);
    else if (!a.out_specs[i].shape.fully_known()) in.place(out[i]);
  }
  for (size_t i : wanted) {
    if (!a.in_specs[1 + i].shape.fully_known()) in.place(operands[i]);
  }

  std::vector<TracedBody> backward;
  for (size_t b = 0; b < bodies->list.size(); ++b) {
    Writing body;
    Tensors inputs;
    for (const Tensor& t : in.list) inputs.push_back(body.tracer.input(t.spec()));
    const auto inner = [&](const Tensor& t) { return inputs[in.place(t)]; };
    Tensors residuals, dy;
    for (const Residual& r : w.residuals[b]) residuals.push_back(inputs[residual(r)]);
    for (size_t i = 0; i < a.dy.size(); ++i) {
      const Spec& s = a.out_specs[i];
      if (!is_float(s.dtype)) continue;
      if (a.dy[i].defined()) dy.push_back(inner(a.dy[i]));
      else dy.push_back(zeros_of(s, s.shape.fully_known() ? Tensor() : inner(out[i])));
    }
    const Tensors grads = backward_of(*bodies->list[b], residuals, dy);
    Tensors results;
    for (size_t i : wanted) {
      const Spec& s = a.in_specs[1 + i];
      results.push_back(grads[i].defined() ? grads[i]
                                           : zeros_of(s, s.shape.fully_known() ? Tensor() : inner(operands[i])));
    }
    backward.push_back(finish_body(body.tracer, results));
  }
  const Tensors grads = trace_cond(a.in[0], std::move(backward), in.list);
  for (size_t i = 0; i < wanted.size(); ++i) dx[1 + wanted[i]] = grads[i];
}

void loop_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const auto& attrs = a.as<LoopAttrs>();
  const Widened& w = attrs.bodies->widened([&] { return widen_loop(attrs); });
  LoopAttrs wide = attrs;
  if (w.bodies) wide.bodies = w.bodies;
  const Tensors out = widened_results("loop", a, wide);
  const auto operands = a.in.subspan(1);
  const auto carries = static_cast<size_t>(attrs.carries);
  const size_t rows_end = carries + static_cast<size_t>(attrs.slices);
  GraphFunction& body = *attrs.bodies->list[0];
  const Graph& g = body.traced();
  const std::vector<char> connected = connected_inputs(body);
  const std::vector<Residual>& residuals = w.residuals[0];

  // The backward loop carries the cotangents of the floating-point carries and, summed, of what every round reads; it
  // takes a row of the residuals and of the stacked results' cotangents a round; it stacks the cotangents of the
  // slices.
  std::vector<size_t> float_carries, sums, rows;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (i < carries && is_float(a.in_specs[1 + i].dtype)) float_carries.push_back(i);
    if (i >= carries && connected[i] && wide_need(a.needs, 1 + i)) (i < rows_end ? rows : sums).push_back(i);
  }
  LoopParts p;
  p.carries = float_carries.size() + sums.size();
  for (size_t i : float_carries) p.operands.push_back(a.dy[i].defined() ? a.dy[i] : zeros_of(a.out_specs[i], out[i]));
  for (size_t i : sums) p.operands.push_back(zeros_of(a.in_specs[1 + i], operands[i]));
  Distinct slices, fixed;
  for (const Residual& r : residuals) {
    if (r.operand && r.index >= rows_end) fixed.place(operands[r.index]);
    else slices.place(r.operand ? operands[r.index] : out[r.index]);
  }
  for (size_t y = carries; y < g.outputs.size(); ++y) {
    if (a.dy[y + 1].defined()) slices.place(a.dy[y + 1]);
    else if (is_float(output_spec(g, y).dtype) && !output_spec(g, y).shape.fully_known()) slices.place(out[y + 1]);
  }
  for (size_t i : rows) {
    if (!input_spec(g, i).shape.fully_known()) slices.place(operands[i]);
  }
  p.slices = slices.list.size();
  p.operands.insert(p.operands.end(), slices.list.begin(), slices.list.end());
  p.length = attrs.length;
  if (p.length == kUnknown) p.count = out[carries];
  p.reverse = !attrs.reverse;
  {
    Writing backward;
    Tensors carried, row, same;
    for (size_t i = 0; i < p.carries; ++i) carried.push_back(backward.tracer.input(p.operands[i].spec()));
    for (const Tensor& t : slices.list) {
      Spec s = t.spec();
      s.shape.erase(0);
      row.push_back(backward.tracer.input(s));
    }
    for (const Tensor& t : fixed.list) same.push_back(backward.tracer.input(t.spec()));
    const auto row_of = [&](const Tensor& t) { return row[slices.place(t)]; };
    Tensors saved, dy;
    for (const Residual& r : residuals) {
      if (r.operand && r.index >= rows_end) saved.push_back(same[fixed.place(operands[r.index])]);
      else saved.push_back(row_of(r.operand ? operands[r.index] : out[r.index]));
    }
    dy.assign(carried.begin(), carried.begin() + static_cast<std::ptrdiff_t>(float_carries.size()));
    for (size_t y = carries; y < g.outputs.size(); ++y) {
      const Spec s = output_spec(g, y);
      if (!is_float(s.dtype)) continue;
      if (a.dy[y + 1].defined()) dy.push_back(row_of(a.dy[y + 1]));
      else dy.push_back(zeros_of(s, s.shape.fully_known() ? Tensor() : row_of(out[y + 1])));
    }
    const Tensors grads = backward_of(body, saved, dy);
    Tensors results;
    for (size_t i = 0; i < float_carries.size(); ++i) {
      const Tensor& d = grads[float_carries[i]];
      results.push_back(d.defined() ? d : zeros_of(input_spec(g, float_carries[i]), carried[i]));
    }
    for (size_t i = 0; i < sums.size(); ++i)
      results.push_back(ops::add(carried[float_carries.size() + i], grads[sums[i]]));
    for (size_t i : rows) results.push_back(grads[i]);
    p.body = finish_body(backward.tracer, results);
    p.operands.insert(p.operands.end(), fixed.list.begin(), fixed.list.end());
    p.fixed = fixed.list.size();
  }
  const size_t all_carries = p.carries;
  const Tensors result = trace_loop(std::move(p));
  for (size_t i = 0; i < float_carries.size(); ++i) dx[1 + float_carries[i]] = result[i];
  for (size_t i = 0; i < sums.size(); ++i) dx[1 + sums[i]] = result[float_carries.size() + i];
  for (size_t i = 0; i < rows.size(); ++i) dx[1 + rows[i]] = result[all_carries + 1 + i];
}

void custom_call_vjp(const VjpArgs& a, std::span<Tensor> dx) {
  const GraphBodies& bodies = a.as<BodiesAttrs>().bodies;
  const Widened& w = bodies->widened([&] { return widen_call(bodies); });
  BodiesAttrs wide = a.as<BodiesAttrs>();
  if (w.bodies) wide.bodies = w.bodies;
  const Tensors out = widened_results("custom_call", a, wide);
  Tensors residuals, dy;
  for (const Residual& r : w.residuals[0]) residuals.push_back(r.operand ? a.in[r.index] : out[r.index]);
  for (size_t i = 0; i < a.dy.size(); ++i) {
    if (is_float(a.out_specs[i].dtype)) dy.push_back(a.dy[i].defined() ? a.dy[i] : zeros_of(a.out_specs[i], out[i]));
  }
  const Tensors grads = backward_of(*bodies->list[0], residuals, dy);
  std::copy(grads.begin(), grads.end(), dx.begin());
}

}  // namespace tahr::graph
