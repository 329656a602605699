// Where the roster names somebody else and whoever holds the duty still does, there is a draft or an alarm (HO1, 3.2): across small gaps,
// after a handoff that came to nothing, and while another is under way.
#include "duty_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class boundaries : public duty_ward {
 public:
  /// Nina until 19:00, then Tom from a time on.
  void tom_from(instant start) {
    good("grace", remove_item(version(), "nights"));
    good("grace", shift(version(), "night", "tom", start, chicago(24, 7)));
  }
  std::vector<instant> told(v1::DutyTimer timer) const {
    std::vector<instant> result;
    for (const auto& entry : of_kind(v1::Entry::kDutyReminded)) {
      if (entry.duty_reminded().timer() == timer) result.push_back(*to_instant(entry.time()));
    }
    return result;
  }
  instant prepared_at() const { return *to_instant(of_kind(v1::Entry::kHandoffPrepared).back().time()); }
  instant shift_end() const { return *to_instant(of_kind(v1::Entry::kHandoffPrepared).back().handoff_prepared().shift_end()); }
};

TEST_F(boundaries, a_small_gap_does_not_hide_the_next_shift) {
  for (const auto gap : {std::chrono::microseconds(3), std::chrono::microseconds(1min), std::chrono::microseconds(45min)}) {
    SCOPED_TRACE(gap.count());
    struct ward : boundaries {
      void TestBody() override {}
    } one;
    one.tom_from(chicago(23, 19) + gap);
    one.until(chicago(23, 18, 14));
    EXPECT_EQ(one.handoff(), 0u);
    one.until(chicago(23, 18, 20));
    ASSERT_NE(one.handoff(), 0u);
    EXPECT_EQ(one.duty().handoff->to, "tom");
    EXPECT_EQ(one.prepared_at(), chicago(23, 18, 15));
    EXPECT_EQ(one.shift_end(), chicago(23, 19));
    one.until(chicago(23, 20));
    EXPECT_EQ(one.of_kind(v1::Entry::kHandoffPrepared).size(), 1u);
    EXPECT_EQ(one.holder(), "nina") << "and she stays responsible in between";
    one.check_replay();
  }
}

TEST_F(boundaries, after_a_long_gap_it_is_prepared_before_the_next_shift) {
  tom_from(chicago(23, 22));
  until(chicago(23, 21, 14));
  EXPECT_EQ(handoff(), 0u) << "nobody to hand over to yet";
  until(chicago(23, 21, 15));
  ASSERT_NE(handoff(), 0u);
  EXPECT_EQ(duty().handoff->to, "tom");
  EXPECT_EQ(shift_end(), chicago(23, 22));
}

TEST_F(boundaries, a_gap_in_ones_own_shifts_is_no_boundary) {
  tom_from(chicago(23, 23));
  good("grace", shift(version(), "evening", "nina", chicago(23, 19, 10), chicago(23, 23)));
  until(chicago(23, 22, 14));
  EXPECT_EQ(handoff(), 0u);
  until(chicago(23, 22, 15));
  EXPECT_EQ(duty().handoff->to, "tom");
}

TEST_F(boundaries, a_handoff_that_was_ended_before_the_shift_is_prepared_again_when_it_ends) {
  until(chicago(23, 18, 30));
  good("tom", end_handoff(handoff()));
  good("grace", override_shift(version(), "o", "noah", chicago(25, 10), chicago(25, 12)));
  EXPECT_EQ(handoff(), 0u) << "once before each end of a shift";
  until(chicago(23, 19));
  ASSERT_NE(handoff(), 0u);
  EXPECT_EQ(duty().handoff->to, "tom");
  EXPECT_EQ(prepared_at(), chicago(23, 19));
  until(chicago(23, 19, 31));
  EXPECT_THAT(told(v1::DUTY_TIMER_LEAD), ElementsAre(chicago(23, 19, 15)));
  EXPECT_THAT(told(v1::DUTY_TIMER_MANAGER), ElementsAre(chicago(23, 19, 30)));
}

TEST_F(boundaries, so_it_is_when_the_next_shift_was_moved_forward_meanwhile) {
  until(chicago(23, 18, 20));
  good("nina", end_handoff(handoff()));
  good("grace", override_shift(version(), "o", "noah", chicago(23, 18, 40), chicago(23, 19)));
  until(chicago(23, 18, 40));
  ASSERT_NE(handoff(), 0u) << "nobody has given the duty away";
  EXPECT_EQ(duty().handoff->to, "noah");
}

