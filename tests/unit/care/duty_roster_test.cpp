// Who is rostered, and who answers: rotations through the days on which the clocks change, overrides, leaves, gaps (B4–B6, G7).
#include "duty_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

instant utc(int year, unsigned month, unsigned day, int hour, int minute = 0) {
  return instant{std::chrono::sys_days{std::chrono::year{year} / month / day} + std::chrono::hours{hour} + std::chrono::minutes{minute}};
}

class duty_rosters : public duty_ward {};

TEST_F(duty_rosters, a_rotation_goes_from_week_to_week_in_turn) {
  good("grace", remove_item(version(), "days"));
  good("grace", rotation(version(), "days", {"nina", "noah"}, 7, 19, {1, 2, 3, 4, 5}));
  // The first week is the one of 1 October 2026, from Monday 28 September; 16 November begins the seventh after it.
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(16, 12)), "noah");
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(23, 12)), "nina");
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(27, 18, 59)), "nina");
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(30, 7)), "noah");
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(28, 12)), "") << "nobody on Saturdays";
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(28, 23)), "tom");
}

TEST_F(duty_rosters, the_hour_that_does_not_exist_and_the_one_that_comes_twice) {
  const auto zone = *zone_named("America/Chicago");
  care::rotation one;
  one.people = {"nina"};
  one.weekdays = {1, 2, 3, 4, 5, 6, 7};
  one.first = absl::CivilDay(2026, 1, 1);
  const auto on = [&](int start, int end, absl::CivilDay day) {
    one.start_minute = start;
    one.end_minute = end;
    return rotation_on(one, day, zone);
  };
  // 8 March 2026: at 02:00 (08:00 UTC) the clocks go to 03:00.
  const absl::CivilDay spring(2026, 3, 8);
  EXPECT_EQ(on(60, 150, spring)->when, (time_span{utc(2026, 3, 8, 7), utc(2026, 3, 8, 8)})) << "02:30 is the first instant after the hole";
  EXPECT_EQ(on(150, 480, spring)->when, (time_span{utc(2026, 3, 8, 8), utc(2026, 3, 8, 13)}));
  EXPECT_FALSE(on(130, 170, spring)) << "a shift within the hole is not there on that day";
  // 1 November 2026: at 02:00 (07:00 UTC) the clocks go back to 01:00.
  const absl::CivilDay autumn(2026, 11, 1);
  EXPECT_EQ(on(0, 90, autumn)->when, (time_span{utc(2026, 11, 1, 5), utc(2026, 11, 1, 6, 30)})) << "01:30 is the first of the two";
  EXPECT_EQ(on(90, 480, autumn)->when, (time_span{utc(2026, 11, 1, 6, 30), utc(2026, 11, 1, 14)})) << "and this shift has the long hour";
  EXPECT_EQ(on(19 * 60, 7 * 60, spring - 1)->when.end - on(19 * 60, 7 * 60, spring - 1)->when.start, 11h);
  EXPECT_EQ(on(19 * 60, 7 * 60, autumn - 1)->when.end - on(19 * 60, 7 * 60, autumn - 1)->when.start, 13h);
}

