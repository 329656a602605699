// Timers fire when the clock says so, in the order of their deadlines, once, whatever happens to the clock and the process meanwhile.
#include "coordination/timers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "../store/new_store.hpp"
#include "coordination/timer_changes.hpp"

namespace careteam::coordination {
namespace {

using namespace std::chrono_literals;
using store::test::event_loop;
using store::test::request;
using store::test::scratch_folder;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr store::instant noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + 12h};

timer_limits quick() {
  timer_limits limits;
  limits.together = 1ms;
  limits.retry = 1ms;
  limits.longest_look = 1h;  // Only what a test does wakes it.
  return limits;
}

class firing : public testing::Test {
 protected:
  firing() { store_ = store::test::new_store(loop_, folder_); }
  ~firing() override {
    for (const auto& one : services_) one->stop();
    run_until([&] { return std::ranges::none_of(services_, [](const auto& one) { return one->running(); }); });
    for (auto& [id, done] : held_) done({});
    held_.clear();
    loop_.run(store_->close());
  }

  timers& start(timer_limits limits = quick()) {
    services_.push_back(std::make_shared<timers>(
        loop_.context().get_executor(), *store_, clock_,
        [this](store::stored_timer timer, timer_done done) { take(std::move(timer), std::move(done)); }, metrics(), limits));
    services_.back()->start();
    return *services_.back();
  }
  timer_metrics metrics() {
    if (!metrics_) metrics_.emplace(timer_metrics::in(registry_));
    return *metrics_;
  }

  void take(store::stored_timer timer, timer_done done) {
    handed_.push_back(timer.key.id);
    if (hold_) {
      held_.emplace_back(timer.key.id, std::move(done));
    } else if (fail_.contains(timer.key.id)) {
      done(make_error_code(store::errc::unavailable));
    } else {
      boost::asio::co_spawn(loop_.context(), carry_out(std::move(timer), std::move(done)), store::test::rethrow());
    }
    most_in_flight_ = std::max(most_in_flight_, services_.front()->in_flight());
  }
  /// What a host does: takes the timer off.
  boost::asio::awaitable<void> carry_out(store::stored_timer timer, timer_done done) {
    store::record_append append;
    append.record = timer.record;
    append.fired_timers.push_back(timer.key);
    std::vector<store::record_append> request;
    request.push_back(std::move(append));
    const auto answer = co_await store_->append(std::move(request));
    if (answer && std::holds_alternative<store::committed>(*answer)) effects_.push_back(timer.key.id);
    done(answer ? boost::system::error_code() : answer.error());
  }

