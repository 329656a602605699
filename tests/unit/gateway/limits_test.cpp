// What one person, one device and one address may ask for.
#include "gateway/limits.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace careteam::gateway {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address;

runtime::config small() {
  runtime::config settings;
  settings.limits.commands_at_once = 6;
  settings.limits.commands_per_minute = 1;
  settings.limits.device_commands_at_once = 4;
  settings.limits.device_commands_per_minute = 1;
  settings.limits.refused_tokens_at_once = 3;
  settings.limits.refused_tokens_per_minute = 1;
  settings.server.max_connections_per_address = 2;
  return settings;
}

TEST(traffic_limits, a_device_that_runs_wild_leaves_the_others_of_its_person_their_part) {
  traffic_limits limits(small());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(limits.command_wait("nina", "phone"), 0ms);
  for (int i = 0; i < 100; ++i) EXPECT_GT(limits.command_wait("nina", "phone"), 0ms);
  EXPECT_EQ(limits.command_wait("nina", "desk"), 0ms);
  EXPECT_EQ(limits.command_wait("nina", "desk"), 0ms);
  EXPECT_GT(limits.command_wait("nina", "desk"), 0ms) << "six of the person in all";
  EXPECT_EQ(limits.command_wait("rao", "phone"), 0ms) << "a device belongs to its person";
}

TEST(traffic_limits, refused_tokens_count_for_their_address) {
  traffic_limits limits(small());
  const auto here = make_address("192.0.2.1");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limits.token_wait(here), 0ms);
    limits.token_refused(here);
  }
  EXPECT_GT(limits.token_wait(here), 50s);
  EXPECT_LE(limits.token_wait(here), 61s);
  EXPECT_EQ(limits.token_wait(make_address("192.0.2.2")), 0ms);
}

TEST(traffic_limits, connections_count_until_they_end) {
  traffic_limits limits(small());
  const auto here = make_address("::ffff:192.0.2.1");
  auto one = limits.admit(here);
  const auto other = limits.admit(make_address("192.0.2.1"));
  EXPECT_TRUE(one && other);
  EXPECT_FALSE(limits.admit(here));
  one.reset();
  EXPECT_TRUE(limits.admit(here));
}

TEST(traffic_limits, a_host_has_many_addresses_of_ipv6_and_is_counted_once) {
  EXPECT_EQ(counted_address(make_address("2001:db8:1:2:3:4:5:6")), make_address("2001:db8:1:2::"));
  EXPECT_EQ(counted_address(make_address("2001:db8:1:2:ffff::1")), make_address("2001:db8:1:2::"));
  EXPECT_NE(counted_address(make_address("2001:db8:1:3::1")), make_address("2001:db8:1:2::"));
  EXPECT_EQ(counted_address(make_address("::ffff:10.0.0.9")), make_address("10.0.0.9"));
  EXPECT_EQ(counted_address(make_address("10.0.0.9")), make_address("10.0.0.9"));
}

}  // namespace
}  // namespace careteam::gateway
