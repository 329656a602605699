// Working time (`domain.md` G8): a week's opening hours, holidays, and a time zone with its daylight saving. Pure: the zone comes in
// loaded.
//
// An instant is open if its local time of day lies in the opening hours of its local day. So an hour that the clock skips is nobody's, and
// one that it shows twice is worked twice.
#pragma once

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

#include <array>
#include <boost/system/result.hpp>
#include <chrono>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "care/time.hpp"

namespace careteam::care {

inline constexpr std::size_t max_calendar_hours = 32;        ///< Lines of opening hours.
inline constexpr std::size_t max_calendar_holidays = 2'000;  ///< A century of a country with many.

/// A time of a day at which somebody works: [from, until), minutes after midnight as the clock shows them; until at most 1440.
struct opening {
  int from = 0;
  int until = 0;
  bool operator==(const opening&) const = default;
};

/// What is wrong with the texts of a calendar.
struct calendar_fault {
  std::string text;  ///< "mon-fir 08:00-17:00"
  std::string why;   ///< "names no days of the week"
};

/// For result::value(): throws std::invalid_argument.
[[noreturn]] void throw_exception_from_error(const calendar_fault& fault, const boost::source_location& where);

class business_calendar {
 public:
  /// `hours`: lines such as "mon-fri 08:00-17:00", "sat 09:00-12:00" or "mon,wed 13:00-24:00"; several for one day add up and must not
  /// overlap. `holidays`: local dates such as "2026-12-25", on which nobody works. At least one line of hours.
  static boost::system::result<business_calendar, calendar_fault> read(absl::TimeZone zone, const std::vector<std::string>& hours,
                                                                       const std::vector<std::string>& holidays);

  bool open_at(instant t) const;

  /// So many working days later, at the same time of day; from when work is next done if it is not at `t`. A day with an opening is a
  /// working day. Where that day has closed by then: when it closes; where it is not open yet: when it opens. `days` 0: t.
  instant add_days(instant t, int days) const;

  /// When so much working time has passed after t: never before t, and the end of a day rather than the beginning of the next.
  instant add_hours(instant t, std::chrono::microseconds work) const;

  /// Whole days as add_days, what is left as add_hours. What lies after `latest_time` is `latest_time`.
  instant add(instant t, std::chrono::microseconds time) const;

 private:
  business_calendar(absl::TimeZone zone) : zone_(zone) {}

  const std::vector<opening>& openings(absl::CivilDay day) const;
  absl::CivilDay working_day_after(absl::CivilDay day, int days) const;
  /// Until when it is as it is at t, and whether that is open.
  struct stretch {
    bool open = false;
    instant until{};
  };
  stretch stretch_at(instant t) const;
  instant next_open(instant t) const;

  absl::TimeZone zone_;
  std::array<std::vector<opening>, 7> week_;  ///< From Monday; each day's in order.
  std::set<absl::CivilDay> holidays_;
};

}  // namespace careteam::care
