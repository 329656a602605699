// Fan-out between two gateways, in one process and in two: order, gaps, loss of Redis, and forgeries straight from a raw client.
#include "redis/fan_out.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "support.hpp"

namespace careteam::redis::test {
namespace {

namespace asio = boost::asio;

secret_key key_of(unsigned char fill) {
  secret_key::bytes bytes;
  bytes.fill(fill);
  return secret_key(bytes);
}

class fan_out_over_redis : public testing::Test {
 protected:
  fan_out_over_redis() { server.start(); }
  std::unique_ptr<gateway> open(fan_out_options options = {}, unsigned char fill = 5) {
    return std::make_unique<gateway>(loop, quick_options(server.where()), key_of(fill), quick_presence(), options);
  }
  /// Listens from that version on, and the first "read again" has come.
  bool listens(const std::unique_ptr<gateway>& which, const std::string& record, std::uint64_t version) {
    const auto before = which->count_missed(record);
    which->records->subscribe(record, version);
    return run_until(loop, [&] { return which->count_missed(record) == before + 1; });
  }
  bool hears(const std::unique_ptr<gateway>& which, std::size_t count) {
    return run_until(loop, [&] { return which->entries.size() >= count; });
  }
  bool connected(const std::unique_ptr<gateway>& which) {
    return run_until(loop, [&] { return which->commands.connected() && which->channels.connected(); });
  }

  asio::io_context loop;
  temporary_directory directory;
  redis_server server{directory};
};

TEST_F(fan_out_over_redis, entries_arrive_in_order_and_only_where_they_are_wanted) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(connected(a) && connected(b) && listens(b, "patient/rosa", 3) && listens(b, "patient/other", 0) &&
              listens(a, "patient/rosa", 3));
  const std::string bytes("\0\xff payload", 10);
  a->records->publish("patient/rosa", 4, 5, bytes);
  a->records->publish("patient/rosa", 6, 6, "next");
  a->records->publish("patient/third", 1, 1, "not for b");
  ASSERT_TRUE(hears(b, 2));
  EXPECT_EQ(b->entries[0].record, "patient/rosa");
  EXPECT_EQ(b->entries[0].from, 4U);
  EXPECT_EQ(b->entries[0].to, 5U);
  EXPECT_EQ(b->entries[0].payload, bytes);
  EXPECT_EQ(b->entries[1].payload, "next");
  ASSERT_TRUE(run_until(loop, [&] { return a->records->counters().own == 2; }));
  EXPECT_TRUE(a->entries.empty()) << "one's own are ignored";
  // And a's own commits count as known to it.
  b->records->publish("patient/rosa", 7, 7, "answer");
  ASSERT_TRUE(hears(a, 1));
  EXPECT_EQ(a->entries[0].payload, "answer");
  b->records->unsubscribe("patient/rosa");
  b->records->publish("patient/other", 1, 1, "");
  a->records->publish("patient/rosa", 8, 8, "gone");
  a->records->publish("patient/other", 2, 2, "last");
  ASSERT_TRUE(run_until(loop, [&] { return !b->entries.empty() && b->entries.back().payload == "last"; }));
  EXPECT_EQ(b->entries.size(), 3U);
}

TEST_F(fan_out_over_redis, a_skipped_version_is_told_as_missed_and_a_known_one_not_at_all) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(connected(a) && listens(b, "r", 3));
  a->records->publish("r", 6, 7, "skipped 4 and 5");
  ASSERT_TRUE(run_until(loop, [&] { return b->count_missed("r") == 2; }));
  EXPECT_EQ(b->missed.back().second, 7U);
  EXPECT_TRUE(b->entries.empty());
  a->records->publish("r", 6, 7, "again");
  a->records->publish("r", 7, 8, "overlaps");
  ASSERT_TRUE(run_until(loop, [&] { return b->count_missed("r") == 3; }));
  EXPECT_EQ(b->records->counters().stale, 1U);
  b->records->advance("r", 20);
  a->records->publish("r", 9, 20, "read from the store meanwhile");
  a->records->publish("r", 21, 21, "fresh");
  ASSERT_TRUE(hears(b, 1));
  EXPECT_EQ(b->entries.front().payload, "fresh");
}

