#include "runtime/time_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace careteam::runtime {

std::string rfc3339(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  constexpr milliseconds first = sys_days{year{0} / January / 1}.time_since_epoch();
  constexpr milliseconds last = sys_days{year{10000} / January / 1}.time_since_epoch() - milliseconds{1};
  const sys_time<milliseconds> instant{std::clamp(floor<milliseconds>(time).time_since_epoch(), first, last)};
  const auto day = floor<days>(instant);
  const year_month_day date{day};
  const hh_mm_ss of_day{instant - day};
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                   static_cast<int>(of_day.hours().count()), static_cast<int>(of_day.minutes().count()),
                                   static_cast<int>(of_day.seconds().count()), static_cast<int>(of_day.subseconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace careteam::runtime
