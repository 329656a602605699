// What a run tells: as JSON for machines, as text for people.
#pragma once

#include <iosfwd>

#include "bench/load_options.hpp"
#include "bench/load_run.hpp"

namespace careteam::bench {

/// Above this share of its core the generator, not the server, may be what limits a result.
inline constexpr double generator_bound_share = 0.9;

/// Everything that had to hold did: nothing lost, repeated or out of order, nobody disconnected, and no command refused.
bool all_checks_hold(const load_result& result);

/// One line: one JSON object. README.md names its members.
void print_json(const load_options& options, const load_result& result, std::ostream& out);

/// A page for the operator.
void print_text(const load_options& options, const load_result& result, std::ostream& out);

}  // namespace careteam::bench
