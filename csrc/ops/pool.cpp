#include "ops/functions.h"
namespace tahr { void define_pool_ops() {} }
