// What is called of cuDNN 9's graphs, declared anew: attention as one operation. cudnn_graph_check.cpp compares it with
// NVIDIA's header.
//
// A descriptor is made, given attributes (a name, a type, a number of elements and where they lie) and finalized. A
// graph of operations gives, through a heuristic, configurations of engines, the best first; a configuration makes a
// plan; a plan runs on a pack of pointers, one for each tensor's number.
#pragma once

#include "cuda/api/cudnn.h"

namespace tahr::cuda::cudnn {

using Backend = void*;  // a descriptor

enum class BackendType : int32_t {
  Engine = 2,
  EngineConfig = 3,
  Heuristic = 4,
  Plan = 5,
  Graph = 15,
  VariantPack = 16,
  Tensor = 17,
  AttentionForward = 41,   // from 9.13 on
  AttentionBackward = 43,  // usable from 9.21 on
};

enum class ValueType : int32_t {
  Handle = 0,
  DataType = 1,
  Boolean = 2,
  Int64 = 3,
  Pointer = 6,
  HeuristicMode = 8,
  NumericalNote = 11,
  Descriptor = 15,
};

enum class HeuristicMode : int32_t { Fallback = 2, A = 3 };
enum class NumericalNote : int32_t { Nondeterministic = 4 };
inline constexpr int kNumericalNotes = 10;  // how many there are

enum class Attribute : int32_t {
  HeuristicMode = 200,
  HeuristicGraph = 201,
  HeuristicResults = 202,
  ConfigEngine = 300,
  PlanHandle = 400,
  PlanConfig = 401,
  PlanWorkspace = 402,
  GraphHandle = 800,
  GraphOperations = 801,
  TensorAlignment = 900,
  TensorType = 901,
  TensorSizes = 902,
  TensorStrides = 903,
  TensorNumber = 906,
  TensorByValue = 908,
  PackNumbers = 1000,
  PackPointers = 1001,
  PackWorkspace = 1003,
  EngineNotes = 1303,
  // Tensors (batch, heads, length, size), however they lie. Statistics: float, size 1, the logarithm of the sum of the
  // exponentials of a row's scaled scores. Scale: one float.
  ForwardQuery = 2800,
  ForwardKey = 2801,
  ForwardValue = 2802,
  ForwardOut = 2803,
  ForwardStatistics = 2804,
  ForwardScale = 2805,
  BackwardQuery = 2851,
  BackwardKey = 2852,
  BackwardValue = 2853,
  BackwardOut = 2854,
  BackwardStatistics = 2855,
  BackwardScale = 2856,
  BackwardDQuery = 2859,
  BackwardDKey = 2860,
  BackwardDValue = 2861,
  BackwardDOut = 2862,
};

using BackendCreate = Status(BackendType type, Backend* descriptor);
using BackendDestroy = Status(Backend descriptor);
using BackendFinalize = Status(Backend descriptor);
using BackendSet = Status(Backend descriptor, Attribute name, ValueType type, int64_t count, const void* values);
using BackendGet = Status(Backend descriptor, Attribute name, ValueType type, int64_t wanted, int64_t* found,
                          void* values);
using BackendExecute = Status(Handle handle, Backend plan, Backend pack);

}  // namespace tahr::cuda::cudnn
