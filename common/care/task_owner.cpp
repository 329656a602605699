#include "care/task_owner.hpp"

#include <algorithm>

namespace careteam::care {
namespace {

std::optional<duty_view> duty_now(std::string_view duty, const task_world& world) {
  if (duty.empty() || !world.setting.duties) return std::nullopt;
  return world.setting.duties->find(duty, world.team.patient_id, world.t);
}

bool takes(const duty_view& duty, v1::Role role) {
  return duty.roles.empty() || std::find(duty.roles.begin(), duty.roles.end(), role) != duty.roles.end();
}

/// Reads the stream with an account that works.
bool reachable(std::string_view person, v1::Stream stream, const task_world& world) {
  return may_see(world.team, person, stream, world.began, world.t) && world.people.active(person);
}

bool able_for(const duty_view& duty, std::string_view person, v1::Stream stream, const task_order& order, const task_world& world) {
  return std::any_of(world.team.members.begin(), world.team.members.end(), [&](const membership& m) {
    return m.person_id == person && m.active_at(world.t) && takes(duty, m.role) && able_as(m.role, person, stream, order, world);
  });
}

/// The world as it is around a task that is there.
task_world around(place at, const task_world& world) {
  auto result = world;
  result.began = at.seq;
  return result;
}

/// Every step that the order names: its target first.
std::vector<const task_target*> steps(const task_order& order) {
  std::vector<const task_target*> result{&order.target};
  for (const auto& step : order.ladder) result.push_back(&step);
  return result;
}

/// Who answers for the duties that the order names, when nobody holds them.
std::vector<std::string> leads(const task_order& order, const task_world& world) {
  std::vector<std::string> result;
  for (const auto* step : steps(order)) {
    if (const auto duty = duty_now(step->duty, world); duty && !duty->fallback.empty()) result.push_back(duty->fallback);
  }
  return result;
}

void add_once(std::vector<std::string>& to, const std::string& person) {
  if (std::find(to.begin(), to.end(), person) == to.end()) to.push_back(person);
}

}  // namespace

bool able_as(v1::Role role, std::string_view person, v1::Stream stream, const task_order& order, const task_world& world) {
  if (!may_own(role, order.kind, order.priority) || !reachable(person, stream, world)) return false;
  return std::any_of(world.team.members.begin(), world.team.members.end(), [&](const membership& m) {
    return m.person_id == person && m.role == role && m.active_at(world.t) && (role != v1::ROLE_CAREGIVER || m.has(v1::SCOPE_ACKNOWLEDGE));
  });
}

bool able(std::string_view person, v1::Stream stream, const task_order& order, const task_world& world) {
  return !person.empty() && std::any_of(world.team.members.begin(), world.team.members.end(), [&](const membership& m) {
    return m.person_id == person && able_as(m.role, person, stream, order, world);
  });
}

std::vector<std::string> candidates(const task_target& target, v1::Stream stream, const task_order& order, const task_world& world) {
  std::vector<std::string> result;
  if (!target.person.empty()) {
    if (able(target.person, stream, order, world)) result.push_back(target.person);
  } else if (target.role != v1::ROLE_UNSPECIFIED) {
    for (const auto& m : world.team.members) {
      if (m.role == target.role && able_as(m.role, m.person_id, stream, order, world)) add_once(result, m.person_id);
    }
  } else if (const auto duty = duty_now(target.duty, world)) {
    // An uncovered duty is answered for by its fallback (G7).
    if (able_for(*duty, duty->holder, stream, order, world)) {
      result.push_back(duty->holder);
    } else if (able(duty->fallback, stream, order, world)) {
      result.push_back(duty->fallback);
    }
  }
  return result;
}

const task_target* step_for(const task_state& task, place at, std::string_view person, v1::Role role, const task_world& clinic) {
  const auto world = around(at, clinic);
  if (task.declined.contains(std::string(person)) || !able_as(role, person, at.stream, task.order, world)) return nullptr;
  const auto all = steps(task.order);
  for (std::size_t i = 0; i < all.size() && i <= task.level; ++i) {
    const auto& step = *all[i];
    if (step.role != v1::ROLE_UNSPECIFIED && step.role != role) continue;
    if (const auto duty = duty_now(step.duty, world); duty && person == duty->holder && !takes(*duty, role)) continue;
    const auto asked = candidates(step, at.stream, task.order, world);
    if (std::find(asked.begin(), asked.end(), person) != asked.end()) return &step;
  }
  return nullptr;
}

bool others_left(const task_state& task, place at, std::string_view person, const task_world& clinic) {
  const auto world = around(at, clinic);
  for (const auto* step : steps(task.order)) {
    for (const auto& one : candidates(*step, at.stream, task.order, world)) {
      if (one != person && !task.declined.contains(one)) return true;
    }
  }
  return false;
}

std::vector<std::string> supervisors(const task_state& task, place at, const task_world& world) {
  std::vector<std::string> result;
  task_order follow_up;
  follow_up.kind = v1::TASK_KIND_FOLLOW_UP;
  follow_up.priority = v1::PRIORITY_STAT;
  if (task.order.kind != v1::TASK_KIND_FOLLOW_UP) {
    for (const auto& lead : leads(task.order, world)) {
      if (able(lead, at.stream, follow_up, world)) add_once(result, lead);
    }
    if (able(world.team.attending, at.stream, follow_up, world)) add_once(result, world.team.attending);
  }
  const auto& safety = world.setting.safety_person;
  const bool reached = task.order.kind == v1::TASK_KIND_FOLLOW_UP && task.order.target.person == safety;
  if (result.empty() && !safety.empty() && !reached) result.push_back(safety);
  return result;
}

std::vector<std::string> followers(const task_state& task, place at, const task_world& world) {
  task_order follow_up;
  follow_up.kind = v1::TASK_KIND_FOLLOW_UP;
  follow_up.priority = v1::PRIORITY_STAT;
  std::vector<std::string> result;
  // A follow-up goes on to the safety person only: two people must not send it to and fro.
  const bool first = task.order.kind != v1::TASK_KIND_FOLLOW_UP && !task.declined.contains(task.requester);
  if (first && able(task.requester, at.stream, follow_up, world)) result.push_back(task.requester);
  for (const auto& person : supervisors(task, at, world)) add_once(result, person);
  return result;
}

std::string owner_of(const task_state& task, const task_world& world) {
  const auto duty = duty_now(task.owner_duty, world);
  if (!duty) return task.owner;
  if (!duty->holder.empty()) return duty->holder;
  // Nobody covers it: the fallback answers, and whoever once acted for it is not on duty any more (G7).
  return duty->fallback.empty() ? task.owner : duty->fallback;
}

std::string accountable(const task_state& task, place at, const task_world& clinic) {
  const auto world = around(at, clinic);
  if (task.status == v1::TASK_STATUS_DRAFT && reachable(task.requester, at.stream, world)) return task.requester;
  if (auto owner = owner_of(task, world); able(owner, at.stream, task.order, world)) return owner;
  for (const auto* step : steps(task.order)) {
    for (auto& one : candidates(*step, at.stream, task.order, world)) {
      if (!task.declined.contains(one)) return std::move(one);
    }
  }
  for (auto& lead : leads(task.order, world)) {
    if (able(lead, at.stream, task.order, world)) return std::move(lead);
  }
  if (able(world.team.attending, at.stream, task.order, world)) return world.team.attending;
  return world.setting.safety_person.empty() ? task.requester : world.setting.safety_person;
}

std::vector<owed_task> worklist(const tasks_state& state, std::string_view person, const task_world& world) {
  std::vector<owed_task> result;
  for (const auto& [at, task] : state.open) {
    if (accountable(task, at, world) != person) continue;
    owed_task owed{at, std::nullopt};
    for (const auto& [kind, deadline] : task.timers) owed.next = std::min(owed.next.value_or(deadline.at), deadline.at);
    result.push_back(owed);
  }
  std::stable_sort(result.begin(), result.end(), [](const owed_task& a, const owed_task& b) {
    return a.next.value_or(instant::max()) < b.next.value_or(instant::max());
  });
  return result;
}

}  // namespace careteam::care