TEST_F(boundaries, one_that_is_ended_when_the_shift_is_over_is_prepared_again_after_the_last_alarm) {
  until(chicago(23, 19, 20));
  good("tom", end_handoff(handoff()));
  until(chicago(23, 19, 44));
  EXPECT_EQ(handoff(), 0u) << "there is time to begin another";
  EXPECT_THAT(told(v1::DUTY_TIMER_MANAGER), ElementsAre(chicago(23, 19, 30)));
  until(chicago(23, 19, 50));
  ASSERT_NE(handoff(), 0u);
  EXPECT_EQ(prepared_at(), chicago(23, 19, 45));
  good("tom", end_handoff(handoff()));
  until(chicago(23, 20, 29));
  EXPECT_EQ(handoff(), 0u);
  EXPECT_THAT(told(v1::DUTY_TIMER_LEAD), ElementsAre(chicago(23, 19, 15), chicago(23, 20))) << "an end puts off no alarm";
  EXPECT_THAT(told(v1::DUTY_TIMER_MANAGER), ElementsAre(chicago(23, 19, 30), chicago(23, 20, 15)));
  until(chicago(23, 20, 35));
  EXPECT_EQ(prepared_at(), chicago(23, 20, 30));
  check_replay();
}

TEST_F(boundaries, who_was_handed_the_duty_early_does_not_hand_it_back) {
  until(chicago(23, 18, 20));
  good("grace", end_handoff(handoff()));
  owes("rosa", 17, chicago(23, 19, 30));
  at_stage(5);
  good("nina", confirm(handoff()));
  good("grace", override_shift(version(), "o", "noah", chicago(25, 10), chicago(25, 12)));
  until(chicago(23, 19, 30));
  EXPECT_EQ(holder(), "tom");
  EXPECT_EQ(handoff(), 0u);
  EXPECT_THAT(told(v1::DUTY_TIMER_LEAD), IsEmpty());
}

TEST_F(boundaries, each_shift_that_begins_while_a_handoff_is_under_way_tells_the_lead_again) {
  until(chicago(23, 18, 20));
  const auto first = handoff();
  until(chicago(24, 6, 59));
  EXPECT_THAT(told(v1::DUTY_TIMER_LEAD), ElementsAre(chicago(23, 19, 15)));
  until(chicago(24, 20));  // Nina's own day has come and gone.
  EXPECT_EQ(handoff(), first) << "one at a time";
  ASSERT_EQ(of_kind(v1::Entry::kHandoffDelayed).size(), 1u);
  const auto delayed = of_kind(v1::Entry::kHandoffDelayed).back().handoff_delayed();
  EXPECT_EQ(to_instant(delayed.shift_start()), chicago(24, 19));
  EXPECT_THAT(told(v1::DUTY_TIMER_LEAD), ElementsAre(chicago(23, 19, 15), chicago(24, 19, 15)));
  EXPECT_THAT(told(v1::DUTY_TIMER_MANAGER), ElementsAre(chicago(23, 19, 30), chicago(24, 19, 30)));
  good("grace", override_shift(version(), "o", "noah", chicago(27, 10), chicago(27, 12)));
  EXPECT_EQ(of_kind(v1::Entry::kHandoffDelayed).size(), 1u) << "once for each";
  check_replay();
}

TEST_F(boundaries, what_is_handed_over_late_is_prepared_for_the_shift_that_has_begun_meanwhile) {
  good("grace", override_shift(version(), "o", "noah", chicago(23, 20), chicago(23, 23)));
  until(chicago(23, 20, 5));
  ASSERT_EQ(of_kind(v1::Entry::kHandoffDelayed).size(), 1u);
  EXPECT_EQ(duty().handoff->to, "tom");
  good("nina", offer(handoff()));
  good("tom", open_handoff(handoff()));
  good("tom", take_handoff(handoff()));
  good("nina", confirm(handoff()));
  EXPECT_EQ(holder(), "tom");
  ASSERT_NE(handoff(), 0u);
  EXPECT_EQ(duty().handoff->to, "noah");
  until(chicago(23, 20, 21));
  EXPECT_THAT(told(v1::DUTY_TIMER_LEAD), ElementsAre(chicago(23, 19, 15), chicago(23, 20, 20)));
}

}  // namespace
}  // namespace careteam::care::fixture
