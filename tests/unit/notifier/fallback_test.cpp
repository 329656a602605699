// When somebody is called again, and over which channel, as long as no device of theirs has received what it is about, and afterwards (G3,
// G4, G9): to the second.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "care/notification.hpp"
#include "coordination/delivery_changes.hpp"
#include "notifier/delivery_plan.hpp"

namespace careteam::notifier {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::ElementsAreArray;

constexpr store::instant t0{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h};
constexpr std::uint64_t cause = 17;

/// When what was received: the moves of any number of devices of one person.
using receipts = std::vector<std::pair<std::chrono::seconds, std::uint64_t>>;

/// One call from its beginning, over providers that take at once what they take.
class telephone {
 public:
  telephone(v1::Priority priority, std::size_t channels, receipts moves = {}) : channels_(channels), moves_(std::move(moves)) {
    care::call one{{{v1::STREAM_CLINICAL, 9}, care::called_for::acknowledge}, "nina", priority, {v1::STREAM_CLINICAL, cause}, false};
    care::organization_state people;
    people.people["nina"].kind = v1::PERSON_KIND_STAFF;
    coordination::delivery_changes changes("patient/pat", "epoch");
    changes.add({{}, {one}}, people, t0);
    store::record_append append;
    changes.move_to(append, coordination::delivery_changes::calls::keep);
    delivery_.what = append.add_deliveries.at(0);
    delivery_.attempts = 1;
  }

  /// Channels that take nothing.
  std::set<std::size_t> deaf;
  bool ended = false;

  /// "0:00 0", "2:00 0", "3:00 1": when the person was called, and over which of their channels, until an instant (inclusive).
  std::vector<std::string> calls(std::chrono::seconds until) {
    std::vector<std::string> made;
    while (!ended && delivery_.what.not_before <= t0 + until) {
      const auto now = delivery_.what.not_before;
      internal::DeliveryPayload payload;
      EXPECT_TRUE(payload.ParseFromString(delivery_.what.payload));
      const auto waits = asks_for_receipt(payload) && received(now) >= payload.cause_seq() ? after_receipt(payload, now) : std::nullopt;
      if (waits) {
        EXPECT_LT(now, *waits);
        delivery_.what.not_before = *waits;
        continue;
      }
      EXPECT_TRUE(ids_.insert(delivery_.what.id).second) << delivery_.what.id << " twice";
      const auto channel = channel_of(payload, channels_);
      const bool taken = !deaf.contains(channel);
      made.push_back(clock(now) + (taken ? " " : " not ") + std::to_string(channel));
      auto step = after_attempt(delivery_, payload, {taken ? verdict::taken : verdict::refused, std::nullopt}, channels_, {}, 0, now);
      ended = !step.outcome.then;
      if (ended) break;
      delivery_.what.id = step.outcome.then->id;
      delivery_.what.payload = step.outcome.then->payload;
      delivery_.what.not_before = step.outcome.then->not_before;
    }
    return made;
  }

 private:
  std::uint64_t received(store::instant now) const {
    std::uint64_t furthest = 0;
    for (const auto& [when, seq] : moves_) {
      if (t0 + when <= now) furthest = std::max(furthest, seq);
    }
    return furthest;
  }
  static std::string clock(store::instant t) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(t - t0).count();
    return std::to_string(seconds / 60) + ':' + std::to_string(seconds % 60 / 10) + std::to_string(seconds % 10);
  }

  std::size_t channels_;
  receipts moves_;
  store::stored_delivery delivery_;
  std::set<std::string> ids_;
};

struct ring_case {
  const char* name;
  v1::Priority priority;
  receipts moves;
  std::vector<std::string> calls;
};

class over_three_channels : public testing::TestWithParam<ring_case> {};

TEST_P(over_three_channels, calls_come_to_the_second) {
  const auto& one = GetParam();
  const auto until = one.priority == v1::PRIORITY_STAT ? 8min : one.priority == v1::PRIORITY_ASAP ? 16min : 40min;
  EXPECT_THAT(telephone(one.priority, 3, one.moves).calls(until), ElementsAreArray(one.calls));
}