  /// Sets timers: names, and how long after noon they are due.
  void set(const std::vector<std::pair<std::string, std::chrono::microseconds>>& all) {
    request next("patient/rosa");
    for (const auto& [id, after] : all) next.sets(id, (noon + after).time_since_epoch().count());
    ASSERT_TRUE(answer_of(store_->append(next)));
  }
  template <class Condition>
  void run_until(Condition reached) {
    loop_.context().restart();
    while (!reached()) ASSERT_NE(loop_.context().run_one_for(20s), 0u) << "nothing happens any more";
  }
  /// Until everybody has looked at the store and has nothing to do.
  void settle() {
    for (int turn = 0; turn < 3; ++turn) {
      for (const auto& one : services_) one->look();
      for (int i = 0; i < 20; ++i) loop_.context().restart(), loop_.context().run_one_for(2ms);
    }
  }
  std::vector<std::string> stored() {
    std::vector<std::string> ids;
    for (auto& timer : answer_of(store_->due_timers(store::instant::max(), std::nullopt, 10'000)).value()) ids.push_back(timer.key.id);
    return ids;
  }
  /// While the services go on: the loop never comes to its end.
  template <class T>
  T answer_of(boost::asio::awaitable<T> work) {
    std::optional<T> answer;
    boost::asio::co_spawn(loop_.context(), std::move(work), store::test::keep_answer<T>{&answer});
    run_until([&] { return answer.has_value(); });
    return std::move(answer.value());
  }

  scratch_folder folder_;
  event_loop loop_;
  runtime::manual_clock clock_{noon};
  runtime::metrics_registry registry_;
  std::optional<timer_metrics> metrics_;
  std::unique_ptr<store::record_store> store_;
  std::vector<std::shared_ptr<timers>> services_;
  std::vector<std::string> handed_, effects_;
  std::vector<std::pair<std::string, timer_done>> held_;
  std::set<std::string> fail_;
  bool hold_ = false;
  std::size_t most_in_flight_ = 0;
};

TEST_F(firing, what_is_due_fires_in_the_order_of_deadlines_and_nothing_else) {
  set({{"c", -1s}, {"a", -3s}, {"b", -3s}, {"now", 0s}, {"later", 1us}});
  start();
  run_until([&] { return effects_.size() == 4; });
  settle();
  EXPECT_THAT(handed_, ElementsAre("a", "b", "c", "now"));
  EXPECT_THAT(stored(), ElementsAre("later"));
}

TEST_F(firing, a_timer_fires_when_the_clock_reaches_it) {
  set({{"first", 5s}, {"second", 2h}});
  start();
  settle();
  EXPECT_THAT(handed_, IsEmpty());
  clock_.advance(5s);
  settle();
  EXPECT_THAT(handed_, ElementsAre("first"));
  clock_.set(noon + 26h);  // The machine slept, or somebody set the clock.
  settle();
  EXPECT_THAT(handed_, ElementsAre("first", "second"));
  EXPECT_EQ(metrics().fired.value(), 2u);
  EXPECT_EQ(metrics().lateness_seconds.count(), 2u);
  EXPECT_GE(metrics().lateness_seconds.sum(), 24 * 3600);
}

TEST_F(firing, by_itself_it_sleeps_no_longer_than_until_the_next_timer) {
  set({{"soon", 30ms}});
  runtime::system_clock machine;
  auto limits = quick();
  const auto due = std::chrono::floor<std::chrono::microseconds>(machine.now()) + 30ms;
  ASSERT_TRUE(answer_of(store_->append(request("patient/ben").sets("in a moment", due.time_since_epoch().count()))));
  services_.push_back(std::make_shared<timers>(
      loop_.context().get_executor(), *store_, machine,
      [this](store::stored_timer timer, timer_done done) { take(std::move(timer), std::move(done)); }, metrics(), limits));
  services_.back()->start();
  run_until([&] { return std::ranges::count(effects_, "in a moment") == 1; });
  EXPECT_GE(machine.now(), due);
}

TEST_F(firing, an_earlier_timer_that_is_set_meanwhile_wakes_it) {
  set({{"later", 30min}});
  auto& service = start();
  settle();
  set({{"overdue", -1s}});
  service.set(noon - 1s);
  run_until([&] { return effects_.size() == 1; });
  EXPECT_THAT(effects_, ElementsAre("overdue"));
}

TEST_F(firing, what_is_set_before_what_has_fired_fires_too) {
  set({{"a", -1s}});
  auto& service = start();
  run_until([&] { return effects_.size() == 1; });
  settle();
  set({{"before", -1h}});
  service.set(noon - 1h);
  run_until([&] { return effects_.size() == 2; });
  EXPECT_THAT(effects_, ElementsAre("a", "before"));
}

TEST_F(firing, when_the_clock_is_set_back_what_is_set_then_fires_at_its_time) {
  set({{"a", 0s}, {"still to come", 1min}});
  start();
  run_until([&] { return effects_.size() == 1; });
  clock_.set(noon - 2h);
  settle();
  set({{"between", -1h}});
  settle();
  EXPECT_THAT(effects_, ElementsAre("a"));
  clock_.set(noon - 1h);
  settle();
  EXPECT_THAT(effects_, ElementsAre("a", "between"));
  clock_.set(noon + 1min);
  settle();
  EXPECT_THAT(effects_, ElementsAre("a", "between", "still to come"));
}

TEST_F(firing, a_timer_in_flight_is_not_handed_over_again) {
  hold_ = true;
  set({{"a", -2s}, {"b", -1s}});
  auto& service = start();
  run_until([&] { return held_.size() == 2; });
  service.set(noon - 1h);  // Everything is read again.
  settle();
  EXPECT_THAT(handed_, ElementsAre("a", "b"));
  EXPECT_EQ(service.in_flight(), 2u);
}

TEST_F(firing, what_fails_is_handed_over_again_and_holds_nobody_up) {
  fail_ = {"a"};
  set({{"a", -3s}, {"b", -2s}, {"c", -1s}});
  auto& service = start();
  run_until([&] { return effects_.size() == 2; });
  EXPECT_THAT(effects_, ElementsAre("b", "c"));
  fail_.clear();
  service.look();
  run_until([&] { return effects_.size() == 3; });
  EXPECT_GE(metrics().failed.value(), 1u);
  EXPECT_THAT(stored(), IsEmpty());
}

TEST_F(firing, after_an_outage_everything_overdue_fires_in_order_and_no_more_at_once_than_can_be_carried_out) {
  constexpr int overdue = 3'000;
  std::vector<std::pair<std::string, std::chrono::microseconds>> all;
  for (int i = 0; i < overdue; ++i) all.emplace_back("t" + std::to_string(i), -2h + i * 1s);
  std::ranges::reverse(all);
  set(all);
  auto limits = quick();
  limits.in_flight = 50;
  limits.page = 40;
  start(limits);
  run_until([&] { return effects_.size() == overdue; });
  std::vector<std::string> expected;
  for (int i = 0; i < overdue; ++i) expected.push_back("t" + std::to_string(i));
  EXPECT_EQ(handed_, expected);
  EXPECT_LE(most_in_flight_, 50u);
  EXPECT_THAT(stored(), IsEmpty());
}

TEST_F(firing, two_processes_that_fire_the_same_timers_have_one_effect_each) {
  std::vector<std::pair<std::string, std::chrono::microseconds>> all;
  for (int i = 0; i < 200; ++i) all.emplace_back("t" + std::to_string(i), -i * 1s);
  set(all);
  start();
  start();
  run_until([&] { return effects_.size() >= 200 && services_[0]->in_flight() + services_[1]->in_flight() == 0; });
  settle();
  std::ranges::sort(effects_);
  EXPECT_EQ(std::ranges::unique(effects_).begin(), effects_.end());
  EXPECT_EQ(effects_.size(), 200u);
}

TEST_F(firing, it_stops_though_something_is_in_flight) {
  hold_ = true;
  set({{"a", -2s}});
  auto& service = start();
  run_until([&] { return held_.size() == 1; });
  set({{"b", -1s}});
  service.stop();
  run_until([&] { return !service.running(); });
  services_.clear();
  held_[0].second({});  // Whoever is done later finds nobody, which does no harm.
  held_.clear();
  EXPECT_THAT(handed_, ElementsAre("a"));
}

TEST(timer_changes, become_what_the_store_takes) {
  care::timer_board board;
  v1::Command command;
  command.set_patient_id("rosa");
  for (const auto* id : {"cancelled", "changed", "moved"}) board.set(id, noon, 1, command);
  (void)board.take_changes();
  board.cancel("cancelled");
  board.set("moved", noon + 1h, 2, command);
  board.set("new", noon + 2h, 3, command);
  command.set_patient_id("ben");
  board.set("changed", noon, 3, command);
  store::record_append append;
  add_timer_changes(append, board.take_changes());
  EXPECT_THAT(append.cancel_timers, ElementsAre(store::timer_key{"cancelled", noon}));
  ASSERT_EQ(append.set_timers.size(), 2u) << "the store does not know what is to be done, only when";
  EXPECT_EQ(append.set_timers[0].key, (store::timer_key{"moved", noon + 1h}));
  EXPECT_EQ(append.set_timers[0].instead_of, noon);
  EXPECT_EQ(append.set_timers[1].key, (store::timer_key{"new", noon + 2h}));
  EXPECT_EQ(append.set_timers[1].instead_of, std::nullopt);
}

}  // namespace
}  // namespace careteam::coordination
