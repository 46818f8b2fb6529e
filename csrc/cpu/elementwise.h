// The driver of elementwise kernels: broadcasting, half precision, tiles, threads, streaming.
//
// A loop (cpu/elementwise_table.h) sees only contiguous arrays of one type. The driver cuts the output into fixed
// chunks, and per chunk brings each input to that form: a pointer into the tensor where it is contiguous already,
// else a tile in L1 filled by broadcasting and casting. Results too large for the cache are written past it.
// Every element is computed by the same instructions wherever the cuts fall: the same bits at any thread count.
#pragma once

#include "cpu/elementwise_table.h"
#include "ops/elementwise_resolve.h"
#include "ops/op.h"

namespace tahr {

struct EwCall : EwPlan {
  EwLoop loop = nullptr;
  EwLoop streamed = nullptr;  // may be there for results written past the cache, contiguous and aligned
  double ns = 0.5;            // per element, roughly
};

// The loop of an elementwise op, its types and parameters.
EwCall elementwise_call(std::string_view op, const EwSite& site);

void run_elementwise(std::span<const Tensor> in, const Tensor& out, const EwCall& call);

// The loop for an operation on a type, null if there is none. Halves have loops only where no arithmetic is done.
EwLoop elementwise_loop(Ew op, DType type);
EwLoop cast_loop(DType from, DType to);
double elementwise_ns(Ew op);

}  // namespace tahr