TEST_F(duty_rosters, rotations_that_meet_leave_neither_a_hole_nor_an_overlap_in_any_zone) {
  for (const auto* zone :
       {"America/Chicago", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia"}) {
    duty_definition what;
    what.time_zone = zone;
    duty_roster roster;
    for (int part = 0; part < 16; ++part) {
      care::rotation one;
      one.people = {"p" + std::to_string(part)};
      one.weekdays = {1, 2, 3, 4, 5, 6, 7};
      one.first = absl::CivilDay(2010, 1, 1);
      one.start_minute = part * 90;
      one.end_minute = (part + 1) * 90 % 1440;
      ASSERT_EQ(overlapping(what, roster, "new", one), std::nullopt);
      roster.rotations.emplace("r" + std::to_string(part), one);
    }
    for (int year = 2011; year < 2027; year += 15) {
      const time_span all{utc(year, 1, 2, 0), utc(year + 1, 1, 2, 0)};
      instant reached = all.start;
      for (const auto& one : stretches(what, roster, all)) {
        ASSERT_EQ(one.when.start, reached);
        ASSERT_FALSE(one.person.empty()) << zone << " " << utc_text(one.when.start);
        reached = one.when.end;
      }
      EXPECT_EQ(reached, all.end);
    }
  }
}

TEST_F(duty_rosters, what_is_no_zone_is_refused_and_leads_nowhere) {
  for (const auto* zone :
       {"", "Chicago", "/etc/passwd", "../../etc/passwd", "America/../../../../etc/passwd", "file:x", "America/Chicago\n"}) {
    auto duty = nurses_duty();
    duty.set_time_zone(zone);
    EXPECT_THAT(does("alex", define(version(), duty)), refused_with(code::invalid_argument, "defineDuty.duty.timeZone")) << zone;
  }
}

TEST_F(duty_rosters, shifts_that_are_empty_backwards_over_or_overlapping_are_refused) {
  const auto refused = [&](instant start, instant end, code why) {
    EXPECT_THAT(does("grace", shift(version(), "s", "noah", start, end)), refused_with(why, "scheduleShift.period"));
  };
  refused(chicago(24, 8), chicago(24, 8), code::invalid_argument);
  refused(chicago(24, 9), chicago(24, 8), code::invalid_argument);
  refused(chicago(22, 8), chicago(22, 9), code::failed_precondition);
  refused(chicago(24, 8), chicago(24, 9), code::failed_precondition);
  EXPECT_THAT(does("grace", rotation(version(), "more", {"noah"}, 18, 20)),
              refused_with(code::failed_precondition, "setRotation.rotation"));
  EXPECT_THAT(does("grace", rotation(version(), "days", {"noah"}, 18, 20)),
              refused_with(code::already_exists, "setRotation.rotation.rotationId"));
  EXPECT_THAT(does("grace", override_shift(version(), "o1", "noah", chicago(24, 8), chicago(24, 9))), accepted());
  EXPECT_THAT(does("grace", override_shift(version(), "o2", "tom", chicago(24, 8, 30), chicago(24, 10))),
              refused_with(code::failed_precondition, "scheduleShift.period"));
  EXPECT_THAT(does("grace", override_shift(version(), "o2", "omar", chicago(25, 8), chicago(25, 10))),
              refused_with(code::failed_precondition, "scheduleShift.personId"));
  EXPECT_THAT(does("grace", override_shift(version(), "o2", "claire", chicago(25, 8), chicago(25, 10))),
              refused_with(code::failed_precondition, "scheduleShift.personId"))
      << "a member, but in none of the duty's roles";
  EXPECT_THAT(does("grace", override_shift(version() - 1, "o2", "noah", chicago(25, 8), chicago(25, 10))),
              refused_with(code::aborted, "scheduleShift.expectedRosterVersion"));
}

TEST_F(duty_rosters, overrides_win_and_a_swap_is_two_of_them) {
  good("grace", override_shift(version(), "o", "noah", chicago(24, 10), chicago(24, 12)));
  const auto at = [&](instant t) { return rostered_at(duty().what, duty().roster, t); };
  EXPECT_EQ(at(chicago(24, 9, 59)), "nina");
  EXPECT_EQ(at(chicago(24, 10)), "noah");
  EXPECT_EQ(at(chicago(24, 12)), "nina");
  good("grace", swap_shifts(version(), "swap", chicago(25, 12), chicago(25, 23)));
  EXPECT_EQ(at(chicago(25, 12)), "tom");
  EXPECT_EQ(at(chicago(26, 3)), "nina");
  EXPECT_EQ(at(chicago(26, 12)), "nina");
  EXPECT_THAT(does("grace", swap_shifts(version(), "again", chicago(23, 8, 30), chicago(27, 23))),
              refused_with(code::failed_precondition, "swapShifts.one"))
      << "it has begun";
  EXPECT_THAT(does("nina", swap_shifts(version(), "again", chicago(27, 12), chicago(27, 23))),
              refused_with(code::permission_denied, "action"));
  check_replay();
}

TEST_F(duty_rosters, a_leave_without_cover_is_refused_with_the_list) {
  const auto alone = leave(version(), "l", "nina", chicago(27, 17), chicago(30, 8));
  const auto refused = does("nina", alone);
  ASSERT_THAT(refused, refused_with(code::failed_precondition, "enterLeave.covers"));
  EXPECT_THAT(refused.error().message, HasSubstr("2026-11-27 23:00:00 UTC to 2026-11-28 01:00:00 UTC, 2026-11-28 13:00:00 UTC"));
  const auto partly = covered_by(alone, "noah", chicago(27, 17), chicago(29, 18));
  EXPECT_THAT(does("nina", partly), refused_with(code::failed_precondition, "enterLeave.covers"));
  EXPECT_THAT(does("nina", covered_by(alone, "noah", chicago(27, 17), chicago(30, 9))),
              refused_with(code::invalid_argument, "enterLeave.covers"));
  EXPECT_THAT(does("nina", covered_by(alone, "claire", chicago(27, 17), chicago(30, 8))),
              refused_with(code::failed_precondition, "enterLeave.covers"));
  EXPECT_THAT(does("noah", covered_by(alone, "noah", chicago(27, 17), chicago(30, 8))), refused_with(code::permission_denied, "action"));
  good("nina", covered_by(alone, "noah", chicago(27, 17), chicago(30, 8)));
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(28, 12)), "noah");
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(28, 22)), "tom");
  EXPECT_THAT(
      does("nina", covered_by(leave(version(), "l2", "nina", chicago(29, 8), chicago(30, 12)), "noah", chicago(29, 8), chicago(30, 12))),
      refused_with(code::failed_precondition, "enterLeave.period"))
      << "a leave over a leave";
  EXPECT_THAT(does("noah", leave(version(), "l2", "noah", chicago(29, 8), chicago(29, 12))),
              refused_with(code::failed_precondition, "enterLeave.period"))
      << "covers somebody then";
  check_replay();
}

