#include "care/protocol_schedule.hpp"

#include <algorithm>

#include "care/civil_time.hpp"
#include "care/duty_messages.hpp"
#include "care/task_order.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {
namespace {

constexpr std::uint32_t minutes_of_day = 24 * 60;

template <class List>
bool repeats(const List& list) {
  return std::any_of(list.begin(), list.end(), [&](const auto& one) { return std::count(list.begin(), list.end(), one) > 1; });
}

bool is_day(std::int32_t day, std::uint32_t cycle_days) {
  const auto most = static_cast<std::int32_t>(cycle_days);
  return day != 0 && day >= -most && day <= most;
}

outcome<void> check_item(const v1::ProtocolItem& item, const v1::ProtocolPlan& plan, const std::string& path) {
  if (!is_fhir_id(item.item_id())) return refuse(code::invalid_argument, path + ".itemId", "must be a FHIR id: 1 to 64 of A-Z a-z 0-9 - .");
  const auto same_id = [&](const v1::ProtocolItem& other) { return other.item_id() == item.item_id(); };
  if (std::ranges::count_if(plan.items(), same_id) > 1) return refuse(code::invalid_argument, path + ".itemId", "is named twice");
  if (item.days().empty()) return refuse(code::invalid_argument, path + ".days", "must name a day");
  if (item.days_size() > max_protocol_days) return refuse(code::invalid_argument, path + ".days", "too many");
  for (const auto day : item.days()) {
    if (!is_day(day, plan.cycle_days()))
      return refuse(code::invalid_argument, path + ".days", "must lie within the cycle; there is no day 0");
  }
  if (repeats(item.days())) return refuse(code::invalid_argument, path + ".days", "names a day twice");
  for (const auto cycle : item.cycles()) {
    if (cycle < 1 || cycle > plan.cycles()) return refuse(code::invalid_argument, path + ".cycles", "there is no such cycle");
  }
  if (repeats(item.cycles())) return refuse(code::invalid_argument, path + ".cycles", "names a cycle twice");
  if (item.at() >= minutes_of_day) return refuse(code::invalid_argument, path + ".at", "must be a minute of the day, at most 1439");
  if (item.lead_days() > max_lead_days) return refuse(code::invalid_argument, path + ".leadDays", "must be at most 60");
  if (item.order().has_due()) return refuse(code::invalid_argument, path + ".order.due", "must be empty: the cycle's day says it");
  if (item.order().has_message()) return refuse(code::invalid_argument, path + ".order.message", "must be empty");
  return {};
}

std::size_t tasks_of(const v1::ProtocolPlan& plan) {
  std::size_t sum = 0;
  for (const auto& item : plan.items()) {
    const auto cycles = item.cycles().empty() ? plan.cycles() : static_cast<std::uint32_t>(item.cycles_size());
    sum += static_cast<std::size_t>(item.days_size()) * cycles;
  }
  return sum;
}

instant clock_at(const absl::TimeZone& zone, absl::CivilDay day, std::uint32_t minutes) {
  return first_shown(zone, absl::CivilSecond(day) + minutes * 60);
}

}  // namespace

protocol_state protocol_of(const v1::ProtocolPlan& plan) {
  protocol_state protocol;
  protocol.name = plan.name();
  protocol.zone = plan.time_zone();
  protocol.cycle_days = plan.cycle_days();
  auto day1 = day_of(plan.day1()).value_or(absl::CivilDay());
  for (std::uint32_t cycle = 0; cycle < plan.cycles(); ++cycle, day1 += plan.cycle_days()) protocol.day1.push_back(day1);
  for (const auto& row : plan.items()) {
    protocol.items.push_back({row.item_id(),
                              order_of(row.order()),
                              {row.days().begin(), row.days().end()},
                              {row.cycles().begin(), row.cycles().end()},
                              row.at(),
                              row.lead_days()});
  }
  return protocol;
}

void put_plan(v1::ProtocolPlan& to, const protocol_state& protocol, const std::string& id, const std::string& patient_id) {
  to.set_protocol_id(id);
  to.set_name(protocol.name);
  to.set_time_zone(protocol.zone);
  to.set_day1(text_of(protocol.day1.front()));
  to.set_cycle_days(protocol.cycle_days);
  to.set_cycles(static_cast<std::uint32_t>(protocol.day1.size()));
  for (const auto& item : protocol.items) {
    auto& row = *to.add_items();
    row.set_item_id(item.id);
    put_order(*row.mutable_order(), item.order, patient_id);
    for (const auto day : item.days) row.add_days(day);
    for (const auto cycle : item.cycles) row.add_cycles(cycle);
    row.set_at(item.at);
    row.set_lead_days(item.lead_days);
  }
}

