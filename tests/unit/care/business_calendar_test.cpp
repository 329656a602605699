// Working time (G8): days and hours of work, holidays, and the days on which the clock is changed.
#include "care/business_calendar.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace careteam::care {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;

absl::TimeZone zone(const std::string& name) {
  absl::TimeZone loaded;
  EXPECT_TRUE(absl::LoadTimeZone(name, &loaded)) << name;
  return loaded;
}

/// "2026-03-08 02:30" as the clock of the zone shows it; the first of two.
instant local(const std::string& name, const std::string& text) {
  absl::CivilMinute minute;
  EXPECT_TRUE(absl::ParseCivilTime(text, &minute)) << text;
  return instant{microseconds{absl::ToUnixMicros(absl::FromCivil(minute, zone(name)))}};
}

std::string shown(const std::string& name, instant t) {
  return absl::FormatTime("%a %Y-%m-%d %H:%M:%S %z", absl::FromUnixMicros(t.time_since_epoch().count()), zone(name));
}

business_calendar calendar(const std::string& name, const std::vector<std::string>& open = {"mon-fri 08:00-17:00"},
                           const std::vector<std::string>& holidays = {}) {
  return business_calendar::read(zone(name), open, holidays).value();
}

struct sum {
  const char* begun;
  microseconds time;
  const char* ends;
};

class clinic : public testing::TestWithParam<sum> {};

TEST_P(clinic, counts_days_and_hours_of_work) {
  const auto& one = GetParam();
  const std::string place = "Europe/Berlin";
  const auto open = calendar(place, {"mon-thu 08:00-12:00", "mon-thu 13:00-17:00", "fri 08:00-15:00", "sat 09:00-12:00"},
                             {"2026-12-24", "2026-12-25", "2026-12-26", "2027-01-01"});
  const auto ends = open.add(local(place, one.begun), one.time);
  EXPECT_EQ(shown(place, ends).substr(4, 16), one.ends) << one.begun;
}

INSTANTIATE_TEST_SUITE_P(
    hours, clinic,
    testing::Values(sum{"2026-11-25T10:00", hours{24}, "2026-11-26 10:00"},      // Wednesday to Thursday.
                    sum{"2026-11-25T10:00", hours{0}, "2026-11-25 10:00"},       // Nothing is nothing.
                    sum{"2026-11-25T20:00", hours{0}, "2026-11-25 20:00"},       //
                    sum{"2026-11-25T10:00", hours{4}, "2026-11-25 15:00"},       // Over noon.
                    sum{"2026-11-25T15:00", hours{4}, "2026-11-26 10:00"},       // Over night.
                    sum{"2026-11-25T15:00", hours{2}, "2026-11-25 17:00"},       // The end of the day, not the next morning.
                    sum{"2026-11-26T16:00", hours{24}, "2026-11-27 15:00"},      // Friday has closed by four.
                    sum{"2026-11-27T14:00", hours{24}, "2026-11-28 12:00"},      // So has Saturday by two.
                    sum{"2026-11-28T09:30", hours{24}, "2026-11-30 09:30"},      // Saturday to Monday.
                    sum{"2026-11-27T18:00", hours{24}, "2026-11-30 09:00"},      // Friday evening: begins Saturday at nine.
                    sum{"2026-11-28T18:00", hours{24}, "2026-12-01 08:00"},      // Saturday evening: begins Monday at eight.
                    sum{"2026-11-25T12:30", hours{24}, "2026-11-26 13:00"},      // At noon: begins at one.
                    sum{"2026-12-23T10:00", hours{24}, "2026-12-28 10:00"},      // A chain of holidays, and a Sunday.
                    sum{"2026-12-23T16:00", hours{4}, "2026-12-28 11:00"},       //
                    sum{"2026-12-24T10:00", hours{4}, "2026-12-28 12:00"},       // On a holiday.
                    sum{"2026-12-31T10:00", 3 * hours{24}, "2027-01-05 10:00"},  // Saturday, Monday, Tuesday.
                    sum{"2026-12-31T10:00", hours{24} + hours{4}, "2027-01-04 10:00"}));

TEST(business_calendar, at_an_hour_that_does_not_exist) {
  const std::string place = "America/New_York";
  const auto nights = calendar(place, {"mon-sun 01:00-04:00"});
  // On 8 March 2026 the clock goes from 02:00 to 03:00: that night has two hours of work.
  EXPECT_EQ(shown(place, nights.add_hours(local(place, "2026-03-08T01:00"), hours{2})), "Sun 2026-03-08 04:00:00 -0400");
  EXPECT_EQ(shown(place, nights.add_hours(local(place, "2026-03-08T01:00"), hours{3})), "Mon 2026-03-09 02:00:00 -0400");
  EXPECT_EQ(shown(place, nights.add_days(local(place, "2026-03-07T02:30"), 1)), "Sun 2026-03-08 03:00:00 -0400");
}

