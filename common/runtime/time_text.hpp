// A point in time as text for logs and for the operator.
#pragma once

#include <chrono>
#include <string>

namespace careteam::runtime {

/// RFC 3339 in UTC with milliseconds (rounded down), for example "2026-03-01T07:00:00.042Z". Years 0000 to 9999; others are clamped.
std::string rfc3339(std::chrono::system_clock::time_point time);

}  // namespace careteam::runtime
