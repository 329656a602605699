#include "runtime/token_bucket.hpp"

#include <gtest/gtest.h>

namespace careteam::runtime {
namespace {

using namespace std::chrono_literals;
const token_bucket::time_point start{1000s};

TEST(token_bucket, gives_so_many_at_once_and_then_one_after_the_other) {
  token_bucket bucket;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bucket.take(start, 2, 5), 0ms);
  const auto wait = bucket.take(start, 2, 5);
  EXPECT_GT(wait, 400ms);
  EXPECT_LE(wait, 501ms);
  EXPECT_GT(bucket.take(start + wait - 2ms, 2, 5), 0ms) << "not earlier than it said";
  EXPECT_EQ(bucket.take(start + wait, 2, 5), 0ms);
  EXPECT_GT(bucket.take(start + wait, 2, 5), 0ms);
}

TEST(token_bucket, fills_up_to_its_size_and_not_beyond) {
  token_bucket bucket;
  EXPECT_TRUE(bucket.full(start, 2));
  for (int i = 0; i < 5; ++i) bucket.take(start, 2, 5);
  EXPECT_FALSE(bucket.full(start + 2s, 2));
  EXPECT_TRUE(bucket.full(start + 3s, 2));
  int taken = 0;
  while (bucket.take(start + 3600s, 2, 5) == 0ms) ++taken;
  EXPECT_EQ(taken, 5);
}

TEST(token_bucket, a_refusal_costs_nothing_and_a_clock_that_steps_back_gives_nothing) {
  token_bucket bucket;
  bucket.take(start, 1, 1);
  for (int i = 0; i < 100; ++i) EXPECT_GT(bucket.take(start, 1, 1), 0ms);
  EXPECT_GT(bucket.take(start - 500s, 1, 1), 0ms);
  EXPECT_EQ(bucket.take(start + 1s, 1, 1), 0ms);
}

}  // namespace
}  // namespace careteam::runtime
