// The kernels of csrc/cpu/isa/rnn.cpp: what follows the product of a recurrent step, for some rows of a batch.
//
// A *sequence* is one value per row and step: `seq.at` points to this step's value of the first row, `seq.stride` lies
// between rows; `at` is null where there is none. Everything else is dense, [rows][width].
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace tahr {

enum class RnnActivation : int { Linear, Tanh, Sigmoid, Relu, HardSigmoid };

template <class T>
struct RnnSequence {
  T* at = nullptr;
  int64_t stride = 0;
};

// Which rows take part in a step; a null `at`: all. A row left out keeps its state.
using RnnMask = RnnSequence<const uint8_t>;

// z = gates + recurrent;  i, f, o = recurrent_activation(z_i, z_f, z_o), g = activation(z_g), in the order i f g o
// c = f c + i g;  h = o activation(c)
template <class T>
struct LstmStep {
  int64_t rows, units;
  RnnActivation activation, recurrent_activation;
  RnnMask mask;
  const T* recurrent;       // [rows][4 units]: h U of the step before
  RnnSequence<T> gates;     // x W + b before, activated gates after
  RnnSequence<T> cells, y;  // c and h after
  T *c, *h;                 // the state, before and after
};

// dh arrives without dy, and leaves with what does not pass through z: nothing, or all of it in a row left out.
template <class T>
struct LstmStepGrad {
  int64_t rows, units;
  RnnActivation activation, recurrent_activation;
  RnnMask mask;
  RnnSequence<const T> gates, cells, before;  // before: c of the step before
  RnnSequence<const T> dy;
  T *dh, *dc;
  RnnSequence<T> dz;
  T* dz_dense;  // the same values, [rows][4 units]
  T* dbias;     // [rows][4 units]: dz is added
};

// z, r = recurrent_activation(gates + recurrent), in the order z r n;  n = activation(gates_n + r recurrent_n)
// h = z h + (1 - z) n. `inner` keeps recurrent_n.
template <class T>
struct GruStep {
  int64_t rows, units;
  RnnActivation activation, recurrent_activation;
  RnnMask mask;
  const T* recurrent;  // [rows][3 units]: h U + b, or [rows][2 units] if the reset comes before the product
  const T* candidate;  // [rows][units]: (r h) U_n, if the reset comes before the product
  RnnSequence<T> gates, inner, y;
  T* h;
  T* reset;  // [rows][units]: r h, if the reset comes before the product
};

// As LstmStepGrad: dh leaves with z dh, or all of it in a row left out.
template <class T>
struct GruStepGrad {
  int64_t rows, units;
  RnnActivation activation, recurrent_activation;
  RnnMask mask;
  RnnSequence<const T> gates, inner, before;  // before: h of the step before
  RnnSequence<const T> dy;
  T* dh;
  RnnSequence<T> dz;      // with respect to x W + b: z, r, n
  RnnSequence<T> dinner;  // with respect to the recurrent part of n
  T* dz_dense;            // [rows][3 units] or [rows][2 units]: with respect to the recurrent parts
  T* dcandidate;          // [rows][units], if the reset comes before the product: dn, then d(r h)
  T* dbias;               // [rows][4 units]: dz and dinner are added
};

// y = activation(y + recurrent)
template <class T>
struct SimpleRnnStep {
  int64_t rows, units;
  RnnActivation activation;
  RnnMask mask;
  const T* recurrent;
  RnnSequence<T> y;
  T* h;
};

template <class T>
struct SimpleRnnStepGrad {
  int64_t rows, units;
  RnnActivation activation;
  RnnMask mask;
  RnnSequence<const T> y, dy;
  T* dh;
  RnnSequence<T> dz;
  T* dz_dense;
  T* dbias;
};

template <class T>
struct RnnKernels {
  void (*lstm)(const LstmStep<T>&);
  void (*lstm_grad)(const LstmStepGrad<T>&);
  void (*simple)(const SimpleRnnStep<T>&);
  void (*simple_grad)(const SimpleRnnStepGrad<T>&);
  // The reset after the product: one pass. Before it: the gates z and r, then the candidate.
  void (*gru)(const GruStep<T>&);
  void (*gru_grad)(const GruStepGrad<T>&);
  void (*gru_before_gates)(const GruStep<T>&);
  void (*gru_before_candidate)(const GruStep<T>&);
  void (*gru_before_candidate_grad)(const GruStepGrad<T>&);
  void (*gru_before_gates_grad)(const GruStepGrad<T>&);
};

struct RnnTable {
  RnnKernels<float> f32;
  RnnKernels<double> f64;
};

}  // namespace tahr
TAHR_DECLARE_ISA_TABLE(RnnTable, rnn_table)
