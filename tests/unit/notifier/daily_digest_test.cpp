// When a person's digest is, also where the clocks change or quiet hours end later, and that many deliveries are one call.
#include "notifier/daily_digest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace careteam::notifier {
namespace {

using namespace std::chrono_literals;
using share = digest_calls::share;
using testing::ElementsAre;

constexpr store::instant at(int year, unsigned month, unsigned day, std::chrono::seconds of_day) {
  return store::instant{std::chrono::sys_days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day)} + of_day};
}

store::instant to_second(store::instant t) {
  return std::chrono::floor<std::chrono::seconds>(t);
}

digest_rules rules_of(std::chrono::minutes of_day, const char* zone, const char* quiet = "") {
  return {of_day, zone, care::parse_quiet_hours(quiet)};
}

struct next_case {
  const char* name;
  digest_rules rules;
  store::instant now, next;
};

class next_digest_of_a_person : public testing::TestWithParam<next_case> {};

TEST_P(next_digest_of_a_person, is_at_the_clinic_s_time) {
  const auto& one = GetParam();
  const auto next = next_digest(one.rules, "nina", one.now);
  EXPECT_EQ(to_second(next.at), one.next);
  EXPECT_LT(one.now, next.at);
  EXPECT_LE(last_digest(one.rules, "nina", one.now).at, one.now);
  EXPECT_EQ(last_digest(one.rules, "nina", next.at).day, next.day);
  EXPECT_EQ(last_digest(one.rules, "nina", next.at - 1us).day, next.day - 1) << "one after the other";
  EXPECT_EQ(next_digest(one.rules, "nina", next.at).day, next.day + 1) << "none twice, whatever the clocks do";
}

const next_case next_cases[] = {
    {"today", rules_of(8h, "UTC"), at(2026, 3, 1, 7h + 59min), at(2026, 3, 1, 8h)},
    {"tomorrow", rules_of(8h, "UTC"), at(2026, 3, 1, 8h + 1s), at(2026, 3, 2, 8h)},
    {"in_the_clinic_s_zone", rules_of(8h, "America/Chicago"), at(2026, 3, 1, 12h), at(2026, 3, 1, 14h)},
    {"in_an_unknown_zone", rules_of(8h, "Nowhere/Town"), at(2026, 3, 1, 7h), at(2026, 3, 1, 8h)},
    {"on_the_day_before_there_already", rules_of(8h, "America/Chicago"), at(2026, 3, 1, 1h), at(2026, 3, 1, 14h)},
    {"quiet_hours_end_later", rules_of(8h, "UTC", "22:00-09:30"), at(2026, 3, 1, 7h), at(2026, 3, 1, 9h + 30min)},
    {"quiet_hours_ended_before", rules_of(8h, "UTC", "22:00-08:00"), at(2026, 3, 1, 7h), at(2026, 3, 1, 8h)},
    {"quiet_hours_over_midnight", rules_of(23h, "UTC", "22:00-07:00"), at(2026, 3, 1, 8h), at(2026, 3, 2, 7h)},
    {"nearly_always_quiet", rules_of(8h, "UTC", "00:00-23:59"), at(2026, 3, 1, 8h), at(2026, 3, 1, 23h + 59min)},
    // New York leaves 02:00 to 03:00 out on 8 March 2026 and repeats 01:00 to 02:00 on 1 November.
    {"the_hour_that_is_left_out", rules_of(2h + 30min, "America/New_York"), at(2026, 3, 8, 5h), at(2026, 3, 8, 7h)},
    {"the_day_before_it", rules_of(2h + 30min, "America/New_York"), at(2026, 3, 7, 5h), at(2026, 3, 7, 7h + 30min)},
    {"the_day_after_it", rules_of(2h + 30min, "America/New_York"), at(2026, 3, 8, 7h + 1s), at(2026, 3, 9, 6h + 30min)},
    {"the_hour_that_is_repeated", rules_of(1h + 30min, "America/New_York"), at(2026, 11, 1, 5h), at(2026, 11, 1, 5h + 30min)},
    {"after_its_first_time", rules_of(1h + 30min, "America/New_York"), at(2026, 11, 1, 5h + 31min), at(2026, 11, 2, 6h + 30min)},
    {"quiet_until_the_repeated_hour", rules_of(1h, "America/New_York", "22:00-01:30"), at(2026, 11, 1, 4h + 50min),
     at(2026, 11, 1, 5h + 30min)},
};

INSTANTIATE_TEST_SUITE_P(g4, next_digest_of_a_person, testing::ValuesIn(next_cases), [](const auto& one) { return one.param.name; });

TEST(daily_digest, has_one_key_for_a_person_a_day_and_a_channel) {
  const absl::CivilDay day(2026, 3, 1);
  const auto id = digest_id("epoch", "nina", day, 0);
  EXPECT_EQ(id, digest_id("epoch", "nina", day, 0));
  const std::set<std::string> all{id, digest_id("epoch", "noah", day, 0), digest_id("epoch", "nina", day + 1, 0),
                                  digest_id("epoch", "nina", day, 1), digest_id("other", "nina", day, 0)};
  EXPECT_EQ(all.size(), 5U);
  EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]{32}-1-0")) << "like any other delivery's: it tells neither who nor when";
}