TEST_F(duty_rosters, at_8_a_leave_moves_the_duty_at_one_instant_and_is_handed_back_explicitly) {
  until(chicago(27, 10));
  auto asked = covered_by(leave(version(), "l", "nina", chicago(27, 17), chicago(30, 12)), "noah", chicago(27, 17), chicago(29, 18));
  asked.mutable_enter_leave()->set_accept_gaps(true);
  EXPECT_THAT(does("grace", asked), refused_with(code::permission_denied, "action")) << "gaps are accepted by administrators only";
  EXPECT_THAT(does("alex", asked), refused_with(code::invalid_argument, "enterLeave.reason"));
  asked.mutable_enter_leave()->set_reason("Nobody else is left");
  good("alex", asked);
  EXPECT_EQ(holder(), "nina");
  until(chicago(27, 16, 59));
  EXPECT_EQ(holder(), "nina");
  until(chicago(27, 17));
  EXPECT_EQ(holder(), "noah");
  EXPECT_EQ(of_kind(v1::Entry::kDutyHolderChanged).back().duty_holder_changed().reason(), v1::HOLDER_REASON_LEAVE);
  until(chicago(29, 18));
  EXPECT_EQ(holder(), "") << "the cover's time is over, and what it had open falls to the fallback at that entry";
  EXPECT_EQ(answers(now), (duty_answer{"grace", answers_as::lead, "onc-rn"}));
  until(chicago(29, 19));
  EXPECT_EQ(holder(), "tom") << "nobody held it, and the roster names him";
  until(chicago(30, 12));
  check_replay();
}

