// What is called of cuBLASLt (version 12 and 13), declared anew. cublaslt_check.cpp compares it with NVIDIA's header.
//
// cublasLtMatmul computes D = epilogue(alpha op(A) op(B) + beta C) on column-major matrices: element (i, j) of a layout
// with `rows`, `cols` and leading dimension ld lies at j ld + i, matrix b of a batch b strides further.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace tahr::cuda::cublaslt {

struct Context;
struct MatmulDesc;
struct MatrixLayout;
struct Preference;
using Handle = Context*;

struct Algo {
  uint64_t data[8];
};

enum class Status : int32_t {
  Success = 0,
  NotInitialized = 1,
  AllocFailed = 3,
  InvalidValue = 7,
  ArchMismatch = 8,
  ExecutionFailed = 13,
  InternalError = 14,
  NotSupported = 15,
};
enum class DataType : int32_t { R32F = 0, R64F = 1, R16F = 2, R8I = 3, R32I = 10, R16BF = 14 };
enum class ComputeType : int32_t { F32 = 68, F64 = 70, I32 = 72, F32FastTf32 = 77 };
enum class Operation : int32_t { N = 0, T = 1 };
enum class PointerMode : int32_t { Host = 0, Device = 1 };
// Bias: a vector of as many elements as D has rows, added to each column. Gelu: the approximation by tanh.
enum class Epilogue : uint32_t {
  Default = 1,
  Relu = 2,
  Bias = 4,
  ReluBias = 6,
  Gelu = 32,
  GeluBias = 36,
};
// How the parts of a product whose sum is cut (split-K) come together; bits of a mask, None: not cut.
enum ReductionScheme : uint32_t { kReductionNone = 0, kReductionInPlace = 1, kReductionComputeType = 2 };

enum class LayoutAttribute : int32_t { BatchCount = 5, BatchStride = 6 };  // int32_t, int64_t
enum class DescAttribute : int32_t {
  PointerMode = 2,  // int32_t
  TransA = 3,       // int32_t
  TransB = 4,       // int32_t
  Epilogue = 7,     // uint32_t
  BiasPointer = 8,  // const void*
};
enum class PreferenceAttribute : int32_t {
  MaxWorkspaceBytes = 1,    // uint64_t
  ReductionSchemeMask = 3,  // uint32_t
  MinAlignmentA = 5,        // uint32_t, bytes, like those below
  MinAlignmentB = 6,
  MinAlignmentC = 7,
  MinAlignmentD = 8,
};
enum class AlgoAttribute : int32_t { SplitK = 2, ReductionScheme = 3 };  // uint32_t

struct HeuristicResult {
  Algo algo;
  size_t workspace;
  Status state;
  float waves;
  int reserved[4];
};

using Create = Status(Handle* handle);
using GetVersion = size_t();
using GetStatusName = const char*(Status status);
using Matmul = Status(Handle handle, MatmulDesc* operation, const void* alpha, const void* a, MatrixLayout* a_layout,
                      const void* b, MatrixLayout* b_layout, const void* beta, const void* c, MatrixLayout* c_layout,
                      void* d, MatrixLayout* d_layout, const Algo* algo, void* workspace, size_t workspace_bytes,
                      cudaStream_t stream);
using MatmulDescCreate = Status(MatmulDesc** operation, ComputeType compute, DataType scale);
using MatmulDescDestroy = Status(MatmulDesc* operation);
using MatmulDescSetAttribute = Status(MatmulDesc* operation, DescAttribute attribute, const void* value, size_t bytes);
using MatrixLayoutCreate = Status(MatrixLayout** layout, DataType type, uint64_t rows, uint64_t cols, int64_t ld);
using MatrixLayoutDestroy = Status(MatrixLayout* layout);
using MatrixLayoutSetAttribute = Status(MatrixLayout* layout, LayoutAttribute attribute, const void* value,
                                        size_t bytes);
using PreferenceCreate = Status(Preference** preference);
using PreferenceDestroy = Status(Preference* preference);
using PreferenceSetAttribute = Status(Preference* preference, PreferenceAttribute attribute, const void* value,
                                      size_t bytes);
using AlgoGetHeuristic = Status(Handle handle, MatmulDesc* operation, MatrixLayout* a, MatrixLayout* b, MatrixLayout* c,
                                MatrixLayout* d, Preference* preference, int wanted, HeuristicResult results[],
                                int* found);
using AlgoConfigGetAttribute = Status(const Algo* algo, AlgoAttribute attribute, void* value, size_t bytes,
                                      size_t* written);

}  // namespace tahr::cuda::cublaslt
