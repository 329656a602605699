// Random protocols that start, move and stop while time goes on in steps of any length, with and without outages: whatever happens, each
// day's task is made once, and none is forgotten. CARETEAM_SEED=77 CARETEAM_STEPS=20000 replays or goes on longer.
#include <iostream>
#include <random>
#include <set>

#include "care/protocol_schedule.hpp"
#include "protocol_fixture.hpp"

namespace careteam::care::fixture {
namespace {

unsigned long from_environment(const char* name, unsigned long usual) {
  const char* text = std::getenv(name);
  return text ? std::strtoul(text, nullptr, 10) : usual;
}

class protocol_property : public protocol_ward {
 protected:
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  std::string some_id() { return "p" + std::to_string(below(30)); }
  /// A day within two months before or after today.
  std::string some_day() {
    const auto days = static_cast<int>(below(120)) - 60;
    const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(ward.now) + std::chrono::days{days}};
    std::ostringstream text;
    text << static_cast<int>(day.year()) << (static_cast<unsigned>(day.month()) < 10 ? "-0" : "-") << static_cast<unsigned>(day.month())
         << (static_cast<unsigned>(day.day()) < 10 ? "-0" : "-") << static_cast<unsigned>(day.day());
    return text.str();
  }
  plan some_plan() {
    plan what(some_id(), some_day());
    const auto days = static_cast<std::uint32_t>(1 + below(30));
    what.cycles(days, static_cast<std::uint32_t>(1 + below(4)));
    for (std::size_t i = 0; i <= below(3); ++i) {
      const auto day = 1 + static_cast<int>(below(days));
      const auto minute = static_cast<std::uint32_t>(below(1440)), lead = static_cast<std::uint32_t>(below(10));
      what.item("i" + std::to_string(i), below(2) == 0 ? cbc : task("Call").to("tom"), {day, -day}, {}, minute, lead);
    }
    return what;
  }
  /// Somebody does something about a task that is open.
  void act_on_some_task() {
    if (ward.tasks().open.empty()) return;
    const auto where = std::next(ward.tasks().open.begin(), static_cast<long>(below(ward.tasks().open.size())))->first;
    switch (below(5)) {
      case 0:
        static_cast<void>(does("tom", accept(where)));
        break;
      case 1:
        static_cast<void>(does("tom", fixture::start(where)));
        break;
      case 2:
        static_cast<void>(does("tom", complete(where)));
        break;
      case 3:
        static_cast<void>(does("rao", cancel(where)));
        break;
      default:
        static_cast<void>(does("nina", reopen({clinical, 1 + below(ward.record.state().stream(clinical).head)})));
    }
  }
  void step() {
    switch (below(8)) {
      case 0:
        static_cast<void>(does("nina", start(clinical, some_plan())));
        break;
      case 1:
        static_cast<void>(does("nina", move(some_id(), 1 + static_cast<std::uint32_t>(below(4)), some_day())));
        break;
      case 2:
        if (below(4) == 0) static_cast<void>(does("nina", stop(some_id())));
        break;
      case 3:
      case 4:
        asks_until(ward.now + std::chrono::minutes(below(60 * 24 * 20)), below(2) == 0);
        break;
      default:
        act_on_some_task();
    }
  }

  /// Every protocol: a timer for as long as something is to come, a task for each day that is behind it, each in the entries once.
  void check() const {
    std::map<std::pair<std::string, std::string>, std::uint64_t> tasks;
    for (const auto& entry : made()) {
      const auto& occasion = entry.task_requested().protocol();
      const bool fresh = tasks.emplace(std::pair{occasion.protocol_id(), name_of(occasion.day())}, entry.seq()).second;
      EXPECT_TRUE(fresh) << occasion.protocol_id() << " made twice: " << name_of(occasion.day());
      EXPECT_GT(*to_instant(entry.task_requested().order().due()), *to_instant(entry.time())) << "late when it was made";
    }
    const auto& state = ward.record.state();
    std::size_t waiting = 0;
    for (const auto& [key, protocol] : state.protocols.running) {
      EXPECT_FALSE(state.protocols.ended.contains(key));
      const auto zone = absl::LoadTimeZone(protocol.zone, &zone_) ? zone_ : absl::UTCTimeZone();
      EXPECT_EQ(protocol.next, next_of(protocol, zone));
      waiting += protocol.next ? 1 : 0;
      for (const auto& [one, seq] : protocol.settled) {
        v1::ProtocolDay day;
        put_occasion(day, protocol, one);
        EXPECT_EQ(seq != 0, tasks.contains({key.id, name_of(day)})) << key.id << " " << name_of(day);
      }
    }
    EXPECT_EQ(protocol_timers().size(), waiting);
  }

  std::mt19937_64 random_;
  mutable absl::TimeZone zone_;
};

TEST_F(protocol_property, each_day_has_its_task_once_whatever_happens) {
  const auto seed = from_environment("CARETEAM_SEED", std::random_device{}());
  const auto steps = from_environment("CARETEAM_STEPS", 600);
  std::cout << "CARETEAM_SEED=" << seed;
  random_.seed(seed);
  for (unsigned long i = 0; i < steps && !HasFailure(); ++i) {
    step();
    check();
  }
  std::size_t moved = 0, rescheduled = 0, stopped = 0;
  for (const auto& entry : ward.record.log()) {
    moved += entry.has_protocol_cycle_moved() ? 1 : 0;
    rescheduled += entry.has_task_rescheduled() ? 1 : 0;
    stopped += entry.has_protocol_stopped() ? 1 : 0;
  }
  std::cout << ": " << made().size() << " tasks made, " << moved << " cycles and " << rescheduled << " tasks moved, " << stopped
            << " protocols stopped, " << ward.record.state().protocols.ended.size() << " ended\n";
  if (steps < 600) return;
  EXPECT_GT(made().size(), 20u) << "a test that reaches nothing proves nothing";
  EXPECT_GT(moved, 3u);
}

}  // namespace
}  // namespace careteam::care::fixture
