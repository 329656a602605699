// What the operating system and the server's own metrics tell about the server.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace careteam::bench {

struct process_usage {
  double cpu_seconds = 0;  ///< User and system time, in steps of a clock tick.
  std::uint64_t resident_bytes = 0;
};

/// Of /proc/<pid>/stat; zeros when there is no such process.
process_usage usage_of(int pid);

/// CPU seconds of this process so far, user and system.
double own_cpu_seconds() noexcept;

/// The values of the named metrics in a Prometheus text; a name's series are added up.
std::map<std::string, double> read_metrics(std::string_view text, const std::vector<std::string>& names);

/// Fetches http://127.0.0.1:<port>/metrics; empty when that fails within a second. Blocks.
std::string fetch_metrics(std::uint16_t port);

}  // namespace careteam::bench
