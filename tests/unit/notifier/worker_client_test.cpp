// The worker's end: what it makes of what a server says, and what it does when the server goes.
#include "notifier/worker_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <deque>

#include "socket_room.hpp"

namespace careteam::notifier {
namespace {

using namespace std::chrono_literals;
using testing::peer;
using testing::socket_room;

/// Keeps what it is given until the test says how it ended.
class kept_sender final : public sender {
 public:
  void send(message what, answer done) override { kept.emplace_back(std::move(what), std::move(done)); }
  std::size_t in_flight() const override { return kept.size(); }
  std::size_t capacity() const override { return 2; }
  std::chrono::milliseconds attempt_timeout() const override { return 10ms; }

  void end(attempt how) {
    kept.front().second(how);
    kept.pop_front();
  }

  std::deque<std::pair<message, answer>> kept;
};

class worker_client_test : public ::testing::Test {
 protected:
  worker_client_test() : acceptor(room.loop()), client(std::make_shared<worker_client>(room.loop().get_executor(), through, options())) {
    EXPECT_FALSE(runtime::listen_at(acceptor, room.path(), 0600, 4));
    acceptor.non_blocking(true);
    boost::asio::co_spawn(room.loop(), client->run(), [this](std::exception_ptr failure) {
      EXPECT_FALSE(failure);
      over = true;
    });
  }
  ~worker_client_test() override {
    client->stop();
    acceptor.close();
    EXPECT_TRUE(room.until([&] { return over; }));
  }

  worker_client_options options() const {
    worker_client_options made{room.path()};
    made.first_pause = made.longest_pause = 5ms;
    return made;
  }

  /// The server's end of the worker's next connection, after its Hello.
  std::unique_ptr<peer> server() {
    runtime::unix_socket socket(room.loop());
    EXPECT_TRUE(room.until([&] {
      boost::system::error_code not_yet;
      acceptor.accept(socket, not_yet);
      return !not_yet;
    }));
    auto one = std::make_unique<peer>(room, std::move(socket));
    const auto hello = one->hear<internal::FromWorker>();
    EXPECT_TRUE(hello && hello->hello().in_flight() == 2);
    return one;
  }

  std::unique_ptr<peer> welcoming_server() {
    auto one = server();
    internal::ToWorker welcome;
    welcome.mutable_welcome();
    one->say(welcome);
    return one;
  }

