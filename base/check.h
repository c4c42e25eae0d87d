// CHECK: what only a bug can break. On in release builds: a store that goes on past a broken
// invariant can lose what it acknowledged.
#pragma once

namespace parley {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace parley

#define PARLEY_CHECK(condition)                                               \
  do {                                                                        \
    if (!(condition)) ::parley::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)

#define PARLEY_UNREACHABLE() ::parley::check_failed("unreachable", __FILE__, __LINE__)
