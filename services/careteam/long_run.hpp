// What every process sets up that runs on until it is told to end.
#pragma once

#include "runtime/config.hpp"

namespace careteam {

/// The log's level; a peer that goes away is no signal; a parser that fails writes nothing by itself; and a process that gets no more
/// memory says so and ends with 1 (runtime/shutdown.hpp), whichever allocator the binary has.
void prepare_long_run(const runtime::config& settings);

}  // namespace careteam
