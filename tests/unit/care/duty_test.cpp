// Commands on a duty and its roster, leaves with cover, gaps, who answers (B4–B6, G7). What a roster is: `duty_roster_test`.
#include "duty_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// "tom by duty of onc-rn".
std::string by_whom(const duty_answer& answer) {
  constexpr std::array rungs{"holder", "duty", "lead", "manager", "safety"};
  const auto& last = answer.path.back();
  return answer.person + " by " + rungs.at(static_cast<std::size_t>(last.rung)) + " of " + last.duty_id;
}

class duties : public duty_ward {};

TEST_F(duties, a_rotation_goes_from_week_to_week_in_turn) {
  good("grace", remove_item(version(), "days"));
  good("grace", rotation(version(), "days", {"nina", "noah"}, 7, 19, {1, 2, 3, 4, 5}));
  // The first week is the one of 1 October 2026, from Monday 28 September; 16 November begins the seventh after it.
  EXPECT_EQ(rostered(chicago(16, 12)), "noah");
  EXPECT_EQ(rostered(chicago(23, 12)), "nina");
  EXPECT_EQ(rostered(chicago(27, 18, 59)), "nina");
  EXPECT_EQ(rostered(chicago(30, 7)), "noah");
  EXPECT_EQ(rostered(chicago(28, 12)), "") << "nobody on Saturdays";
  EXPECT_EQ(rostered(chicago(28, 23)), "tom");
}

TEST_F(duties, what_is_no_zone_is_refused_and_leads_nowhere) {
  for (const auto* zone :
       {"", "Chicago", "/etc/passwd", "../../etc/passwd", "America/../../../../etc/passwd", "file:x", "America/Chicago\n"}) {
    auto duty = nurses_duty();
    duty.set_time_zone(zone);
    EXPECT_THAT(does("alex", define(version(), duty)), refused_with(code::invalid_argument, "defineDuty.duty.timeZone")) << zone;
  }
}

TEST_F(duties, shifts_that_are_empty_backwards_over_or_overlapping_are_refused) {
  const auto refused = [&](instant start, instant end, code why, std::string_view field) {
    EXPECT_THAT(does("grace", shift(version(), "s", "noah", start, end)), refused_with(why, "scheduleShift." + std::string(field)));
  };
  refused(chicago(24, 8), chicago(24, 8), code::invalid_argument, "period.end");
  refused(chicago(24, 9), chicago(24, 8), code::invalid_argument, "period.end");
  refused(chicago(22, 8), chicago(22, 9), code::failed_precondition, "period");
  good("grace", shift(version(), "t", "noah", chicago(24, 8), chicago(24, 9)));
  EXPECT_EQ(rostered(chicago(24, 8, 30)), "noah") << "a shift stands in the place of the rotation";
  refused(chicago(24, 8, 30), chicago(24, 10), code::failed_precondition, "period");
  EXPECT_THAT(does("grace", rotation(version(), "more", {"noah"}, 18, 20)),
              refused_with(code::failed_precondition, "setRotation.rotation"));
  EXPECT_THAT(does("grace", rotation(version(), "days", {"noah"}, 18, 20)),
              refused_with(code::already_exists, "setRotation.rotation.rotationId"));
  EXPECT_THAT(does("grace", rotation(version(), "more", {"noah", "omar"}, 18, 20)),
              refused_with(code::not_found, "setRotation.rotation.personId"));
  EXPECT_THAT(does("grace", override_shift(version(), "o1", "noah", chicago(24, 8), chicago(24, 9))), accepted());
  EXPECT_THAT(does("grace", override_shift(version(), "o2", "tom", chicago(24, 8, 30), chicago(24, 10))),
              refused_with(code::failed_precondition, "scheduleShift.period"));
  EXPECT_THAT(does("grace", override_shift(version(), "o1", "tom", chicago(26, 8, 30), chicago(26, 10))),
              refused_with(code::already_exists, "scheduleShift.shiftId"));
  EXPECT_THAT(does("grace", override_shift(version(), "o2", "omar", chicago(25, 8), chicago(25, 10))),
              refused_with(code::not_found, "scheduleShift.personId"));
  EXPECT_THAT(does("grace", override_shift(version(), "o2", "claire", chicago(25, 8), chicago(25, 10))),
              refused_with(code::not_found, "scheduleShift.personId"))
      << "a member, but in none of the duty's roles";
  EXPECT_THAT(does("grace", override_shift(version() - 1, "o2", "noah", chicago(25, 8), chicago(25, 10))),
              refused_with(code::aborted, "scheduleShift.expectedRosterVersion"));
  EXPECT_THAT(does("grace", remove_item(version(), "nothing")), refused_with(code::not_found, "removeRosterItem.itemId"));
}

