#include "care/time.hpp"

#include <array>
#include <cstdio>

namespace careteam::care {

std::optional<instant> to_instant(const google::protobuf::Timestamp& t) {
  using namespace std::chrono;
  if (t.nanos() < 0 || t.nanos() > 999'999'999) return std::nullopt;
  // Compared in seconds first: a huge value must not overflow in microseconds.
  if (t.seconds() < floor<seconds>(earliest_time).time_since_epoch().count()) return std::nullopt;
  if (t.seconds() >= floor<seconds>(latest_time).time_since_epoch().count()) return std::nullopt;
  return instant{seconds{t.seconds()} + microseconds{t.nanos() / 1000}};
}

void set_timestamp(google::protobuf::Timestamp& to, instant t) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(t);
  to.set_seconds(whole.time_since_epoch().count());
  to.set_nanos(static_cast<std::int32_t>((t - whole).count() * 1000));
}

std::string utc_text(instant t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(t - day)};
  std::array<char, 40> text{};
  const int size =
      std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d UTC", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                    static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace careteam::care
