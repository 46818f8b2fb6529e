// Elementwise loops without a vector form: integer division and what the C library computes one by one.
#pragma once

#include "cpu/elementwise_table.h"

namespace tahr {

const EwEntries& elementwise_scalar_entries();

}  // namespace tahr