TEST_F(duty_rosters, the_cover_gives_the_duty_back_when_the_leave_is_over) {
  good("grace", covered_by(leave(version(), "l", "nina", chicago(23, 9), chicago(23, 12)), "noah", chicago(23, 9), chicago(23, 12)));
  until(chicago(23, 9));
  EXPECT_EQ(holder(), "noah");
  until(chicago(23, 14));
  EXPECT_EQ(holder(), "noah") << "not because the clock passed";
  EXPECT_EQ(duty().handoff->to, "nina") << "the server prepares the way back";
  EXPECT_THAT(does("tom", end_leave(version(), "l")), refused_with(code::permission_denied, "action"));
  good("noah", end_leave(version(), "l"));
  EXPECT_EQ(holder(), "nina");
  EXPECT_EQ(handoff(), 0u) << "overtaken";
  EXPECT_EQ(of_kind(v1::Entry::kDutyHolderChanged).back().duty_holder_changed().reason(), v1::HOLDER_REASON_HANDED_BACK);
  check_replay();
}

TEST_F(duty_rosters, gaps_are_forecast_and_the_lead_is_warned_three_times) {
  EXPECT_THAT(duty().gaps, IsEmpty());
  good("grace", covered_by(leave(version(), "l", "tom", chicago(28, 8), chicago(29, 8)), "noah", chicago(28, 8), chicago(29, 8)));
  EXPECT_THAT(duty().gaps, IsEmpty());
  auto uncovered = leave(version(), "l2", "tom", chicago(30, 8), chicago(31, 8));
  uncovered.mutable_enter_leave()->set_accept_gaps(true);
  uncovered.mutable_enter_leave()->set_reason("A search is under way");
  good("alex", uncovered);
  EXPECT_THAT(duty().gaps, ElementsAre(time_span{chicago(30, 19), chicago(31, 7)}));
  until(chicago(30, 20));
  std::vector<std::pair<unsigned, instant>> warnings;
  for (const auto& entry : of_kind(v1::Entry::kCoverageGapNear)) {
    EXPECT_EQ(entry.coverage_gap_near().person_id(), "grace");
    if (to_instant(entry.coverage_gap_near().gap().start()) != chicago(30, 19)) continue;  // While the roster was made.
    warnings.emplace_back(entry.coverage_gap_near().hours_left(), *to_instant(entry.time()));
  }
  EXPECT_THAT(warnings, ElementsAre(std::pair(72u, chicago(27, 19)), std::pair(24u, chicago(29, 19)), std::pair(2u, chicago(30, 17))));
  check_replay();
}

TEST_F(duty_rosters, who_answers_is_always_somebody) {
  EXPECT_EQ(holder(), "nina");
  EXPECT_EQ(answers(now), (duty_answer{"nina", answers_as::holder, "onc-rn"}));
  EXPECT_EQ(answers(chicago(23, 22)).person, "nina") << "whoever holds it stays accountable, whatever the clock says";
  ASSERT_THAT(organization_does("alex", suspend("nina")), accepted());
  EXPECT_EQ(answers(chicago(23, 22)), (duty_answer{"tom", answers_as::rostered, "onc-rn"}));
  EXPECT_EQ(answers(now), (duty_answer{"grace", answers_as::lead, "onc-rn"}));
  others["onc-md"] = duty();
  others["onc-md"].id = "onc-md";
  others["onc-md"].holder = "omar";
  others["onc-md"].what.fallback = {"onc-rn", "nowhere"};
  EXPECT_EQ(answers(now), (duty_answer{"omar", answers_as::fallback, "onc-md"})) << "and a ladder in a circle ends";
  others.clear();
  ASSERT_THAT(organization_does("alex", suspend("grace")), accepted());
  EXPECT_EQ(answers(now).person, "claire") << "the manager";
  ASSERT_THAT(organization_does("alex", suspend("claire")), accepted());
  others["safety"] = duty();
  others["safety"].id = "safety";
  others["safety"].holder = "omar";
  EXPECT_EQ(answers(now), (duty_answer{"omar", answers_as::safety, "safety"}));
  others.clear();
  EXPECT_EQ(answers(now), (duty_answer{"alex", answers_as::administrator, ""}));
}

