// Between our instants and Abseil's, and from what a clock on the wall shows to an instant.
#pragma once

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

#include "care/time.hpp"

namespace careteam::care {

inline absl::Time to_absl(instant t) {
  return absl::FromUnixMicros(t.time_since_epoch().count());
}

inline instant to_instant(absl::Time t) {
  return instant{std::chrono::microseconds{absl::ToUnixMicros(t)}};
}

/// When the clock shows this time for the first time; where it skips that time, the first instant after it. Never decreases: what follows
/// on each other by the clock does so in time.
inline instant first_shown(const absl::TimeZone& zone, absl::CivilSecond shown) {
  const auto found = zone.At(shown);
  return to_instant(found.kind == absl::TimeZone::TimeInfo::SKIPPED ? found.trans : found.pre);
}

}  // namespace careteam::care