TEST(daily_digest, of_many_people_is_spread_over_a_second) {
  std::set<store::instant> instants;
  for (int i = 0; i < 1000; ++i) {
    const auto one = digest_of_day(rules_of(8h, "UTC"), "person-" + std::to_string(i), absl::CivilDay(2026, 3, 1));
    EXPECT_EQ(to_second(one.at), at(2026, 3, 1, 8h));
    instants.insert(one.at);
  }
  EXPECT_GT(instants.size(), 990U);
}

TEST(daily_digest, waits_in_a_row_of_the_same_effect) {
  internal::DeliveryPayload rung;
  rung.set_effect("00112233445566778899aabbccddeeff");
  rung.set_times(1);
  rung.set_step(1);
  rung.set_duty("onc-rn");
  const auto next = digest_of_day(rules_of(8h, "UTC"), "nina", absl::CivilDay(2026, 3, 1));
  const auto row = digest_after(rung, next, at(2026, 2, 28, 15h));
  EXPECT_EQ(row.id, "00112233445566778899aabbccddeeff-2-0");
  EXPECT_EQ(row.not_before, next.at);
  internal::DeliveryPayload payload;
  ASSERT_TRUE(payload.ParseFromString(row.payload));
  EXPECT_TRUE(payload.digest());
  EXPECT_EQ(payload.duty(), "onc-rn");
  EXPECT_EQ(payload.due_us(), at(2026, 2, 28, 15h).time_since_epoch().count());
}

class digest_of_a_day : public testing::Test {
 protected:
  digest_calls::joined join(const std::string& delivery, store::instant now, const char* person = "nina") {
    return calls_.join(person, absl::CivilDay(2026, 3, 1) + static_cast<int>((now - t0_) / 24h), delivery, now);
  }
  digest_calls::ended end(verdict how, store::instant now, std::size_t channels = 2, const char* person = "nina") {
    return calls_.end(person, {how, std::nullopt}, channels, {.attempts = 2}, 0, now);
  }

  const store::instant t0_ = at(2026, 3, 1, 8h);
  digest_calls calls_;
};

TEST_F(digest_of_a_day, is_one_call_for_all_that_come_before_during_and_after_it) {
  EXPECT_EQ(join("a", t0_).how, share::first);
  EXPECT_EQ(join("b", t0_).how, share::along);
  EXPECT_EQ(join("x", t0_, "noah").how, share::first) << "everybody has their own";
  const auto ended = end(verdict::taken, t0_ + 1s);
  EXPECT_THAT(ended.deliveries, ElementsAre("a", "b"));
  EXPECT_EQ(ended.over_channel, store::delivery_state::sent);
  EXPECT_FALSE(ended.again);
  EXPECT_EQ(join("c", t0_ + 1h).how, share::made);
  EXPECT_EQ(join("a", t0_ + 24h).how, share::first) << "and the next day is another one";
}

TEST_F(digest_of_a_day, is_tried_again_for_all_over_the_same_channel_and_then_the_next) {
  (void)join("a", t0_);
  (void)join("b", t0_);
  auto ended = end(verdict::again, t0_);
  EXPECT_THAT(ended.deliveries, ElementsAre("a", "b"));
  EXPECT_EQ(ended.over_channel, store::delivery_state::waiting);
  EXPECT_EQ(ended.again, t0_ + 1s);
  const auto early = join("late", t0_ + 500ms);
  EXPECT_EQ(early.how, share::later) << "what comes meanwhile does not try sooner";
  EXPECT_EQ(early.again, t0_ + 1s);
  EXPECT_EQ(join("a", t0_ + 1s).step, 0U);
  (void)join("b", t0_ + 1s);
  (void)join("late", t0_ + 1s);
  ended = end(verdict::again, t0_ + 1s);
  EXPECT_THAT(ended.deliveries, ElementsAre("a", "b", "late"));
  EXPECT_EQ(ended.over_channel, store::delivery_state::failed);
  EXPECT_EQ(ended.again, t0_ + 1s) << "the next channel, at once";
  const auto next = join("b", t0_ + 1s);
  EXPECT_EQ(next.how, share::first);
  EXPECT_EQ(next.step, 1U);
  ended = end(verdict::refused, t0_ + 1s);
  EXPECT_FALSE(ended.again) << "over every channel: until tomorrow";
  EXPECT_EQ(join("c", t0_ + 2s).how, share::made);
  EXPECT_EQ(join("a", t0_ + 24h).step, 0U) << "from the first channel";
}

TEST_F(digest_of_a_day, is_forgotten_with_the_next) {
  for (int i = 0; i < 100; ++i) {
    const auto person = "person-" + std::to_string(i);
    (void)join("a", t0_, person.c_str());
    (void)end(verdict::taken, t0_, 2, person.c_str());
  }
  (void)join("slow", t0_, "nina");
  EXPECT_EQ(calls_.people(), 101U);
  (void)join("a", t0_ + 24h, "noah");
  EXPECT_EQ(calls_.people(), 2U) << "but for the one that is under way";
  EXPECT_EQ(join("a", t0_ + 24h).how, share::along);
}

}  // namespace
}  // namespace careteam::notifier