TEST_F(duty_rosters, ones_own_duty_is_rostered_always_unless_the_roster_says_otherwise) {
  auto own = nurses_duty();
  own.set_personal_of("nina");
  own.clear_roles();
  record = driven_record(*new_record("duty/onc-rn"), {});
  good("alex", define(0, own));
  EXPECT_EQ(holder(), "nina");
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(23, 3) + std::chrono::days(3000)), "nina");
  good("grace", override_shift(version(), "o", "claire", chicago(24, 8), chicago(24, 9)));
  EXPECT_EQ(rostered_at(duty().what, duty().roster, chicago(24, 8)), "claire");
}

TEST_F(duty_rosters, who_is_not_of_the_duty_hears_what_everybody_hears_of_no_duty) {
  const auto asked = override_shift(version(), "o", "noah", chicago(24, 10), chicago(24, 12));
  driven_record absent(*new_record("duty/other"), {});
  auto addressed = asked;
  addressed.set_duty_id("other");
  for (const auto* outsider : {"omar", "rosa"}) {
    EXPECT_EQ(told(does(outsider, asked)), told(absent.submit(addressed, person(outsider), {now, people.state().organization})));
    EXPECT_THAT(readable(outsider), IsEmpty());
  }
  EXPECT_THAT(does("nina", asked), refused_with(code::permission_denied, "action"));
  EXPECT_THAT(readable("nina"), ElementsAre(v1::STREAM_CLINICAL, v1::STREAM_DUTY));
  EXPECT_THAT(readable("alex"), ElementsAre(v1::STREAM_DUTY)) << "an administrator reads no patient";
  EXPECT_THAT(does("alex", prepare_handoff()), refused_with(code::permission_denied, "action"));
  EXPECT_THAT(does("nina", post(clinical)), refused_with(code::invalid_argument, "dutyId"));
  EXPECT_THAT(does("grace", define(0, nurses_duty())), refused_with(code::aborted, "defineDuty.expectedRosterVersion"));
}

TEST(places, of_a_duty_are_none_of_a_patient) {
  rosas_record ward;
  ward.usual_team();
  const auto first = ward.says("rao", post(clinical));
  auto passed_on = post(clinical).passing_on(clinical, first);
  EXPECT_THAT(ward.does("rao", passed_on), accepted());
  passed_on.raw().mutable_forwarded_from()->set_duty_id("onc-rn");
  EXPECT_THAT(ward.does("rao", passed_on), refused_with(code::not_found, "postMessage.forwardedFrom"));
  v1::Command misled = post(clinical);
  misled.set_duty_id("onc-rn");
  EXPECT_THAT(ward.does("rao", misled), refused_with(code::invalid_argument, "dutyId"));
}

TEST_F(duty_rosters, nobody_who_holds_it_or_is_rostered_drops_out_of_the_members) {
  auto smaller = nurses_duty();
  smaller.mutable_members()->DeleteSubrange(1, 1);  // Tom.
  EXPECT_THAT(does("grace", define(version(), smaller)), refused_with(code::failed_precondition, "defineDuty.duty.members"));
  auto renamed = nurses_duty();
  renamed.set_name("Oncology nurses");
  EXPECT_THAT(does("grace", define(version(), renamed)), accepted());
  auto leaderless = nurses_duty();
  leaderless.clear_lead_person_id();
  EXPECT_THAT(does("grace", define(version(), leaderless)), refused_with(code::failed_precondition, "defineDuty.duty.leadPersonId"));
}

}  // namespace
}  // namespace careteam::care::fixture
