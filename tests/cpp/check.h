// The whole of the C++ tests' framework: CHECK notes a failure and goes on, main returns check_report().
#pragma once

#include <cstdio>

namespace tahr::test {

inline int failures = 0;

inline int check_report() {
  if (failures) std::printf("%d checks failed\n", failures);
  return failures ? 1 : 0;
}

}  // namespace tahr::test

// CHECK(condition, printf format and arguments that say which case this is)
#define CHECK(condition, ...)                                     \
  do {                                                            \
    if (!(condition) && ++tahr::test::failures <= 20) {           \
      std::printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      std::printf(__VA_ARGS__);                                   \
      std::printf("\n");                                          \
    }                                                             \
  } while (0)