TEST(business_calendar, at_an_hour_that_comes_twice) {
  const std::string place = "America/New_York";
  const auto nights = calendar(place, {"mon-sun 00:00-02:00"});
  // On 1 November 2026 the clock goes from 02:00 to 01:00: that night has three hours of work.
  EXPECT_EQ(shown(place, nights.add_hours(local(place, "2026-11-01T00:00"), hours{3})), "Sun 2026-11-01 02:00:00 -0500");
  EXPECT_EQ(shown(place, nights.add_days(local(place, "2026-10-31T01:30"), 1)), "Sun 2026-11-01 01:30:00 -0400");
  EXPECT_EQ(shown(place, nights.add_days(local(place, "2026-11-01T01:30") + hours{1}, 1)), "Mon 2026-11-02 01:30:00 -0500");
}

TEST(business_calendar, over_a_change_of_the_clock_that_nobody_works_through) {
  const std::string place = "Europe/Berlin";
  // 28 March 2026 is a Saturday; the clock changes on Sunday.
  EXPECT_EQ(shown(place, calendar(place).add(local(place, "2026-03-27T16:00"), hours{24})), "Mon 2026-03-30 16:00:00 +0200");
  EXPECT_EQ(shown(place, calendar(place).add_hours(local(place, "2026-10-23T16:00"), hours{4})), "Mon 2026-10-26 11:00:00 +0100");
}

TEST(business_calendar, at_a_midnight_that_does_not_exist) {
  const std::string place = "America/Sao_Paulo";  // 4 November 2018 began at 01:00.
  const auto always = calendar(place, {"mon-sun 00:00-24:00"});
  EXPECT_EQ(shown(place, always.add_hours(local(place, "2018-11-03T22:00"), hours{3})), "Sun 2018-11-04 02:00:00 -0200");
  EXPECT_EQ(shown(place, always.add_days(local(place, "2018-11-03T00:30"), 1)), "Sun 2018-11-04 01:00:00 -0200");
}

TEST(business_calendar, far_away_and_over) {
  const std::string place = "America/New_York";
  EXPECT_EQ(shown(place, calendar(place).add(local(place, "2150-07-03T16:00"), hours{24})), "Mon 2150-07-06 16:00:00 -0400");
  EXPECT_EQ(shown(place, calendar(place).add_hours(local(place, "2150-03-06T16:00"), hours{4})), "Mon 2150-03-09 11:00:00 -0400");
  EXPECT_EQ(calendar(place).add(latest_time - hours{1}, hours{240}), latest_time);
  EXPECT_EQ(calendar(place).add(local(place, "2026-01-01T00:00"), std::chrono::years{400}), latest_time);
}

