// The client against a real redis-server: answers in order, bounds, authentication, and every way in which a server can go away.
#include "redis/client.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "support.hpp"

namespace careteam::redis::test {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

class redis_client : public testing::Test {
 protected:
  asio::io_context loop;
  temporary_directory directory;
  redis_server server{directory};
};

error_code error_of(const result<reply>& answer) {
  return answer.has_error() ? answer.error() : error_code{};
}

asio::awaitable<result<reply>> ask(client* redis, command words) {
  auto answer = co_await redis->execute(std::move(words));
  co_return answer;
}

asio::awaitable<result<std::vector<reply>>> transact(client* redis, std::vector<command> commands) {
  auto answer = co_await redis->execute_transaction(std::move(commands));
  co_return answer;
}

TEST_F(redis_client, carries_every_byte) {
  server.start();
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(redis.execute({"SET", all, all + "\r\n$5\r\n", "EX", "30"})->text(), "OK");
  EXPECT_EQ(redis.execute({"GET", all})->text(), all + "\r\n$5\r\n");
  const std::string large(8U << 20U, 'x');
  EXPECT_EQ(redis.execute({"SET", "large", large})->text(), "OK");
  EXPECT_EQ(redis.execute({"GET", "large"})->text(), large);
  EXPECT_TRUE(redis.execute({"GET", "absent"})->is_nil());
  EXPECT_EQ(error_of(redis.execute({"NONSENSE"})), errc::server_error);
}

TEST_F(redis_client, answers_many_waiters_in_order) {
  server.start();
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  constexpr int waiters = 5000;
  std::vector<int> order;
  int wrong = 0;
  for (int i = 0; i < waiters; ++i) {
    asio::co_spawn(loop, ask(&*redis, {"ECHO", std::to_string(i)}), [&, i](std::exception_ptr failed, result<reply> answer) {
      if (failed || !answer || answer->text() != std::to_string(i)) ++wrong;
      order.push_back(i);
    });
  }
  ASSERT_TRUE(run_until(loop, [&] { return order.size() == waiters; }));
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(redis_client, batches_and_transactions_answer_in_order) {
  server.start();
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  const auto answers = redis.execute_many({{"SET", "n", "1"}, {"INCR", "n"}, {"LPUSH", "n", "x"}, {"INCR", "n"}});
  ASSERT_EQ(answers.size(), 4U);
  EXPECT_EQ(answers[1]->integer(), 2);
  EXPECT_EQ(error_of(answers[2]), errc::server_error);
  EXPECT_EQ(answers[3]->integer(), 3);

  std::optional<result<std::vector<reply>>> good;
  asio::co_spawn(loop, transact(&*redis, {{"INCR", "n"}, {"GET", "n"}}),
                 [&](std::exception_ptr, result<std::vector<reply>> answer) { good = std::move(answer); });
  std::optional<result<std::vector<reply>>> bad;
  asio::co_spawn(loop, transact(&*redis, {{"INCR", "n"}, {"LPUSH", "n", "x"}}),
                 [&](std::exception_ptr, result<std::vector<reply>> answer) { bad = std::move(answer); });
  ASSERT_TRUE(run_until(loop, [&] { return good && bad; }));
  ASSERT_TRUE(good->has_value());
  EXPECT_EQ((**good)[0].integer(), 4);
  EXPECT_EQ((**good)[1].text(), "4");
  EXPECT_TRUE(bad->has_error());
}

TEST_F(redis_client, refuses_at_once_while_there_is_no_server_and_connects_when_it_comes) {
  running_client redis(loop, quick_options(server.where()));
  EXPECT_EQ(error_of(redis.execute({"PING"})), errc::not_connected);
  ASSERT_TRUE(run_until(loop, [&] { return redis->counters().connect_failures > 2; }));
  server.start();
  ASSERT_TRUE(redis.wait_connected());
  EXPECT_EQ(redis.execute({"PING"})->text(), "PONG");
}

TEST_F(redis_client, refuses_what_exceeds_its_bounds) {
  server.start();
  auto options = quick_options(server.where());
  options.max_outstanding = 10;
  options.max_outstanding_bytes = 4096;
  options.max_command_bytes = 2048;
  running_client redis(loop, options);
  ASSERT_TRUE(redis.wait_connected());
  EXPECT_EQ(error_of(redis.execute({"ECHO", std::string(4096, 'x')})), errc::command_too_large);
  EXPECT_EQ(error_of(redis.execute({})), errc::command_too_large);
  for (const auto& answer : redis.execute_many(std::vector<command>(11, {"PING"}))) EXPECT_EQ(error_of(answer), errc::queue_full);
  for (const auto& answer : redis.execute_many(std::vector<command>(5, {"ECHO", std::string(1000, 'x')}))) {
    EXPECT_EQ(error_of(answer), errc::queue_full);
  }
  // A refused batch leaves nothing behind.
  for (const auto& answer : redis.execute_many(std::vector<command>(10, {"PING"}))) EXPECT_EQ(answer->text(), "PONG");
}

TEST_F(redis_client, notices_a_killed_server_and_fails_every_waiter_without_repeating) {
  server.start();
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  std::vector<connection_change> seen;
  const auto watching = redis->observe([&](const connection_change& change) { seen.push_back(change); });
  int failed = 0;
  redis->submit(std::vector<command>(3, {"BLPOP", "nothing", "100"}), [&](const outcomes& answers) {
    for (const auto& answer : answers) failed += answer.has_error() && answer.error() == errc::connection_lost ? 1 : 0;
  });
  run_for(loop, 50ms);
  server.kill_now();
  ASSERT_TRUE(run_until(loop, [&] { return failed == 3; }));
  ASSERT_TRUE(run_until(loop, [&] { return !seen.empty(); }));
  EXPECT_FALSE(seen.front().connected);
  EXPECT_EQ(seen.front().reason, errc::connection_lost);
  server.start();
  ASSERT_TRUE(redis.wait_connected());
  EXPECT_EQ(redis.execute({"LLEN", "nothing"})->integer(), 0);
}

TEST_F(redis_client, notices_a_frozen_server_while_waiting_and_while_idle) {
  server.start();
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  server.freeze();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of(redis.execute({"PING"})), errc::response_timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1500ms);
  EXPECT_FALSE(redis->connected());
  server.thaw();
  ASSERT_TRUE(redis.wait_connected());
  server.freeze();  // Now nobody asks anything.
  ASSERT_TRUE(run_until(
      loop, [&] { return !redis->connected(); }, 3s));
  server.thaw();
  ASSERT_TRUE(redis.wait_connected());
}

TEST_F(redis_client, a_cancelled_wait_ends_and_the_others_keep_their_answers) {
  server.start();
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  asio::cancellation_signal cancel;
  bool aborted = false;
  std::string next;
  asio::co_spawn(
      loop, ask(&*redis, {"BLPOP", "nothing", "0.2"}),
      asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr failed, const result<reply>&) { aborted = failed != nullptr; }));
  asio::co_spawn(loop, ask(&*redis, {"ECHO", "mine"}), [&](std::exception_ptr, const result<reply>& answer) { next = answer->text(); });
  run_for(loop, 20ms);
  cancel.emit(asio::cancellation_type::terminal);
  ASSERT_TRUE(run_until(
      loop, [&] { return aborted; }, 150ms));
  ASSERT_TRUE(run_until(loop, [&] { return !next.empty(); }));
  EXPECT_EQ(next, "mine");
}

