#include <algorithm>

#include "care/task_decisions.hpp"
#include "care/task_owner.hpp"

namespace careteam::care {
namespace {

/// What a message owes, as if it were a task: its author asked for it.
task_state as_task(const message_state& message, place at) {
  task_state task;
  task.order.kind = v1::TASK_KIND_CARE;
  task.order.title = "See to a message: somebody could not be reached about it";
  task.order.priority = message.priority;
  task.order.message = at;
  task.requester = message.author;
  return task;
}

/// Who sees to it that somebody cannot be called: the supervisors, then whoever asked, then the organisation's safety person.
std::vector<std::string> informed(const task_state& task, place at, const std::string& unreachable, const task_world& world) {
  auto people = supervisors(task, at, world);
  for (auto& person : followers(task, at, world)) {
    if (std::ranges::find(people, person) == people.end()) people.push_back(std::move(person));
  }
  std::erase(people, unreachable);
  const auto& safety = world.setting.safety_person;
  if (people.empty() && !safety.empty() && safety != unreachable) people.push_back(safety);
  return people;
}

/// Somebody has been asked to see to it and has not done so yet.
bool is_seen_to(const tasks_state& state, place at) {
  return std::ranges::any_of(state.open, [at](const auto& one) {
    const auto& origin = one.second.origin;
    return one.first.stream == at.stream && origin.seq == at.seq && origin.rule == v1::TASK_RULE_UNDELIVERED;
  });
}

/// Of a message in `shared`: what patients read tells nothing of who cannot be called, so that only the staff's task says so.
facts ask_staff(const tasks_state& state, const task_state& about, place message, const std::string& unreachable, const task_case& one) {
  const auto& context = one.context;
  // A link, or even a number, would tell those who do not read `shared` of what is there (invariant 4).
  const bool linked = audience_within(context.team, v1::STREAM_CLINICAL, v1::STREAM_SHARED, context.now);
  const task_origin origin{0, v1::TASK_RULE_UNDELIVERED, 1};
  const bool seen_to = std::ranges::any_of(state.open, [&](const auto& open) {
    return open.first.stream == v1::STREAM_CLINICAL && open.second.origin == origin && (!linked || open.second.order.message == message);
  });
  facts result;
  const auto people = informed(about, {v1::STREAM_CLINICAL, yet_to_come}, unreachable, one.world());
  if (people.empty() || seen_to) return result;
  const bool knows = may_read(context.team, about.requester, v1::STREAM_CLINICAL, context.now);
  const message_follow_up task{v1::STREAM_CLINICAL, linked ? message : place{}, knows ? about.requester : std::string(), origin,
                               about.order.title};
  add_message_follow_up(result, task, people, context);
  return result;
}

}  // namespace

outcome<facts> report_undelivered(const tasks_state& state, const v1::ReportUndelivered& asked, const actor& who,
                                  const task_context& context) {
  if (!who.system) return refuse(code::permission_denied, "action", "is for the server only");
  const place at{asked.stream(), asked.seq()};
  if (!is_chat_stream(at.stream)) return no_such_stream("reportUndelivered.stream");
  task_state about;
  if (const task_state* task = state.find(at)) {
    if (!task->open()) return facts{};
    about = *task;
  } else if (const message_state* message = context.chat.message(at)) {
    if (!message->open()) return facts{};
    about = as_task(*message, at);
  } else {
    return refuse(code::not_found, "reportUndelivered.seq", "no such task or message in this stream");
  }
  const task_case one{at, about, who, context, "reportUndelivered"};
  if (at.stream == v1::STREAM_SHARED && !state.find(at)) return ask_staff(state, about, at, asked.person_id(), one);
  facts result;
  auto& report = *add_fact(result, at.stream).mutable_call_undelivered();
  report.set_seq(at.seq);
  report.set_person_id(asked.person_id());
  const auto people = informed(about, at, asked.person_id(), one.world());
  const auto report_seq = context.heads[static_cast<std::size_t>(at.stream)] + 1;
  if (!people.empty() && !is_seen_to(state, at)) add_inquiry(result, one, people, report_seq);
  return result;
}

}  // namespace careteam::care