  static internal::ToWorker attempt_frame(std::uint64_t number = 7) {
    internal::ToWorker frame;
    auto& one = *frame.mutable_attempt();
    one.set_number(number);
    one.set_id("2f-1-0");
    one.set_system(v1::CONTACT_SYSTEM_EMAIL);
    one.set_to("nina@example.org");
    one.set_priority(v1::PRIORITY_ASAP);
    one.set_time_us(1'772'366'400'000'000);
    one.set_timeout_ms(1'234);
    return frame;
  }

  bool until_kept(std::size_t count) {
    return room.until([&] { return through.kept.size() == count; });
  }

  socket_room room;
  runtime::unix_acceptor acceptor;
  kept_sender through;
  std::shared_ptr<worker_client> client;
  bool over = false;
};

TEST_F(worker_client_test, makes_what_it_is_given_and_tells_how_it_ended) {
  const auto to = welcoming_server();
  to->say(attempt_frame(7));
  to->say(attempt_frame(8));
  ASSERT_TRUE(until_kept(2));
  const auto& what = through.kept.front().first;
  EXPECT_EQ(what.id, "2f-1-0");
  EXPECT_EQ(what.to, (care::contact_point{v1::CONTACT_SYSTEM_EMAIL, "nina@example.org"}));
  EXPECT_EQ(what.priority, v1::PRIORITY_ASAP);
  EXPECT_EQ(what.time.time_since_epoch(), 1'772'366'400s);
  EXPECT_EQ(what.timeout, 1'234ms) << "the server's patience counts";
  through.end({verdict::again, 20s});
  through.end({verdict::refused, std::nullopt});
  const auto first = to->hear<internal::FromWorker>(), second = to->hear<internal::FromWorker>();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->verdict().number(), 7U);
  EXPECT_EQ(first->verdict().result(), internal::AttemptVerdict::RESULT_AGAIN);
  EXPECT_EQ(first->verdict().retry_after_s(), 20U);
  EXPECT_EQ(second->verdict().number(), 8U);
  EXPECT_EQ(second->verdict().result(), internal::AttemptVerdict::RESULT_REFUSED);
}

TEST_F(worker_client_test, comes_again_when_the_server_goes_and_does_not_answer_another_ones_attempts) {
  {
    const auto gone = welcoming_server();
    gone->say(attempt_frame(7));
    ASSERT_TRUE(until_kept(1));
  }
  const auto next = welcoming_server();
  through.end({verdict::taken, std::nullopt});
  next->say(attempt_frame(9));
  ASSERT_TRUE(until_kept(1));
  through.end({verdict::taken, std::nullopt});
  const auto said = next->hear<internal::FromWorker>();
  ASSERT_TRUE(said);
  EXPECT_EQ(said->verdict().number(), 9U);
}

TEST_F(worker_client_test, nonsense_is_not_sent_to_anybody) {
  using changed = std::function<void(internal::Attempt&)>;
  const std::vector<changed> faults{
      [](auto& one) { one.set_id(""); },
      [](auto& one) { one.set_id("2f\r\nBcc: x"); },
      [](auto& one) { one.set_id(std::string(101, 'a')); },
      [](auto& one) { one.set_to(""); },
      [](auto& one) { one.set_to("nina@example.org\r\nBcc: eve@example.org"); },
      [](auto& one) { one.set_system(v1::CONTACT_SYSTEM_UNSPECIFIED); },
      [](auto& one) { one.set_system(static_cast<v1::ContactSystem>(99)); },
      [](auto& one) { one.set_priority(static_cast<v1::Priority>(99)); },
      [](auto& one) { one.set_timeout_ms(0); },
      [](auto& one) { one.set_timeout_ms(60'001); },
      [](auto& one) { one.set_time_us(-1); },
      [](auto& one) { one.set_time_us(std::numeric_limits<std::int64_t>::max()); },
  };
  for (const auto& spoil : faults) {
    const auto to = welcoming_server();
    auto frame = attempt_frame();
    spoil(*frame.mutable_attempt());
    to->say(frame);
    EXPECT_TRUE(to->is_closed()) << frame.ShortDebugString();
  }
  for (const auto& bytes :
       {std::string("\xff\xff\xff\xff", 4), std::string("\0\0\0\0", 4), std::string("\0\0\0\5\xff\xff\xff\xff\xff", 9)}) {
    const auto to = welcoming_server();
    to->say(bytes);
    EXPECT_TRUE(to->is_closed());
  }
  const auto early = server();
  early->say(attempt_frame());
  EXPECT_TRUE(early->is_closed()) << "before the Welcome";
  EXPECT_TRUE(through.kept.empty());
}

TEST_F(worker_client_test, does_not_take_without_bound) {
  const auto to = welcoming_server();
  for (std::uint64_t number = 1; number <= 5; ++number) to->say(attempt_frame(number));
  EXPECT_TRUE(to->is_closed());
  EXPECT_EQ(through.kept.size(), 4U);
}

TEST_F(worker_client_test, leaves_with_a_word_and_ends_when_the_server_has_heard_all) {
  const auto to = welcoming_server();
  to->say(attempt_frame(7));
  ASSERT_TRUE(until_kept(1));
  client->stop();
  const auto leaving = to->hear<internal::FromWorker>();
  EXPECT_TRUE(leaving && leaving->has_leaving());
  through.end({verdict::taken, std::nullopt});
  const auto said = to->hear<internal::FromWorker>();
  EXPECT_TRUE(said && said->verdict().number() == 7);
  EXPECT_FALSE(over);
  to->close();
  EXPECT_TRUE(room.until([&] { return over; }));
}

TEST_F(worker_client_test, does_not_wait_for_a_server_that_hangs) {
  const auto to = welcoming_server();
  to->say(attempt_frame(7));
  ASSERT_TRUE(until_kept(1));
  const auto started = std::chrono::steady_clock::now();
  client->stop();
  ASSERT_TRUE(room.until([&] { return over; }));
  EXPECT_GE(std::chrono::steady_clock::now() - started, 2'234ms) << "an attempt, and a second";
}

TEST(worker_client_pause, ends_with_the_worker) {
  socket_room room;
  kept_sender through;
  worker_client_options options{room.path()};
  options.first_pause = options.longest_pause = 1h;
  const auto client = std::make_shared<worker_client>(room.loop().get_executor(), through, options);
  bool over = false;
  boost::asio::co_spawn(room.loop(), client->run(), [&](std::exception_ptr) { over = true; });
  room.loop().poll();  // Nobody listens: it waits before it comes again.
  client->stop();
  EXPECT_TRUE(room.until([&] { return over; }));
}

TEST(worker_wire, a_verdict_is_the_same_on_the_other_side) {
  for (const attempt how : {attempt{verdict::taken, std::nullopt}, attempt{verdict::again, std::nullopt}, attempt{verdict::again, 90s},
                            attempt{verdict::refused, std::nullopt}}) {
    const auto back = from_wire(to_wire(5, how));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->result, how.result);
    EXPECT_EQ(back->not_before, how.not_before);
  }
  EXPECT_FALSE(from_wire(to_wire(5, {verdict::unknown, std::nullopt}))) << "no worker says so";
  EXPECT_EQ(to_wire(5, {verdict::again, std::chrono::hours(10'000)}).retry_after_s(), 86'400U);
  EXPECT_EQ(to_wire(5, {verdict::again, -5s}).retry_after_s(), 0U);
}

}  // namespace
}  // namespace careteam::notifier