TEST_F(redis_client, stops_with_waiters_and_while_the_server_is_away) {
  server.start();
  error_code reason;
  {
    running_client redis(loop, quick_options(server.where()));
    ASSERT_TRUE(redis.wait_connected());
    redis->submit({{"BLPOP", "nothing", "100"}}, [&](const outcomes& answers) { reason = answers.front().error(); });
    run_for(loop, 20ms);
    redis->stop();
    EXPECT_EQ(error_of(redis.execute({"PING"})), errc::not_connected);
  }
  ASSERT_TRUE(run_until(loop, [&] { return static_cast<bool>(reason); }));
  EXPECT_EQ(reason, errc::stopped);
  server.kill_now();
  running_client lonely(loop, quick_options(server.where()));
  ASSERT_TRUE(run_until(loop, [&] { return lonely->counters().connect_failures > 1; }));
}

class redis_with_users : public testing::Test {
 protected:
  redis_with_users() {
    directory.write("users.acl",
                    "user default off\n"
                    "user careteam on >s3cret ~* &* +@all\n"
                    "user narrow on >n4rrow ~ct:* resetchannels &other +ping +subscribe +unsubscribe +get +publish\n");
    server.start();
  }
  client_options as(const std::string& user, const std::string& password) {
    auto options = quick_options(server.where());
    options.user = user;
    options.password = password;
    options.name = "careteam-test";
    options.log = [this](severity, std::string_view line) { logged += line; };
    return options;
  }
  asio::io_context loop;
  temporary_directory directory;
  redis_server server{directory, {"--aclfile", directory.path() + "/users.acl"}};
  std::string logged;
};

