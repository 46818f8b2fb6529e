#include "ops/functions.h"
namespace tahr { void register_pool_kernels() {} }
