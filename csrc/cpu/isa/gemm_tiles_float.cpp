// The tiles of float32, of an A that lies in memory evenly.
#include "cpu/isa/gemm_tile.h"

namespace tahr::TAHR_ISA {

const GemmReachTiles<float>& gemm_steps_float() {
  static constexpr GemmReachTiles<float> t = reach_tiles<float, kSteps>();
  return t;
}

const GemmReachTiles<float>& gemm_rows_float() {
  static constexpr GemmReachTiles<float> t = reach_tiles<float, kRows>();
  return t;
}

const GemmOtherTiles<float>& gemm_others_float() {
  static constexpr GemmOtherTiles<float> t = other_tiles<float>();
  return t;
}

}  // namespace tahr::TAHR_ISA