TEST_F(redis_with_users, the_right_user_is_let_in_under_its_name) {
  running_client redis(loop, as("careteam", "s3cret"));
  ASSERT_TRUE(redis.wait_connected());
  EXPECT_EQ(redis.execute({"ACL", "WHOAMI"})->text(), "careteam");
  EXPECT_EQ(redis.execute({"CLIENT", "GETNAME"})->text(), "careteam-test");
}

TEST_F(redis_with_users, a_wrong_or_missing_password_is_told_apart_and_not_logged) {
  for (const auto& [user, password] :
       std::vector<std::pair<std::string, std::string>>{{"careteam", "wr0ng"}, {"", ""}, {"nobody", "wr0ng"}}) {
    running_client redis(loop, as(user, password));
    std::vector<connection_change> seen;
    const auto watching = redis->observe([&](const connection_change& change) { seen.push_back(change); });
    // The server may still be starting.
    ASSERT_TRUE(run_until(loop, [&] { return !seen.empty() && seen.back().reason == errc::authentication_failed; })) << user;
    EXPECT_FALSE(redis->connected());
  }
  EXPECT_NE(logged.find("refused the user"), std::string::npos);
  EXPECT_EQ(logged.find("wr0ng"), std::string::npos);
}

TEST_F(redis_with_users, a_narrow_user_works_within_its_rights) {
  running_client redis(loop, as("narrow", "n4rrow"));
  ASSERT_TRUE(redis.wait_connected());  // CLIENT SETNAME is not among its rights.
  EXPECT_TRUE(redis.execute({"GET", "ct:x"})->is_nil());
  EXPECT_EQ(error_of(redis.execute({"GET", "secret"})), errc::no_permission);
  EXPECT_EQ(error_of(redis.execute({"FLUSHALL"})), errc::no_permission);
  EXPECT_EQ(error_of(redis.execute({"PUBLISH", "ct:rec:x", "y"})), errc::no_permission);
  EXPECT_TRUE(redis->connected());
}