outcome<void> check_plan(const v1::ProtocolPlan& plan, const std::string& path) {
  if (!is_fhir_id(plan.protocol_id())) {
    return refuse(code::invalid_argument, path + ".protocolId", "must be a FHIR id: 1 to 64 of A-Z a-z 0-9 - .");
  }
  if (auto name = check_text(plan.name(), path + ".name", max_name_bytes); !name) return name;
  if (!zone_named(plan.time_zone())) return refuse(code::invalid_argument, path + ".timeZone", "is no time zone such as \"Europe/Berlin\"");
  const auto day1 = day_of(plan.day1());
  if (!day1) return refuse(code::invalid_argument, path + ".day1", "is no date such as \"2026-12-25\"");
  if (plan.cycle_days() < 1 || plan.cycle_days() > max_cycle_days) {
    return refuse(code::invalid_argument, path + ".cycleDays", "must be from 1 to 365");
  }
  if (plan.cycles() < 1 || plan.cycles() > max_cycles) return refuse(code::invalid_argument, path + ".cycles", "must be from 1 to 60");
  if ((*day1 + plan.cycle_days() * (plan.cycles() + 1)).year() >= 2200) {
    return refuse(code::invalid_argument, path + ".day1", "the last cycle must end before 2200");
  }
  if (plan.items().empty()) return refuse(code::invalid_argument, path + ".items", "must ask for something");
  if (plan.items_size() > max_protocol_items) return refuse(code::invalid_argument, path + ".items", "too many");
  for (int i = 0; i < plan.items_size(); ++i) {
    if (auto item = check_item(plan.items(i), plan, path + ".items[" + std::to_string(i) + "]"); !item) return item;
  }
  if (tasks_of(plan) > max_protocol_tasks) return refuse(code::invalid_argument, path + ".items", "ask for more than 400 tasks");
  return {};
}

void put_occasion(v1::ProtocolDay& to, const protocol_state& protocol, const protocol_occasion& one) {
  to.set_item_id(protocol.items[one.item].id);
  to.set_cycle(one.cycle);
  to.set_day(one.day);
}

std::optional<protocol_occasion> occasion_of(const protocol_state& protocol, const v1::ProtocolDay& day) {
  const auto item = std::ranges::find(protocol.items, day.item_id(), &protocol_item::id);
  if (item == protocol.items.end()) return std::nullopt;
  return protocol_occasion{static_cast<std::uint32_t>(item - protocol.items.begin()), day.cycle(), day.day()};
}

std::vector<protocol_occasion> occasions(const protocol_state& protocol) {
  std::vector<protocol_occasion> result;
  for (std::uint32_t i = 0; i < protocol.items.size(); ++i) {
    const auto& item = protocol.items[i];
    for (std::uint32_t cycle = 1; cycle <= protocol.day1.size(); ++cycle) {
      if (!item.cycles.empty() && std::ranges::find(item.cycles, cycle) == item.cycles.end()) continue;
      for (const auto day : item.days) result.push_back({i, cycle, day});
    }
  }
  std::ranges::sort(result);
  return result;
}

absl::CivilDay date_of(const protocol_state& protocol, const protocol_occasion& one) {
  if (one.day > 0) return protocol.day1[one.cycle - 1] + (one.day - 1);
  const bool last = one.cycle == protocol.day1.size();
  const auto next = last ? protocol.day1.back() + protocol.cycle_days : protocol.day1[one.cycle];
  return next + one.day;
}

instant scheduled_at(const protocol_state& protocol, const protocol_occasion& one, const absl::TimeZone& zone) {
  return clock_at(zone, date_of(protocol, one), protocol.items[one.item].at);
}

instant asked_at(const protocol_state& protocol, const protocol_occasion& one, const absl::TimeZone& zone) {
  const auto& item = protocol.items[one.item];
  return clock_at(zone, date_of(protocol, one) - item.lead_days, item.at);
}

instant due_from(const protocol_state& protocol, const protocol_occasion& one, const absl::TimeZone& zone, instant now,
                 const task_policy& policy) {
  const auto scheduled = scheduled_at(protocol, one, zone);
  if (scheduled > now) return scheduled;
  const auto end_of_day = clock_at(zone, date_of(protocol, one) + 1, 0);
  if (end_of_day > now) return end_of_day;
  const auto priority = protocol.items[one.item].order.priority;
  return policy.after(priority, now, policy.times(priority).due);
}

bool is_over(const protocol_state& protocol, const protocol_occasion& one, const absl::TimeZone& zone, instant now) {
  return clock_at(zone, date_of(protocol, one) + 1, 0) <= now;
}

void move_cycle(protocol_state& protocol, std::uint32_t cycle, absl::CivilDay day1) {
  const auto days = day1 - protocol.day1[cycle - 1];
  for (auto at = cycle - 1; at < protocol.day1.size(); ++at) protocol.day1[at] += days;
  std::erase_if(protocol.settled, [&](const auto& one) { return one.second == 0 && moves_with(cycle, one.first); });
}

bool moves_with(std::uint32_t cycle, const protocol_occasion& one) {
  return (one.day > 0 ? one.cycle : one.cycle + 1) >= cycle;
}

std::optional<instant> next_of(const protocol_state& protocol, const absl::TimeZone& zone) {
  std::optional<instant> next;
  for (const auto& one : occasions(protocol)) {
    if (protocol.settled.contains(one)) continue;
    const auto at = asked_at(protocol, one, zone);
    next = std::min(next.value_or(at), at);
  }
  return next;
}

}  // namespace careteam::care
