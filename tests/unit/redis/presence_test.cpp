// Presence over a real Redis: several gateways, and Redis or a gateway going away in every way.
#include "redis/presence.hpp"

#include <gtest/gtest.h>

#include <ctime>

#include "support.hpp"

namespace careteam::redis::test {
namespace {

namespace asio = boost::asio;

class presence_over_redis : public testing::Test {
 protected:
  presence_over_redis() { server.start(); }
  std::unique_ptr<gateway> open(presence_options options = quick_presence()) {
    return std::make_unique<gateway>(loop, quick_options(server.where()), key, std::move(options));
  }
  bool known(const std::unique_ptr<gateway>& which) {
    return run_until(loop, [&] { return which->people->known(); });
  }
  bool becomes(const std::unique_ptr<gateway>& which, const std::string& person, presence_state state) {
    return run_until(loop, [&] { return which->people->state(person) == state; });
  }
  /// A Redis that is brand new keeps absence unknown for a while; this waits that long.
  bool settled(const std::unique_ptr<gateway>& which) { return becomes(which, "nobody", presence_state::offline); }

  asio::io_context loop;
  temporary_directory directory;
  redis_server server{directory};
  secret_key key;
};

TEST_F(presence_over_redis, two_gateways_see_each_others_people) {
  auto a = open();
  EXPECT_EQ(a->people->state("rosa"), presence_state::unknown);
  a->people->arrived("early");
  EXPECT_EQ(a->people->state("early"), presence_state::unknown) << "not even one's own, before Redis answered";
  ASSERT_TRUE(known(a));
  EXPECT_EQ(a->people->state("early"), presence_state::online);
  EXPECT_EQ(a->people->state("nobody"), presence_state::unknown) << "this Redis is new: others may be about to announce themselves";
  ASSERT_TRUE(settled(a));
  auto b = open();
  ASSERT_TRUE(known(b));
  EXPECT_EQ(b->people->state("early"), presence_state::online) << "read at the start, not only heard";
  EXPECT_EQ(b->people->state("nobody"), presence_state::offline);
  const std::string strange("a\0\r\n$b", 6);
  b->people->arrived(strange);
  ASSERT_TRUE(becomes(a, strange, presence_state::online));
  EXPECT_EQ(a->count_changes(strange, presence_state::online), 1U);
  b->people->left(strange);
  ASSERT_TRUE(becomes(a, strange, presence_state::offline));
  EXPECT_EQ(a->count_changes(strange, presence_state::offline), 1U);
}

TEST_F(presence_over_redis, counts_connections_over_gateways) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(known(a) && known(b) && settled(a) && settled(b));
  a->people->arrived("rosa");
  a->people->arrived("rosa");
  b->people->arrived("rosa");
  ASSERT_TRUE(becomes(b, "rosa", presence_state::online));
  a->people->left("rosa");
  a->people->left("rosa");
  a->people->left("rosa");  // One too many does no harm.
  run_for(loop, 400ms);
  EXPECT_EQ(a->people->state("rosa"), presence_state::online);
  b->people->left("rosa");
  ASSERT_TRUE(becomes(a, "rosa", presence_state::offline));
  EXPECT_FALSE(a->people->arrived(""));
  EXPECT_FALSE(a->people->arrived(std::string(max_person_bytes + 1, 'x')));
}

TEST_F(presence_over_redis, a_short_absence_is_not_told_and_changes_are_gathered) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(known(a) && known(b) && settled(b));
  a->people->arrived("rosa");
  ASSERT_TRUE(becomes(b, "rosa", presence_state::online));
  const auto sent = a->people->counters().messages_sent;
  for (int i = 0; i < 10; ++i) {
    a->people->left("rosa");
    run_for(loop, 10ms);
    a->people->arrived("rosa");
  }
  run_for(loop, 400ms);
  EXPECT_EQ(b->count_changes("rosa", presence_state::offline), 0U);
  EXPECT_LE(a->people->counters().messages_sent - sent, 4U) << "heartbeats only";

  const auto before = a->people->counters().messages_sent;
  for (int i = 0; i < 1000; ++i) a->people->arrived("p" + std::to_string(i));
  ASSERT_TRUE(becomes(b, "p999", presence_state::online));
  ASSERT_TRUE(becomes(b, "p0", presence_state::online));
  EXPECT_LE(a->people->counters().messages_sent - before, 4U);
}

TEST_F(presence_over_redis, more_changes_than_one_message_holds_arrive_all) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(known(a) && known(b));
  constexpr int many = 5000;
  for (int i = 0; i < many; ++i) a->people->arrived("p" + std::to_string(i));
  ASSERT_TRUE(run_until(loop, [&] { return b->people->online_count() == many; }));
  auto c = open();
  ASSERT_TRUE(known(c));
  EXPECT_EQ(c->people->online_count(), static_cast<std::size_t>(many));
}

