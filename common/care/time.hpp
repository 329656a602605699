// Time in the domain: an input, never read from a clock.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <optional>
#include <string>

namespace careteam::care {

/// Microseconds since the Unix epoch, UTC.
using instant = std::chrono::sys_time<std::chrono::microseconds>;

/// Times outside 1900 … 2200 are refused wherever they enter.
inline constexpr instant earliest_time{std::chrono::sys_days{std::chrono::year{1900} / 1 / 1}};
inline constexpr instant latest_time{std::chrono::sys_days{std::chrono::year{2200} / 1 / 1}};

/// The instant of a timestamp; nothing when it is malformed or outside 1900 … 2200.
std::optional<instant> to_instant(const google::protobuf::Timestamp& t);
void set_timestamp(google::protobuf::Timestamp& to, instant t);
/// "2026-11-23 10:42:05 UTC".
std::string utc_text(instant t);

}  // namespace careteam::care
