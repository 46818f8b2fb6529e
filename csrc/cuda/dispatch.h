// Which library or kernel serves a problem, for those who ask: lines on stderr that begin with "[dispatch]".
#pragma once

#include <cstdlib>
#include <string_view>

namespace tahr::cuda {

// TAHR_VERBOSE=dispatch.
inline bool tells_dispatch() {
  static const bool asked = [] {
    const char* v = std::getenv("TAHR_VERBOSE");
    return v && std::string_view(v) == "dispatch";
  }();
  return asked;
}

}  // namespace tahr::cuda
