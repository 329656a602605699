// Who holds a duty (B4), when nobody does (B5), leave (B6), and the days on which the clock is changed.
#include "care/duty_roster.hpp"

#include "duty_roster_fixture.hpp"

namespace careteam::care {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;

/// The ward with one of everything, in its second week: Yuki's and Sam's.
duty_roster busy_ward() {
  auto roster = ward();
  accept(roster, roster_shift{"extra", "omar", span("2026-11-10T12:00", "2026-11-10T16:00")});
  accept(roster, roster_override{"storm", "priya", span("2026-11-10T14:00", "2026-11-10T15:00")});
  accept(roster, roster_swap{"trade", {"days", absl::CivilDay(2026, 11, 19)}, {"nights", absl::CivilDay(2026, 11, 17)}});
  accept(roster,
         roster_leave{"holiday",
                      "yuki",
                      span("2026-11-11T00:00", "2026-11-13T00:00"),
                      {{"sam", span("2026-11-11T00:00", "2026-11-12T00:00")}, {"omar", span("2026-11-12T00:00", "2026-11-13T00:00")}},
                      uncovered_turns::refused});
  return roster;
}

struct named {
  const char* at;
  roster_rule rule;
  const char* person;
  const char* source;
  const char* absent;
};

void PrintTo(const named& one, std::ostream* out) {
  *out << one.at;
}

class ladder_of_rules : public testing::TestWithParam<named> {};

TEST_P(ladder_of_rules, names_one_person) {
  const auto& one = GetParam();
  EXPECT_EQ(resolve(busy_ward(), berlin(one.at)), (roster_holder{one.rule, one.person, one.source, one.absent})) << one.at;
}

INSTANTIATE_TEST_SUITE_P(instants, ladder_of_rules,
                         testing::Values(named{"2026-11-02T07:59", roster_rule::nobody, "", "", ""},            // Before the first shift.
                                         named{"2026-11-02T08:00", roster_rule::rotation, "omar", "days", ""},  //
                                         named{"2026-11-02T20:00", roster_rule::rotation, "priya", "nights", ""},  // An end is not within.
                                         named{"2026-11-09T07:59", roster_rule::rotation, "priya", "nights", ""},  // Sunday's night.
                                         named{"2026-11-09T08:00", roster_rule::rotation, "yuki", "days", ""},     // The second week.
                                         named{"2026-11-09T21:00", roster_rule::rotation, "sam", "nights", ""},    //
                                         named{"2026-11-16T08:00", roster_rule::swap, "priya", "trade", ""},       // The third.
                                         named{"2026-11-16T21:00", roster_rule::swap, "omar", "trade", ""},        //
                                         named{"2026-11-23T07:00", roster_rule::swap, "omar", "trade", ""},        // Its last night.
                                         named{"2026-11-23T08:00", roster_rule::rotation, "yuki", "days", ""},     //
                                         named{"2026-11-10T11:59", roster_rule::rotation, "yuki", "days", ""},     //
                                         named{"2026-11-10T12:00", roster_rule::shift, "omar", "extra", ""},       //
                                         named{"2026-11-10T14:00", roster_rule::override, "priya", "storm", ""},   //
                                         named{"2026-11-10T15:00", roster_rule::shift, "omar", "extra", ""},       //
                                         named{"2026-11-11T10:00", roster_rule::leave_cover, "sam", "holiday", "yuki"},
                                         named{"2026-11-11T21:00", roster_rule::rotation, "sam", "nights", ""},
                                         named{"2026-11-12T10:00", roster_rule::leave_cover, "omar", "holiday", "yuki"},
                                         named{"2026-11-13T10:00", roster_rule::rotation, "yuki", "days", ""}));

TEST(duty_roster, a_week_on_call_and_a_rotation_that_ends) {
  auto roster = empty_roster();
  accept(roster, roster_rotation{"weeks",
                                 {absl::Weekday::wednesday},
                                 540,
                                 540 + 10080,
                                 {"omar", "yuki", "sam"},
                                 absl::CivilDay(2026, 11, 2),
                                 absl::CivilDay(2026, 11, 11)});
  EXPECT_EQ(resolve(roster, berlin("2026-11-04T08:59")).rule, roster_rule::nobody);
  EXPECT_EQ(resolve(roster, berlin("2026-11-11T08:59")).person, "omar");
  EXPECT_EQ(resolve(roster, berlin("2026-11-18T08:59")).person, "yuki");
  EXPECT_EQ(resolve(roster, berlin("2026-11-18T09:00")).rule, roster_rule::nobody);
  EXPECT_EQ(next_change(roster, berlin("2026-11-18T09:00")), std::nullopt);
  EXPECT_EQ(next_change(roster, berlin("2020-01-01T00:00")), berlin("2026-11-04T09:00"));
}

TEST(duty_roster, an_override_calls_somebody_in_from_leave) {
  auto roster = busy_ward();
  accept(roster, roster_override{"call", "yuki", span("2026-11-11T10:00", "2026-11-11T11:00")});
  EXPECT_EQ(resolve(roster, berlin("2026-11-11T10:30")).person, "yuki");
  EXPECT_EQ(resolve(roster, berlin("2026-11-11T11:00")).person, "sam");
}

TEST(duty_roster, who_covers_may_go_on_leave_and_is_covered) {
  auto roster = busy_ward();
  accept(roster, roster_leave{"ill",
                              "sam",
                              span("2026-11-11T08:00", "2026-11-12T08:00"),
                              {{"priya", span("2026-11-11T08:00", "2026-11-12T08:00")}},
                              uncovered_turns::refused});
  EXPECT_EQ(resolve(roster, berlin("2026-11-11T10:00")), (roster_holder{roster_rule::leave_cover, "priya", "ill", "sam"}));
}

TEST(duty_roster, covers_in_a_circle_are_nobody) {
  auto roster = ward();
  const auto week = span("2026-11-02T00:00", "2026-11-09T00:00");
  apply(roster, roster_leave{"a", "omar", week, {{"yuki", week}}, uncovered_turns::accepted});
  apply(roster, roster_leave{"b", "yuki", week, {{"omar", week}}, uncovered_turns::accepted});
  EXPECT_EQ(resolve(roster, berlin("2026-11-03T10:00")).rule, roster_rule::nobody);
}

// AT-8: Omar's weekend. Yuki covers it until Sunday 18:00; an administrator accepts the rest.
TEST(duty_roster, pharmacist_on_leave) {
  auto roster = empty_roster();
  accept(roster, roster_rotation{"all", every_day, 480, 1920, {"omar"}, absl::CivilDay(2026, 11, 2), {}});
  roster_leave leave{"away", "omar", span("2026-11-27T17:00", "2026-11-30T08:00"), {}, uncovered_turns::refused};
  const auto why = refused(roster, leave, everybody());
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, code::failed_precondition);
  EXPECT_EQ(why->field, "leave.covers");
  EXPECT_THAT(why->message, testing::HasSubstr("2026-11-27 16:00:00 UTC to 2026-11-30 07:00:00 UTC"));

