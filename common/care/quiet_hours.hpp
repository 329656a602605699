// Times of the day: when a person is not called outside, but for what must ring (G6).
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace careteam::care {

/// When a person does not want to be called: from one minute of their day until another; the same twice: never.
struct quiet_hours {
  std::chrono::minutes from{0};
  std::chrono::minutes until{0};
  bool operator==(const quiet_hours&) const = default;
};
/// "08:00", up to "23:59": how far into a day; nothing when it is something else.
std::optional<std::chrono::minutes> parse_time_of_day(std::string_view text);
/// "22:00-07:00"; nothing when it is something else.
std::optional<quiet_hours> parse_quiet_hours(std::string_view text);
/// Whether a minute of the day (0 … 1439) lies within them.
bool is_quiet(const quiet_hours& hours, std::chrono::minutes of_day);

}  // namespace careteam::care
