#include "ops/functions.h"
namespace tahr {
void define_attention_ops() {}
void register_attention_kernels() {}
}  // namespace tahr
