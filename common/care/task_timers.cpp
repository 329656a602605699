#include "care/task_decisions.hpp"

namespace careteam::care {
namespace {

outcome<facts> escalate(const task_case& one, v1::TaskTimer timer, const task_deadline& passed) {
  facts result;
  auto& escalated = *add_fact(result, one.at.stream).mutable_task_escalated();
  escalated.set_seq(one.at.seq);
  escalated.set_timer(timer);
  if (passed.level == last_level) {
    escalated.set_level(last_level);
    escalated.set_no_response(true);
    add_supervision(result, one);
    return result;
  }
  // From deadline to deadline, not from when it was noticed: a night without the server does not stretch the ladder (G5).
  escalated.set_level(passed.level + 1);
  const auto& times = one.policy().times(one.task.order.priority);
  set_timestamp(*escalated.mutable_next_by(), one.after(passed.at, times.accept[escalated.level()]));
  return result;
}

outcome<facts> take_effect(const task_case& one, v1::TaskTimer timer, const task_deadline& passed) {
  facts result;
  switch (timer) {
    case v1::TASK_TIMER_ACCEPT:
    case v1::TASK_TIMER_START:
    case v1::TASK_TIMER_DUE:
    case v1::TASK_TIMER_ACKNOWLEDGE:
      return escalate(one, timer, passed);
    case v1::TASK_TIMER_DECIDE: {
      auto& released = *add_fact(result, one.at.stream).mutable_task_released();
      released.set_seq(one.at.seq);
      released.set_expired(true);
      return result;
    }
    case v1::TASK_TIMER_RESUME: {
      auto& resumed = *add_fact(result, one.at.stream).mutable_task_resumed();
      resumed.set_seq(one.at.seq);
      resumed.set_expired(true);
      resumed.set_level(one.task.nudges + 1);
      return result;
    }
    default:
      return refuse(code::invalid_argument, one.field("timer"), "must be set");
  }
}

/// What the server asks for when the deadline has come.
v1::Command command_to_fire(v1::TaskTimer timer, const task_deadline& deadline, place task, std::string_view patient_id) {
  v1::Command command;
  command.set_patient_id(std::string(patient_id));
  auto& fire = *command.mutable_fire_task_timer();
  fire.mutable_task()->set_stream(task.stream);
  fire.mutable_task()->set_seq(task.seq);
  fire.mutable_task()->set_expected_version(deadline.version);
  fire.set_timer(timer);
  fire.set_level(deadline.level);
  return command;
}

}  // namespace

outcome<facts> fire_task_timer(const tasks_state& state, const v1::FireTaskTimer& asked, const actor& who, const task_context& context) {
  if (!who.system) return refuse(code::permission_denied, "action", "is for the server only");
  const place at{asked.task().stream(), asked.task().seq()};
  const auto open = state.open.find(at);
  // Whatever was acted on meanwhile has no such timer any more: nothing to change.
  if (open == state.open.end()) return facts{};
  const auto running = open->second.timers.find(asked.timer());
  if (running == open->second.timers.end()) return facts{};
  const auto& deadline = running->second;
  if (deadline.version != asked.task().expected_version() || deadline.level != asked.level()) return facts{};
  if (context.now < deadline.at) return refuse(code::failed_precondition, "fireTaskTimer", "is not due yet");
  return take_effect({at, open->second, who, context, "fireTaskTimer"}, asked.timer(), deadline);
}

void keep_timers(timer_board& board, const tasks_state& state, place task, std::string_view patient_id, std::uint64_t record_version) {
  const std::string prefix = "task/" + std::to_string(task.stream) + "/" + std::to_string(task.seq) + "/";
  std::vector<std::string> over;
  const auto& pending = board.pending();
  for (auto at = pending.lower_bound(prefix); at != pending.end() && at->first.starts_with(prefix); ++at) over.push_back(at->first);
  if (const auto open = state.open.find(task); open != state.open.end()) {
    for (const auto& [timer, deadline] : open->second.timers) {
      auto id = prefix + std::to_string(timer);
      std::erase(over, id);
      board.set(std::move(id), deadline.at, record_version, command_to_fire(timer, deadline, task, patient_id));
    }
  }
  for (const auto& id : over) board.cancel(id);
}

}  // namespace careteam::care
