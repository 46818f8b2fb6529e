// The tiles of float64.
#include "cpu/isa/gemm_tile.h"

namespace tahr::TAHR_ISA {

const GemmReachTiles<double>& gemm_steps_double() {
  static constexpr GemmReachTiles<double> t = reach_tiles<double, kSteps>();
  return t;
}

const GemmReachTiles<double>& gemm_rows_double() {
  static constexpr GemmReachTiles<double> t = reach_tiles<double, kRows>();
  return t;
}

const GemmOtherTiles<double>& gemm_others_double() {
  static constexpr GemmOtherTiles<double> t = other_tiles<double>();
  return t;
}

}  // namespace tahr::TAHR_ISA
