#include "care/business_calendar.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>

#include "care/civil_time.hpp"

namespace careteam::care {
namespace {

constexpr int minutes_of_day = 24 * 60;
constexpr std::array<std::string_view, 7> day_names{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
const std::vector<opening> closed;

std::size_t index_of(absl::CivilDay day) {
  return static_cast<std::size_t>(absl::GetWeekday(day));
}

/// Which of the two instants, where the clock shows a time twice.
enum class twice { first, last };

/// A time of this day as the clock shows it; where it skips that time, what comes after it.
instant at(const absl::TimeZone& zone, absl::CivilDay day, absl::civil_diff_t second, twice which) {
  const auto found = zone.At(absl::CivilSecond(day) + second);
  if (found.kind == absl::TimeZone::TimeInfo::SKIPPED) return to_instant(found.trans);
  return to_instant(which == twice::first ? found.pre : found.post);
}

std::optional<int> number(std::string_view text, int most) {
  int value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failed != std::errc() || end != text.data() + text.size() || value < 0 || value > most) return std::nullopt;
  return value;
}

/// "08:00", "24:00".
std::optional<int> minute_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = number(text.substr(0, 2), 24);
  const auto minute = number(text.substr(3), 59);
  if (!hour || !minute || *hour * 60 + *minute > minutes_of_day) return std::nullopt;
  return *hour * 60 + *minute;
}

/// "08:00-17:00".
std::optional<opening> opening_of(std::string_view text) {
  if (text.size() != 11 || text[5] != '-') return std::nullopt;
  const auto from = minute_of_day(text.substr(0, 5));
  const auto until = minute_of_day(text.substr(6));
  if (!from || !until || *from >= *until) return std::nullopt;
  return opening{*from, *until};
}

std::optional<std::size_t> day_of(std::string_view name) {
  const auto at = std::ranges::find(day_names, name);
  if (at == day_names.end()) return std::nullopt;
  return static_cast<std::size_t>(at - day_names.begin());
}

/// "mon-fri", "mon,wed", "sat-mon".
std::optional<std::set<std::size_t>> days_of(std::string_view text) {
  std::set<std::size_t> days;
  while (true) {
    const auto comma = text.find(',');
    const auto part = text.substr(0, comma);
    const auto dash = part.find('-');
    const auto first = day_of(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : day_of(part.substr(dash + 1));
    if (!first || !last) return std::nullopt;
    for (auto day = *first;; day = (day + 1) % day_names.size()) {
      days.insert(day);
      if (day == *last) break;
    }
    if (comma == std::string_view::npos) return days;
    text.remove_prefix(comma + 1);
  }
}

/// "2026-12-25".
std::optional<absl::CivilDay> date_of(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = number(text.substr(0, 4), 2200);
  const auto month = number(text.substr(5, 2), 12);
  const auto day = number(text.substr(8), 31);
  if (!year || *year < 1900 || !month || !day) return std::nullopt;
  const absl::CivilDay date(*year, *month, *day);
  // What does not exist, the 30th of February, is taken for a later day.
  if (date.month() != *month || date.day() != *day) return std::nullopt;
  return date;
}

bool overlap(const std::vector<opening>& openings) {
  return std::ranges::adjacent_find(openings, [](const opening& a, const opening& b) { return b.from < a.until; }) != openings.end();
}

}  // namespace

void throw_exception_from_error(const calendar_fault& fault, const boost::source_location&) {
  throw std::invalid_argument('"' + fault.text + "\" " + fault.why);
}

boost::system::result<business_calendar, calendar_fault> business_calendar::read(absl::TimeZone zone, const std::vector<std::string>& hours,
                                                                                 const std::vector<std::string>& holidays) {
  business_calendar made(zone);
  if (hours.empty()) return calendar_fault{"", "has no hours: nobody would ever work"};
  if (hours.size() > max_calendar_hours) return calendar_fault{hours.back(), "is one line too many"};
  if (holidays.size() > max_calendar_holidays) return calendar_fault{holidays.back(), "is one day too many"};
  for (const auto& line : hours) {
    const auto space = std::min(line.find(' '), line.size());
    const auto days = days_of(std::string_view(line).substr(0, space));
    if (!days) return calendar_fault{line, "names no days of the week: write \"mon-fri 08:00-17:00\""};
    const auto time = opening_of(std::string_view(line).substr(std::min(space + 1, line.size())));
    if (!time) return calendar_fault{line, "names no hours of a day: write \"mon-fri 08:00-17:00\", at most until 24:00"};
    for (const auto day : *days) {
      auto& openings = made.week_[day];
      openings.push_back(*time);
      std::ranges::sort(openings, {}, &opening::from);
      if (overlap(openings)) return calendar_fault{line, "overlaps with other hours of the same day"};
    }
  }
  for (const auto& text : holidays) {
    const auto date = date_of(text);
    if (!date) return calendar_fault{text, "is no date such as \"2026-12-25\""};
    made.holidays_.insert(*date);
  }
  return made;
}

const std::vector<opening>& business_calendar::openings(absl::CivilDay day) const {
  return holidays_.contains(day) ? closed : week_[index_of(day)];
}

absl::CivilDay business_calendar::working_day_after(absl::CivilDay day, int days) const {
  while (days > 0) {
    ++day;
    if (!openings(day).empty()) --days;
  }
  return day;
}

// Between two changes of the zone's offset local time runs as time does: the next change of open and closed is as far away as the clock
// says.
business_calendar::stretch business_calendar::stretch_at(instant t) const {
  const auto local = zone_.At(to_absl(t)).cs;
  const absl::CivilDay day(local);
  const auto second = local - absl::CivilSecond(day);
  stretch result;
  auto boundary = absl::CivilSecond(day + 1);
  for (const auto& one : openings(day)) {
    if (second >= one.until * 60) continue;
    result.open = second >= one.from * 60;
    boundary = absl::CivilSecond(day) + (result.open ? one.until : one.from) * 60;
    break;
  }
  result.until = std::chrono::floor<std::chrono::seconds>(t) + std::chrono::seconds{boundary - local};
  absl::TimeZone::CivilTransition change;
  if (zone_.NextTransition(to_absl(t), &change)) {
    const auto changes = to_instant(zone_.At(change.to).trans);
    if (changes > t) result.until = std::min(result.until, changes);
  }
  return result;
}

bool business_calendar::open_at(instant t) const {
  return stretch_at(t).open;
}

instant business_calendar::next_open(instant t) const {
  for (auto now = stretch_at(t); !now.open && t < latest_time; now = stretch_at(t)) t = now.until;
  return t;
}

instant business_calendar::add_days(instant t, int days) const {
  if (days <= 0) return t;
  const auto from = next_open(t);
  const auto local = zone_.At(to_absl(from)).cs;
  const absl::CivilDay begun(local);
  const auto day = working_day_after(begun, days);
  const auto& hours = openings(day);
  const auto second = local - absl::CivilSecond(begun);
  const auto part = from - std::chrono::floor<std::chrono::seconds>(from);
  const auto not_over = std::ranges::find_if(hours, [&](const opening& one) { return second < one.until * 60; });
  if (not_over == hours.end()) return at(zone_, day, hours.back().until * 60, twice::last);
  if (second < not_over->from * 60) return at(zone_, day, not_over->from * 60, twice::first);
  return at(zone_, day, second, twice::first) + part;
}

instant business_calendar::add_hours(instant t, std::chrono::microseconds work) const {
  while (work.count() > 0 && t < latest_time) {
    const auto now = stretch_at(t);
    if (now.open && work <= now.until - t) return t + work;
    if (now.open) work -= now.until - t;
    t = now.until;
  }
  return t;
}

instant business_calendar::add(instant t, std::chrono::microseconds time) const {
  const auto days = std::chrono::floor<std::chrono::days>(time);
  // More working days than there are until then.
  if (days > latest_time - earliest_time) return latest_time;
  const auto later = add_days(t, static_cast<int>(days.count()));
  return std::min(add_hours(later, time - days), latest_time);
}

}  // namespace careteam::care
