// Einstein summation: subscripts are parsed, broadcast and repeated axes removed, and the operands then contracted in
// pairs from the left, each pair by one matmul (or a multiply where nothing is summed over).
#include <algorithm>
#include <map>

#include "ops/array_attrs.h"
#include "ops/functions.h"
#include "ops/linalg_attrs.h"

namespace tahr {
namespace {

// An axis' name: a letter, or kEllipsis + its distance from the end of the axes that "..." stands for.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kEllipsis = 256;

struct Term {
  Tensor x;
  Labels labels;  // one per axis
};

bool contains(const Labels& v, Label l) { return std::find(v.begin(), v.end(), l) != v.end(); }
int axis_of(const Labels& v, Label l) { return static_cast<int>(std::find(v.begin(), v.end(), l) - v.begin()); }
Labels joined(const Labels& a, const Labels& b) {
  Labels v = a;
  v.insert(v.end(), b.begin(), b.end());
  return v;
}

struct Parser {
  const std::string& subscripts;

  template <class... Args>
  [[noreturn]] void fail(const Args&... args) const {
    throw_value("[einsum] expected ", args..., ", received subscripts '", subscripts, "'.");
  }

  // The labels of one comma-separated part; `dots` is the number of axes that "..." stands for, -1: not allowed here.
  Labels labels(std::string_view part, int dots) const {
    Labels v;
    bool seen = false;
    for (size_t i = 0; i < part.size(); ++i) {
      const char c = part[i];
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        v.push_back(c);
      } else if (part.substr(i, 3) == "..." && !seen) {
        if (dots < 0) fail("'...' in the output only where an input has it");
        for (int d = dots; d > 0; --d) v.push_back(kEllipsis + d);
        seen = true;
        i += 2;
      } else {
        fail("letters, commas, one '...' per operand and one '->'");
      }
    }
    return v;
  }
};

struct Parsed {
  std::vector<Labels> inputs;
  Labels output;
};

Parsed parse(const std::string& subscripts, std::span<const Tensor> in) {
  const Parser p{subscripts};
  std::string s;
  std::copy_if(subscripts.begin(), subscripts.end(), std::back_inserter(s), [](char c) { return c != ' '; });
  const size_t arrow = s.find("->");
  const std::string left = s.substr(0, arrow);

  Parsed out;
  int most_dots = -1;
  size_t at = 0;
  for (size_t i = 0;; ++i) {
    const size_t comma = std::min(left.find(',', at), left.size());
    const std::string_view part = std::string_view(left).substr(at, comma - at);
    if (i < in.size()) {
      const bool dotted = part.find('.') != std::string_view::npos;
      const int letters = static_cast<int>(p.labels(part, 0).size()), rank = in[i].rank();
      if (dotted ? rank < letters : rank != letters) {
        throw_value("[einsum] expected operand ", i, " to have ", dotted ? "at least " : "", letters, " axes ('", part,
                    "'), received shape ", in[i].shape().str(), ".");
      }
      if (dotted) most_dots = std::max(most_dots, rank - letters);
      out.inputs.push_back(p.labels(part, rank - letters));
    } else {
      out.inputs.emplace_back();
    }
    if (comma == left.size()) break;
    at = comma + 1;
  }
  if (out.inputs.size() != in.size()) p.fail(in.size(), " comma-separated inputs, one per operand");

  if (arrow != std::string::npos) {
    out.output = p.labels(std::string_view(s).substr(arrow + 2), most_dots);
    if (most_dots > 0 && !contains(out.output, kEllipsis + 1)) p.fail("'...' in the output, as the inputs have it");
    for (size_t i = 0; i < out.output.size(); ++i) {
      const Label l = out.output[i];
      if (axis_of(out.output, l) != static_cast<int>(i)) p.fail("each letter once in the output");
      if (l < kEllipsis &&
          std::none_of(out.inputs.begin(), out.inputs.end(), [&](const Labels& v) { return contains(v, l); })) {
        p.fail("output letters that some input has ('", static_cast<char>(l), "')");
      }
    }
    return out;
  }
  // Implicit output: the axes of "...", then the letters that occur once, in alphabetical order.
  std::map<Label, int> uses;
  for (const Labels& v : out.inputs) {
    for (Label l : v) ++uses[l];
  }
  for (int d = most_dots; d > 0; --d) out.output.push_back(kEllipsis + d);
  for (auto [l, n] : uses) {
    if (l < kEllipsis && n == 1) out.output.push_back(l);
  }
  return out;
}

// The size of each label over all operands. A size of 1 broadcasts.
std::map<Label, int64_t> sizes_of(const std::vector<Term>& terms) {
  std::map<Label, int64_t> sizes;
  for (const Term& t : terms) {
    for (size_t i = 0; i < t.labels.size(); ++i) {
      const int64_t d = t.x.shape()[static_cast<int>(i)];
      const auto [it, fresh] = sizes.try_emplace(t.labels[i], d);
      int64_t& size = it->second;
      if (fresh || d == size || d == 1) continue;
      if (size == 1 || size == kUnknown) {
        size = d;
      } else if (d != kUnknown) {
        const std::string axis =
            t.labels[i] < kEllipsis ? concat("axis '", static_cast<char>(t.labels[i]), "'") : "the axes of '...'";
        throw_value("[einsum] expected operands that agree in ", axis, ", received sizes ", size, " and ", d, ".");
      }
    }
  }
  return sizes;
}

// Keeps the diagonal of axes that have the same letter.
void take_diagonals(Term& t) {
  static const OpDef& diagonal = get_op("diagonal");
  for (size_t i = 0; i < t.labels.size();) {
    const Label l = t.labels[i];
    const auto twin = std::find(t.labels.begin() + static_cast<std::ptrdiff_t>(i) + 1, t.labels.end(), l);
    if (twin == t.labels.end()) {
      ++i;
      continue;
    }
    const int j = static_cast<int>(twin - t.labels.begin());
    const int64_t d1 = t.x.shape()[static_cast<int>(i)], d2 = t.x.shape()[j];
    if (d1 != d2) {
      throw_value("[einsum] expected the repeated axis '", static_cast<char>(l), "' to have one size, received shape ",
                  t.x.shape().str(), ".");
    }
    t.x = call1(diagonal, {t.x}, DiagonalAttrs{0, static_cast<int64_t>(i), j});
    t.labels.erase(t.labels.begin() + j);
    t.labels.erase(t.labels.begin() + static_cast<std::ptrdiff_t>(i));
    t.labels.push_back(l);
  }
}

void sum_over(Term& t, const Labels& gone) {
  if (gone.empty()) return;
  Ints axes;
  for (Label l : gone) axes.push_back(axis_of(t.labels, l));
  t.x = ops::sum(t.x, axes, false);
  std::erase_if(t.labels, [&](Label l) { return contains(gone, l); });
}

Tensor arranged(const Term& t, const Labels& order) {
  if (t.labels == order) return t.x;
  Ints perm;
  for (Label l : order) perm.push_back(axis_of(t.labels, l));
  return ops::transpose(t.x, perm);
}

void append_dims(Shape& s, const Term& t, const Labels& labels) {
  for (Label l : labels) s.push_back(t.x.shape()[axis_of(t.labels, l)]);
}

// As matrices batch x rows x cols; *transposed if t already lies as batch x cols x rows and is left so.
Tensor as_matrices(const Term& t, const Labels& batch, const Labels& rows, const Labels& cols, bool* transposed) {
  *transposed = t.labels == joined(joined(batch, cols), rows) && t.labels != joined(joined(batch, rows), cols);
  const Labels &upper = *transposed ? cols : rows, &lower = *transposed ? rows : cols;
  const Tensor x = arranged(t, joined(joined(batch, upper), lower));
  if (upper.size() == 1 && lower.size() == 1) return x;
  Shape s;
  append_dims(s, t, batch);
  for (const Labels* group : {&upper, &lower}) {
    Shape dims;
    append_dims(dims, t, *group);
    s.push_back(dims.size());
  }
  return ops::reshape(x, s);
}

// The product of two terms, summed over the labels that neither `keep` nor a single one of them needs.
Term contract(Term a, Term b, const Labels& keep) {
  const auto split = [&](const Term& t, const Term& other, Labels* gone, Labels* own) {
    for (Label l : t.labels) {
      if (!contains(other.labels, l)) (contains(keep, l) ? own : gone)->push_back(l);
    }
  };
  Labels gone_a, gone_b, free_a, free_b, batch, summed;
  split(a, b, &gone_a, &free_a);
  split(b, a, &gone_b, &free_b);
  sum_over(a, gone_a);
  sum_over(b, gone_b);
  for (Label l : a.labels) {
    if (contains(b.labels, l)) (contains(keep, l) ? batch : summed).push_back(l);
  }
  if (summed.empty()) {  // one axis each: a's labels, then b's own
    const Labels order = joined(a.labels, free_b);
    const auto spread = [&](const Term& t) {
      Labels own = order;
      std::erase_if(own, [&](Label l) { return !contains(t.labels, l); });
      Shape s;
      for (Label l : order) s.push_back(contains(t.labels, l) ? t.x.shape()[axis_of(t.labels, l)] : 1);
      return ops::reshape(arranged(t, own), s);
    };
    return {ops::multiply(spread(a), spread(b)), order};
  }
  bool ta, tb;
  const Tensor ma = as_matrices(a, batch, free_a, summed, &ta), mb = as_matrices(b, batch, summed, free_b, &tb);
  Tensor x = ops::matmul(ma, mb, ta, tb);
  if (free_a.size() != 1 || free_b.size() != 1) {
    Shape s;
    append_dims(s, a, batch);
    append_dims(s, a, free_a);
    append_dims(s, b, free_b);
    x = ops::reshape(x, s);
  }
  return {x, joined(joined(batch, free_a), free_b)};
}

Tensors einsum(std::span<const Tensor> in, const void* attrs) {
  if (in.empty()) throw_value("[einsum] expected at least one operand, received none.");
  const Parsed parsed = parse(static_cast<const EinsumAttrs*>(attrs)->subscripts, in);
  const DType dtype = in[0].dtype() == DType::Int8 ? DType::Int32 : in[0].dtype();
  std::vector<Term> terms;
  for (size_t i = 0; i < in.size(); ++i) {
    terms.push_back({ops::cast(in[i], dtype), parsed.inputs[i]});
    take_diagonals(terms.back());
  }
  const auto sizes = sizes_of(terms);
  for (Term& t : terms) {  // an axis of size 1 that broadcasts is left out: the others bring its size
    Ints ones;
    for (size_t i = 0; i < t.labels.size(); ++i) {
      if (t.x.shape()[static_cast<int>(i)] == 1 && sizes.at(t.labels[i]) != 1) ones.push_back(static_cast<int64_t>(i));
    }
    if (ones.empty()) continue;
    t.x = ops::squeeze(t.x, ones);
    for (auto i = ones.rbegin(); i != ones.rend(); ++i) t.labels.erase(t.labels.begin() + *i);
  }
  Term all = terms[0];
  for (size_t i = 1; i < terms.size(); ++i) {
    Labels keep = parsed.output;
    for (size_t j = i + 1; j < terms.size(); ++j) keep = joined(keep, terms[j].labels);
    all = contract(all, terms[i], keep);
  }
  Labels gone;
  for (Label l : all.labels) {
    if (!contains(parsed.output, l)) gone.push_back(l);
  }
  sum_over(all, gone);
  return {ops::cast(arranged(all, parsed.output), dtype)};
}

}  // namespace

void define_einsum_op() {
  define_op({.name = "einsum",
             .inputs = "*operands",
             .doc = R"(Einstein summation of a list of tensors.

subscripts: a letter per axis of each operand, operands separated by commas, then "->" and the letters of the result, for
example "bij,bjk->bik". Letters that the result lacks are summed over; a letter twice in an operand takes its diagonal;
"..." stands for further axes, which broadcast. Without "->" the result has the letters that occur once, in alphabetical
order. int8 operands give int32. Raises ValueError if the subscripts do not fit the operands.

Example:
>>> import tahr
>>> float(tahr._C.ops.einsum([[1.0, 2.0], [3.0, 4.0]], "i,i->"))
11.0)",
             .promote = Promote::Common,
             .attrs = attr_type<EinsumAttrs>(),
             .decompose = einsum});
}

}  // namespace tahr
