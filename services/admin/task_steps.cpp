#include "admin/task_steps.hpp"

#include "care/task_owner.hpp"

namespace careteam::admin {
namespace {

const v1::TaskOrder* order_of(const v1::Command& beginning) {
  if (beginning.has_draft_task()) return &beginning.draft_task().order();
  if (beginning.has_request_task()) return &beginning.request_task().order();
  if (beginning.has_instantiate_task()) return &beginning.instantiate_task().order();
  return nullptr;
}

v1::TaskRef* ref_of(v1::Command& command) {
  if (command.has_claim_task()) return command.mutable_claim_task()->mutable_task();
  if (command.has_accept_task()) return command.mutable_accept_task()->mutable_task();
  if (command.has_decline_task()) return command.mutable_decline_task()->mutable_task();
  if (command.has_start_task()) return command.mutable_start_task()->mutable_task();
  if (command.has_pause_task()) return command.mutable_pause_task()->mutable_task();
  if (command.has_complete_task()) return command.mutable_complete_task()->mutable_task();
  if (command.has_fail_task()) return command.mutable_fail_task()->mutable_task();
  if (command.has_cancel_task()) return command.mutable_cancel_task()->mutable_task();
  if (command.has_mark_task_in_error()) return command.mutable_mark_task_in_error()->mutable_task();
  return nullptr;
}

}  // namespace

bool begins_task(const v1::Command& command) {
  return order_of(command) != nullptr;
}

void name_task(v1::Command& command, care::place task) {
  v1::TaskRef* ref = ref_of(command);
  if (ref == nullptr) return;
  ref->set_stream(task.stream);
  ref->set_seq(task.seq);
}

v1::Role acting_role_in(const care::record_state& state, std::string_view person, care::place task, const care::task_world& world) {
  const care::task_state* of = state.tasks.find(task);
  auto first = v1::ROLE_UNSPECIFIED;
  for (const auto* member : state.team.at(world.t)) {
    if (member->person_id != person) continue;
    if (first == v1::ROLE_UNSPECIFIED) first = member->role;
    if (of != nullptr && care::able_as(member->role, person, task.stream, of->order, world)) return member->role;
  }
  return first;
}

bool is_same_task(const care::task_state& task, const v1::Command& beginning) {
  const v1::TaskOrder* asked = order_of(beginning);
  return asked != nullptr && task.order.title == asked->title() && task.order.description == asked->description() &&
         task.order.priority == asked->priority() && task.order.kind == asked->kind();
}

}  // namespace careteam::admin
