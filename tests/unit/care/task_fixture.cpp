#include "task_fixture.hpp"

#include <algorithm>

namespace careteam::care::fixture {
namespace {

void set_ref(v1::TaskRef& ref, place at) {
  ref.set_stream(at.stream);
  ref.set_seq(at.seq);
}

void add_running(std::vector<running_timer>& to, place at, const task_state& task) {
  for (const auto& [kind, deadline] : task.timers) to.push_back({at, kind, deadline.level, deadline.at, deadline.version});
}

}  // namespace

std::vector<running_timer> running_timers(const tasks_state& state) {
  std::vector<running_timer> result;
  for (const auto& [at, task] : state.open) add_running(result, at, task);
  return result;
}

std::vector<running_timer> running_timers(const tasks_state& state, place task) {
  std::vector<running_timer> result;
  if (const auto open = state.open.find(task); open != state.open.end()) add_running(result, task, open->second);
  return result;
}

task::task(std::string_view title, v1::TaskKind kind) {
  order_.set_kind(kind);
  order_.set_title(std::string(title));
}

task& task::priority(v1::Priority p) {
  order_.set_priority(p);
  return *this;
}

task& task::to(std::string_view person_id) {
  order_.mutable_target()->set_person_id(std::string(person_id));
  return *this;
}

task& task::to(v1::Role role) {
  order_.mutable_target()->set_role(role);
  return *this;
}

task& task::to_duty(std::string_view duty_id) {
  order_.mutable_target()->set_duty_id(std::string(duty_id));
  return *this;
}

task& task::then(std::string_view person_id) {
  order_.add_ladder()->set_person_id(std::string(person_id));
  return *this;
}

task& task::then(v1::Role role) {
  order_.add_ladder()->set_role(role);
  return *this;
}

task& task::then_duty(std::string_view duty_id) {
  order_.add_ladder()->set_duty_id(std::string(duty_id));
  return *this;
}

task& task::due(instant t) {
  set_timestamp(*order_.mutable_due(), t);
  return *this;
}

task& task::fact(std::string_view name, std::string_view value, std::string_view unit) {
  auto& row = *order_.add_facts();
  row.set_name(std::string(name));
  row.set_value(std::string(value));
  row.set_unit(std::string(unit));
  return *this;
}

task& task::read_back() {
  order_.set_read_back(true);
  return *this;
}

task& task::output(std::string_view name) {
  order_.add_required_outputs(std::string(name));
  return *this;
}

task& task::two_person() {
  order_.set_two_person(true);
  return *this;
}

task& task::from_message(v1::Stream stream, std::uint64_t seq, std::string_view patient) {
  auto& message = *order_.mutable_message();
  message.set_patient_id(std::string(patient));
  message.set_stream(stream);
  message.set_seq(seq);
  return *this;
}

v1::Command draft(v1::Stream stream, const task& order) {
  v1::Command command;
  command.mutable_draft_task()->set_stream(stream);
  *command.mutable_draft_task()->mutable_order() = order.raw();
  return command;
}

v1::Command request(v1::Stream stream, const task& order, std::uint64_t draft_seq) {
  v1::Command command;
  command.mutable_request_task()->set_stream(stream);
  *command.mutable_request_task()->mutable_order() = order.raw();
  command.mutable_request_task()->set_draft_seq(draft_seq);
  return command;
}

v1::Command instantiate(v1::Stream stream, const task& order) {
  v1::Command command;
  command.mutable_instantiate_task()->set_stream(stream);
  *command.mutable_instantiate_task()->mutable_order() = order.raw();
  return command;
}

v1::Command claim(place at) {
  v1::Command command;
  set_ref(*command.mutable_claim_task()->mutable_task(), at);
  return command;
}

v1::Command release(place at) {
  v1::Command command;
  set_ref(*command.mutable_release_task()->mutable_task(), at);
  return command;
}

v1::Command accept(place at) {
  v1::Command command;
  set_ref(*command.mutable_accept_task()->mutable_task(), at);
  return command;
}

v1::Command reading_back(v1::Command accepting, std::string_view name, std::string_view value, std::string_view unit) {
  auto& row = *accepting.mutable_accept_task()->add_read_back();
  row.set_name(std::string(name));
  row.set_value(std::string(value));
  row.set_unit(std::string(unit));
  return accepting;
}

v1::Command decline(place at, std::string_view reason) {
  v1::Command command;
  set_ref(*command.mutable_decline_task()->mutable_task(), at);
  command.mutable_decline_task()->set_reason(std::string(reason));
  return command;
}

v1::Command start(place at) {
  v1::Command command;
  set_ref(*command.mutable_start_task()->mutable_task(), at);
  return command;
}

v1::Command pause(place at, instant resume_at, std::string_view reason) {
  v1::Command command;
  auto& asked = *command.mutable_pause_task();
  set_ref(*asked.mutable_task(), at);
  set_timestamp(*asked.mutable_resume_at(), resume_at);
  asked.set_reason(std::string(reason));
  return command;
}

v1::Command resume(place at) {
  v1::Command command;
  set_ref(*command.mutable_resume_task()->mutable_task(), at);
  return command;
}

v1::Command complete(place at) {
  v1::Command command;
  set_ref(*command.mutable_complete_task()->mutable_task(), at);
  return command;
}

v1::Command with_output(v1::Command completing, std::string_view name, std::string_view value) {
  auto& row = *completing.mutable_complete_task()->add_outputs();
  row.set_name(std::string(name));
  row.set_value(std::string(value));
  return completing;
}

v1::Command reopen(place at, std::string_view reason) {
  v1::Command command;
  set_ref(*command.mutable_reopen_task()->mutable_task(), at);
  command.mutable_reopen_task()->set_reason(std::string(reason));
  return command;
}

v1::Command fail(place at, std::string_view reason) {
  v1::Command command;
  set_ref(*command.mutable_fail_task()->mutable_task(), at);
  command.mutable_fail_task()->set_reason(std::string(reason));
  return command;
}

v1::Command cancel(place at, std::string_view reason) {
  v1::Command command;
  set_ref(*command.mutable_cancel_task()->mutable_task(), at);
  command.mutable_cancel_task()->set_reason(std::string(reason));
  return command;
}

v1::Command acknowledge_cancel(place at) {
  v1::Command command;
  set_ref(*command.mutable_acknowledge_cancel()->mutable_task(), at);
  return command;
}

v1::Command offer(place at, std::string_view person_id, std::string_view reason) {
  v1::Command command;
  auto& asked = *command.mutable_offer_transfer();
  set_ref(*asked.mutable_task(), at);
  asked.set_person_id(std::string(person_id));
  asked.set_reason(std::string(reason));
  return command;
}

v1::Command take_over(place at) {
  v1::Command command;
  set_ref(*command.mutable_accept_transfer()->mutable_task(), at);
  return command;
}

v1::Command mark_in_error(place at, std::string_view reason) {
  v1::Command command;
  set_ref(*command.mutable_mark_task_in_error()->mutable_task(), at);
  command.mutable_mark_task_in_error()->set_reason(std::string(reason));
  return command;
}

v1::Command fire(place at, v1::TaskTimer timer, std::uint32_t level, std::uint64_t version) {
  v1::Command command;
  auto& asked = *command.mutable_fire_task_timer();
  set_ref(*asked.mutable_task(), at);
  asked.mutable_task()->set_expected_version(version);
  asked.set_timer(timer);
  asked.set_level(level);
  return command;
}

v1::Command seen_at(std::uint64_t version, v1::Command command) {
  const auto* action = v1::Command::descriptor()->FindFieldByNumber(static_cast<int>(command.action_case()));
  auto* asked = command.GetReflection()->MutableMessage(&command, action);
  auto* ref = asked->GetReflection()->MutableMessage(asked, asked->GetDescriptor()->FindFieldByName("task"));
  ref->GetReflection()->SetUInt64(ref, v1::TaskRef::descriptor()->FindFieldByName("expected_version"), version);
  return command;
}

v1::TaskStatus task_status(std::string_view code) {
  for (int value = v1::TASK_STATUS_DRAFT; value < v1::TaskStatus_ARRAYSIZE; ++value) {
    const auto one = static_cast<v1::TaskStatus>(value);
    if (fhir_code(one) == code) return one;
  }
  return v1::TASK_STATUS_UNSPECIFIED;
}

std::optional<duty_view> clinic_duties::find(std::string_view duty_id, std::string_view, instant) const {
  const auto duty = held.find(duty_id);
  return duty == held.end() ? std::nullopt : std::optional(duty->second);
}

std::vector<std::string> clinic_duties::answered_by(std::string_view person, instant) const {
  std::vector<std::string> result;
  for (const auto& [id, duty] : held) {
    if (duty.holder == person || duty.fallback == person) result.push_back(id);
  }
  return result;
}

std::optional<absence> clinic_duties::absence_of(std::string_view person, instant t) const {
  const auto found = away.find(person);
  return found == away.end() || found->second.until <= t ? std::nullopt : std::optional(found->second);
}

task_ward::task_ward() {
  ward.usual_team();
  ward.join("tom", v1::ROLE_ONCOLOGY_NURSE);
  ward.enrolled("grace", v1::PERSON_KIND_STAFF);
  duties.held["onc-rn"] = {"nina", "claire", {v1::ROLE_ONCOLOGY_NURSE}};
  ward.setting.duties = &duties;
  ward.setting.safety_person = "grace";
}

void task_ward::TearDown() {
  const auto& live = ward.record.state();
  EXPECT_TRUE(folded("rosa", ward.record.log()) == live) << "the log does not lead to the state";
  const auto back = from_snapshot(to_snapshot(live));
  ASSERT_TRUE(back);
  EXPECT_TRUE(*back == live) << "the snapshot is not the state";
}

place task_ward::asks(const std::string& who, v1::Stream stream, const task& order) {
  return {stream, ward.says(who, request(stream, order))};
}

outcome<facts> task_ward::fires(place where, v1::TaskTimer timer) {
  for (const auto& one : running_timers(ward.tasks(), where)) {
    if (one.kind != timer) continue;
    ward.now = std::max(ward.now, one.due);
    return ward.does(the_system(), fire(where, timer, one.level, one.version));
  }
  ADD_FAILURE() << "no such timer runs: " << v1::TaskTimer_Name(timer);
  return facts{};
}

void task_ward::passes_until(instant t) {
  for (;;) {
    const auto running = running_timers(ward.tasks());
    const auto next =
        std::min_element(running.begin(), running.end(), [](const running_timer& a, const running_timer& b) { return a.due < b.due; });
    if (next == running.end() || next->due > t) break;
    ASSERT_THAT(fires(next->task, next->kind), accepted());
  }
  ward.now = std::max(ward.now, t);
}

const task_state& task_ward::at(place where) const {
  const auto found = ward.tasks().open.find(where);
  if (found != ward.tasks().open.end()) return found->second;
  // Ended: nobody owes anything for it, and the state has let it go. The log still tells how.
  static thread_local task_state ended;
  std::vector<v1::Entry> entries;
  for (const auto& entry : ward.record.log()) {
    if (entry.stream() == where.stream && (entry.seq() == where.seq || about(entry) == where.seq)) entries.push_back(entry);
  }
  tasks_state paged;
  page_in_task(paged, where, entries);
  EXPECT_TRUE(paged.find(where)) << "no such task";
  ended = paged.find(where) ? *paged.find(where) : task_state{};
  return ended;
}

place task_ward::successor(place of, v1::TaskRule rule) const {
  place found;
  for (const auto& entry : ward.record.log()) {
    if (!entry.has_task_requested() || entry.stream() != of.stream) continue;
    const auto& origin = entry.task_requested().origin();
    if (origin.seq() == of.seq && origin.rule() == rule) found = {of.stream, entry.seq()};
  }
  return found;
}

}  // namespace careteam::care::fixture
