// The words of the tests about duty rosters.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "care/civil_time.hpp"
#include "care/duty_fallback.hpp"
#include "care/duty_roster_change.hpp"

namespace careteam::care {

inline absl::TimeZone zone(const std::string& name) {
  absl::TimeZone loaded;
  EXPECT_TRUE(absl::LoadTimeZone(name, &loaded)) << name;
  return loaded;
}

/// "2026-11-27T17:00" as the clock of the zone shows it; the first of two.
inline instant local(const std::string& name, const std::string& text) {
  absl::CivilMinute minute;
  EXPECT_TRUE(absl::ParseCivilTime(text, &minute)) << text;
  return to_instant(absl::FromCivil(minute, zone(name)));
}

inline instant berlin(const std::string& text) {
  return local("Europe/Berlin", text);
}

inline time_span span(const std::string& from, const std::string& until) {
  return {berlin(from), berlin(until)};
}

inline const std::set<absl::Weekday> every_day{absl::Weekday::monday,   absl::Weekday::tuesday, absl::Weekday::wednesday,
                                               absl::Weekday::thursday, absl::Weekday::friday,  absl::Weekday::saturday,
                                               absl::Weekday::sunday};

/// Everybody but Mallory is known and active; a roster's own list says who is eligible.
inline roster_people everybody() {
  const auto active = [](std::string_view person) { return person != "mallory"; };
  return {active,
          [active](const duty_roster& roster, std::string_view person) { return active(person) && roster.eligible.admits(person, {}); }};
}

inline roster_people without(const std::string& suspended) {
  const auto active = [suspended](std::string_view person) { return person != suspended; };
  return {active,
          [active](const duty_roster& roster, std::string_view person) { return active(person) && roster.eligible.admits(person, {}); }};
}

inline duty_roster empty_roster(const std::string& zone_name = "Europe/Berlin", const std::string& duty = "onc-pharm") {
  duty_roster roster;
  roster.duty_id = duty;
  roster.zone = zone(zone_name);
  roster.eligible.people = {"omar", "yuki", "priya", "sam", "mallory"};
  roster.lead = "grace";
  return roster;
}

inline void accept(duty_roster& roster, const duty_change& change) {
  const auto why = refused(roster, change, everybody());
  ASSERT_FALSE(why) << why->field << ": " << why->message;
  apply(roster, change);
}

/// Days 08-20 Omar and Yuki in turn, nights 20-08 Priya and Sam, from Monday 2 November 2026.
inline duty_roster ward(const std::string& zone_name = "Europe/Berlin") {
  auto roster = empty_roster(zone_name);
  accept(roster, roster_rotation{"days", every_day, 480, 1200, {"omar", "yuki"}, absl::CivilDay(2026, 11, 2), {}});
  accept(roster, roster_rotation{"nights", every_day, 1200, 1920, {"priya", "sam"}, absl::CivilDay(2026, 11, 2), {}});
  return roster;
}

}  // namespace careteam::care
