// Silent peers: everybody is looked at once in a period, whoever is gone is forgotten.
#include "gateway/heartbeats.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace careteam::gateway {
namespace {

using namespace std::chrono_literals;

struct counted : beating {
  int beats = 0;
  int until = 1'000'000;
  bool on_beat() override { return ++beats < until; }
};

struct silent_peers : testing::Test {
  boost::asio::io_context loop;
  heartbeats beats{loop.get_executor(), 64ms};
};

TEST_F(silent_peers, are_all_looked_at_once_in_each_period) {
  const auto early = std::make_shared<counted>();
  const auto late = std::make_shared<counted>();
  beats.watch(early);
  // Ten ticks of 2 ms; a loop that is held up makes fewer of them, never more.
  loop.run_for(20ms);
  beats.watch(late);
  while (early->beats < 5) loop.run_one();
  EXPECT_GE(late->beats, 4);
  EXPECT_LE(late->beats, 5);
}

TEST_F(silent_peers, have_a_whole_period_first) {
  const auto one = std::make_shared<counted>();
  beats.watch(one);
  for (int ticks = 0; ticks < 31; ++ticks) loop.run_one();
  EXPECT_EQ(one->beats, 0);
  loop.run_one();
  EXPECT_EQ(one->beats, 1);
}

TEST_F(silent_peers, that_are_gone_are_forgotten_and_the_timer_rests) {
  const auto ended = std::make_shared<counted>();
  ended->until = 2;
  auto gone = std::make_shared<counted>();
  beats.watch(ended);
  beats.watch(gone);
  gone.reset();
  loop.run();  // Ends: nothing is watched any more.
  EXPECT_EQ(ended->beats, 2);
}

TEST_F(silent_peers, after_a_rest_are_looked_at_again) {
  const auto first = std::make_shared<counted>();
  first->until = 1;
  beats.watch(first);
  loop.run();
  loop.restart();
  const auto second = std::make_shared<counted>();
  second->until = 1;
  beats.watch(second);
  loop.run();
  EXPECT_EQ(second->beats, 1);
}

}  // namespace
}  // namespace careteam::gateway