TEST_F(redis_with_users, a_refused_subscription_works_once_the_rights_are_mended) {
  subscriber channels(loop.get_executor(), as("narrow", "n4rrow"), 50ms);
  bool ended = false;
  asio::co_spawn(loop, channels.run(), [&](std::exception_ptr) { ended = true; });
  int confirmed = 0;
  std::vector<std::string> got;
  ASSERT_TRUE(channels.subscribe("mine", {[&](std::string_view payload) { got.emplace_back(payload); }, [&] { ++confirmed; }}));
  ASSERT_TRUE(run_until(loop, [&] { return channels.counters().refused > 0; }));
  EXPECT_EQ(confirmed, 0);
  running_client admin(loop, as("careteam", "s3cret"));
  ASSERT_TRUE(admin.wait_connected());
  // Adding a channel does not disconnect the user.
  ASSERT_TRUE(admin.execute({"ACL", "SETUSER", "narrow", "&mine"}).has_value());
  ASSERT_TRUE(run_until(loop, [&] { return confirmed == 1; }));
  ASSERT_EQ(admin.execute({"PUBLISH", "mine", "hello"})->integer(), 1);
  ASSERT_TRUE(run_until(loop, [&] { return !got.empty(); }));
  EXPECT_EQ(got.front(), "hello");
  channels.stop();
  ASSERT_TRUE(run_until(loop, [&] { return ended; }));
}

class redis_subscriber : public redis_client {
 protected:
  redis_subscriber() {
    asio::co_spawn(loop, channels.run(), [this](std::exception_ptr) { ended = true; });
  }
  ~redis_subscriber() override {
    channels.stop();
    EXPECT_TRUE(run_until(loop, [this] { return ended; }));
  }
  bool ended = false;
  subscriber channels{loop.get_executor(), quick_options(server.where())};
};

TEST_F(redis_subscriber, hears_its_channels_and_comes_back_with_a_gap) {
  int confirmed = 0;
  std::vector<std::string> got;
  // Before there is a server, more channels than fit into one batch.
  constexpr int many = 1500;
  for (int i = 0; i < many; ++i) {
    channels.subscribe("c" + std::to_string(i), {[&](std::string_view payload) { got.emplace_back(payload); }, [&] { ++confirmed; }});
  }
  server.start();
  ASSERT_TRUE(run_until(loop, [&] { return confirmed == many; }));
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  EXPECT_EQ(redis.execute({"PUBLISH", "c1499", std::string("a\0b", 3)})->integer(), 1);
  ASSERT_TRUE(run_until(loop, [&] { return !got.empty(); }));
  EXPECT_EQ(got.front(), std::string("a\0b", 3));

  server.kill_now();
  ASSERT_TRUE(run_until(loop, [&] { return !channels.connected(); }));
  EXPECT_FALSE(channels.confirmed("c7"));
  EXPECT_EQ(channels.counters().gaps, 1U);
  confirmed = 0;
  server.start();
  ASSERT_TRUE(run_until(loop, [&] { return confirmed == many; }));
  ASSERT_TRUE(redis.wait_connected());
  EXPECT_EQ(redis.execute({"PUBLISH", "c7", "again"})->integer(), 1);
  ASSERT_TRUE(run_until(loop, [&] { return got.size() == 2; }));
}

TEST_F(redis_subscriber, gives_up_and_takes_again) {
  server.start();
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  int first = 0;
  int second = 0;
  int confirmed = 0;
  channels.subscribe("c", {[&](std::string_view) { ++first; }, {}});
  ASSERT_TRUE(run_until(loop, [&] { return channels.confirmed("c"); }));
  channels.unsubscribe("c");
  channels.subscribe("c", {[&](std::string_view) { ++second; }, [&] { ++confirmed; }});
  ASSERT_TRUE(run_until(loop, [&] { return confirmed == 1; }));
  EXPECT_EQ(redis.execute({"PUBLISH", "c", "x"})->integer(), 1);
  ASSERT_TRUE(run_until(loop, [&] { return second == 1; }));
  EXPECT_EQ(first, 0);
  channels.unsubscribe("c");
  ASSERT_TRUE(run_until(loop, [&] { return redis.execute({"PUBLISH", "c", "x"})->integer() == 0; }));
  run_for(loop, 20ms);
  EXPECT_EQ(second, 1);
}

