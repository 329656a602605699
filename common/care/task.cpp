#include "care/task.hpp"

#include <algorithm>

#include "care/task_decisions.hpp"
#include "care/task_order.hpp"
#include "care/task_owner.hpp"

namespace careteam::care {
namespace {

using action_case = v1::Command::ActionCase;

/// The states from which the table of T1-T17 has a way for a command on a task that is there.
bool has_way(action_case action, v1::TaskStatus from) {
  const auto one_of = [from](std::initializer_list<v1::TaskStatus> states) {
    return std::find(states.begin(), states.end(), from) != states.end();
  };
  switch (action) {
    case v1::Command::kClaimTask:
      return from == v1::TASK_STATUS_REQUESTED;
    case v1::Command::kReleaseTask:
      return from == v1::TASK_STATUS_RECEIVED;
    case v1::Command::kAcceptTask:
    case v1::Command::kDeclineTask:
      return one_of({v1::TASK_STATUS_REQUESTED, v1::TASK_STATUS_RECEIVED});
    case v1::Command::kStartTask:
      return one_of({v1::TASK_STATUS_ACCEPTED, v1::TASK_STATUS_READY});
    case v1::Command::kPauseTask:
    case v1::Command::kFailTask:
      return from == v1::TASK_STATUS_IN_PROGRESS;
    case v1::Command::kResumeTask:
      return from == v1::TASK_STATUS_ON_HOLD;
    case v1::Command::kCompleteTask:
      return one_of({v1::TASK_STATUS_ACCEPTED, v1::TASK_STATUS_IN_PROGRESS});
    case v1::Command::kReopenTask:
      return from == v1::TASK_STATUS_COMPLETED;
    case v1::Command::kCancelTask:
      return !is_terminal(from);
    case v1::Command::kAcknowledgeCancel:
      return from == v1::TASK_STATUS_CANCELLED;
    case v1::Command::kOfferTransfer:
    case v1::Command::kAcceptTransfer:
      return one_of({v1::TASK_STATUS_RECEIVED, v1::TASK_STATUS_ACCEPTED, v1::TASK_STATUS_READY, v1::TASK_STATUS_IN_PROGRESS,
                     v1::TASK_STATUS_ON_HOLD});
    case v1::Command::kMarkTaskInError:
      return from != v1::TASK_STATUS_ENTERED_IN_ERROR;
    default:
      return false;
  }
}

const v1::TaskRef* ref_of(const v1::Command& command) {
  switch (command.action_case()) {
    case v1::Command::kClaimTask:
      return &command.claim_task().task();
    case v1::Command::kReleaseTask:
      return &command.release_task().task();
    case v1::Command::kAcceptTask:
      return &command.accept_task().task();
    case v1::Command::kDeclineTask:
      return &command.decline_task().task();
    case v1::Command::kStartTask:
      return &command.start_task().task();
    case v1::Command::kPauseTask:
      return &command.pause_task().task();
    case v1::Command::kResumeTask:
      return &command.resume_task().task();
    case v1::Command::kCompleteTask:
      return &command.complete_task().task();
    case v1::Command::kReopenTask:
      return &command.reopen_task().task();
    case v1::Command::kFailTask:
      return &command.fail_task().task();
    case v1::Command::kCancelTask:
      return &command.cancel_task().task();
    case v1::Command::kAcknowledgeCancel:
      return &command.acknowledge_cancel().task();
    case v1::Command::kOfferTransfer:
      return &command.offer_transfer().task();
    case v1::Command::kAcceptTransfer:
      return &command.accept_transfer().task();
    case v1::Command::kMarkTaskInError:
      return &command.mark_task_in_error().task();
    default:
      return nullptr;
  }
}

/// Who reads the stream sees its tasks. The privacy officer may mark an error in any of them (T16), knowing of it from the audit.
bool sees(const actor& who, v1::Stream stream, action_case action, const task_context& context) {
  if (!is_chat_stream(stream)) return false;
  if (who.system || may_read(context.team, who.person_id, stream, context.now)) return true;
  return action == v1::Command::kMarkTaskInError && who.chosen_role == v1::ROLE_PRIVACY_OFFICER;
}

outcome<facts> decide_named(const tasks_state& state, const task_case& one, const v1::Command& command) {
  switch (command.action_case()) {
    case v1::Command::kClaimTask:
      return claim_task(one);
    case v1::Command::kReleaseTask:
      return release_task(one);
    case v1::Command::kAcceptTask:
      return accept_task(one, command.accept_task());
    case v1::Command::kDeclineTask:
      return decline_task(one, command.decline_task());
    case v1::Command::kStartTask:
      return start_task(one);
    case v1::Command::kPauseTask:
      return pause_task(one, command.pause_task());
    case v1::Command::kResumeTask:
      return resume_task(one);
    case v1::Command::kCompleteTask:
      return complete_task(one, command.complete_task());
    case v1::Command::kReopenTask:
      return reopen_task(state, one, command.reopen_task());
    case v1::Command::kFailTask:
      return fail_task(one, command.fail_task());
    case v1::Command::kCancelTask:
      return cancel_task(one, command.cancel_task());
    case v1::Command::kAcknowledgeCancel:
      return acknowledge_cancel(one);
    case v1::Command::kOfferTransfer:
      return offer_transfer(one, command.offer_transfer());
    case v1::Command::kAcceptTransfer:
      return accept_transfer(one);
    case v1::Command::kMarkTaskInError:
      return mark_task_in_error(one, command.mark_task_in_error());
    default:
      return refuse(code::invalid_argument, "action", "is not a command on a task");
  }
}

instant time_of(const google::protobuf::Timestamp& time) {
  return to_instant(time).value_or(earliest_time);
}

void set_timer(task_state& task, v1::TaskTimer kind, const google::protobuf::Timestamp& at, std::uint32_t level) {
  task.timers[kind] = {time_of(at), level, task.version};
}

void take(task_state& task, const v1::Entry& entry, const std::string& duty) {
  task.owner = entry.author().person_id();
  task.owner_duty = duty;
  task.since = time_of(entry.time());
  task.offered_to.clear();
}

void end(task_state& task, v1::TaskStatus status) {
  task.status = status;
  task.timers.clear();
  task.stopping = false;
}

void begin(task_state& task, const v1::TaskRequested& requested) {
  task.order = order_of(requested.order());
  task.status = v1::TASK_STATUS_REQUESTED;
  task.requester = requested.requester_person_id();
  task.origin = {requested.origin().seq(), requested.origin().rule(), requested.origin().ordinal()};
  set_timer(task, v1::TASK_TIMER_ACCEPT, requested.accept_by(), 0);
}

void begin(task_state& task, const v1::TaskInstantiated& instantiated, const v1::Entry& entry) {
  task.order = order_of(instantiated.order());
  task.status = v1::TASK_STATUS_READY;
  task.requester = instantiated.requester_person_id();
  take(task, entry, instantiated.duty_id());
  task.owner = instantiated.owner_person_id();
  if (instantiated.has_start_by()) set_timer(task, v1::TASK_TIMER_START, instantiated.start_by(), 0);
  set_timer(task, v1::TASK_TIMER_DUE, instantiated.order().due(), 0);
}

void accept(task_state& task, const v1::TaskAccepted& accepted, const v1::Entry& entry) {
  task.status = v1::TASK_STATUS_ACCEPTED;
  take(task, entry, accepted.duty_id());
  task.timers.clear();
  if (accepted.has_start_by()) set_timer(task, v1::TASK_TIMER_START, accepted.start_by(), 0);
  if (task.order.due) task.timers[v1::TASK_TIMER_DUE] = {*task.order.due, 0, task.version};
}

void decline(task_state& task, const v1::TaskDeclined& declined, const v1::Entry& entry) {
  task.declined.insert(entry.author().person_id());
  if (declined.rejected()) return end(task, v1::TASK_STATUS_REJECTED);
  task.level = std::max(task.level, declined.level());
  const auto running = task.timers.find(v1::TASK_TIMER_ACCEPT);
  if (running != task.timers.end() && running->second.level != declined.level()) {
    set_timer(task, v1::TASK_TIMER_ACCEPT, declined.next_by(), declined.level());
  }
}

void escalate(task_state& task, const v1::TaskEscalated& escalated) {
  task.level = std::max(task.level, escalated.level());
  if (!escalated.no_response()) return set_timer(task, escalated.timer(), escalated.next_by(), escalated.level());
  task.no_response = true;
  ++task.no_responses;
  task.timers.erase(escalated.timer());
}

void reschedule(task_state& task, const v1::TaskRescheduled& rescheduled) {
  task.order.due = time_of(rescheduled.due());
  if (task.status == v1::TASK_STATUS_ACCEPTED) set_timer(task, v1::TASK_TIMER_DUE, rescheduled.due(), 0);
  if (rescheduled.has_start_by()) set_timer(task, v1::TASK_TIMER_START, rescheduled.start_by(), 0);
}

/// One entry about a task.
void apply_to(task_state& task, const v1::Entry& entry) {
  ++task.version;
  switch (entry.fact_case()) {
    case v1::Entry::kTaskDrafted:
      task.order = order_of(entry.task_drafted().order());
      task.status = v1::TASK_STATUS_DRAFT;
      task.requester = entry.author().person_id();
      break;
    case v1::Entry::kTaskRequested:
      begin(task, entry.task_requested());
      break;
    case v1::Entry::kTaskInstantiated:
      begin(task, entry.task_instantiated(), entry);
      break;
    case v1::Entry::kTaskClaimed:
      task.status = v1::TASK_STATUS_RECEIVED;
      take(task, entry, entry.task_claimed().duty_id());
      set_timer(task, v1::TASK_TIMER_DECIDE, entry.task_claimed().decide_by(), 0);
      break;
    case v1::Entry::kTaskReleased:
      task.status = v1::TASK_STATUS_REQUESTED;
      task.owner.clear();
      task.owner_duty.clear();
      task.since = {};
      task.offered_to.clear();
      task.timers.erase(v1::TASK_TIMER_DECIDE);
      break;
    case v1::Entry::kTaskAccepted:
      accept(task, entry.task_accepted(), entry);
      break;
    case v1::Entry::kTaskDeclined:
      decline(task, entry.task_declined(), entry);
      break;
    case v1::Entry::kTaskTransferOffered:
      task.offered_to = entry.task_transfer_offered().person_id();
      break;
    case v1::Entry::kTaskStarted:
      task.status = v1::TASK_STATUS_IN_PROGRESS;
      task.timers.clear();
      break;
    case v1::Entry::kTaskPaused:
      task.status = v1::TASK_STATUS_ON_HOLD;
      set_timer(task, v1::TASK_TIMER_RESUME, entry.task_paused().resume_at(), task.nudges);
      break;
    case v1::Entry::kTaskResumed:
      task.status = v1::TASK_STATUS_IN_PROGRESS;
      task.nudges = entry.task_resumed().level();
      task.timers.clear();
      break;
    case v1::Entry::kTaskCompleted:
      end(task, v1::TASK_STATUS_COMPLETED);
      task.confirm_until = time_of(entry.task_completed().confirm_until());
      break;
    case v1::Entry::kTaskReopened:
      task.reopened = true;
      break;
    case v1::Entry::kTaskFailed:
      end(task, v1::TASK_STATUS_FAILED);
      break;
    case v1::Entry::kTaskCancelled:
      end(task, v1::TASK_STATUS_CANCELLED);
      if (entry.task_cancelled().has_acknowledge_by()) {
        task.stopping = true;
        set_timer(task, v1::TASK_TIMER_ACKNOWLEDGE, entry.task_cancelled().acknowledge_by(), 0);
      }
      break;
    case v1::Entry::kTaskCancelAcknowledged:
      end(task, v1::TASK_STATUS_CANCELLED);
      break;
    case v1::Entry::kTaskTransferred:
      take(task, entry, {});
      break;
    case v1::Entry::kTaskEscalated:
      escalate(task, entry.task_escalated());
      break;
    case v1::Entry::kTaskRescheduled:
      reschedule(task, entry.task_rescheduled());
      break;
    case v1::Entry::kTaskMarkedInError:
      if (entry.task_marked_in_error().proposed()) {
        task.error_proposed = true;
        task.error_proposed_by = entry.author().person_id();
      } else {
        end(task, v1::TASK_STATUS_ENTERED_IN_ERROR);
      }
      break;
    default:
      break;
  }
}

bool begins_task(const v1::Entry& entry) {
  return entry.has_task_drafted() || entry.has_task_instantiated() || (entry.has_task_requested() && entry.task_requested().seq() == 0);
}

/// What has ended stays at hand for the commands of the same batch, but is no longer part of the state.
void move_when_ended(tasks_state& state, place at) {
  const auto open = state.open.find(at);
  if (open == state.open.end() || open->second.open()) return;
  state.paged.insert_or_assign(at, std::move(open->second));
  state.open.erase(open);
}

}  // namespace

std::string_view fhir_code(v1::TaskStatus status) {
  switch (status) {
    case v1::TASK_STATUS_DRAFT:
      return "draft";
    case v1::TASK_STATUS_REQUESTED:
      return "requested";
    case v1::TASK_STATUS_RECEIVED:
      return "received";
    case v1::TASK_STATUS_ACCEPTED:
      return "accepted";
    case v1::TASK_STATUS_REJECTED:
      return "rejected";
    case v1::TASK_STATUS_READY:
      return "ready";
    case v1::TASK_STATUS_CANCELLED:
      return "cancelled";
    case v1::TASK_STATUS_IN_PROGRESS:
      return "in-progress";
    case v1::TASK_STATUS_ON_HOLD:
      return "on-hold";
    case v1::TASK_STATUS_FAILED:
      return "failed";
    case v1::TASK_STATUS_COMPLETED:
      return "completed";
    case v1::TASK_STATUS_ENTERED_IN_ERROR:
      return "entered-in-error";
    default:
      return "";
  }
}

bool is_terminal(v1::TaskStatus status) {
  return status == v1::TASK_STATUS_REJECTED || status == v1::TASK_STATUS_CANCELLED || status == v1::TASK_STATUS_FAILED ||
         status == v1::TASK_STATUS_COMPLETED || status == v1::TASK_STATUS_ENTERED_IN_ERROR;
}

bool task_state::open() const {
  return stopping || !is_terminal(status);
}

bool task_case::by_owner() const {
  return !who.person_id.empty() && owner_of(task, world()) == who.person_id &&
         able_as(who.chosen_role, who.person_id, at.stream, task.order, world());
}

refusal task_case::taken() const {
  return refuse(code::aborted, field("task.seq"), "is taken by " + owner_of(task, world()) + " since " + utc_text(task.since));
}

const task_state* tasks_state::find(place at) const {
  if (const auto one = open.find(at); one != open.end()) return &one->second;
  const auto one = paged.find(at);
  return one == paged.end() ? nullptr : &one->second;
}

place task_named(const v1::Command& command) {
  if (command.has_report_undelivered()) return {command.report_undelivered().stream(), command.report_undelivered().seq()};
  if (command.has_request_task()) return {command.request_task().stream(), command.request_task().draft_seq()};
  const v1::TaskRef* ref = ref_of(command);
  return ref ? place{ref->stream(), ref->seq()} : place{};
}

place message_named(const v1::Command& command) {
  const auto message = [](const v1::TaskOrder& order) { return place{order.message().stream(), order.message().seq()}; };
  if (command.has_draft_task()) return message(command.draft_task().order());
  if (command.has_request_task()) return message(command.request_task().order());
  if (command.has_instantiate_task()) return message(command.instantiate_task().order());
  return {};
}

std::vector<place> task_references(const tasks_state& state, const v1::Command& command) {
  const auto at = task_named(command);
  if (at.seq == 0 || !is_chat_stream(at.stream) || state.find(at)) return {};
  return {at};
}

void page_in_task(tasks_state& state, place at, std::span<const v1::Entry> entries) {
  if (entries.empty() || !begins_task(entries.front())) return;
  task_state task;
  for (const auto& entry : entries) apply_to(task, entry);
  state.paged.insert_or_assign(at, std::move(task));
}

void forget_ended_tasks(tasks_state& state) {
  state.paged.clear();
}

bool on_tasks(action_case action) {
  return (action >= v1::Command::kDraftTask && action <= v1::Command::kFireTaskTimer) || action == v1::Command::kReportUndelivered;
}

outcome<facts> decide_task(const tasks_state& state, const v1::Command& command, const actor& who, const task_context& context) {
  switch (command.action_case()) {
    case v1::Command::kDraftTask:
      return draft_task(state, command.draft_task(), who, context);
    case v1::Command::kRequestTask:
      return request_task(state, command.request_task(), who, context);
    case v1::Command::kInstantiateTask:
      return instantiate_task(state, command.instantiate_task(), who, context);
    case v1::Command::kFireTaskTimer:
      return fire_task_timer(state, command.fire_task_timer(), who, context);
    case v1::Command::kReportUndelivered:
      return report_undelivered(state, command.report_undelivered(), who, context);
    default:
      break;
  }
  const v1::TaskRef* ref = ref_of(command);
  if (!ref) return refuse(code::invalid_argument, "action", "is not a command on a task");
  const auto action = v1::Command::descriptor()->FindFieldByNumber(static_cast<int>(command.action_case()))->json_name();
  if (!sees(who, ref->stream(), command.action_case(), context)) return no_such_stream(action + ".task.stream");
  const place at{ref->stream(), ref->seq()};
  const task_state* task = state.find(at);
  if (!task) return refuse(code::not_found, action + ".task.seq", "no such task in this stream");
  const task_case one{at, *task, who, context, action};
  if (!has_way(command.action_case(), task->status)) {
    // Whoever comes too late is told who was first, however far that one has come.
    const bool raced = command.has_claim_task() || command.has_accept_task();
    if (raced && !task->owner.empty() && !is_terminal(task->status)) return one.taken();
    return one.not_now("is not possible while the task is " + std::string(fhir_code(task->status)));
  }
  // Who claims names no version: the refusal of a lost race says who won, not that something changed.
  const bool stale = ref->expected_version() != 0 && ref->expected_version() != task->version;
  if (stale && !command.has_claim_task()) {
    return refuse(code::aborted, action + ".task.expectedVersion",
                  "the task has changed; it is at version " + std::to_string(task->version));
  }
  return decide_named(state, one, command);
}

void apply_task(tasks_state& state, const v1::Entry& entry) {
  const place here{entry.stream(), entry.seq()};
  if (begins_task(entry)) {
    apply_to(state.open[here], entry);
    return;
  }
  const place target{entry.stream(), about_task(entry)};
  if (target.seq == 0) return;
  if (const auto open = state.open.find(target); open != state.open.end()) {
    apply_to(open->second, entry);
    move_when_ended(state, target);
  } else if (const auto paged = state.paged.find(target); paged != state.paged.end()) {
    apply_to(paged->second, entry);
  }
}

std::uint64_t about_task(const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kTaskRequested:
      return entry.task_requested().seq();
    case v1::Entry::kTaskClaimed:
      return entry.task_claimed().seq();
    case v1::Entry::kTaskReleased:
      return entry.task_released().seq();
    case v1::Entry::kTaskAccepted:
      return entry.task_accepted().seq();
    case v1::Entry::kTaskReadBackMismatched:
      return entry.task_read_back_mismatched().seq();
    case v1::Entry::kTaskDeclined:
      return entry.task_declined().seq();
    case v1::Entry::kTaskTransferOffered:
      return entry.task_transfer_offered().seq();
    case v1::Entry::kTaskStarted:
      return entry.task_started().seq();
    case v1::Entry::kTaskPaused:
      return entry.task_paused().seq();
    case v1::Entry::kTaskResumed:
      return entry.task_resumed().seq();
    case v1::Entry::kTaskCompleted:
      return entry.task_completed().seq();
    case v1::Entry::kTaskReopened:
      return entry.task_reopened().seq();
    case v1::Entry::kTaskFailed:
      return entry.task_failed().seq();
    case v1::Entry::kTaskCancelled:
      return entry.task_cancelled().seq();
    case v1::Entry::kTaskCancelAcknowledged:
      return entry.task_cancel_acknowledged().seq();
    case v1::Entry::kTaskTransferred:
      return entry.task_transferred().seq();
    case v1::Entry::kTaskEscalated:
      return entry.task_escalated().seq();
    case v1::Entry::kTaskMarkedInError:
      return entry.task_marked_in_error().seq();
    case v1::Entry::kTaskRescheduled:
      return entry.task_rescheduled().seq();
    case v1::Entry::kCallUndelivered:
      return entry.call_undelivered().seq();
    default:
      return 0;
  }
}

std::vector<place> tasks_from(const tasks_state& state, place message) {
  std::vector<place> result;
  for (const auto& [at, task] : state.open) {
    if (message.seq != 0 && task.order.message == message) result.push_back(at);
  }
  return result;
}

}  // namespace careteam::care
