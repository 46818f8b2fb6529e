#include "ops/elementwise_resolve.h"

namespace tahr {
namespace {
ElementwiseHas g_has = nullptr;
}

void set_elementwise_has(ElementwiseHas has) { g_has = has; }
ElementwiseHas elementwise_has() { return g_has; }

}  // namespace tahr
