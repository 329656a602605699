// What a process does that runs on and gets no more memory.
#pragma once

namespace careteam {

/// From now on it says so and ends with 1 (runtime/shutdown.hpp), whichever allocator the binary has.
void end_when_memory_is_exhausted();

}  // namespace careteam