const ring_case ring_cases[] = {
    {"stat_never", v1::PRIORITY_STAT, {}, {"0:00 0", "1:00 1", "2:00 2", "3:00 2", "4:00 2", "5:00 2", "6:00 2", "7:00 2", "8:00 2"}},
    {"stat_at_first",
     v1::PRIORITY_STAT,
     {{1s, cause}},
     {"0:00 0", "1:00 0", "2:00 0", "3:00 1", "4:00 1", "5:00 1", "6:00 2", "7:00 2", "8:00 2"}},
    {"stat_as_the_minute_ends",
     v1::PRIORITY_STAT,
     {{60s, cause}},
     {"0:00 0", "1:00 0", "2:00 0", "3:00 1", "4:00 1", "5:00 1", "6:00 2", "7:00 2", "8:00 2"}},
    {"stat_after_the_second_channel",
     v1::PRIORITY_STAT,
     {{61s, cause}},
     {"0:00 0", "1:00 1", "2:00 1", "3:00 1", "4:00 2", "5:00 2", "6:00 2", "7:00 2", "8:00 2"}},
    {"stat_by_another_device",
     v1::PRIORITY_STAT,
     {{1s, cause - 1}, {90s, cause + 3}, {95s, cause - 1}},
     {"0:00 0", "1:00 1", "2:00 1", "3:00 1", "4:00 2", "5:00 2", "6:00 2", "7:00 2", "8:00 2"}},
    {"asap_never",
     v1::PRIORITY_ASAP,
     {},
     {"0:00 0", "2:00 0", "3:00 1", "5:00 1", "6:00 2", "8:00 2", "10:00 2", "12:00 2", "14:00 2", "16:00 2"}},
    {"asap_at_first",
     v1::PRIORITY_ASAP,
     {{0s, cause}},
     {"0:00 0", "2:00 0", "4:00 0", "6:00 1", "8:00 1", "10:00 1", "12:00 2", "14:00 2", "16:00 2"}},
    {"asap_between_a_repeat_and_the_climb",
     v1::PRIORITY_ASAP,
     {{150s, cause}},
     {"0:00 0", "2:00 0", "4:00 0", "6:00 0", "8:00 1", "10:00 1", "12:00 1", "14:00 2", "16:00 2"}},
    {"asap_over_the_second_channel",
     v1::PRIORITY_ASAP,
     {{181s, cause}},
     {"0:00 0", "2:00 0", "3:00 1", "5:00 1", "7:00 1", "9:00 2", "11:00 2", "13:00 2", "15:00 2"}},
    {"asap_over_the_last_channel",
     v1::PRIORITY_ASAP,
     {{400s, cause}},
     {"0:00 0", "2:00 0", "3:00 1", "5:00 1", "6:00 2", "8:00 2", "10:00 2", "12:00 2", "14:00 2", "16:00 2"}},
    {"asap_only_what_was_before",
     v1::PRIORITY_ASAP,
     {{1s, cause - 1}},
     {"0:00 0", "2:00 0", "3:00 1", "5:00 1", "6:00 2", "8:00 2", "10:00 2", "12:00 2", "14:00 2", "16:00 2"}},
    {"urgent_never",
     v1::PRIORITY_URGENT,
     {},
     {"0:00 0", "5:00 1", "10:00 2", "15:00 2", "20:00 2", "25:00 2", "30:00 2", "35:00 2", "40:00 2"}},
    {"urgent_at_first",
     v1::PRIORITY_URGENT,
     {{2s, cause}},
     {"0:00 0", "5:00 0", "10:00 0", "15:00 1", "20:00 1", "25:00 1", "30:00 2", "35:00 2", "40:00 2"}},
    {"urgent_later",
     v1::PRIORITY_URGENT,
     {{299s, cause - 2}, {301s, cause}},
     {"0:00 0", "5:00 1", "10:00 1", "15:00 1", "20:00 2", "25:00 2", "30:00 2", "35:00 2", "40:00 2"}},
    {"routine_once", v1::PRIORITY_ROUTINE, {}, {"0:00 0"}},
};

