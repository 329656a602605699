#include "care/task_decisions.hpp"
#include "care/task_order.hpp"
#include "care/task_owner.hpp"

namespace careteam::care {
namespace {

v1::TaskRequested& add_request(facts& to, v1::Stream stream, const std::string& requester, const task_order& order,
                               const task_origin& origin, const task_context& context) {
  auto& requested = *add_fact(to, stream).mutable_task_requested();
  put_order(*requested.mutable_order(), order, context.team.patient_id);
  requested.set_requester_person_id(requester);
  for (auto& person : candidates(order.target, stream, order, world_of(context))) requested.add_candidate_person_id(std::move(person));
  const auto& policy = context.setting.policy;
  set_timestamp(*requested.mutable_accept_by(), policy.after(order.priority, context.now, policy.times(order.priority).accept[0]));
  requested.mutable_origin()->set_seq(origin.seq);
  requested.mutable_origin()->set_rule(origin.rule);
  requested.mutable_origin()->set_ordinal(origin.ordinal);
  return requested;
}

void add_request(facts& to, const task_case& one, const task_order& order, const task_origin& origin) {
  add_request(to, one.at.stream, one.task.requester, order, origin, one.context);
}

/// The first of these people is asked, the others are the ladder.
task_order follow_up_for(const std::vector<std::string>& people, v1::Priority priority, const task_context& context) {
  task_order order;
  order.kind = v1::TASK_KIND_FOLLOW_UP;
  order.priority = priority;
  order.target.person = people.front();
  for (std::size_t i = 1; i < people.size() && i <= max_task_ladder; ++i) order.ladder.push_back({people[i], v1::ROLE_UNSPECIFIED, {}});
  const auto& policy = context.setting.policy;
  order.due = policy.after(priority, context.now, policy.times(priority).due);
  return order;
}

task_order follow_up_for(const task_case& one, const std::vector<std::string>& people, v1::Priority priority) {
  auto order = follow_up_for(people, priority, one.context);
  order.title = one.task.order.title;
  order.description = one.task.order.description;
  order.facts = one.task.order.facts;
  order.message = one.task.order.message;
  return order;
}

}  // namespace

v1::TaskRequested& add_task(facts& to, v1::Stream stream, const std::string& requester, const task_order& order,
                            const task_context& context) {
  return add_request(to, stream, requester, order, {}, context);
}

bool add_follow_up(facts& to, const task_case& one, v1::TaskRule rule) {
  task_state task = one.task;
  // Whoever declines now is not asked again.
  if (rule == v1::TASK_RULE_REROUTE) task.declined.insert(one.who.person_id);
  const auto people = followers(task, one.at, one.world());
  if (people.empty()) return false;
  auto order = follow_up_for(one, people, rule == v1::TASK_RULE_REROUTE ? one.task.order.priority : v1::PRIORITY_STAT);
  // What was declined is still due when it was (C5).
  if (rule == v1::TASK_RULE_REROUTE) order.due = one.task.order.due;
  add_request(to, one, order, {one.at.seq, rule, 1});
  return true;
}

void add_supervision(facts& to, const task_case& one) {
  const auto people = supervisors(one.task, one.at, one.world());
  if (people.empty()) return;
  add_request(to, one, follow_up_for(one, people, v1::PRIORITY_STAT), {one.at.seq, v1::TASK_RULE_NO_RESPONSE, one.task.no_responses + 1});
}

void add_message_follow_up(facts& to, const message_follow_up& what, const std::vector<std::string>& people, const task_context& context) {
  auto order = follow_up_for(people, v1::PRIORITY_STAT, context);
  order.title = what.title;
  order.message = what.message;
  add_request(to, what.stream, what.requester, order, what.origin, context);
}

void add_inquiry(facts& to, const task_case& one, const std::vector<std::string>& people, std::uint64_t report) {
  const task_origin origin{one.at.seq, v1::TASK_RULE_UNDELIVERED, static_cast<std::uint32_t>(report)};
  add_request(to, one, follow_up_for(one, people, v1::PRIORITY_STAT), origin);
}

void add_repetition(facts& to, const task_case& one) {
  auto order = one.task.order;
  order.due = one.after(one.now(), one.policy().times(order.priority).due);
  add_request(to, one, order, {one.at.seq, v1::TASK_RULE_REOPENED, 1});
}

}  // namespace careteam::care
