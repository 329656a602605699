// Work that is handed out: to one taker each, again when that one is silent, and gone without harm when Redis forgets.
#include "redis/work_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "support.hpp"

namespace careteam::redis::test {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class work_over_redis : public testing::Test {
 protected:
  work_over_redis() { server.start(); }

  struct worker {
    worker(work_over_redis& in, std::string name)
        : commands(in.loop, quick_options(in.server.where())),
          waiting(in.loop, patient(in.server.where())),
          queue(*commands, *waiting, {.consumer = std::move(name)}) {}
    /// Waits for work longer than the usual client of the tests.
    static client_options patient(address where) {
      auto options = quick_options(std::move(where));
      options.response_timeout = 2s;
      return options;
    }
    bool connected() { return commands.wait_connected() && waiting.wait_connected(); }
    running_client commands, waiting;
    work_queue queue;
  };

  result<std::vector<queued_work>> finish(asio::awaitable<result<std::vector<queued_work>>> taking) {
    std::optional<result<std::vector<queued_work>>> taken;
    asio::co_spawn(loop, std::move(taking), [&](std::exception_ptr failed, result<std::vector<queued_work>> work) {
      if (failed) std::rethrow_exception(failed);
      taken = std::move(work);
    });
    EXPECT_TRUE(run_until(loop, [&] { return taken.has_value(); }));
    return std::move(*taken);
  }
  std::vector<std::string> takes(worker& who, std::size_t count = 10) {
    auto taken = finish(who.queue.take(count, 100ms));
    EXPECT_TRUE(taken) << taken.error().message();
    std::vector<std::string> ids;
    for (const auto& one : *taken) ids.push_back(one.id);
    last = *taken;
    return ids;
  }
  boost::system::error_code adds(worker& who, const std::vector<std::string>& ids) {
    std::optional<boost::system::error_code> done;
    who.queue.add(ids, [&](boost::system::error_code failed) { done = failed; });
    EXPECT_TRUE(run_until(loop, [&] { return done.has_value(); }));
    return *done;
  }

  temporary_directory directory;
  redis_server server{directory};
  asio::io_context loop;
  std::vector<queued_work> last;
};

TEST_F(work_over_redis, goes_to_one_taker_each_in_order) {
  worker one(*this, "one"), other(*this, "other");
  ASSERT_TRUE(one.connected() && other.connected());
  EXPECT_FALSE(adds(one, {"a", "b", "c"}));
  EXPECT_THAT(takes(one, 2), ElementsAre("a", "b"));
  EXPECT_THAT(takes(other), ElementsAre("c"));
  EXPECT_THAT(takes(one), IsEmpty());
}

TEST_F(work_over_redis, that_nobody_finished_goes_to_somebody_else) {
  worker one(*this, "one"), other(*this, "other");
  ASSERT_TRUE(one.connected() && other.connected());
  EXPECT_FALSE(adds(one, {"a", "b"}));
  EXPECT_THAT(takes(one), ElementsAre("a", "b"));
  one.queue.finish({last.front().entry});
  EXPECT_THAT(takes(one), IsEmpty());  // Behind it: the server has finished the first.
  const auto left = finish(other.queue.take_abandoned(0ms, 10));
  ASSERT_TRUE(left);
  ASSERT_THAT(*left, SizeIs(1));
  EXPECT_EQ(left->front().id, "b");
  const auto fresh = finish(other.queue.take_abandoned(1h, 10));
  ASSERT_TRUE(fresh);
  EXPECT_THAT(*fresh, IsEmpty()) << "what was taken just now is in good hands";
}

TEST_F(work_over_redis, is_forgotten_with_redis_and_the_queue_goes_on) {
  worker one(*this, "one");
  ASSERT_TRUE(one.connected());
  EXPECT_FALSE(adds(one, {"a"}));
  EXPECT_TRUE(one.commands.execute({"FLUSHALL"}));
  EXPECT_THAT(takes(one), IsEmpty());
  EXPECT_FALSE(adds(one, {"b"}));
  EXPECT_THAT(takes(one), ElementsAre("b"));
}

TEST_F(work_over_redis, is_not_taken_by_a_redis_that_is_away) {
  worker one(*this, "one");
  ASSERT_TRUE(one.connected());
  server.kill_now();
  ASSERT_TRUE(run_until(loop, [&] { return !one.queue.connected(); }));
  EXPECT_TRUE(adds(one, {"a"}));
  EXPECT_FALSE(finish(one.queue.take(1, 10ms)));
}

}  // namespace
}  // namespace careteam::redis::test