TEST_F(presence_over_redis, a_gateway_that_stops_takes_its_people_along_at_once) {
  auto options = quick_presence();
  options.lease = 20s;
  auto a = open();
  auto b = open(options);
  ASSERT_TRUE(known(a) && known(b) && settled(a));
  b->people->arrived("rosa");
  ASSERT_TRUE(becomes(a, "rosa", presence_state::online));
  b.reset();
  ASSERT_TRUE(becomes(a, "rosa", presence_state::offline));
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  EXPECT_EQ(redis.execute({"ZCARD", "ct:gateways"})->integer(), 1);
}

TEST_F(presence_over_redis, without_redis_everybody_is_unknown_at_once_and_back_by_itself) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(known(a) && known(b) && settled(a));
  a->people->arrived("rosa");
  b->people->arrived("ken");
  ASSERT_TRUE(becomes(a, "ken", presence_state::online) && becomes(b, "rosa", presence_state::online));
  server.kill_now();
  ASSERT_TRUE(run_until(
      loop, [&] { return !a->people->known(); }, 1s));
  EXPECT_EQ(a->people->state("rosa"), presence_state::unknown);
  EXPECT_EQ(a->people->state("ken"), presence_state::unknown);
  EXPECT_EQ(a->people->state("nobody"), presence_state::unknown);
  EXPECT_EQ(a->all_unknown, 1);
  a->people->arrived("meanwhile");
  a->people->left("rosa");
  const auto told = a->changes.size();
  run_for(loop, 200ms);
  EXPECT_EQ(a->changes.size(), told) << "nothing is claimed meanwhile";

  server.start();
  ASSERT_TRUE(known(a) && known(b));
  ASSERT_TRUE(becomes(a, "ken", presence_state::online));
  ASSERT_TRUE(becomes(b, "meanwhile", presence_state::online));
  ASSERT_TRUE(becomes(a, "rosa", presence_state::offline) && becomes(b, "rosa", presence_state::offline));
  EXPECT_EQ(a->count_changes("ken", presence_state::offline) + b->count_changes("meanwhile", presence_state::offline), 0U);
}

TEST_F(presence_over_redis, after_a_restart_nobody_is_called_offline_before_his_gateway_is_back) {
  auto options = quick_presence();
  options.settle = 0ms;  // Only what was known before protects here.
  auto a = open(options);
  auto slow = quick_options(server.where());
  auto b = std::make_unique<gateway>(loop, slow, key, options);
  ASSERT_TRUE(known(a) && known(b));
  b->people->arrived("ken");
  ASSERT_TRUE(becomes(a, "ken", presence_state::online));
  server.kill_now();
  ASSERT_TRUE(run_until(loop, [&] { return !a->people->known() && !b->people->known(); }));
  b->commands.stop();  // It does not come back.
  server.start();
  ASSERT_TRUE(known(a));
  EXPECT_EQ(a->people->state("ken"), presence_state::unknown);
  const int bulk = a->all_known;
  ASSERT_TRUE(becomes(a, "ken", presence_state::offline)) << "after its lease";
  ASSERT_TRUE(run_until(loop, [&] { return a->all_known > bulk; })) << "and that is told";
}

TEST_F(presence_over_redis, a_frozen_redis_is_noticed) {
  auto a = open();
  a->people->arrived("rosa");
  ASSERT_TRUE(becomes(a, "rosa", presence_state::online));
  server.freeze();
  ASSERT_TRUE(becomes(a, "rosa", presence_state::unknown));
  server.thaw();
  ASSERT_TRUE(becomes(a, "rosa", presence_state::online));
}

TEST_F(presence_over_redis, flushall_takes_nobody_offline_and_is_healed_at_the_next_refresh) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(known(a) && known(b) && settled(a));
  b->people->arrived("ken");
  ASSERT_TRUE(becomes(a, "ken", presence_state::online));
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  const auto announced = a->people->counters().announcements + b->people->counters().announcements;
  ASSERT_EQ(redis.execute({"FLUSHALL"})->text(), "OK");
  ASSERT_TRUE(run_until(loop, [&] { return a->people->counters().announcements + b->people->counters().announcements >= announced + 2; }));
  auto c = open();
  ASSERT_TRUE(becomes(c, "ken", presence_state::online));
  EXPECT_EQ(a->count_changes("ken", presence_state::offline), 0U);
  EXPECT_EQ(a->all_unknown, 0);
}

TEST_F(presence_over_redis, a_newcomer_right_after_flushall_does_not_call_anybody_offline) {
  auto a = open();
  a->people->arrived("rosa");
  ASSERT_TRUE(becomes(a, "rosa", presence_state::online) && settled(a));
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  ASSERT_EQ(redis.execute({"FLUSHALL"})->text(), "OK");
  auto b = open();
  bool claimed = false;
  ASSERT_TRUE(run_until(loop, [&] {
    claimed = claimed || b->people->state("rosa") == presence_state::offline;
    return b->people->state("rosa") == presence_state::online;
  }));
  EXPECT_FALSE(claimed);
}

