// The hall: who is given what, and what becomes of it when they go, are silent, or lie.
#include "notifier/worker_hall.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>

#include "socket_room.hpp"

namespace careteam::notifier {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::peer;
using testing::socket_room;

class worker_hall_test : public ::testing::Test {
 protected:
  explicit worker_hall_test(std::chrono::milliseconds attempt_timeout = 60s) {
    worker_hall_options options;
    options.path = room.path();
    options.attempt_timeout = attempt_timeout;
    options.hello_patience = 20s;
    hall = std::make_shared<worker_hall>(room.loop().get_executor(), options);
    hall->start([this] { ++arrivals; });
  }
  ~worker_hall_test() override { hall->stop(); }

  std::unique_ptr<peer> worker(std::uint32_t in_flight) {
    const auto before = arrivals;
    auto one = std::make_unique<peer>(room);
    internal::FromWorker hello;
    hello.mutable_hello()->set_in_flight(in_flight);
    one->say(hello);
    const auto welcome = one->hear<internal::ToWorker>();
    EXPECT_TRUE(welcome && welcome->has_welcome());
    EXPECT_TRUE(room.until([&] { return arrivals > before; }));
    return one;
  }

  void send(const std::string& id) {
    message what{id, {v1::CONTACT_SYSTEM_SMS, "+15550101"}, v1::PRIORITY_STAT, std::chrono::system_clock::time_point(1h)};
    hall->send(std::move(what), [this](attempt how) { ended.push_back(how.result); });
  }

  static internal::Attempt attempt_for(peer& worker) {
    const auto frame = worker.hear<internal::ToWorker>();
    EXPECT_TRUE(frame && frame->has_attempt());
    return frame ? frame->attempt() : internal::Attempt();
  }

  static void answer(peer& worker, std::uint64_t number, internal::AttemptVerdict::Result result = internal::AttemptVerdict::RESULT_TAKEN) {
    internal::FromWorker said;
    said.mutable_verdict()->set_number(number);
    said.mutable_verdict()->set_result(result);
    worker.say(said);
  }

  bool until_ended(std::size_t count) {
    return room.until([&] { return ended.size() >= count; });
  }

