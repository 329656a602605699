// The decisions on tasks, one file per part of a task's life. Only `task.cpp`, these files and what makes tasks by itself include it.
#pragma once

#include <string>
#include <string_view>

#include "care/task.hpp"

namespace careteam::care {

inline task_world world_of(const task_context& context) {
  return {context.team, context.people, context.setting, context.now};
}

/// One command on one task that is there, at a version that the client knows, in a state from which the table of T1-T17 has a way.
struct task_case {
  place at;
  const task_state& task;
  const actor& who;
  const task_context& context;
  std::string action;  ///< JSON name of the command, for the paths of fields.

  std::string field(std::string_view name) const { return action + "." + std::string(name); }
  refusal not_allowed(std::string_view why) const { return refuse(code::permission_denied, field("task.seq"), why); }
  refusal not_now(std::string_view why) const { return refuse(code::failed_precondition, field("task.seq"), why); }
  /// Somebody else was first: whoever comes later is told who, and since when (C2, I3).
  refusal taken() const;
  task_world world() const { return world_of(context); }
  instant now() const { return context.now; }
  const task_policy& policy() const { return context.setting.policy; }
  /// The actor owns it, in the role in which they act.
  bool by_owner() const;
  /// An instant of this task's priority: so much after t.
  instant after(instant t, std::chrono::microseconds for_) const { return policy().after(task.order.priority, t, for_); }
};

// task_creation.cpp: T1, T2, T3.
outcome<facts> draft_task(const tasks_state& state, const v1::DraftTask& asked, const actor& who, const task_context& context);
outcome<facts> request_task(const tasks_state& state, const v1::RequestTask& asked, const actor& who, const task_context& context);
outcome<facts> instantiate_task(const tasks_state& state, const v1::InstantiateTask& asked, const actor& who, const task_context& context);

/// What RequestTask asks of an order in a stream in which somebody may speak: its shape, who may ask for it, and of whom. `path`: the JSON
/// path of the order in its command.
outcome<task_order> check_asking(v1::Stream stream, const v1::TaskOrder& asked, const actor& who, const task_context& context,
                                 const std::string& path);

// task_acceptance.cpp: T4 to T7.
outcome<facts> claim_task(const task_case& one);
outcome<facts> release_task(const task_case& one);
outcome<facts> accept_task(const task_case& one, const v1::AcceptTask& asked);
outcome<facts> decline_task(const task_case& one, const v1::DeclineTask& asked);

// task_course.cpp: T8 to T16.
outcome<facts> start_task(const task_case& one);
outcome<facts> pause_task(const task_case& one, const v1::PauseTask& asked);
outcome<facts> resume_task(const task_case& one);
outcome<facts> complete_task(const task_case& one, const v1::CompleteTask& asked);
outcome<facts> reopen_task(const tasks_state& state, const task_case& one, const v1::ReopenTask& asked);
outcome<facts> fail_task(const task_case& one, const v1::FailTask& asked);
outcome<facts> cancel_task(const task_case& one, const v1::CancelTask& asked);
outcome<facts> acknowledge_cancel(const task_case& one);
outcome<facts> offer_transfer(const task_case& one, const v1::OfferTransfer& asked);
outcome<facts> accept_transfer(const task_case& one);
outcome<facts> mark_task_in_error(const task_case& one, const v1::MarkTaskInError& asked);

// task_timers.cpp: the timers of T5, T10 and T17.
outcome<facts> fire_task_timer(const tasks_state& state, const v1::FireTaskTimer& asked, const actor& who, const task_context& context);

// task_undelivered.cpp: a call ends at a human.
outcome<facts> report_undelivered(const tasks_state& state, const v1::ReportUndelivered& asked, const actor& who,
                                  const task_context& context);

// task_successor.cpp: what the server asks for by itself.
/// A task that follows none.
v1::TaskRequested& add_task(facts& to, v1::Stream stream, const std::string& requester, const task_order& order,
                            const task_context& context);
// What follows a task. Each is the only one of its origin, rule and ordinal.
/// Asks its requester (and a supervisor) to see to a task that was declined or failed; false: nobody is left who could.
[[nodiscard]] bool add_follow_up(facts& to, const task_case& one, v1::TaskRule rule);
/// Asks a supervisor to see to a task about which everybody is silent; nothing when the silence has reached the safety person.
void add_supervision(facts& to, const task_case& one);
/// What a task that follows an unanswered message is about.
struct message_follow_up {
  v1::Stream stream;  ///< Where it lives.
  place message;      ///< What it links; seq 0: nothing, where not everybody who reads it could read the message.
  std::string requester;
  task_origin origin;
  std::string_view title = "Nobody acknowledged a message";
};
/// Asks the first of these people at once (stat) to see to a message that nobody acknowledged; the others are its ladder.
void add_message_follow_up(facts& to, const message_follow_up& what, const std::vector<std::string>& people, const task_context& context);
/// Asks the first of these people, who are not none, to see to what somebody could not be called about; the others are the ladder.
/// `report`: the seq of the entry that says so.
void add_inquiry(facts& to, const task_case& one, const std::vector<std::string>& people, std::uint64_t report);
/// The same task once more (T12).
void add_repetition(facts& to, const task_case& one);

/// Nobody may do more than this in one stream.
outcome<void> check_room(const tasks_state& state, v1::Stream stream, const std::string& field);

}  // namespace careteam::care