TEST_F(fan_out_over_redis, a_large_commit_is_announced_without_its_entries) {
  fan_out_options options;
  options.max_payload_bytes = 1000;
  auto a = open(options);
  auto b = open();
  ASSERT_TRUE(connected(a) && listens(b, "r", 0));
  a->records->publish("r", 1, 1, std::string(1001, 'x'));
  ASSERT_TRUE(run_until(loop, [&] { return b->count_missed("r") == 2; }));
  EXPECT_EQ(b->missed.back().second, 1U);
  a->records->publish("r", 2, 2, std::string(1000, 'x'));
  ASSERT_TRUE(hears(b, 1));
}

TEST_F(fan_out_over_redis, nothing_in_redis_tells_about_patients) {
  auto a = open();
  EXPECT_EQ(a->records->channel_of("patient/rosa").find("rosa"), std::string::npos);
  EXPECT_NE(a->records->channel_of("patient/rosa"), a->records->channel_of("patient/rosb"));
  auto stranger = open({}, 6);
  EXPECT_NE(a->records->channel_of("patient/rosa"), stranger->records->channel_of("patient/rosa"));
  EXPECT_THROW(a->records->publish("r", 0, 0, ""), std::invalid_argument);
  EXPECT_THROW(a->records->publish("r", 5, 4, ""), std::invalid_argument);
}

TEST_F(fan_out_over_redis, forged_replayed_and_misaddressed_messages_are_dropped_and_counted) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(connected(a) && listens(b, "r", 0) && listens(b, "s", 0));
  const std::string channel = b->records->channel_of("r");
  // An eavesdropper who writes to Redis as well.
  std::vector<std::string> overheard;
  subscriber ear(loop.get_executor(), quick_options(server.where()));
  bool ear_ended = false;
  asio::co_spawn(loop, ear.run(), [&](std::exception_ptr) { ear_ended = true; });
  ear.subscribe(channel, {[&](std::string_view payload) { overheard.emplace_back(payload); }, {}});
  running_client raw(loop, quick_options(server.where()));
  ASSERT_TRUE(raw.wait_connected() && run_until(loop, [&] { return ear.confirmed(channel); }));
  a->records->publish("r", 1, 1, "secret text");
  ASSERT_TRUE(hears(b, 1) && run_until(loop, [&] { return overheard.size() == 1; }));
  const std::string genuine = overheard.front();
  EXPECT_EQ(genuine.find("secret"), std::string::npos);

  raw.execute({"PUBLISH", channel, "forged"});
  raw.execute({"PUBLISH", channel, std::string(genuine.size(), '\1')});
  raw.execute({"PUBLISH", channel, genuine});
  auto altered = genuine;
  altered[33 + 7] = 9;  // "to" becomes 9.
  raw.execute({"PUBLISH", channel, altered});
  raw.execute({"PUBLISH", b->records->channel_of("s"), genuine});
  raw.execute({"PUBLISH", "ct:rec:all", genuine});
  sealer stranger(key_of(99));
  raw.execute({"PUBLISH", channel, stranger.seal(channel, {2, 2, sealed_content::entries, "forged"})});
  const auto& counters = b->records->counters();
  ASSERT_TRUE(run_until(loop, [&] { return counters.malformed + counters.forged + counters.replayed == 7; }));
  EXPECT_EQ(counters.malformed, 1U);
  EXPECT_EQ(counters.replayed, 1U);
  EXPECT_EQ(counters.forged, 5U);
  EXPECT_EQ(b->entries.size(), 1U);
  a->records->publish("r", 2, 2, "genuine");
  ASSERT_TRUE(hears(b, 2));
  ear.stop();
  ASSERT_TRUE(run_until(loop, [&] { return ear_ended; }));
}