TEST_F(duties, a_rotation_that_cannot_be_read_is_refused) {
  const auto refused = [&](code why, std::string_view field, const std::function<void(v1::Rotation&)>& spoil) {
    auto asked = rotation(version(), "r", {"noah"}, 8, 9, {1});
    spoil(*asked.mutable_set_rotation()->mutable_rotation());
    EXPECT_THAT(does("grace", asked), refused_with(why, "setRotation." + std::string(field)));
  };
  refused(code::invalid_argument, "rotation", [](auto& one) { one.set_weekday(0, 8); });
  refused(code::invalid_argument, "rotation", [](auto& one) { one.set_first_day("2026-02-29"); });
  refused(code::invalid_argument, "rotation", [](auto& one) { one.set_end_minute(4'000'000'000U); });
  refused(code::invalid_argument, "rotation.weekday", [](auto& one) { one.clear_weekday(); });
  refused(code::invalid_argument, "rotation.startMinute", [](auto& one) { one.set_start_minute(1440); });
  refused(code::invalid_argument, "rotation.endMinute", [](auto& one) { one.set_end_minute(8 * 60); });
  refused(code::invalid_argument, "rotation.lastDay", [](auto& one) { one.set_last_day("2026-09-30"); });
  refused(code::invalid_argument, "rotation.personId", [](auto& one) { one.clear_person_id(); });
  refused(code::invalid_argument, "rotation.rotationId", [](auto& one) { one.set_rotation_id("a b"); });
}

TEST_F(duties, overrides_win_and_turns_are_swapped) {
  good("grace", override_shift(version(), "o", "noah", chicago(24, 10), chicago(24, 12)));
  EXPECT_EQ(rostered(chicago(24, 9, 59)), "nina");
  EXPECT_EQ(rostered(chicago(24, 10)), "noah");
  EXPECT_EQ(rostered(chicago(24, 12)), "nina");
  good("grace", shift(version(), "extra", "noah", chicago(27, 12), chicago(27, 16)));
  EXPECT_THAT(does("nina", swap_turns(version(), "swap", turn("days", "2026-12-02"), turn("extra"))),
              refused_with(code::permission_denied, "action"));
  EXPECT_THAT(does("grace", swap_turns(version(), "swap", turn("days", "2026-11-25"), turn("extra"))),
              refused_with(code::failed_precondition, "swapTurns.one"))
      << "it has begun";
  EXPECT_THAT(does("grace", swap_turns(version(), "swap", turn("extra"), turn("days", "Wednesday"))),
              refused_with(code::invalid_argument, "swapTurns.other.week"));
  EXPECT_THAT(does("grace", swap_turns(version(), "swap", turn("extra"), turn("gone"))), refused_with(code::not_found, "swapTurns.other"));
  good("grace", swap_turns(version(), "swap", turn("days", "2026-12-02"), turn("extra")));
  EXPECT_EQ(rostered(chicago(27, 13)), "nina");
  EXPECT_EQ(rostered(chicago(30, 12)), "noah") << "the whole week from Monday";
  EXPECT_EQ(rostered(chicago(37, 12)), "nina");
  EXPECT_THAT(does("grace", swap_turns(version(), "again", turn("extra"), turn("nights", "2026-12-02"))),
              refused_with(code::failed_precondition, "swapTurns.one"));
  EXPECT_THAT(does("grace", remove_item(version(), "extra")), refused_with(code::failed_precondition, "removeRosterItem.itemId"));
  check_replay();
  until(chicago(29, 12));
  EXPECT_EQ(rostered(chicago(30, 12)), "noah") << "a shift that is over is kept while its swap is needed";
  until(chicago(45, 12));
  EXPECT_THAT(duty().roster.swaps, IsEmpty());
  EXPECT_THAT(duty().roster.shifts, IsEmpty());
  EXPECT_EQ(rostered(chicago(47, 12)), "nina");
  check_replay();
}

TEST_F(duties, a_leave_without_cover_is_refused_with_the_list) {
  const auto alone = leave(version(), "l", "nina", chicago(27, 17), chicago(30, 8));
  const auto refused = does("nina", alone);
  ASSERT_THAT(refused, refused_with(code::failed_precondition, "enterLeave.covers"));
  EXPECT_THAT(refused.error().message, HasSubstr("2026-11-27 23:00:00 UTC to 2026-11-28 01:00:00 UTC, 2026-11-28 13:00:00 UTC"));
  const auto partly = covered_by(alone, "noah", chicago(27, 17), chicago(29, 18));
  EXPECT_THAT(does("nina", partly), refused_with(code::failed_precondition, "enterLeave.covers"));
  EXPECT_THAT(does("nina", covered_by(alone, "noah", chicago(27, 17), chicago(30, 9))),
              refused_with(code::invalid_argument, "enterLeave.covers[0].period"));
  EXPECT_THAT(does("nina", covered_by(alone, "claire", chicago(27, 17), chicago(30, 8))),
              refused_with(code::not_found, "enterLeave.covers[0].personId"));
  EXPECT_THAT(does("noah", covered_by(alone, "noah", chicago(27, 17), chicago(30, 8))), refused_with(code::permission_denied, "action"));
  good("nina", covered_by(alone, "noah", chicago(27, 17), chicago(30, 8)));
  EXPECT_EQ(rostered(chicago(28, 12)), "noah");
  EXPECT_EQ(rostered(chicago(28, 22)), "tom");
  EXPECT_THAT(
      does("nina", covered_by(leave(version(), "l2", "nina", chicago(29, 8), chicago(30, 12)), "noah", chicago(29, 8), chicago(30, 12))),
      refused_with(code::failed_precondition, "enterLeave.period"))
      << "a leave over a leave";
  EXPECT_THAT(does("noah", leave(version(), "l2", "noah", chicago(29, 8), chicago(29, 12))),
              refused_with(code::failed_precondition, "enterLeave.covers"))
      << "covers somebody then";
  EXPECT_THAT(does("grace", remove_item(version(), "l")), refused_with(code::failed_precondition, "removeRosterItem.itemId"));
  check_replay();
}

TEST_F(duties, at_8_a_leave_moves_the_duty_at_one_instant_and_is_handed_back_explicitly) {
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
  EXPECT_EQ(by_whom(answers(now)), "grace by lead of onc-rn");
  until(chicago(29, 19));
  EXPECT_EQ(holder(), "tom") << "nobody held it, and the roster names him";
  until(chicago(30, 12));
  check_replay();
}

TEST_F(duties, the_cover_gives_the_duty_back_when_the_leave_is_over) {
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

TEST_F(duties, whoever_gave_it_away_reads_on) {
  const former_holder nobody{};
  until(chicago(23, 18));
  owes("rosa", 17, chicago(24, 20));
  at_stage(5);
  EXPECT_EQ(duty().former, nobody);
  good("nina", confirm(handoff()));
  EXPECT_EQ(holder(), "tom");
  EXPECT_EQ(duty().former, (former_holder{"nina", false})) << "T15";
  check_replay();
  good("grace", covered_by(leave(version(), "l", "tom", chicago(23, 22), chicago(24, 6)), "noah", chicago(23, 22), chicago(24, 6)));
  until(chicago(23, 21, 59));
  EXPECT_EQ(duty().former, (former_holder{"nina", false}));
  until(chicago(23, 22));
  EXPECT_EQ(holder(), "noah");
  EXPECT_EQ(duty().former, (former_holder{"tom", true})) << "B6: he comes back to it";
  check_replay();
  good("grace", force_take());
  EXPECT_EQ(duty().former, nobody) << "it was taken, and not given";
  check_replay();
}

TEST_F(duties, gaps_are_forecast_and_the_lead_is_warned_three_times) {
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

TEST_F(duties, a_call_that_reaches_nobody_goes_on_to_lead_manager_and_safety_person) {
  v1::Command report;
  report.set_duty_id("onc-rn");
  auto& asked = *report.mutable_report_duty_call();
  asked.set_call(v1::DUTY_CALL_HAND_OVER);
  asked.set_priority(v1::PRIORITY_STAT);
  task_setting setting;
  setting.safety_person = "omar";
  const auto next = [&](const std::string& unreachable) {
    asked.set_person_id(unreachable);
    const auto done = record.submit(report, the_system(), {now, people.state().organization, 0, 5, setting});
    EXPECT_THAT(done, accepted());
    return done->back().duty_call_undelivered().next_person_id();
  };
  EXPECT_EQ(next("nina"), "grace");
  EXPECT_EQ(next("grace"), "claire");
  EXPECT_EQ(next("claire"), "omar");
  EXPECT_EQ(next("omar"), "") << "and there it ends";
  ASSERT_THAT(organization_does("alex", suspend("claire")), accepted());
  EXPECT_EQ(next("grace"), "omar");
  setting.safety_person = "grace";
  ASSERT_THAT(organization_does("alex", reinstate("claire")), accepted());
  EXPECT_EQ(next("claire"), "") << "who was tried before is not tried again";
  EXPECT_THAT(does("grace", report), refused_with(code::permission_denied, "action"));
  asked.clear_call();
  EXPECT_THAT(does(the_system(), report), refused_with(code::invalid_argument, "reportDutyCall.call"));
  check_replay();
}

TEST_F(duties, who_answers_is_always_somebody) {
  EXPECT_EQ(by_whom(answers(now)), "nina by holder of onc-rn");
  EXPECT_EQ(answers(chicago(23, 22)).person, "nina") << "whoever holds it stays accountable, whatever the clock says";
  ASSERT_THAT(organization_does("alex", suspend("nina")), accepted());
  EXPECT_EQ(by_whom(answers(chicago(23, 22))), "tom by duty of onc-rn");
  EXPECT_EQ(by_whom(answers(now)), "grace by lead of onc-rn");
  others["onc-md"] = standing_of(duty());
  others["onc-md"].holder = "omar";
  others["onc-md"].roster.fallbacks = {"onc-rn", "nowhere"};
  EXPECT_EQ(by_whom(answers(now)), "omar by holder of onc-md") << "and a ladder in a circle ends";
  others.clear();
  ASSERT_THAT(organization_does("alex", suspend("grace")), accepted());
  EXPECT_EQ(by_whom(answers(now)), "claire by manager of onc-rn");
  ASSERT_THAT(organization_does("alex", suspend("claire")), accepted());
  others["safety"] = standing_of(duty());
  others["safety"].holder = "omar";
  EXPECT_EQ(by_whom(answers(now)), "omar by holder of safety");
  others.clear();
  EXPECT_EQ(by_whom(answers(now)), "ines by safety of ");
}

TEST_F(duties, ones_own_duty_is_rostered_always_unless_the_roster_says_otherwise) {
  auto own = nurses_duty();
  own.set_personal_of("nina");
  own.clear_roles();
  record = driven_record(*new_record("duty/onc-rn"), {});
  good("alex", define(0, own));
  EXPECT_EQ(holder(), "nina");
  EXPECT_EQ(rostered(chicago(23, 3) + std::chrono::days(3000)), "nina");
  good("grace", override_shift(version(), "o", "claire", chicago(24, 8), chicago(24, 9)));
  EXPECT_EQ(rostered(chicago(24, 8)), "claire");
}

TEST_F(duties, who_is_not_of_the_duty_hears_what_everybody_hears_of_no_duty) {
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

TEST_F(duties, a_zone_that_this_machine_does_not_know_stops_the_replay) {
  auto defined = of_kind(v1::Entry::kDutyDefined).front();
  defined.mutable_duty_defined()->mutable_duty()->set_time_zone("America/Atlantis");
  auto anew = *new_record("duty/onc-rn");
  EXPECT_THROW(apply(anew, defined), std::runtime_error) << "and is not read as another";
}

TEST_F(duties, whoever_was_called_in_by_an_override_keeps_it_in_their_leave) {
  good("grace", covered_by(leave(version(), "l", "nina", chicago(23, 9), chicago(23, 18)), "noah", chicago(23, 9), chicago(23, 18)));
  good("grace", override_shift(version(), "o", "nina", chicago(23, 8), chicago(23, 12)));
  until(chicago(23, 11, 59));
  EXPECT_EQ(holder(), "nina");
  until(chicago(23, 12));
  EXPECT_EQ(holder(), "noah");
  check_replay();
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

TEST_F(duties, nobody_who_holds_it_or_is_rostered_drops_out_of_the_members) {
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