INSTANTIATE_TEST_SUITE_P(g3, over_three_channels, testing::ValuesIn(ring_cases), [](const auto& one) { return one.param.name; });

TEST(fallback, climbs_on_when_the_calls_have_become_hourly) {
  telephone one(v1::PRIORITY_URGENT, 14);
  const auto calls = one.calls(3h);
  ASSERT_GE(calls.size(), 15U);
  EXPECT_EQ(calls[10], "50:00 10");
  EXPECT_EQ(calls[11], "55:00 11") << "whatever the pause is";
  EXPECT_EQ(calls[13], "65:00 13");
  EXPECT_EQ(calls[14], "125:00 13");
}

TEST(fallback, of_one_channel_is_the_pause) {
  EXPECT_THAT(telephone(v1::PRIORITY_ASAP, 1).calls(6min), ElementsAre("0:00 0", "2:00 0", "4:00 0", "6:00 0"));
}

TEST(fallback, counts_from_the_channel_that_took_the_call) {
  telephone one(v1::PRIORITY_ASAP, 4);
  one.deaf = {0};
  EXPECT_THAT(one.calls(7min), ElementsAre("0:00 not 0", "0:00 1", "2:00 1", "3:00 2", "5:00 2", "6:00 3"));
}

TEST(fallback, begins_anew_after_a_time_that_no_channel_took) {
  telephone one(v1::PRIORITY_STAT, 2);
  one.deaf = {1};
  EXPECT_THAT(one.calls(4min), ElementsAre("0:00 0", "1:00 not 1", "2:00 0", "3:00 not 1", "4:00 0")) << "what reaches them goes on to";
  telephone none(v1::PRIORITY_STAT, 2);
  none.deaf = {0, 1};
  EXPECT_THAT(none.calls(1min), ElementsAre("0:00 not 0", "0:00 not 1", "1:00 not 0", "1:00 not 1"));
}

TEST(fallback, of_what_was_received_still_ends_with_the_loudest) {
  telephone one(v1::PRIORITY_STAT, 5, {{1s, cause}});
  const auto calls = one.calls(1h);
  EXPECT_EQ(calls[12], "12:00 4");
  EXPECT_EQ(calls.back(), "60:00 4");
}

TEST(fallback, merges_what_a_provider_reports_later_with_what_is_planned_already) {
  // The first channel took it, and reports a minute later that it could not deliver: the next one has it, and there is one next time.
  store::stored_delivery delivery;
  delivery.what.priority = v1::PRIORITY_ASAP;
  internal::DeliveryPayload payload;
  payload.set_effect("00112233445566778899aabbccddeeff");
  payload.set_times(1);
  payload.set_cause_seq(cause);
  const auto planned = after_attempt(delivery, payload, {verdict::taken, std::nullopt}, 3, {}, 0, t0).outcome.then;
  const auto instead = after_attempt(delivery, payload, {verdict::refused, std::nullopt}, 3, {}, 0, t0 + 1min).outcome.then;
  ASSERT_TRUE(planned && instead);
  EXPECT_NE(planned->id, instead->id);
  internal::DeliveryPayload over_the_next;
  ASSERT_TRUE(over_the_next.ParseFromString(instead->payload));
  const auto again = after_attempt(delivery, over_the_next, {verdict::taken, std::nullopt}, 3, {}, 0, t0 + 1min).outcome.then;
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, planned->id) << "the store keeps the one that was first";
}

TEST(fallback, of_a_call_from_before_receipts_were_known_climbs) {
  internal::DeliveryPayload payload;
  payload.set_effect("00112233445566778899aabbccddeeff");
  payload.set_times(2);
  payload.set_step(1);
  EXPECT_FALSE(asks_for_receipt(payload));
  EXPECT_EQ(channel_of(payload, 3), 1U);
  EXPECT_EQ(channel_of(payload, 1), 0U) << "contacts were taken away";
}

}  // namespace
}  // namespace careteam::notifier
