#include "runtime/clock.hpp"

#include <gtest/gtest.h>

namespace careteam::runtime {
namespace {

using namespace std::chrono_literals;
const followed_time::wall_time wall{1'700'000'000s};
const followed_time::steady_time steady{1000s};

TEST(followed_time, passes_with_the_machines) {
  followed_time time;
  EXPECT_EQ(time.follow(wall, steady).time, wall);
  const auto later = time.follow(wall + 5h, steady + 5h);
  EXPECT_EQ(later.time, wall + 5h);
  EXPECT_EQ(later.step, 0ms);
}

TEST(followed_time, stands_still_while_a_small_step_back_is_caught_up) {
  followed_time time;
  time.follow(wall, steady);
  const auto back = time.follow(wall - 29s, steady + 1s);
  EXPECT_EQ(back.time, wall);
  EXPECT_EQ(back.step, -30s);
  EXPECT_EQ(time.follow(wall - 1s, steady + 29s).time, wall);
  EXPECT_EQ(time.follow(wall - 1s, steady + 29s).step, 0ms) << "told once";
  EXPECT_EQ(time.follow(wall + 1s, steady + 31s).time, wall + 1s);
}

TEST(followed_time, many_small_steps_back_do_not_add_up_to_more_than_it_waits_for) {
  followed_time time;
  time.follow(wall, steady);
  EXPECT_EQ(time.follow(wall - 40s, steady).time, wall);
  EXPECT_EQ(time.follow(wall - 61s, steady).time, wall - 61s) << "now it was meant";
}

TEST(followed_time, follows_a_large_step_back_and_every_step_ahead) {
  followed_time time;
  time.follow(wall, steady);
  const auto ahead = time.follow(wall + 1h, steady);
  EXPECT_EQ(ahead.time, wall + 1h);
  EXPECT_EQ(ahead.step, 1h);
  const auto back = time.follow(wall, steady);
  EXPECT_EQ(back.time, wall);
  EXPECT_EQ(back.step, -1h);
}

TEST(followed_time, the_first_reading_is_no_step) {
  followed_time time;
  const auto first = time.follow(wall, steady);
  EXPECT_EQ(first.time, wall);
  EXPECT_EQ(first.step, 0ms);
}

}  // namespace
}  // namespace careteam::runtime