TEST(business_calendar, keeps_what_is_less_than_a_second) {
  const auto t = local("UTC", "2026-11-25T10:00") + microseconds{123'456};
  EXPECT_EQ(calendar("UTC").add(t, hours{24}), t + hours{24});
  EXPECT_EQ(calendar("UTC").add_hours(t, hours{8}), t + hours{23});
}

struct bad_calendar {
  std::vector<std::string> hours, holidays;
  std::string why;
};

TEST(business_calendar, is_refused_with_the_text_that_is_wrong) {
  const std::vector<bad_calendar> all{{{}, {}, "nobody would ever work"},
                                      {{"mon-fir 08:00-17:00"}, {}, "names no days"},
                                      {{""}, {}, "names no days"},
                                      {{"mon,,tue 08:00-17:00"}, {}, "names no days"},
                                      {{"mon-fri"}, {}, "names no hours"},
                                      {{"mon-fri 8:00-17:00"}, {}, "names no hours"},
                                      {{"mon-fri 17:00-08:00"}, {}, "names no hours"},
                                      {{"mon-fri 08:00-24:01"}, {}, "names no hours"},
                                      {{"mon-fri 08:00-08:00"}, {}, "names no hours"},
                                      {{"mon-fri 08:00-12:00", "wed 11:59-13:00"}, {}, "overlaps"},
                                      {{"mon 08:00-17:00"}, {"2026-02-29"}, "is no date"},
                                      {{"mon 08:00-17:00"}, {"25.12.2026"}, "is no date"},
                                      {std::vector<std::string>(33, "mon 08:00-17:00"), {}, "too many"}};
  for (const auto& one : all) {
    const auto read = business_calendar::read(absl::UTCTimeZone(), one.hours, one.holidays);
    ASSERT_TRUE(read.has_error()) << one.why;
    EXPECT_THAT(read.error().why, testing::HasSubstr(one.why));
  }
}

// The same by counting minutes, one after the other, with nothing but the zone's clock.
class minute_counter {
 public:
  minute_counter(absl::TimeZone where, std::array<std::vector<opening>, 7> week, std::set<absl::CivilDay> holidays)
      : zone_(where), week_(std::move(week)), holidays_(std::move(holidays)) {}

  bool open(instant t) const {
    const auto clock = at(t);
    const auto minute = clock - absl::CivilMinute(absl::CivilDay(clock));
    return std::ranges::any_of(openings(absl::CivilDay(clock)),
                               [&](const opening& one) { return one.from <= minute && minute < one.until; });
  }
  instant add_minutes(instant t, int work) const {
    while (work > 0) {
      if (open(t)) --work;
      t += minutes{1};
    }
    return t;
  }
  instant add_days(instant t, int days) const {
    while (!open(t)) t += minutes{1};
    const auto time = at(t) - absl::CivilMinute(absl::CivilDay(at(t)));
    for (auto day = absl::CivilDay(at(t)); days > 0; t += minutes{1}) {
      if (absl::CivilDay(at(t)) == day) continue;
      day = absl::CivilDay(at(t));
      if (!openings(day).empty()) --days;
    }
    t -= minutes{1};
    const auto day = absl::CivilDay(at(t));
    std::optional<instant> closes;
    for (; absl::CivilDay(at(t)) == day; t += minutes{1}) {
      if (!open(t)) continue;
      if (at(t) - absl::CivilMinute(day) >= time) return t;
      closes = t + minutes{1};
    }
    return *closes;
  }

 private:
  absl::CivilMinute at(instant t) const { return absl::CivilMinute(zone_.At(absl::FromUnixMicros(t.time_since_epoch().count())).cs); }
  std::vector<opening> openings(absl::CivilDay day) const {
    return holidays_.contains(day) ? std::vector<opening>{} : week_[static_cast<std::size_t>(absl::GetWeekday(day))];
  }
  absl::TimeZone zone_;
  std::array<std::vector<opening>, 7> week_;
  std::set<absl::CivilDay> holidays_;
};

TEST(business_calendar, agrees_with_who_counts_minutes) {
  const char* chosen = std::getenv("CARETEAM_SEED");
  const auto seed = chosen ? std::strtoull(chosen, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE("CARETEAM_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto up_to = [&](int most) { return static_cast<int>(random() % static_cast<std::uint64_t>(most + 1)); };
  const std::vector<std::string> places{"UTC",          "Europe/Berlin",    "America/New_York", "Australia/Lord_Howe",
                                        "Asia/Kolkata", "America/Sao_Paulo"};
  const std::array<const char*, 7> names{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
  for (int round = 0; round < 300; ++round) {
    const auto place = places[static_cast<std::size_t>(up_to(static_cast<int>(places.size()) - 1))];
    // Often around the nights on which clocks are changed: end of March, beginning of November, and others.
    const auto begin = local(place, up_to(1) == 0 ? "2018-10-15T00:00" : "2018-03-01T00:00") + minutes{up_to(40 * 24 * 60)};
    std::array<std::vector<opening>, 7> week;
    std::vector<std::string> hours_of_week, holidays;
    for (std::size_t day = 0; day < 7; ++day) {
      for (int from = up_to(600); from < 1200 && up_to(3) != 0; from += up_to(300)) {
        // Longer than what a change of the clock skips: else a day of work may have none.
        const opening one{from, std::min(1440, from + 90 + up_to(400))};
        week[day].push_back(one);
        std::array<char, 32> text{};
        std::snprintf(text.data(), text.size(), "%s %02d:%02d-%02d:%02d", names[day], one.from / 60, one.from % 60, one.until / 60,
                      one.until % 60);
        hours_of_week.emplace_back(text.data());
        from = one.until;
      }
    }
    if (hours_of_week.empty()) continue;
    std::set<absl::CivilDay> off;
    for (int i = up_to(5); i > 0; --i) {
      const auto day = absl::CivilDay(zone(place).At(absl::FromUnixMicros(begin.time_since_epoch().count())).cs) + up_to(10);
      off.insert(day);
      holidays.push_back(absl::FormatCivilTime(day));
    }
    const auto tested = calendar(place, hours_of_week, holidays);
    const minute_counter counted(zone(place), week, off);
    for (int i = 0; i < 4; ++i) {
      const auto t = begin + minutes{up_to(7 * 24 * 60)};
      const int work = 1 + up_to(1500);
      const int days = 1 + up_to(3);
      SCOPED_TRACE(shown(place, t) + " " + place + " work " + std::to_string(work) + " days " + std::to_string(days));
      ASSERT_EQ(tested.open_at(t), counted.open(t));
      ASSERT_EQ(shown(place, tested.add_hours(t, minutes{work})), shown(place, counted.add_minutes(t, work)));
      ASSERT_EQ(shown(place, tested.add_days(t, days)), shown(place, counted.add_days(t, days)));
      ASSERT_LE(tested.add_days(t, days), tested.add_days(t + minutes{1}, days)) << "later is not sooner";
    }
  }
}

}  // namespace
}  // namespace careteam::care