TEST_F(fan_out_over_redis, commits_made_without_redis_are_announced_when_it_is_back) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(connected(a) && listens(b, "r", 0));
  server.kill_now();
  ASSERT_TRUE(run_until(loop, [&] { return !a->commands.connected() && !b->channels.connected(); }));
  a->records->publish("r", 1, 1, "one");
  a->records->publish("r", 2, 4, "two");
  EXPECT_EQ(a->records->unpublished_count(), 1U);
  server.start();
  // b reads again after its reconnect; whichever comes first, version 4 is heard of or b was told to look.
  ASSERT_TRUE(run_until(loop, [&] { return b->count_missed("r") >= 2; }));
  ASSERT_TRUE(run_until(loop, [&] { return a->records->unpublished_count() == 0; }));
  b->records->advance("r", 4);
  ASSERT_TRUE(connected(a) && connected(b));
  a->records->publish("r", 5, 5, "live again");
  ASSERT_TRUE(hears(b, 1));
  EXPECT_EQ(b->entries.front().payload, "live again");
}

TEST_F(fan_out_over_redis, a_sender_cut_off_alone_makes_the_others_read_again) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(connected(a) && listens(b, "r", 0));
  const auto before = b->count_missed("r");
  running_client raw(loop, quick_options(server.where()));
  ASSERT_TRUE(raw.wait_connected());
  // Only the sender's connection for commands falls; b notices nothing.
  ASSERT_GE(raw.execute({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"})->integer(), 1);
  ASSERT_TRUE(run_until(loop, [&] { return !a->commands.connected(); }));
  a->records->publish("r", 1, 3, "lost on the way");
  ASSERT_TRUE(run_until(loop, [&] { return b->count_missed("r") == before + 1; }));
  EXPECT_EQ(b->missed.back().second, 3U);
  EXPECT_TRUE(b->channels.connected());
}

TEST_F(fan_out_over_redis, more_unpublished_records_than_it_remembers_become_one_word_for_all) {
  fan_out_options options;
  options.max_unpublished_records = 3;
  auto a = open(options);
  auto b = open();
  ASSERT_TRUE(connected(a) && listens(b, "quiet", 0));
  const auto before = b->count_missed("quiet");
  running_client raw(loop, quick_options(server.where()));
  ASSERT_TRUE(raw.wait_connected());
  raw.execute({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  ASSERT_TRUE(run_until(loop, [&] { return !a->commands.connected(); }));
  for (int i = 0; i < 10; ++i) a->records->publish("r" + std::to_string(i), 1, 1, "x");
  EXPECT_EQ(a->records->unpublished_count(), 3U);
  ASSERT_TRUE(run_until(loop, [&] { return b->count_missed("quiet") == before + 1; }));
  ASSERT_TRUE(run_until(loop, [&] { return a->records->unpublished_count() == 0; }));
}

TEST_F(fan_out_over_redis, flushall_does_not_disturb_it) {
  auto a = open();
  auto b = open();
  ASSERT_TRUE(connected(a) && listens(b, "r", 0));
  running_client raw(loop, quick_options(server.where()));
  ASSERT_TRUE(raw.wait_connected());
  raw.execute({"FLUSHALL"});
  a->records->publish("r", 1, 1, "x");
  ASSERT_TRUE(hears(b, 1));
}

TEST_F(fan_out_over_redis, without_permission_to_publish_it_says_so_and_keeps_trying) {
  running_client raw(loop, quick_options(server.where()));
  ASSERT_TRUE(raw.wait_connected());
  raw.execute({"ACL", "SETUSER", "mute", "on", ">pw", "~*", "&*", "+@all", "-publish"});
  auto options = quick_options(server.where());
  options.user = "mute";
  options.password = "pw";
  auto a = std::make_unique<gateway>(loop, options, key_of(5));
  auto b = open();
  ASSERT_TRUE(connected(a) && listens(b, "r", 0));
  a->records->publish("r", 1, 2, "x");
  ASSERT_TRUE(run_until(loop, [&] { return a->records->counters().publish_failures > 2; }));
  EXPECT_FALSE(a->logged.empty());
  EXPECT_FALSE(a->people->known()) << "nor can it announce anybody";
  raw.execute({"ACL", "SETUSER", "mute", "+publish"});
  ASSERT_TRUE(run_until(loop, [&] { return b->count_missed("r") == 2; }));
  EXPECT_EQ(b->missed.back().second, 2U);
  ASSERT_TRUE(run_until(loop, [&] { return a->people->known(); }));
}

TEST_F(fan_out_over_redis, the_rights_that_the_readme_names_are_enough) {
  running_client raw(loop, quick_options(server.where()));
  ASSERT_TRUE(raw.wait_connected());
  command user{"ACL", "SETUSER", "careteam", "on", ">pw", "~ct:*", "resetchannels", "&ct:*"};
  for (const char* right : {"ping",
                            "client|setname",
                            "multi",
                            "exec",
                            "time",
                            "get",
                            "set",
                            "del",
                            "sadd",
                            "srem",
                            "smembers",
                            "pexpire",
                            "pttl",
                            "zadd",
                            "zrem",
                            "zrangebyscore",
                            "zremrangebyscore",
                            "publish",
                            "subscribe",
                            "unsubscribe"}) {
    user.push_back(std::string("+") + right);
  }
  ASSERT_EQ(raw.execute(user)->text(), "OK");
  auto options = quick_options(server.where());
  options.user = "careteam";
  options.password = "pw";
  options.name = "careteam";
  auto a = std::make_unique<gateway>(loop, options, key_of(5));
  auto b = std::make_unique<gateway>(loop, options, key_of(5));
  ASSERT_TRUE(connected(a) && connected(b) && listens(b, "r", 0));
  a->records->publish("r", 1, 1, "x");
  ASSERT_TRUE(hears(b, 1));
  a->people->arrived("rosa");
  ASSERT_TRUE(run_until(loop, [&] { return b->people->state("rosa") == presence_state::online; }));
  a->people->left("rosa");
  ASSERT_TRUE(run_until(loop, [&] { return b->people->state("rosa") == presence_state::offline; }));
  a.reset();
  ASSERT_TRUE(run_until(loop, [&] { return raw.execute({"ZCARD", "ct:gateways"})->integer() == 1; }));
  EXPECT_EQ(b->all_unknown, 0);
}

TEST_F(fan_out_over_redis, two_processes_through_kill_restart_and_freeze) {
  std::string raw_key(32, '\5');
  peer_process peer(loop, server.where(), directory.write("key", raw_key));
  auto a = open();
  ASSERT_TRUE(peer.wait_for("known") && connected(a) && listens(a, "from-peer", 0));
  peer.tell("subscribe from-here 0");
  ASSERT_TRUE(peer.wait_for("missed from-here"));
  a->records->publish("from-here", 1, 2, "hello");
  ASSERT_TRUE(peer.wait_for("entries from-here 1 2 hello"));
  peer.tell("publish from-peer 1 1 world");
  ASSERT_TRUE(hears(a, 1));
  EXPECT_EQ(a->entries.front().payload, "world");

  peer.forget();
  server.kill_now();
  ASSERT_TRUE(peer.wait_for("unknown"));
  ASSERT_TRUE(run_until(loop, [&] { return !a->commands.connected(); }));
  a->records->publish("from-here", 3, 3, "lost");
  server.start();
  ASSERT_TRUE(peer.wait_for("missed from-here"));
  ASSERT_TRUE(connected(a) && peer.wait_for("known"));
  ASSERT_TRUE(run_until(loop, [&] { return a->people->known() && a->records->unpublished_count() == 0; }));

  peer.forget();
  server.freeze();
  ASSERT_TRUE(peer.wait_for("unknown"));
  server.thaw();
  // Whichever of its connections noticed the standstill is back; one that did not has lost nothing.
  ASSERT_TRUE(peer.wait_for("known") && connected(a));
  const auto before = a->count_missed("from-peer");
  peer.tell("publish from-peer 2 2 alive");
  // The peer hears of the connection at its own pace: as entries, or as a notice when it was not connected yet.
  ASSERT_TRUE(run_until(loop, [&] { return a->entries.size() == 2 || a->count_missed("from-peer") > before; }));
  peer.tell("quit");
}

}  // namespace
}  // namespace careteam::redis::test
