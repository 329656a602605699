#include <algorithm>

#include "care/task_decisions.hpp"
#include "care/task_order.hpp"
#include "care/task_owner.hpp"

namespace careteam::care {
namespace {

/// The step under which the actor may take the task; the refusal tells nothing but that.
outcome<const task_target*> asked_step(const task_case& one) {
  const task_target* step = step_for(one.task, one.at, one.who.person_id, one.who.chosen_role, one.world());
  if (!step) return one.not_allowed("is not asked of you in this role");
  return step;
}

void add_claim(facts& to, const task_case& one, const std::string& duty) {
  auto& claimed = *add_fact(to, one.at.stream).mutable_task_claimed();
  claimed.set_seq(one.at.seq);
  claimed.set_duty_id(duty);
  set_timestamp(*claimed.mutable_decide_by(), one.after(one.now(), one.policy().times(one.task.order.priority).decide));
}

}  // namespace

outcome<facts> claim_task(const task_case& one) {
  const auto step = asked_step(one);
  if (!step) return step.error();
  facts result;
  add_claim(result, one, (*step)->duty);
  return result;
}

outcome<facts> release_task(const task_case& one) {
  if (!one.by_owner()) return one.not_allowed("is claimed by somebody else");
  facts result;
  add_fact(result, one.at.stream).mutable_task_released()->set_seq(one.at.seq);
  return result;
}

outcome<facts> accept_task(const task_case& one, const v1::AcceptTask& asked) {
  const bool claimed = one.task.status == v1::TASK_STATUS_RECEIVED;
  if (claimed && !one.by_owner()) return one.taken();
  std::string duty = one.task.owner_duty;
  if (!claimed) {
    const auto step = asked_step(one);
    if (!step) return step.error();
    duty = (*step)->duty;
  }
  if (auto shape = check_facts(asked.read_back(), one.field("readBack")); !shape) return shape.error();
  if (one.task.order.read_back && asked.read_back().empty()) {
    return refuse(code::invalid_argument, one.field("readBack"), "this task asks for its facts to be read back");
  }
  facts result;
  if (!asked.read_back().empty()) {
    if (auto differs = facts_that_differ(one.task.order.facts, asked.read_back()); !differs.empty()) {
      if (!claimed) add_claim(result, one, duty);
      auto& mismatched = *add_fact(result, one.at.stream).mutable_task_read_back_mismatched();
      mismatched.set_seq(one.at.seq);
      *mismatched.mutable_read_back() = asked.read_back();
      for (auto& name : differs) mismatched.add_differs(std::move(name));
      return result;
    }
  }
  auto& accepted = *add_fact(result, one.at.stream).mutable_task_accepted();
  accepted.set_seq(one.at.seq);
  accepted.set_duty_id(duty);
  if (const auto start = one.policy().times(one.task.order.priority).start) {
    set_timestamp(*accepted.mutable_start_by(), std::min(one.after(one.now(), *start), std::max(*one.task.order.due, one.now())));
  }
  return result;
}

outcome<facts> decline_task(const task_case& one, const v1::DeclineTask& asked) {
  const bool claimed = one.task.status == v1::TASK_STATUS_RECEIVED;
  if (claimed && !one.by_owner()) return one.taken();
  if (!claimed) {
    if (const auto step = asked_step(one); !step) return step.error();
  }
  if (auto reason = check_text(asked.reason(), one.field("reason"), max_reason_bytes); !reason) return reason.error();
  const bool others = others_left(one.task, one.at, one.who.person_id, one.world());
  if (claimed && others) return one.not_now("others are asked too: release it");
  facts result;
  auto& declined = *add_fact(result, one.at.stream).mutable_task_declined();
  declined.set_seq(one.at.seq);
  declined.set_reason(asked.reason());
  if (!others) {
    declined.set_rejected(true);
    if (!add_follow_up(result, one, v1::TASK_RULE_REROUTE)) return one.not_now("nobody is left who could take it");
    return result;
  }
  // Escalates now: the next step begins sooner, and so ends sooner. No deadline moves back.
  const auto running = one.task.timers.find(v1::TASK_TIMER_ACCEPT);
  declined.set_level(one.task.level);
  if (running == one.task.timers.end()) return result;
  auto next_by = running->second.at;
  if (running->second.level < last_level) {
    declined.set_level(running->second.level + 1);
    next_by = one.after(std::min(one.now(), next_by), one.policy().times(one.task.order.priority).accept[declined.level()]);
  }
  set_timestamp(*declined.mutable_next_by(), next_by);
  return result;
}

}  // namespace careteam::care
