#include <iterator>
#include <limits>

#include "care/task_decisions.hpp"
#include "care/task_order.hpp"
#include "care/task_owner.hpp"

namespace careteam::care {
namespace {

outcome<void> check_creator(const task_order& order, const actor& who, const std::string& field) {
  if (who.system || may_create(who.chosen_role, order.kind, order.priority)) return {};
  return refuse(code::permission_denied, field, "this role may not ask for such a task");
}

/// The message that becomes a task must be one, and nobody learns of it who could not read it (A2, A13).
outcome<void> check_message(const v1::TaskOrder& asked, v1::Stream stream, const actor& who, const task_context& context,
                            const std::string& path) {
  if (!asked.has_message()) return {};
  if (auto link = check_link(asked.message(), stream, who, context, path + ".message"); !link) return link;
  if (!context.chat.message({asked.message().stream(), asked.message().seq()})) {
    return refuse(code::not_found, path + ".message", "no such message");
  }
  return {};
}

/// One step of the ladder: somebody who reads the stream and may own the task. An empty list: right in itself, but nobody is there now.
outcome<std::vector<std::string>> resolve(const task_target& target, v1::Stream stream, const task_order& order, const actor& who,
                                          const task_context& context, const std::string& field) {
  const auto world = world_of(context);
  auto people = candidates(target, stream, order, world);
  if (!people.empty() && target.role == v1::ROLE_UNSPECIFIED) return people;
  if (!target.person.empty()) {
    if (auto alive = check_alive(target.person, context.team, context.people, field); !alive) return alive.error();
    if (!may_read(context.team, target.person, stream, context.now) || !context.people.active(target.person)) {
      return refuse(code::not_found, field, "no such person in this stream's audience");
    }
    return refuse(code::failed_precondition, field, "may not own such a task: name somebody who may");
  }
  if (target.role != v1::ROLE_UNSPECIFIED) {
    if (!who.system && !is_staff(context.team, who.person_id, context.now)) {
      return refuse(code::permission_denied, field, "patients and caregivers address people and duties, not roles");
    }
    if (!may_own(target.role, order.kind, order.priority)) {
      return refuse(code::failed_precondition, field, "this role may not own such a task");
    }
    return people;
  }
  // A duty that nobody of this stream holds and one that does not exist are one answer.
  return people;
}

/// Somebody who is on leave is not asked by name (B6): staff are told which duty to ask, and what cannot wait (stat), or comes from the
/// patient's side, is asked of the duty, where somebody has it who may own the task.
outcome<void> turn_to_cover(task_order& order, v1::Stream stream, const actor& who, const task_context& context, const std::string& field) {
  const auto& person = order.target.person;
  if (context.setting.duties == nullptr || who.system || person.empty() || person == who.person_id) return {};
  if (!may_read(context.team, person, stream, context.now) || !context.people.active(person)) return {};
  const auto away = context.setting.duties->absence_of(person, context.now);
  if (!away) return {};
  if (order.priority != v1::PRIORITY_STAT && is_staff(context.team, who.person_id, context.now)) {
    return refuse(code::failed_precondition, field, told(person, *away));
  }
  const task_target duty{{}, v1::ROLE_UNSPECIFIED, away->duty_id};
  if (!candidates(duty, stream, order, world_of(context)).empty()) order.target = duty;
  return {};
}

/// Whom the target stands for now. May be nobody as long as the ladder has somebody (T2).
outcome<std::vector<std::string>> resolve_all(const task_order& order, v1::Stream stream, const actor& who, const task_context& context,
                                              const std::string& path) {
  auto asked = resolve(order.target, stream, order, who, context, path + ".target");
  if (!asked) return asked.error();
  bool anybody = !asked->empty();
  for (const auto& step : order.ladder) {
    const auto next = resolve(step, stream, order, who, context, path + ".ladder");
    if (!next) return next.error();
    anybody |= !next->empty();
  }
  if (!anybody) return refuse(code::not_found, path + ".target", "nobody in this stream's audience has this role or duty now");
  return asked;
}

/// Everything about a new task but whom it asks and whether there is room for it.
outcome<task_order> check_new(v1::Stream stream, const v1::TaskOrder& asked, const actor& who, const task_context& context,
                              const std::string& action) {
  if (auto may = check_post(stream, who, context.team, context.now, action + ".stream"); !may) return may.error();
  auto order = check_order(asked, action + ".order", context.now);
  if (!order) return order.error();
  if (auto message = check_message(asked, stream, who, context, action + ".order"); !message) return message.error();
  return order;
}

void set_due(task_order& order, const task_context& context) {
  const auto& policy = context.setting.policy;
  if (!order.due) order.due = policy.after(order.priority, context.now, policy.times(order.priority).due);
}

}  // namespace

outcome<task_order> check_asking(v1::Stream stream, const v1::TaskOrder& asked, const actor& who, const task_context& context,
                                 const std::string& path) {
  auto order = check_order(asked, path, context.now);
  if (!order) return order.error();
  if (auto may = check_creator(*order, who, path + ".kind"); !may) return may.error();
  if (order->target == task_target{}) return refuse(code::invalid_argument, path + ".target", "needs a person, a role or a duty");
  if (auto people = resolve_all(*order, stream, who, context, path); !people) return people.error();
  return order;
}

outcome<void> check_room(const tasks_state& state, v1::Stream stream, const std::string& field) {
  if (state.open.size() < max_open_tasks) return {};
  const auto begin = state.open.lower_bound(place{stream, 0});
  const auto end = state.open.upper_bound(place{stream, std::numeric_limits<std::uint64_t>::max()});
  if (static_cast<std::size_t>(std::distance(begin, end)) < max_open_tasks) return {};
  return refuse(code::resource_exhausted, field, "too many open tasks in this stream");
}

outcome<facts> draft_task(const tasks_state& state, const v1::DraftTask& asked, const actor& who, const task_context& context) {
  auto order = check_new(asked.stream(), asked.order(), who, context, "draftTask");
  if (!order) return order.error();
  if (auto room = check_room(state, asked.stream(), "draftTask"); !room) return room.error();
  if (auto may = check_creator(*order, who, "draftTask.order.kind"); !may) return may.error();
  facts result;
  put_order(*add_fact(result, asked.stream()).mutable_task_drafted()->mutable_order(), *order, context.team.patient_id);
  return result;
}

outcome<facts> request_task(const tasks_state& state, const v1::RequestTask& asked, const actor& who, const task_context& context) {
  auto order = check_new(asked.stream(), asked.order(), who, context, "requestTask");
  if (!order) return order.error();
  if (auto may = check_creator(*order, who, "requestTask.order.kind"); !may) return may.error();
  if (order->target == task_target{}) {
    return refuse(code::invalid_argument, "requestTask.order.target", "needs a person, a role or a duty");
  }
  if (auto turned = turn_to_cover(*order, asked.stream(), who, context, "requestTask.order.target"); !turned) return turned.error();
  if (asked.draft_seq() != 0) {
    const task_state* draft = state.find({asked.stream(), asked.draft_seq()});
    if (!draft) return refuse(code::not_found, "requestTask.draftSeq", "no such draft in this stream");
    if (draft->status != v1::TASK_STATUS_DRAFT) return refuse(code::failed_precondition, "requestTask.draftSeq", "is not a draft any more");
    if (draft->requester != who.person_id) return refuse(code::permission_denied, "requestTask.draftSeq", "is somebody else's draft");
  } else if (auto room = check_room(state, asked.stream(), "requestTask"); !room) {
    return room.error();
  }
  const auto people = resolve_all(*order, asked.stream(), who, context, "requestTask.order");
  if (!people) return people.error();
  set_due(*order, context);
  facts result;
  auto& requested = *add_fact(result, asked.stream()).mutable_task_requested();
  requested.set_seq(asked.draft_seq());
  put_order(*requested.mutable_order(), *order, context.team.patient_id);
  requested.set_requester_person_id(who.person_id);
  for (const auto& person : *people) requested.add_candidate_person_id(person);
  const auto& policy = context.setting.policy;
  set_timestamp(*requested.mutable_accept_by(), policy.after(order->priority, context.now, policy.times(order->priority).accept[0]));
  return result;
}

outcome<facts> instantiate_task(const tasks_state& state, const v1::InstantiateTask& asked, const actor& who, const task_context& context) {
  auto order = check_new(asked.stream(), asked.order(), who, context, "instantiateTask");
  if (!order) return order.error();
  if (auto room = check_room(state, asked.stream(), "instantiateTask"); !room) return room.error();
  const std::string field = "instantiateTask.order.target";
  const bool for_others = who.system || task_rights_of(who.chosen_role).create == create_right::protocol;
  if (order->target == task_target{}) order->target.person = who.person_id;
  if (order->target.role != v1::ROLE_UNSPECIFIED) {
    return refuse(code::invalid_argument, field, "a role is asked: send requestTask");
  }
  if (auto turned = turn_to_cover(*order, asked.stream(), who, context, field); !turned) return turned.error();
  if (!for_others) {
    if (order->target.person != who.person_id) return refuse(code::permission_denied, field, "others are asked: send requestTask");
    if (!able_as(who.chosen_role, who.person_id, asked.stream(), *order, world_of(context))) {
      return refuse(code::permission_denied, "instantiateTask.order.kind", "this role may not own such a task");
    }
  }
  const auto people = resolve_all(*order, asked.stream(), who, context, "instantiateTask.order");
  if (!people) return people.error();
  if (people->empty()) return refuse(code::not_found, field, "nobody in this stream's audience has this duty now");
  set_due(*order, context);
  facts result;
  auto& instantiated = *add_fact(result, asked.stream()).mutable_task_instantiated();
  put_order(*instantiated.mutable_order(), *order, context.team.patient_id);
  instantiated.set_requester_person_id(who.person_id);
  instantiated.set_owner_person_id(people->front());
  instantiated.set_duty_id(order->target.duty);
  const auto& policy = context.setting.policy;
  if (const auto start = policy.times(order->priority).start) {
    set_timestamp(*instantiated.mutable_start_by(), std::min(policy.after(order->priority, context.now, *start), *order->due));
  }
  return result;
}

}  // namespace careteam::care
