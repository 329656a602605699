#include "runtime/token_bucket.hpp"

#include <gtest/gtest.h>

#include <string>

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

TEST(token_bucket, tells_the_wait_without_taking) {
  token_bucket bucket;
  EXPECT_EQ(bucket.wait(start, 1, 1), 0ms);
  EXPECT_EQ(bucket.wait(start, 1, 1), 0ms);
  bucket.take(start, 1, 1);
  EXPECT_GT(bucket.wait(start, 1, 1), 900ms);
}

TEST(token_buckets, are_apart) {
  token_buckets<std::string> buckets(60, 1, 10);
  EXPECT_EQ(buckets.take("one", start), 0ms);
  EXPECT_GT(buckets.take("one", start), 0ms);
  EXPECT_GT(buckets.wait("one", start), 0ms);
  EXPECT_EQ(buckets.wait("other", start), 0ms);
  EXPECT_EQ(buckets.take("other", start), 0ms);
}

TEST(token_buckets, never_remember_more_than_so_many) {
  token_buckets<int> buckets(60, 2, 100);
  for (int whose = 0; whose < 1000; ++whose) EXPECT_EQ(buckets.take(whose, start), 0ms);
  EXPECT_EQ(buckets.size(), 100U);
  // Once they are full again they make room, all together.
  EXPECT_EQ(buckets.take(-1, start + 2s), 0ms);
  EXPECT_EQ(buckets.size(), 1U);
}

TEST(token_buckets, whoever_is_short_stays_short_when_the_full_ones_are_forgotten) {
  token_buckets<int> buckets(60, 100, 10);
  for (int times = 0; times < 100; ++times) EXPECT_EQ(buckets.take(0, start), 0ms);
  for (int whose = 1; whose < 10; ++whose) buckets.take(whose, start);
  buckets.take(10, start + 1s);
  EXPECT_EQ(buckets.size(), 2U);
  EXPECT_EQ(buckets.take(0, start + 1s), 0ms) << "what came in meanwhile";
  EXPECT_GT(buckets.take(0, start + 1s), 0ms);
}

}  // namespace
}  // namespace careteam::runtime
