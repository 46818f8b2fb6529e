// Elementwise loops that go one by one: division of long integers and what the C library computes. Those of an
// instruction set (isa/elementwise_number.cpp) take precedence.
// Free of std: isa files include it.
#pragma once

#include "cpu/elementwise_table.h"

namespace tahr {

const EwEntries& elementwise_scalar_entries();

// What vectors leave to the C library.
double one_lgamma(double x);
double one_digamma(double x);
double one_trigamma(double x);
double one_power(double x, double y);

}  // namespace tahr
