// NumPy-style indexing, composed of ops so that it is differentiable and traceable.
#pragma once

#include <optional>
#include <span>
#include <variant>

#include "core/tensor.h"

namespace tahr {

struct IndexSlice {
  std::optional<int64_t> begin, end, step;
};
struct IndexEllipsis {};
struct IndexNewAxis {};
// An int, a slice, `...`, None, or an array of ints or bools.
using IndexItem = std::variant<int64_t, IndexSlice, IndexEllipsis, IndexNewAxis, Tensor>;

enum class IndexUpdate { Assign, Add, Sub };

// x[items]
Tensor index_tensor(const Tensor& x, std::span<const IndexItem> items);
// A new tensor: x with x[items] replaced by, or increased or decreased by, the broadcast value.
Tensor index_update(const Tensor& x, std::span<const IndexItem> items, const Tensor& value, IndexUpdate kind);

}  // namespace tahr
