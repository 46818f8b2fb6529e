// Elementwise computations: the plain data that host and device code share.
#pragma once

#include <cstdint>

namespace tahr::cuda {

// What an op's attributes come down to.
struct EwParams {
  double p0, p1, p2;
};

// Where the operand of element i lies: at i; one for all (of an output: written once); at (i / inner) % period, which
// is a vector along one axis, or along several neighbouring ones; by strides.
enum class Spread : uint8_t { Contiguous, Single, Cyclic, Strided };

}  // namespace tahr::cuda
