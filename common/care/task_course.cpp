#include <algorithm>

#include "care/task_decisions.hpp"
#include "care/task_order.hpp"
#include "care/task_owner.hpp"

namespace careteam::care {
namespace {

bool is_attending(const task_case& one) {
  return one.who.person_id == one.context.team.attending && one.who.chosen_role == v1::ROLE_MEDICAL_ONCOLOGIST;
}

bool is_requester(const task_case& one) {
  return one.who.person_id == one.task.requester;
}

outcome<void> check_reason(const task_case& one, const std::string& reason) {
  return check_text(reason, one.field("reason"), max_reason_bytes);
}

refusal not_the_owner(const task_case& one) {
  return one.not_allowed("is somebody else's to do");
}

outcome<void> check_evidence(const task_case& one, const google::protobuf::RepeatedPtrField<v1::TaskOutput>& outputs) {
  const auto field = one.field("outputs");
  if (outputs.size() > max_task_outputs) return refuse(code::invalid_argument, field, "too many");
  for (const auto& output : outputs) {
    if (auto name = check_text(output.name(), field, max_name_bytes); !name) return name;
    if (output.value().size() > max_reason_bytes) return refuse(code::invalid_argument, field, "is too long");
    if (!output.has_entry()) {
      if (auto value = check_text(output.value(), field, max_reason_bytes); !value) return value;
    } else if (auto link = check_link(output.entry(), one.at.stream, one.who, one.context, field); !link) {
      return link;
    }
  }
  for (const auto& required : one.task.order.required_outputs) {
    const bool there = std::any_of(outputs.begin(), outputs.end(), [&](const v1::TaskOutput& output) { return output.name() == required; });
    if (!there) return refuse(code::failed_precondition, field, "a required output is missing");
  }
  return {};
}

}  // namespace

outcome<facts> start_task(const task_case& one) {
  if (!one.by_owner()) return not_the_owner(one);
  facts result;
  add_fact(result, one.at.stream).mutable_task_started()->set_seq(one.at.seq);
  return result;
}

outcome<facts> pause_task(const task_case& one, const v1::PauseTask& asked) {
  if (!one.by_owner()) return not_the_owner(one);
  if (auto reason = check_reason(one, asked.reason()); !reason) return reason.error();
  const auto resume_at = to_instant(asked.resume_at());
  if (!asked.has_resume_at() || !resume_at || *resume_at <= one.now()) {
    return refuse(code::invalid_argument, one.field("resumeAt"), "must lie in the future");
  }
  const bool pressing = one.task.order.priority == v1::PRIORITY_STAT || one.task.order.priority == v1::PRIORITY_ASAP;
  if (pressing && *resume_at > *one.task.order.due) {
    return refuse(code::failed_precondition, one.field("resumeAt"), "an asap or stat task goes on before it is due");
  }
  facts result;
  auto& paused = *add_fact(result, one.at.stream).mutable_task_paused();
  paused.set_seq(one.at.seq);
  paused.set_reason(asked.reason());
  set_timestamp(*paused.mutable_resume_at(), *resume_at);
  return result;
}

outcome<facts> resume_task(const task_case& one) {
  if (!one.by_owner()) return not_the_owner(one);
  facts result;
  auto& resumed = *add_fact(result, one.at.stream).mutable_task_resumed();
  resumed.set_seq(one.at.seq);
  resumed.set_level(one.task.nudges);
  return result;
}

outcome<facts> complete_task(const task_case& one, const v1::CompleteTask& asked) {
  if (!one.by_owner()) return not_the_owner(one);
  if (one.task.order.two_person && is_requester(one)) {
    return one.not_allowed("it takes two: somebody else than its requester completes it");
  }
  if (auto evidence = check_evidence(one, asked.outputs()); !evidence) return evidence.error();
  facts result;
  auto& completed = *add_fact(result, one.at.stream).mutable_task_completed();
  completed.set_seq(one.at.seq);
  *completed.mutable_outputs() = asked.outputs();
  set_timestamp(*completed.mutable_confirm_until(), one.now() + one.policy().confirm);
  return result;
}

outcome<facts> reopen_task(const tasks_state& state, const task_case& one, const v1::ReopenTask& asked) {
  if (!is_requester(one)) return one.not_allowed("only its requester reopens it");
  if (auto reason = check_reason(one, asked.reason()); !reason) return reason.error();
  if (one.task.reopened) return one.not_now("was reopened already");
  if (!one.task.confirm_until || one.now() > *one.task.confirm_until) return one.not_now("was completed too long ago: ask for a new task");
  if (auto room = check_room(state, one.at.stream, one.action); !room) return room.error();
  facts result;
  auto& reopened = *add_fact(result, one.at.stream).mutable_task_reopened();
  reopened.set_seq(one.at.seq);
  reopened.set_reason(asked.reason());
  add_repetition(result, one);
  return result;
}

outcome<facts> fail_task(const task_case& one, const v1::FailTask& asked) {
  if (!one.by_owner()) return not_the_owner(one);
  if (auto reason = check_reason(one, asked.reason()); !reason) return reason.error();
  facts result;
  auto& failed = *add_fact(result, one.at.stream).mutable_task_failed();
  failed.set_seq(one.at.seq);
  failed.set_reason(asked.reason());
  if (!add_follow_up(result, one, v1::TASK_RULE_FAILED)) return one.not_now("nobody is left who could see to it");
  return result;
}

outcome<facts> cancel_task(const task_case& one, const v1::CancelTask& asked) {
  if (!one.who.system && !is_requester(one) && !is_attending(one)) {
    return one.not_allowed("only its requester and the attending cancel it");
  }
  if (auto reason = check_reason(one, asked.reason()); !reason) return reason.error();
  facts result;
  auto& cancelled = *add_fact(result, one.at.stream).mutable_task_cancelled();
  cancelled.set_seq(one.at.seq);
  cancelled.set_reason(asked.reason());
  // Whoever is doing it must say that they stopped: else they keep acting on it.
  if (one.task.status == v1::TASK_STATUS_IN_PROGRESS && owner_of(one.task, one.world()) != one.who.person_id) {
    set_timestamp(*cancelled.mutable_acknowledge_by(), one.after(one.now(), one.policy().times(one.task.order.priority).accept[0]));
  }
  return result;
}

outcome<facts> acknowledge_cancel(const task_case& one) {
  if (!one.task.stopping) return one.not_now("nobody has to acknowledge that it was cancelled");
  if (!one.by_owner() && accountable(one.task, one.at, one.world()) != one.who.person_id) return not_the_owner(one);
  facts result;
  add_fact(result, one.at.stream).mutable_task_cancel_acknowledged()->set_seq(one.at.seq);
  return result;
}

outcome<facts> offer_transfer(const task_case& one, const v1::OfferTransfer& asked) {
  if (!one.by_owner() && !is_requester(one) && !is_attending(one)) {
    return one.not_allowed("only its owner, its requester and the attending offer it");
  }
  if (auto reason = check_reason(one, asked.reason()); !reason) return reason.error();
  const auto field = one.field("personId");
  if (auto alive = check_alive(asked.person_id(), one.context.team, one.context.people, field); !alive) return alive.error();
  if (!may_read(one.context.team, asked.person_id(), one.at.stream, one.now()) || !one.context.people.active(asked.person_id())) {
    return refuse(code::not_found, field, "no such person in this stream's audience");
  }
  if (!able(asked.person_id(), one.at.stream, one.task.order, one.world())) {
    return refuse(code::failed_precondition, field, "may not own such a task: name somebody who may");
  }
  if (asked.person_id() == owner_of(one.task, one.world())) return refuse(code::failed_precondition, field, "owns it already");
  facts result;
  auto& offered = *add_fact(result, one.at.stream).mutable_task_transfer_offered();
  offered.set_seq(one.at.seq);
  offered.set_person_id(asked.person_id());
  offered.set_reason(asked.reason());
  return result;
}

outcome<facts> accept_transfer(const task_case& one) {
  const auto world = one.world();
  const auto owner = owner_of(one.task, world);
  // A task whose owner is gone waits for no offer: whoever answers for it, or is asked, takes it.
  const bool left_behind = !able(owner, one.at.stream, one.task.order, world) &&
                           (accountable(one.task, one.at, world) == one.who.person_id ||
                            step_for(one.task, one.at, one.who.person_id, one.who.chosen_role, world) != nullptr);
  if (one.task.offered_to != one.who.person_id && !left_behind) return one.not_allowed("was not offered to you");
  if (!able_as(one.who.chosen_role, one.who.person_id, one.at.stream, one.task.order, world)) {
    return one.not_allowed("this role may not own such a task");
  }
  facts result;
  auto& transferred = *add_fact(result, one.at.stream).mutable_task_transferred();
  transferred.set_seq(one.at.seq);
  transferred.set_from_person_id(owner);
  return result;
}

outcome<facts> mark_task_in_error(const task_case& one, const v1::MarkTaskInError& asked) {
  const bool entitled = one.who.system || is_requester(one) || one.who.chosen_role == v1::ROLE_PRIVACY_OFFICER;
  // In `clinical` a second person confirms: any clinician who may ask for such a task.
  const bool confirms =
      one.task.error_proposed && (entitled || may_create(one.who.chosen_role, one.task.order.kind, one.task.order.priority));
  if (!entitled && !confirms) return one.not_allowed("only its author and the privacy officer mark it");
  if (auto reason = check_reason(one, asked.reason()); !reason) return reason.error();
  const bool two_needed = one.at.stream == v1::STREAM_CLINICAL && !one.who.system;
  if (one.task.error_proposed && two_needed && one.task.error_proposed_by == one.who.person_id) {
    return one.not_now("somebody else must confirm it");
  }
  facts result;
  auto& marked = *add_fact(result, one.at.stream).mutable_task_marked_in_error();
  marked.set_seq(one.at.seq);
  marked.set_reason(asked.reason());
  marked.set_proposed(two_needed && !one.task.error_proposed);
  return result;
}

}  // namespace careteam::care
