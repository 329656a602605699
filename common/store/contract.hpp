// What a caller promised and what the store relies on. A broken promise is a bug: it stops the process, because a wrong answer is worse
// than none.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace careteam::store {

/// Stops the process when `holds` is false. The message is a constant: nothing that a patient wrote can be in it.
inline void require(bool holds, const char* promise) {
  if (holds) [[likely]]
    return;
  std::fprintf(stderr, "careteam store: broken promise: %s\n", promise);
  std::abort();
}

}  // namespace careteam::store
