// What follows from an attempt: pauses, channels, times, quiet hours, and the human at the end.
#include "notifier/delivery_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace careteam::notifier {
namespace {

using namespace std::chrono_literals;
using store::delivery_state;

constexpr store::instant t0{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h};

struct planned {
  store::stored_delivery delivery;
  internal::DeliveryPayload payload;

  explicit planned(v1::Priority priority, std::uint32_t times = 1, std::uint32_t step = 0, std::uint32_t attempts = 1) {
    payload.set_effect("00112233445566778899aabbccddeeff");
    payload.set_times(times);
    payload.set_step(step);
    payload.set_staff(true);
    delivery.what.id = "00112233445566778899aabbccddeeff-" + std::to_string(times) + "-" + std::to_string(step);
    delivery.what.priority = static_cast<std::uint32_t>(priority);
    delivery.worker = "w";
    delivery.attempts = attempts;
  }
  delivery_step after(attempt how, std::size_t channels = 2, double random = 0) const {
    return after_attempt(delivery, payload, how, channels, {}, random, t0);
  }
};

const attempt taken{verdict::taken, std::nullopt};
const attempt again{verdict::again, std::nullopt};
const attempt refused{verdict::refused, std::nullopt};

std::string suffix(const store::following_delivery& next) {
  return next.id.substr(next.id.find('-'));
}

TEST(delivery_plan, what_was_taken_is_followed_by_the_next_time_over_the_next_channel) {
  const auto step = planned(v1::PRIORITY_STAT).after(taken);
  EXPECT_EQ(step.outcome.state, delivery_state::sent);
  EXPECT_FALSE(step.exhausted);
  ASSERT_TRUE(step.outcome.then);
  EXPECT_EQ(suffix(*step.outcome.then), "-2-0");
  EXPECT_EQ(step.outcome.then->not_before, t0 + 60s);
  internal::DeliveryPayload next;
  ASSERT_TRUE(next.ParseFromString(step.outcome.then->payload));
  EXPECT_EQ(next.times(), 2U);
  EXPECT_EQ(channel_of(next, 2), 1U);
  EXPECT_EQ(next.due_us(), (t0 + 60s).time_since_epoch().count());
  EXPECT_TRUE(next.staff());
}

TEST(delivery_plan, the_last_channel_is_the_loudest_and_stays) {
  const auto step = planned(v1::PRIORITY_STAT, 7, 1).after(taken);
  ASSERT_TRUE(step.outcome.then);
  EXPECT_EQ(suffix(*step.outcome.then), "-8-0");
  internal::DeliveryPayload next;
  ASSERT_TRUE(next.ParseFromString(step.outcome.then->payload));
  EXPECT_EQ(channel_of(next, 2), 1U);
}

TEST(delivery_plan, a_routine_call_is_made_once) {
  EXPECT_FALSE(planned(v1::PRIORITY_ROUTINE).after(taken).outcome.then);
}

TEST(delivery_plan, pauses_grow_and_then_the_next_channel_has_it) {
  const auto first = planned(v1::PRIORITY_STAT, 1, 0, 1).after(again);
  EXPECT_EQ(first.outcome.state, delivery_state::waiting);
  EXPECT_EQ(first.outcome.next, t0 + 1s);
  EXPECT_EQ(planned(v1::PRIORITY_STAT, 1, 0, 3).after(again).outcome.next, t0 + 4s);
  const auto last = planned(v1::PRIORITY_STAT, 1, 0, 4).after(again);
  EXPECT_EQ(last.outcome.state, delivery_state::failed);
  EXPECT_FALSE(last.exhausted);
  ASSERT_TRUE(last.outcome.then);
  EXPECT_EQ(suffix(*last.outcome.then), "-1-1");
  EXPECT_EQ(last.outcome.then->not_before, t0);
}

TEST(delivery_plan, what_nobody_knows_of_is_made_again_at_once_as_often_as_an_attempt) {
  const attempt unknown{verdict::unknown, std::nullopt};
  const auto first = planned(v1::PRIORITY_STAT, 1, 0, 1).after(unknown);
  EXPECT_EQ(first.outcome.state, delivery_state::waiting);
  EXPECT_EQ(first.outcome.next, t0);
  EXPECT_TRUE(first.outcome.attempted);
  EXPECT_FALSE(first.outcome.then);
  const auto last = planned(v1::PRIORITY_STAT, 1, 0, 4).after(unknown);
  EXPECT_EQ(last.outcome.state, delivery_state::failed);
  ASSERT_TRUE(last.outcome.then);
  EXPECT_EQ(suffix(*last.outcome.then), "-1-1");
}

TEST(delivery_plan, a_channel_that_refuses_is_left_at_once) {
  const auto step = planned(v1::PRIORITY_ROUTINE).after(refused);
  EXPECT_EQ(step.outcome.state, delivery_state::failed);
  ASSERT_TRUE(step.outcome.then);
  EXPECT_EQ(suffix(*step.outcome.then), "-1-1");
}

TEST(delivery_plan, no_channel_left_ends_at_a_human_and_the_person_is_called_again_from_their_first_channel) {
  const auto step = planned(v1::PRIORITY_ASAP, 1, 1).after(refused);
  EXPECT_EQ(step.outcome.state, delivery_state::failed);
  EXPECT_TRUE(step.exhausted);
  ASSERT_TRUE(step.outcome.then);
  EXPECT_EQ(suffix(*step.outcome.then), "-2-0");
  EXPECT_EQ(step.outcome.then->not_before, t0 + 120s);
  internal::DeliveryPayload next;
  ASSERT_TRUE(next.ParseFromString(step.outcome.then->payload));
  EXPECT_EQ(channel_of(next, 2), 0U);
  const auto routine = planned(v1::PRIORITY_ROUTINE, 1, 1).after(refused);
  EXPECT_FALSE(routine.exhausted) << "it waits in the worklist";
  EXPECT_FALSE(routine.outcome.then);
  EXPECT_FALSE(after_nobody(planned(v1::PRIORITY_ROUTINE).delivery, {}, t0).exhausted);
  auto stat = planned(v1::PRIORITY_STAT);
  const auto nobody = after_nobody(stat.delivery, stat.payload, t0);
  EXPECT_TRUE(nobody.exhausted);
  EXPECT_FALSE(nobody.outcome.then);
  stat.payload.set_duty("onc-rn");
  const auto for_a_duty = after_nobody(stat.delivery, stat.payload, t0);
  EXPECT_TRUE(for_a_duty.exhausted);
  ASSERT_TRUE(for_a_duty.outcome.then) << "somebody else may come to have it";
  EXPECT_EQ(suffix(*for_a_duty.outcome.then), "-2-0");
}

TEST(delivery_plan, a_wish_to_wait_is_heard_within_the_patience_of_the_priority) {
  const auto wish = [](std::chrono::seconds time) { return attempt{verdict::again, time}; };
  EXPECT_EQ(planned(v1::PRIORITY_STAT).after(wish(7s)).outcome.next, t0 + 7s);
  EXPECT_EQ(planned(v1::PRIORITY_STAT).after(wish(3600s)).outcome.next, t0 + 15s);
  EXPECT_EQ(planned(v1::PRIORITY_ROUTINE).after(wish(3600s)).outcome.next, t0 + 15min);
}

TEST(delivery_plan, pauses_stay_within_their_bounds_however_many_attempts) {
  const retry_rules rules;
  for (std::uint32_t attempts = 0; attempts < 200; ++attempts) {
    for (const double random : {0.0, 0.5, 1.0}) {
      const auto pause = retry_pause(attempts, rules, random);
      EXPECT_GE(pause, rules.pause);
      EXPECT_LE(pause, rules.longest + rules.longest / 4);
    }
  }
  EXPECT_GT(retry_pause(2, rules, 1), retry_pause(2, rules, 0));
}

TEST(delivery_plan, staff_without_contacts_are_called_by_the_organisations) {
  const ladder organisation{{v1::CONTACT_SYSTEM_PHONE, "+15550100"}};
  care::account person;
  EXPECT_EQ(ladder_of(&person, organisation, true), organisation);
  EXPECT_TRUE(ladder_of(&person, organisation, false).empty()) << "a patient's call is nobody else's";
  person.contacts = {{v1::CONTACT_SYSTEM_SMS, "+15550111"}};
  EXPECT_EQ(ladder_of(&person, organisation, true), person.contacts);
  person.suspended = true;
  EXPECT_TRUE(ladder_of(&person, organisation, true).empty());
  EXPECT_TRUE(ladder_of(nullptr, organisation, true).empty());
}

TEST(quiet_hours, end_at_the_minute_also_when_the_clocks_change) {
  const auto night = *care::parse_quiet_hours("22:00-07:00");
  const auto at = [](int month, unsigned day, std::chrono::minutes of_day) {
    return store::instant{std::chrono::sys_days{std::chrono::year{2026} / month / static_cast<int>(day)} + of_day};
  };
  EXPECT_EQ(quiet_until(night, "UTC", v1::PRIORITY_ROUTINE, true, at(3, 1, 23h)), at(3, 2, 7h));
  EXPECT_EQ(quiet_until(night, "UTC", v1::PRIORITY_ROUTINE, true, at(3, 1, 6h + 59min)), at(3, 1, 7h));
  EXPECT_FALSE(quiet_until(night, "UTC", v1::PRIORITY_ROUTINE, true, at(3, 1, 7h)));
  // Clocks went ahead in New York on 8 March 2026: 07:00 is 11:00 UTC from then on, 12:00 before.
  EXPECT_EQ(quiet_until(night, "America/New_York", v1::PRIORITY_ROUTINE, true, at(3, 8, 4h)), at(3, 8, 11h));
  EXPECT_EQ(quiet_until(night, "America/New_York", v1::PRIORITY_ROUTINE, true, at(3, 7, 4h)), at(3, 7, 12h));
}

TEST(quiet_hours, have_a_floor) {
  const auto always = *care::parse_quiet_hours("00:00-23:59");
  EXPECT_FALSE(quiet_until(always, "UTC", v1::PRIORITY_STAT, false, t0));
  EXPECT_FALSE(quiet_until(always, "UTC", v1::PRIORITY_ASAP, true, t0));
  EXPECT_TRUE(quiet_until(always, "UTC", v1::PRIORITY_ASAP, false, t0));
  EXPECT_TRUE(quiet_until(always, "UTC", v1::PRIORITY_URGENT, true, t0));
}

TEST(delivery_plan, a_call_that_waits_for_the_end_of_quiet_hours_was_not_tried) {
  const auto outcome = waits_until(planned(v1::PRIORITY_URGENT, 1, 0, 3).delivery, t0 + 8h);
  EXPECT_EQ(outcome.state, delivery_state::waiting);
  EXPECT_EQ(outcome.next, t0 + 8h);
  EXPECT_FALSE(outcome.attempted);
}

TEST(delivery_plan, a_call_that_is_passed_on_begins_with_the_first_channel_of_whoever_has_the_duty_now) {
  auto one = planned(v1::PRIORITY_STAT, 3, 1);
  one.payload.set_duty("onc-rn");
  const auto outcome = passed_on(one.delivery, one.payload, "tom", true, t0);
  EXPECT_EQ(outcome.state, delivery_state::failed);
  ASSERT_TRUE(outcome.then);
  EXPECT_EQ(outcome.then->recipient, "tom");
  EXPECT_EQ(outcome.then->not_before, t0) << "at once";
  EXPECT_EQ(suffix(*outcome.then), "-4-0");
  internal::DeliveryPayload next;
  ASSERT_TRUE(next.ParseFromString(outcome.then->payload));
  EXPECT_EQ(channel_of(next, 3), 0U);
  EXPECT_FALSE(asks_for_receipt(next)) << "what their devices hold, they hold from before";
  EXPECT_EQ(next.duty(), "onc-rn") << "and goes on from person to person";
  EXPECT_FALSE(passed_on(one.delivery, one.payload, "", true, t0).then);
  // What waits for a digest is a part of the next person's: it has been open since then, and not since it came to them.
  auto routine = planned(v1::PRIORITY_ROUTINE, 2);
  routine.payload.set_digest(true);
  routine.payload.set_due_us((t0 - 20h).time_since_epoch().count());
  const auto in_their_digest = passed_on(routine.delivery, routine.payload, "tom", true, t0);
  ASSERT_TRUE(in_their_digest.then);
  ASSERT_TRUE(next.ParseFromString(in_their_digest.then->payload));
  EXPECT_TRUE(next.digest());
  EXPECT_EQ(next.due_us(), (t0 - 20h).time_since_epoch().count());
}

}  // namespace
}  // namespace careteam::notifier
