#include "care/quiet_hours.hpp"

namespace careteam::care {

std::optional<std::chrono::minutes> parse_time_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9' ? text[at] - '0' : 100; };
  const int hours = digit(0) * 10 + digit(1);
  const int minutes = digit(3) * 10 + digit(4);
  if (hours > 23 || minutes > 59) return std::nullopt;
  return std::chrono::hours(hours) + std::chrono::minutes(minutes);
}

std::optional<quiet_hours> parse_quiet_hours(std::string_view text) {
  if (text.size() != 11 || text[5] != '-') return std::nullopt;
  const auto from = parse_time_of_day(text.substr(0, 5));
  const auto until = parse_time_of_day(text.substr(6));
  if (!from || !until) return std::nullopt;
  return quiet_hours{*from, *until};
}

bool is_quiet(const quiet_hours& hours, std::chrono::minutes of_day) {
  if (hours.from <= hours.until) return hours.from <= of_day && of_day < hours.until;
  return hours.from <= of_day || of_day < hours.until;  // Over midnight.
}

}  // namespace careteam::care