  leave.covers.push_back({"yuki", span("2026-11-27T17:00", "2026-11-29T18:00")});
  EXPECT_THAT(uncovered_by(roster, leave), testing::ElementsAre(span("2026-11-29T18:00", "2026-11-30T08:00")));
  EXPECT_TRUE(refused(roster, leave, everybody()));
  leave.uncovered = uncovered_turns::accepted;
  accept(roster, leave);
  const auto found = gaps(roster, {berlin("2026-11-20T00:00"), berlin("2026-12-04T00:00")}, everybody());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0], (roster_stretch{span("2026-11-29T18:00", "2026-11-30T08:00"), {roster_rule::nobody, "", "away", "omar"}}));
  const auto answer =
      resolve_with_fallback({{"onc-pharm", {{}, {}, roster}}}, "onc-pharm", berlin("2026-11-29T19:00"), everybody(), "ines");
  EXPECT_EQ(answer.person, "grace");
  EXPECT_FALSE(answer.covered());
}

TEST(duty_roster, a_suspended_person_is_a_gap_with_their_name) {
  const auto found = gaps(ward(), span("2026-11-02T08:00", "2026-11-04T08:00"), without("priya"));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], (roster_stretch{span("2026-11-02T20:00", "2026-11-03T08:00"), {roster_rule::rotation, "priya", "nights", ""}}));
  EXPECT_TRUE(gaps(ward(), span("2026-11-02T08:00", "2026-11-16T08:00"), everybody()).empty());
}