TEST_F(redis_subscriber, notices_a_frozen_server) {
  server.start();
  channels.subscribe("c", {});
  ASSERT_TRUE(run_until(loop, [&] { return channels.confirmed("c"); }));
  // Its own PINGs keep a quiet, healthy subscription alive.
  run_for(loop, 900ms);
  ASSERT_TRUE(channels.confirmed("c"));
  server.freeze();
  ASSERT_TRUE(run_until(
      loop, [&] { return !channels.connected(); }, 3s));
  server.thaw();
  ASSERT_TRUE(run_until(loop, [&] { return channels.confirmed("c"); }));
}

/// What an impostor sends: the client drops it, stays small and tries again.
class lying : public testing::TestWithParam<std::pair<std::string, errc>> {};

TEST_P(lying, server_is_dropped_and_tried_again) {
  asio::io_context loop;
  const auto [bytes, expected] = GetParam();
  lying_server server(loop, [bytes = bytes](const std::string&) { return bytes; });
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  EXPECT_EQ(error_of(redis.execute({"GET", "x"})), expected);
  ASSERT_TRUE(run_until(loop, [&] { return server.accepted() >= 2; }));
}

INSTANTIATE_TEST_SUITE_P(
    replies, lying,
    testing::Values(std::pair{std::string("*2147483647\r\n"), errc::reply_too_large},
                    std::pair{std::string("$536870912\r\n"), errc::reply_too_large},
                    std::pair{std::string("*-7\r\n"), errc::protocol_violation},
                    std::pair{std::string("$-7\r\n"), errc::protocol_violation},
                    std::pair{std::string("SSH-2.0-OpenSSH_9.2\r\n"), errc::protocol_violation},
                    std::pair{std::string("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"), errc::reply_too_large},
                    std::pair{"+" + std::string(200'000, 'z'), errc::reply_too_large}, std::pair{std::string(), errc::response_timeout},
                    std::pair{std::string("-NOAUTH Authentication required.\r\n"), errc::authentication_failed}));

TEST(lying_servers, an_answer_that_nobody_asked_for_ends_the_connection) {
  asio::io_context loop;
  lying_server server(loop, [](const std::string&) { return std::string("+PONG\r\n"); });
  running_client redis(loop, quick_options(server.where()));
  ASSERT_TRUE(redis.wait_connected());
  server.push(":1\r\n:2\r\n");
  ASSERT_TRUE(run_until(loop, [&] { return redis->counters().connections_lost == 1; }));
}

TEST(addresses, may_be_names) {
  asio::io_context loop;
  lying_server server(loop, [](const std::string&) { return std::string("+PONG\r\n"); });  // Only on 127.0.0.1.
  running_client redis(loop, quick_options(tcp_address{"localhost", server.where().port}));
  ASSERT_TRUE(redis.wait_connected());
  EXPECT_EQ(redis.execute({"PING"})->text(), "PONG");
}

TEST(lying_servers, a_silent_one_runs_into_the_connect_timeout) {
  asio::io_context loop;
  asio::ip::tcp::acceptor silent(loop, {asio::ip::address_v4::loopback(), 0});
  auto options = quick_options(tcp_address{"127.0.0.1", silent.local_endpoint().port()});
  options.connect_timeout = 100ms;
  running_client redis(loop, options);
  std::vector<connection_change> seen;
  const auto watching = redis->observe([&](const connection_change& change) { seen.push_back(change); });
  ASSERT_TRUE(run_until(loop, [&] { return seen.size() >= 2; }));
  EXPECT_EQ(seen.front().reason, errc::connect_timeout);
}

TEST(addresses, that_cannot_be_used_are_errors) {
  asio::io_context loop;
  for (const address& where : {address(unix_address{std::string(200, 'x')}), address(unix_address{""}),
                               address(unix_address{"/nonexistent/s"}), address(tcp_address{"", 1})}) {
    running_client redis(loop, quick_options(where));
    ASSERT_TRUE(run_until(loop, [&] { return redis->counters().connect_failures >= 2; }));
  }
}

}  // namespace
}  // namespace careteam::redis::test
