// Elementwise loops that go one by one: division of long integers and what the C library computes. Those of an
// instruction set (isa/elementwise_number.cpp) take precedence.
#pragma once

#include "cpu/elementwise_table.h"

namespace tahr {

const EwEntries& elementwise_scalar_entries();

}  // namespace tahr