TEST(duty_roster, fourteen_days_of_a_full_roster_are_forecast_in_milliseconds) {
  auto roster = empty_roster();
  for (int i = 0; i < 24; ++i) {
    apply(roster,
          roster_rotation{"r" + std::to_string(i), every_day, i * 60, i * 60 + 60, {"omar", "yuki"}, absl::CivilDay(2026, 1, 1), {}});
  }
  for (int i = 0; i < 500; ++i) {
    const auto begin = berlin("2026-01-01T00:00") + days{i};
    apply(roster, roster_override{"o" + std::to_string(i), "sam", {begin, begin + minutes{30}}});
  }
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(gaps(roster, span("2026-11-02T00:00", "2026-11-16T00:00"), everybody()).empty());
  const auto took = std::chrono::steady_clock::now() - begun;
  RecordProperty("microseconds", static_cast<int>(std::chrono::duration_cast<microseconds>(took).count()));
  EXPECT_LT(took, std::chrono::seconds{1}) << "a few ms: stepping by minutes would take far longer";
}

struct changed_clock {
  const char* zone;
  absl::CivilDay day;
  int from;
  int until;
  const char* starts;  ///< UTC.
  minutes lasts;
};

void PrintTo(const changed_clock& one, std::ostream* out) {
  *out << one.zone << " on " << one.day << " from minute " << one.from;
}

class change_of_clock : public testing::TestWithParam<changed_clock> {};

TEST_P(change_of_clock, moves_a_shift) {
  const auto& one = GetParam();
  auto roster = empty_roster(one.zone);
  accept(roster, roster_rotation{"once", {absl::GetWeekday(one.day)}, one.from, one.until, {"omar"}, one.day, one.day});
  const auto begins = next_change(roster, instant{});
  if (one.lasts == minutes{0}) {
    const auto begin = local("UTC", one.starts);
    EXPECT_EQ(begins, begin);
    EXPECT_EQ(next_change(roster, begin), std::nullopt);
    EXPECT_EQ(resolve(roster, begin).rule, roster_rule::nobody);
    return;
  }
  ASSERT_TRUE(begins);
  EXPECT_EQ(utc_text(*begins), utc_text(local("UTC", one.starts)));
  EXPECT_EQ(next_change(roster, *begins), *begins + one.lasts);
  EXPECT_EQ(resolve(roster, *begins - microseconds{1}).rule, roster_rule::nobody);
  for (auto t = *begins; t < *begins + one.lasts; t += minutes{1}) ASSERT_EQ(resolve(roster, t).person, "omar") << utc_text(t);
  EXPECT_EQ(resolve(roster, *begins + one.lasts).rule, roster_rule::nobody);
}