TEST_F(presence_over_redis, only_the_own_lease_lost_is_healed_too) {
  auto a = open();
  a->people->arrived("rosa");
  ASSERT_TRUE(becomes(a, "rosa", presence_state::online));
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  const std::string people = "ct:gw:" + a->people->gateway_id() + ":people";
  ASSERT_TRUE(run_until(loop, [&] { return redis.execute({"SCARD", people})->integer() == 1; }));
  redis.execute({"DEL", people});
  ASSERT_TRUE(run_until(loop, [&] { return redis.execute({"SCARD", people})->integer() == 1; }));
  ASSERT_TRUE(run_until(loop, [&] { return redis.execute({"PTTL", people})->integer() > 0; }));
}

TEST_F(presence_over_redis, malformed_and_invented_messages_do_no_harm) {
  auto a = open();
  a->people->arrived("rosa");
  ASSERT_TRUE(becomes(a, "rosa", presence_state::online) && settled(a));
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  redis.execute({"PUBLISH", "ct:presence", "nonsense"});
  redis.execute({"SET", "ct:gw:evil", "not a number"});
  redis.execute({"LPUSH", "ct:gw:evil:people", "wrong type"});
  redis.execute({"PUBLISH", "ct:presence", encode({presence_kind::heartbeat, a->people->gateway_id(), 99, {}})});
  ASSERT_TRUE(run_until(loop, [&] { return a->people->counters().messages_malformed == 1; }));
  EXPECT_EQ(a->people->state("rosa"), presence_state::online);
  redis.execute({"PUBLISH", "ct:presence", encode({presence_kind::heartbeat, "evil", 1, {}})});
  ASSERT_TRUE(run_until(loop, [&] { return a->people->counters().gateways_read >= 1; }));
  run_for(loop, 50ms);
  EXPECT_EQ(a->people->state("rosa"), presence_state::online) << "unreadable keys of one gateway spoil nothing else";
  EXPECT_EQ(a->all_unknown, 0);
  // An invented gateway is not there in Redis: absence is unknown until its lease would be over, presence stays.
  redis.execute({"PUBLISH", "ct:presence", encode({presence_kind::heartbeat, "ghost", 1, {}})});
  ASSERT_TRUE(becomes(a, "nobody", presence_state::unknown));
  EXPECT_EQ(a->people->state("rosa"), presence_state::online);
  ASSERT_TRUE(settled(a));
}

TEST_F(presence_over_redis, a_killed_process_goes_offline_within_its_lease_and_a_new_one_comes_back) {
  const std::string key_file = directory.write("key", std::string(32, '\0'));
  auto a = open();
  ASSERT_TRUE(known(a) && settled(a));
  const auto lease = quick_presence().lease;
  {
    peer_process peer(loop, server.where(), key_file);
    ASSERT_TRUE(peer.wait_for("known"));
    peer.tell("arrive rosa");
    ASSERT_TRUE(becomes(a, "rosa", presence_state::online));
    a->people->arrived("ken");
    ASSERT_TRUE(peer.wait_for("person ken online"));
    peer.kill_now();
  }
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(becomes(a, "rosa", presence_state::offline));
  EXPECT_LE(std::chrono::steady_clock::now() - start, lease + 300ms);
  peer_process peer(loop, server.where(), key_file);
  ASSERT_TRUE(peer.wait_for("known"));
  peer.tell("arrive rosa");
  ASSERT_TRUE(becomes(a, "rosa", presence_state::online));
  server.kill_now();
  ASSERT_TRUE(peer.wait_for("unknown"));
  server.start();
  ASSERT_TRUE(peer.wait_for("known"));
  ASSERT_TRUE(becomes(a, "rosa", presence_state::online));
  // It may be known again before this gateway has announced itself: then "unknown", but never "offline".
  bool online = false;
  for (int attempt = 0; attempt < 100 && !online; ++attempt) {
    peer.tell("ask ken");
    online = peer.wait_for("state ken online", 200ms);
  }
  EXPECT_TRUE(online);
  EXPECT_FALSE(peer.wait_for("state ken offline", 0ms));
}

TEST_F(presence_over_redis, ten_thousand_people_with_a_tenth_changing_cost_little) {
  auto a = open();
  auto b = open();
  constexpr int people = 10'000;
  for (int i = 0; i < people; ++i) a->people->arrived("person-" + std::to_string(i));
  ASSERT_TRUE(run_until(loop, [&] { return b->people->online_count() == people; }));
  // A tenth of all leave and come back later: what takes 30 s of life is done here at once; 5 % of a core would be 1.5 s.
  const std::clock_t before = std::clock();
  for (int i = 0; i < people / 10; ++i) a->people->left("person-" + std::to_string(i));
  ASSERT_TRUE(run_until(loop, [&] { return b->people->online_count() == people - people / 10; }));
  for (int i = 0; i < people / 10; ++i) a->people->arrived("person-" + std::to_string(i));
  ASSERT_TRUE(run_until(loop, [&] { return b->people->online_count() == people; }));
  const double seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  RecordProperty("cpu_ms", static_cast<int>(seconds * 1000));
  EXPECT_LT(seconds, 1.5) << "both gateways together";
}

}  // namespace
}  // namespace careteam::redis::test
