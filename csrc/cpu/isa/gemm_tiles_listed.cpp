// The tiles of float32, of an A whose stored rows are listed.
#include "cpu/isa/gemm_tile.h"

namespace tahr::TAHR_ISA {

const GemmReachTiles<float>& gemm_listed_steps_float() {
  static constexpr GemmReachTiles<float> t = reach_tiles<float, kListedSteps>();
  return t;
}

const GemmReachTiles<float>& gemm_listed_rows_float() {
  static constexpr GemmReachTiles<float> t = reach_tiles<float, kListedRows>();
  return t;
}

}  // namespace tahr::TAHR_ISA