INSTANTIATE_TEST_SUITE_P(
    places, change_of_clock,
    testing::Values(
        // Berlin: 29 March 2026 goes from 02:00 to 03:00, 25 October from 03:00 to 02:00.
        changed_clock{"Europe/Berlin", absl::CivilDay(2026, 3, 28), 1320, 1800, "2026-03-28T21:00", hours{7}},
        changed_clock{"Europe/Berlin", absl::CivilDay(2026, 10, 24), 1320, 1800, "2026-10-24T20:00", hours{9}},
        changed_clock{"Europe/Berlin", absl::CivilDay(2026, 10, 23), 1320, 1800, "2026-10-23T20:00", hours{8}},
        changed_clock{"Europe/Berlin", absl::CivilDay(2026, 3, 29), 150, 360, "2026-03-29T01:00", hours{3}},  // Starts in the skipped hour.
        changed_clock{"Europe/Berlin", absl::CivilDay(2026, 3, 28), 1320, 1590, "2026-03-28T21:00", hours{4}},     // Ends in it.
        changed_clock{"Europe/Berlin", absl::CivilDay(2026, 3, 29), 130, 170, "2026-03-29T01:00", minutes{0}},     // Lies in it.
        changed_clock{"Europe/Berlin", absl::CivilDay(2026, 10, 25), 120, 180, "2026-10-25T00:00", hours{2}},      // The repeated hour.
        changed_clock{"Europe/Berlin", absl::CivilDay(2026, 10, 25), 150, 360, "2026-10-25T00:30", minutes{270}},  // From the first 02:30.
        changed_clock{"Europe/Berlin", absl::CivilDay(2026, 10, 24), 1320, 1590, "2026-10-24T20:00", minutes{270}},  // Until the first.
        // São Paulo, old rules: 4 November 2018 begins at 01:00, 17 February 2018 has its last hour twice.
        changed_clock{"America/Sao_Paulo", absl::CivilDay(2018, 11, 3), 1320, 1800, "2018-11-04T01:00", hours{7}},
        changed_clock{"America/Sao_Paulo", absl::CivilDay(2018, 11, 4), 0, 480, "2018-11-04T03:00", hours{7}},
        changed_clock{"America/Sao_Paulo", absl::CivilDay(2018, 2, 17), 1380, 1440, "2018-02-18T01:00", hours{2}},
        changed_clock{"America/Sao_Paulo", absl::CivilDay(2018, 2, 18), 0, 480, "2018-02-18T03:00", hours{8}},
        // Lord Howe: half an hour; 4 October 2026 from 02:00 to 02:30, 5 April from 02:00 to 01:30.
        changed_clock{"Australia/Lord_Howe", absl::CivilDay(2026, 10, 3), 1320, 1800, "2026-10-03T11:30", minutes{450}},
        changed_clock{"Australia/Lord_Howe", absl::CivilDay(2026, 10, 4), 135, 480, "2026-10-03T15:30", minutes{330}},
        changed_clock{"Australia/Lord_Howe", absl::CivilDay(2026, 4, 4), 1320, 1800, "2026-04-04T11:00", minutes{510}},
        // St John's, old rules: 1 November 2009 shows 00:01 and then yesterday's 23:01 again.
        changed_clock{"America/St_Johns", absl::CivilDay(2009, 11, 1), 0, 60, "2009-11-01T02:30", hours{2}},
        // Apia had no 30 December 2011.
        changed_clock{"Pacific/Apia", absl::CivilDay(2011, 12, 29), 1320, 1800, "2011-12-30T08:00", hours{2}}));

TEST(duty_roster, shifts_that_meet_by_the_clock_meet_in_time) {
  auto roster = empty_roster();
  accept(roster, roster_rotation{"a", every_day, 150, 870, {"omar"}, absl::CivilDay(2026, 1, 1), {}});
  accept(roster, roster_rotation{"b", every_day, 870, 1590, {"yuki"}, absl::CivilDay(2025, 12, 31), {}});
  EXPECT_TRUE(gaps(roster, span("2026-01-01T12:00", "2026-12-30T12:00"), everybody()).empty());
}

TEST(duty_eligibility, by_name_or_by_role) {
  const duty_eligibility eligible{{"omar"}, {"pharmacist"}};
  const std::vector<std::string> nurse{"nurse"};
  const std::vector<std::string> both{"nurse", "pharmacist"};
  EXPECT_TRUE(eligible.admits("omar", {}));
  EXPECT_TRUE(eligible.admits("sam", both));
  EXPECT_FALSE(eligible.admits("sam", nurse));
  EXPECT_FALSE(duty_eligibility{}.admits("omar", both));
}

}  // namespace
}  // namespace careteam::care