  socket_room room;
  std::shared_ptr<worker_hall> hall;
  int arrivals = 0;
  std::vector<verdict> ended;
};

TEST_F(worker_hall_test, gives_what_is_sent_and_hears_how_it_ended) {
  EXPECT_EQ(hall->capacity(), 0U);
  const auto one = worker(3);
  EXPECT_EQ(hall->capacity(), 3U);
  EXPECT_EQ(hall->workers(), 1U);
  send("id-1");
  EXPECT_EQ(hall->room(), 2U);
  const auto given = attempt_for(*one);
  EXPECT_EQ(given.id(), "id-1");
  EXPECT_EQ(given.to(), "+15550101");
  EXPECT_EQ(given.system(), v1::CONTACT_SYSTEM_SMS);
  EXPECT_EQ(given.priority(), v1::PRIORITY_STAT);
  EXPECT_EQ(given.time_us(), 3'600'000'000);
  EXPECT_EQ(given.timeout_ms(), 60'000U);
  answer(*one, given.number());
  ASSERT_TRUE(until_ended(1));
  EXPECT_THAT(ended, ElementsAre(verdict::taken));
  EXPECT_EQ(hall->in_flight(), 0U);
}

TEST_F(worker_hall_test, without_a_worker_nothing_is_known_of_what_is_sent) {
  send("id-1");
  EXPECT_TRUE(ended.empty()) << "never inside send";
  ASSERT_TRUE(until_ended(1));
  EXPECT_THAT(ended, ElementsAre(verdict::unknown));
}

TEST_F(worker_hall_test, each_is_given_a_share_of_what_it_can_take) {
  const auto large = worker(4), small = worker(2);
  for (int i = 0; i < 3; ++i) send("id");
  std::set<std::uint64_t> of_large{attempt_for(*large).number(), attempt_for(*large).number()}, of_small{attempt_for(*small).number()};
  EXPECT_EQ(of_large.size() + of_small.size(), 3U);
  for (int i = 0; i < 3; ++i) send("id");
  (void)attempt_for(*large);
  (void)attempt_for(*large);
  (void)attempt_for(*small);
  EXPECT_EQ(hall->room(), 0U);
}

TEST_F(worker_hall_test, who_is_as_busy_as_another_is_given_in_turn) {
  const auto first = worker(8), second = worker(8);
  for (int i = 0; i < 4; ++i) {
    auto& next = i % 2 == 0 ? *first : *second;
    send("id");
    answer(next, attempt_for(next).number());
    ASSERT_TRUE(until_ended(static_cast<std::size_t>(i) + 1));
  }
}

TEST_F(worker_hall_test, what_is_beyond_the_room_waits_for_it) {
  const auto one = worker(1);
  send("id-1");
  send("id-2");
  EXPECT_EQ(hall->in_flight(), 2U);
  EXPECT_EQ(hall->room(), 0U);
  const auto first = attempt_for(*one);
  EXPECT_EQ(first.id(), "id-1");
  answer(*one, first.number(), internal::AttemptVerdict::RESULT_REFUSED);
  const auto second = attempt_for(*one);
  EXPECT_EQ(second.id(), "id-2");
  EXPECT_THAT(ended, ElementsAre(verdict::refused));
}

TEST_F(worker_hall_test, of_what_a_worker_had_when_it_went_nothing_is_known) {
  const auto one = worker(1);
  send("id-1");
  send("id-2");
  (void)attempt_for(*one);
  one->close();
  ASSERT_TRUE(until_ended(2));
  EXPECT_THAT(ended, Each(verdict::unknown));
  EXPECT_EQ(hall->capacity(), 0U);
  EXPECT_EQ(hall->in_flight(), 0U);
}

TEST_F(worker_hall_test, what_waits_when_one_goes_is_the_others) {
  const auto one = worker(1), other = worker(1);
  for (const auto* id : {"id-1", "id-2", "id-3"}) send(id);
  EXPECT_EQ(attempt_for(*one).id(), "id-1");
  const auto second = attempt_for(*other);
  one->close();
  ASSERT_TRUE(until_ended(1));
  EXPECT_THAT(ended, ElementsAre(verdict::unknown));
  answer(*other, second.number());
  EXPECT_EQ(attempt_for(*other).id(), "id-3");
}

TEST_F(worker_hall_test, who_answers_for_what_it_was_not_given_is_closed_and_not_believed) {
  const auto liar = worker(2), other = worker(2);
  send("id-1");
  send("id-2");
  const auto of_liar = attempt_for(*liar), of_other = attempt_for(*other);
  answer(*liar, of_other.number());
  EXPECT_TRUE(liar->is_closed());
  ASSERT_TRUE(until_ended(1));
  EXPECT_THAT(ended, ElementsAre(verdict::unknown));
  answer(*other, of_other.number());
  ASSERT_TRUE(until_ended(2));
  EXPECT_EQ(ended.back(), verdict::taken);
}

TEST_F(worker_hall_test, the_same_is_not_answered_twice) {
  const auto one = worker(2);
  send("id-1");
  const auto given = attempt_for(*one);
  answer(*one, given.number());
  answer(*one, given.number());
  EXPECT_TRUE(one->is_closed());
  EXPECT_THAT(ended, ElementsAre(verdict::taken));
}

TEST_F(worker_hall_test, a_result_that_is_none_closes_and_leaves_the_attempt_unknown) {
  const auto one = worker(2);
  send("id-1");
  answer(*one, attempt_for(*one).number(), internal::AttemptVerdict::RESULT_UNSPECIFIED);
  EXPECT_TRUE(one->is_closed());
  ASSERT_TRUE(until_ended(1));
  EXPECT_THAT(ended, ElementsAre(verdict::unknown));
}

TEST_F(worker_hall_test, who_leaves_is_given_no_more_and_closed_after_its_last_verdict) {
  const auto leaver = worker(4);
  send("id-1");
  const auto given = attempt_for(*leaver);
  internal::FromWorker leaving;
  leaving.mutable_leaving();
  leaver->say(leaving);
  ASSERT_TRUE(room.until([&] { return hall->capacity() == 0; }));
  const auto other = worker(1);
  send("id-2");
  EXPECT_EQ(attempt_for(*other).id(), "id-2");
  answer(*leaver, given.number());
  EXPECT_TRUE(leaver->is_closed());
  EXPECT_THAT(ended, ElementsAre(verdict::taken));
}

TEST_F(worker_hall_test, there_is_room_for_so_many) {
  std::vector<std::unique_ptr<peer>> all;
  for (std::size_t i = 0; i < max_workers; ++i) all.push_back(worker(1));
  EXPECT_EQ(hall->workers(), max_workers);
  peer beyond(room);
  EXPECT_TRUE(beyond.is_closed());
  all.pop_back();
  ASSERT_TRUE(room.until([&] { return hall->workers() < max_workers; }));
  all.push_back(worker(1));
}

TEST_F(worker_hall_test, no_worker_takes_without_bound) {
  const auto greedy = worker(4'000'000'000U);
  EXPECT_EQ(hall->capacity(), max_worker_attempts);
}

TEST_F(worker_hall_test, stops_letting_in_and_goes_on_with_who_is_there) {
  const auto one = worker(1);
  hall->stop();
  EXPECT_FALSE(std::filesystem::exists(room.path()));
  send("id-1");
  answer(*one, attempt_for(*one).number());
  ASSERT_TRUE(until_ended(1));
  EXPECT_THAT(ended, ElementsAre(verdict::taken));
}

/// Frames as they may be, then cut, changed and run together.
std::string nonsense(std::mt19937& random) {
  const auto below = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most - 1)(random); };
  std::string bytes;
  for (auto frames = below(4); frames > 0; --frames) {
    internal::FromWorker said;
    switch (below(5)) {
      case 0:
        said.mutable_hello()->set_in_flight(static_cast<std::uint32_t>(below(3)));
        break;
      case 1:
        said.mutable_verdict()->set_number(below(1'000) + 1'000);
        said.mutable_verdict()->set_result(static_cast<internal::AttemptVerdict::Result>(below(6)));
        break;
      case 2:
        said.mutable_leaving();
        break;
      case 3:
        *said.GetReflection()->MutableUnknownFields(&said)->AddLengthDelimited(static_cast<int>(below(30)) + 4) =
            std::string(below(300), 'x');
        break;
      default:
        break;
    }
    runtime::append_frame(bytes, said.SerializeAsString());
  }
  for (auto changes = below(5); changes > 0 && !bytes.empty(); --changes) bytes[below(bytes.size())] = static_cast<char>(below(256));
  if (below(3) == 0) bytes.resize(below(bytes.size() + 1));
  if (below(8) == 0) bytes.append(below(6'000), static_cast<char>(below(256)));
  return bytes;
}

TEST_F(worker_hall_test, nonsense_of_others_does_not_disturb_who_works) {
  const auto one = worker(1);
  std::mt19937 random(2026);
  for (std::size_t round = 1; round <= 400; ++round) {
    peer stranger(room);
    stranger.say(nonsense(random));
    send("id");
    stranger.close();
    // A stranger that says Hello in order is a worker, too, and what it was given when it went is unknown.
    ASSERT_TRUE(room.until([&] { return ended.size() == round || one->has_frame(); }));
    if (one->has_frame()) answer(*one, attempt_for(*one).number());
    ASSERT_TRUE(until_ended(round));
  }
  EXPECT_GT(std::ranges::count(ended, verdict::taken), 300);
}

class impatient_hall : public worker_hall_test {
 protected:
  impatient_hall() : worker_hall_test(40ms) {}
};

TEST_F(impatient_hall, gives_up_on_who_is_silent_before_the_claim_is_over) {
  const auto silent = worker(2);
  const auto started = std::chrono::steady_clock::now();
  send("id-1");
  (void)attempt_for(*silent);
  ASSERT_TRUE(until_ended(1));
  EXPECT_THAT(ended, ElementsAre(verdict::unknown));
  EXPECT_GE(std::chrono::steady_clock::now() - started, 60ms);
  EXPECT_TRUE(silent->is_closed());
}

TEST_F(impatient_hall, does_not_mind_who_has_nothing_to_say) {
  const auto idle = worker(2), busy = worker(1);
  send("id-1");
  send("id-2");
  // The one who is answered for in time stays; the other goes.
  answer(*idle, attempt_for(*idle).number());
  (void)attempt_for(*busy);
  EXPECT_TRUE(busy->is_closed());
  ASSERT_TRUE(until_ended(2));
  EXPECT_EQ(hall->workers(), 1U);
  send("id-3");
  answer(*idle, attempt_for(*idle).number());
  ASSERT_TRUE(until_ended(3));
  EXPECT_EQ(ended.back(), verdict::taken);
}

TEST(worker_hall_path, belongs_to_its_user_unless_another_one_is_named) {
  socket_room room;
  worker_hall_options options;
  options.path = room.path();
  const auto mode = [&] {
    const auto hall = std::make_shared<worker_hall>(room.loop().get_executor(), options);
    struct stat now {};
    EXPECT_EQ(stat(room.path().c_str(), &now), 0);
    return now.st_mode & 0777;
  };
  EXPECT_EQ(mode(), 0600U);
  options.worker_user = 65534;
  EXPECT_EQ(mode(), 0666U);
  EXPECT_FALSE(std::filesystem::exists(room.path()));
}

TEST(worker_hall_path, is_taken_over_from_who_was_killed_and_from_nobody_else) {
  socket_room room;
  worker_hall_options options;
  options.path = room.path();
  {
    runtime::unix_acceptor killed(room.loop());
    ASSERT_FALSE(runtime::listen_at(killed, room.path(), 0600, 1));
    EXPECT_THROW(std::make_shared<worker_hall>(room.loop().get_executor(), options), std::runtime_error);
  }
  ASSERT_TRUE(std::filesystem::exists(room.path()));
  EXPECT_NO_THROW(std::make_shared<worker_hall>(room.loop().get_executor(), options));
  options.path = room.path().parent_path() / "no-such-folder" / "calls.sock";
  EXPECT_THROW(std::make_shared<worker_hall>(room.loop().get_executor(), options), std::runtime_error);
  options.path = room.path().parent_path() / std::string(120, 'x');
  EXPECT_THROW(std::make_shared<worker_hall>(room.loop().get_executor(), options), std::runtime_error);
}

}  // namespace
}  // namespace careteam::notifier
