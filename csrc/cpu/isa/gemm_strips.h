// The matrix product by strips (isa/gemm_strips.cpp); see GemmKernels.
#pragma once

#include "cpu/gemm_table.h"

namespace tahr::TAHR_ISA {

// A strip is as high as a number of any of its tiles.
#if defined(TAHR_ISA_v4) || defined(TAHR_ISA_base)
constexpr int kGemmStrip = 24;
#else
constexpr int kGemmStrip = 12;
#endif

void gemm_pack_strips(const float* b, int64_t ldb, int64_t n, int64_t k, float* dst);
void gemm_pack_strips(const double* b, int64_t ldb, int64_t n, int64_t k, double* dst);
void gemm_strips(const GemmBlock<float>& g, int64_t i0, int64_t i1);
void gemm_strips(const GemmBlock<double>& g, int64_t i0, int64_t i1);

}  // namespace tahr::TAHR_ISA
