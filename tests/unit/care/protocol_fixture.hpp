// The language in which tests speak about protocols.
#pragma once

#include <algorithm>

#include "care/protocol.hpp"
#include "task_fixture.hpp"

namespace careteam::care::fixture {

inline instant utc(int year, unsigned month, unsigned day, int hour, int minute = 0) {
  return instant{std::chrono::sys_days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day)} +
                 std::chrono::hours{hour} + std::chrono::minutes{minute}};
}

/// plan("p1", "2026-12-01").cycles(28, 2).item("cbc", task(...), {1, 15})
class plan {
 public:
  explicit plan(std::string_view id, std::string_view day1 = "2026-12-01") {
    plan_.set_protocol_id(std::string(id));
    plan_.set_name("capecitabine");
    plan_.set_time_zone("Europe/Berlin");
    plan_.set_day1(std::string(day1));
    cycles(28, 2);
  }
  plan& cycles(std::uint32_t days, std::uint32_t count) {
    plan_.set_cycle_days(days);
    plan_.set_cycles(count);
    return *this;
  }
  plan& item(std::string_view id, const task& order, std::initializer_list<int> days, std::initializer_list<unsigned> in = {},
             std::uint32_t minute = 480, std::uint32_t lead = 1) {
    auto& row = *plan_.add_items();
    row.set_item_id(std::string(id));
    *row.mutable_order() = order.raw();
    for (const auto day : days) row.add_days(day);
    for (const auto cycle : in) row.add_cycles(cycle);
    row.set_at(minute);
    row.set_lead_days(lead);
    return *this;
  }
  v1::ProtocolPlan& raw() { return plan_; }

 private:
  v1::ProtocolPlan plan_;
};

inline v1::Command start(v1::Stream stream, plan what) {
  v1::Command command;
  command.mutable_start_protocol()->set_stream(stream);
  *command.mutable_start_protocol()->mutable_plan() = what.raw();
  return command;
}

inline v1::Command move(std::string_view id, std::uint32_t cycle, std::string_view day1, std::uint64_t version = 0,
                        v1::Stream stream = clinical) {
  v1::Command command;
  auto& asked = *command.mutable_move_cycle();
  asked.mutable_protocol()->set_stream(stream);
  asked.mutable_protocol()->set_protocol_id(std::string(id));
  asked.mutable_protocol()->set_expected_version(version);
  asked.set_cycle(cycle);
  asked.set_day1(std::string(day1));
  asked.set_reason("low counts");
  return command;
}

inline v1::Command stop(std::string_view id, std::uint64_t version = 0, v1::Stream stream = clinical) {
  v1::Command command;
  auto& asked = *command.mutable_stop_protocol();
  asked.mutable_protocol()->set_stream(stream);
  asked.mutable_protocol()->set_protocol_id(std::string(id));
  asked.mutable_protocol()->set_expected_version(version);
  asked.set_reason("progression");
  return command;
}

/// "cbc 1/15": the item, the cycle, the day.
inline std::string name_of(const v1::ProtocolDay& day) {
  return day.item_id() + " " + std::to_string(day.cycle()) + "/" + std::to_string(day.day());
}

class protocol_ward : public task_ward {
 protected:
  protocol_ward() { cbc.to(v1::ROLE_ONCOLOGY_NURSE); }

  /// The command of a protocol's timer as it is on the board.
  std::vector<pending_timer> protocol_timers() const {
    std::vector<pending_timer> result;
    for (const auto& [id, timer] : ward.record.state().timers.pending()) {
      if (id.starts_with("protocol/")) result.push_back(timer);
    }
    return result;
  }
  /// Fires the protocols' timers that are due until t, in their order, each when it is due or, after an outage, when it is noticed.
  void asks_until(instant t, bool outage = false) {
    if (outage) ward.now = std::max(ward.now, t);
    for (;;) {
      const auto running = protocol_timers();
      const auto next = std::ranges::min_element(running, {}, &pending_timer::due);
      if (next == running.end() || next->due > t) break;
      ward.now = std::max(ward.now, next->due);
      v1::Command command;
      ASSERT_TRUE(command.ParseFromString(next->command));
      ASSERT_THAT(ward.does(the_system(), command), accepted());
    }
    ward.now = std::max(ward.now, t);
  }
  /// The tasks that protocols have asked for, in the order of the log.
  std::vector<v1::Entry> made() const {
    std::vector<v1::Entry> result;
    for (const auto& entry : ward.record.log()) {
      if (entry.has_task_requested() && entry.task_requested().has_protocol()) result.push_back(entry);
    }
    return result;
  }
  std::vector<std::string> made_names() const {
    std::vector<std::string> result;
    for (const auto& entry : made()) result.push_back(name_of(entry.task_requested().protocol().day()));
    return result;
  }
  place task_of(std::string_view name) const {
    for (const auto& entry : made()) {
      if (name_of(entry.task_requested().protocol().day()) == name) return {entry.stream(), entry.seq()};
    }
    ADD_FAILURE() << "was not made: " << name;
    return {};
  }
  instant due(std::string_view name) const { return *task_ward::at(task_of(name)).order.due; }
  const protocol_state& running(std::string_view id) const { return ward.record.state().protocols.running.at({clinical, std::string(id)}); }

  task cbc{"CBC", v1::TASK_KIND_RESULT};
};

}  // namespace careteam::care::fixture
