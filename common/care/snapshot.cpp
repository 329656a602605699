// The record's state as bytes. Deterministic: equal states give equal bytes, so that `careteam rebuild` can compare.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <numeric>

#include "care/duty_snapshot.hpp"
#include "care/invitation.hpp"
#include "care/protocol_snapshot.hpp"
#include "care/record.hpp"
#include "care/task_order.hpp"
#include "careteam/internal/snapshot.pb.h"

namespace careteam::care {
namespace {

constexpr std::uint32_t snapshot_format = 4;  // Raised whenever the meaning of a snapshot changes.

using internal::RecordSnapshot;

std::int64_t micros(instant t) {
  return t.time_since_epoch().count();
}
instant from_micros(std::int64_t us) {
  return instant{std::chrono::microseconds{us}};
}

void put_team(RecordSnapshot& to, const team_state& team) {
  to.set_patient_name(team.patient_name);
  to.set_opened(team.opened);
  to.set_roster_version(team.version);
  to.set_attending(team.attending);
  for (const auto& m : team.members) {
    auto& row = *to.add_members();
    row.set_duty_id(m.duty_id);
    if (m.duty_id.empty()) row.set_person_id(m.person_id);
    row.set_name(m.name);
    row.set_role(m.role);
    row.set_start_us(micros(m.start));
    row.set_has_end(m.end.has_value());
    if (m.end) row.set_end_us(micros(*m.end));
    for (const auto scope : m.scopes) row.add_scopes(scope);
    row.set_reach(m.reach);
    row.set_hours(m.hours);
    if (m.invited) *row.mutable_invitation() = on_wire(*m.invited);
  }
  for (const auto& change : team.changes) {
    auto& row = *to.add_roster_changes();
    row.set_roster_version(change.version);
    row.set_kind(change.kind);
    row.set_duty_id(change.duty_id);
    row.set_person_id(change.person_id);
    row.set_name(change.name);
    row.set_role(change.role);
    row.set_time_us(micros(change.time));
  }
  for (const auto& [person, version] : team.seen) (*to.mutable_roster_seen())[person] = version;
}

void get_team(team_state& team, const RecordSnapshot& from) {
  team.patient_name = from.patient_name();
  team.opened = from.opened();
  team.version = from.roster_version();
  team.attending = from.attending();
  for (const auto& row : from.members()) {
    membership m;
    m.duty_id = row.duty_id();
    m.person_id = row.person_id();
    m.name = row.name();
    m.role = row.role();
    m.start = from_micros(row.start_us());
    if (row.has_end()) m.end = from_micros(row.end_us());
    for (const int scope : row.scopes()) m.scopes.push_back(static_cast<v1::Scope>(scope));
    m.reach = row.reach();
    m.hours = row.hours();
    if (row.has_invitation()) m.invited = invitation_of(row.invitation());
    team.members.push_back(std::move(m));
  }
  for (const auto& row : from.roster_changes()) {
    team.changes.push_back(
        {row.roster_version(), row.kind(), row.duty_id(), row.person_id(), row.name(), row.role(), from_micros(row.time_us())});
  }
  for (const auto& [person, version] : from.roster_seen()) team.seen.emplace(person, version);
}

void put_ladder(RecordSnapshot::Message& to, const message_state& message) {
  const auto& ladder = message.ladder;
  to.set_asked_seq(ladder.asked_seq);
  to.set_level(ladder.level);
  to.set_no_response(ladder.no_response);
  to.set_has_due(ladder.due.has_value());
  if (ladder.due) to.set_due_us(micros(*ladder.due));
  for (const auto& person : ladder.told) to.add_told(person);
  for (std::size_t i = 0; i < message.addressees.size(); ++i) {
    if (message.addressees[i].stand_ins) to.add_stand_ins(static_cast<std::uint32_t>(i));
  }
}

void get_ladder(message_state& message, const RecordSnapshot::Message& from) {
  message.ladder.asked_seq = from.asked_seq();
  message.ladder.level = from.level();
  message.ladder.no_response = from.no_response();
  if (from.has_due()) message.ladder.due = from_micros(from.due_us());
  message.ladder.told = {from.told().begin(), from.told().end()};
  for (const auto index : from.stand_ins()) {
    if (index < message.addressees.size()) message.addressees[index].stand_ins = true;
  }
}

void put_chat(RecordSnapshot& to, const chat_state& chat) {
  for (const auto& [at, message] : chat.open_messages) {
    auto& row = *to.add_messages();
    row.set_stream(at.stream);
    row.set_seq(at.seq);
    row.set_author(message.author);
    row.set_priority(message.priority);
    row.set_thread_seq(message.thread_seq);
    row.set_revision_seq(message.revision_seq);
    row.set_must_acknowledge(message.must_acknowledge);
    row.set_correction_only(message.correction_only);
    for (const auto& slot : message.addressees) {
      auto& mention = *row.add_mentions();
      mention.set_role(slot.role);
      for (const auto& person : slot.people) mention.add_person_id(person);
      mention.set_duty_id(slot.duty);
    }
    put_ladder(row, message);
    for (const auto& person : message.acknowledged) row.add_acknowledged(person);
    for (const auto& person : message.ever_acknowledged) row.add_ever_acknowledged(person);
  }
  for (const auto& [at, thread] : chat.open_threads) {
    auto& row = *to.add_threads();
    row.set_stream(at.stream);
    row.set_seq(at.seq);
    row.set_title(thread.title);
    row.set_owner(thread.owner);
    row.set_owner_duty(thread.owner_duty);
  }
}

void get_chat(chat_state& chat, const RecordSnapshot& from) {
  for (const auto& row : from.messages()) {
    message_state message;
    message.author = row.author();
    message.priority = row.priority();
    message.thread_seq = row.thread_seq();
    message.revision_seq = row.revision_seq();
    message.must_acknowledge = row.must_acknowledge();
    message.correction_only = row.correction_only();
    for (const auto& mention : row.mentions()) {
      message.addressees.push_back({mention.role(), {mention.person_id().begin(), mention.person_id().end()}, mention.duty_id()});
    }
    get_ladder(message, row);
    message.acknowledged.insert(row.acknowledged().begin(), row.acknowledged().end());
    message.ever_acknowledged.insert(row.ever_acknowledged().begin(), row.ever_acknowledged().end());
    chat.open_messages.emplace(place{row.stream(), row.seq()}, std::move(message));
  }
  for (const auto& row : from.threads()) {
    chat.open_threads.emplace(place{row.stream(), row.seq()}, thread_state{row.title(), row.owner(), row.owner_duty(), false});
  }
}

void put_tasks(RecordSnapshot& to, const tasks_state& tasks, const std::string& patient_id) {
  for (const auto& [at, task] : tasks.open) {
    auto& row = *to.add_tasks();
    row.set_stream(at.stream);
    row.set_seq(at.seq);
    put_order(*row.mutable_order(), task.order, patient_id);
    row.set_status(task.status);
    row.set_version(task.version);
    row.set_requester(task.requester);
    row.mutable_origin()->set_seq(task.origin.seq);
    row.mutable_origin()->set_rule(task.origin.rule);
    row.mutable_origin()->set_ordinal(task.origin.ordinal);
    row.set_owner(task.owner);
    row.set_owner_duty(task.owner_duty);
    row.set_since_us(micros(task.since));
    for (const auto& person : task.declined) row.add_declined(person);
    row.set_level(task.level);
    row.set_no_response(task.no_response);
    row.set_no_responses(task.no_responses);
    row.set_nudges(task.nudges);
    for (const auto& [kind, deadline] : task.timers) {
      auto& timer = *row.add_timers();
      timer.set_kind(kind);
      timer.set_at_us(micros(deadline.at));
      timer.set_level(deadline.level);
      timer.set_version(deadline.version);
    }
    row.set_offered_to(task.offered_to);
    row.set_error_proposed(task.error_proposed);
    row.set_error_proposed_by(task.error_proposed_by);
    row.set_stopping(task.stopping);
  }
}

void get_tasks(tasks_state& tasks, const RecordSnapshot& from) {
  for (const auto& row : from.tasks()) {
    task_state task;
    task.order = order_of(row.order());
    task.status = row.status();
    task.version = row.version();
    task.requester = row.requester();
    task.origin = {row.origin().seq(), row.origin().rule(), row.origin().ordinal()};
    task.owner = row.owner();
    task.owner_duty = row.owner_duty();
    task.since = from_micros(row.since_us());
    task.declined.insert(row.declined().begin(), row.declined().end());
    task.level = row.level();
    task.no_response = row.no_response();
    task.no_responses = row.no_responses();
    task.nudges = row.nudges();
    for (const auto& timer : row.timers()) task.timers[timer.kind()] = {from_micros(timer.at_us()), timer.level(), timer.version()};
    task.offered_to = row.offered_to();
    task.error_proposed = row.error_proposed();
    task.error_proposed_by = row.error_proposed_by();
    task.stopping = row.stopping();
    tasks.open.emplace(place{row.stream(), row.seq()}, std::move(task));
  }
}

void put_organization(RecordSnapshot& to, const organization_state& organization) {
  for (const auto& [person, one] : organization.people) {
    auto& row = *to.add_accounts();
    row.set_suspended(one.suspended);
    row.set_revoked_us(one.revoked.time_since_epoch().count());
    auto& enrolled = *row.mutable_enrolled();
    enrolled.set_person_id(person);
    enrolled.set_name(one.name);
    enrolled.set_kind(one.kind);
    if (one.administrator) enrolled.add_roles(v1::ROLE_ADMINISTRATOR);
    enrolled.set_reach(one.reach);
    enrolled.set_hours(one.hours);
    for (const auto& contact : one.contacts) {
      auto& point = *enrolled.add_contacts();
      point.set_system(contact.system);
      point.set_value(contact.value);
    }
    enrolled.set_quiet_hours(one.quiet_hours);
    enrolled.set_deceased(one.deceased);
  }
}

void get_organization(organization_state& organization, const RecordSnapshot& from) {
  for (const auto& row : from.accounts()) {
    account one;
    one.name = row.enrolled().name();
    one.kind = row.enrolled().kind();
    one.administrator = row.enrolled().roles_size() > 0;
    one.suspended = row.suspended();
    one.revoked = instant(std::chrono::microseconds(row.revoked_us()));
    one.reach = row.enrolled().reach();
    one.hours = row.enrolled().hours();
    for (const auto& contact : row.enrolled().contacts()) one.contacts.push_back({contact.system(), contact.value()});
    one.quiet_hours = row.enrolled().quiet_hours();
    one.deceased = row.enrolled().deceased();
    organization.people.emplace(row.enrolled().person_id(), std::move(one));
  }
}

void put_timers(RecordSnapshot& to, const timer_board& timers) {
  for (const auto& [id, timer] : timers.pending()) {
    auto& row = *to.add_timers();
    row.set_id(id);
    row.set_due_us(micros(timer.due));
    row.set_version(timer.version);
    row.set_command(timer.command);
  }
}

void get_timers(timer_board& timers, const RecordSnapshot& from) {
  for (const auto& row : from.timers()) timers.restore({row.id(), from_micros(row.due_us()), row.version(), row.command()});
}

}  // namespace

std::string to_snapshot(const record_state& state) {
  RecordSnapshot snapshot;
  snapshot.set_format(snapshot_format);
  snapshot.set_patient_id(state.patient_id);
  snapshot.set_version(state.version);
  for (std::size_t i = 0; i < stream_count; ++i) {
    const auto& stream = state.streams[i];
    if (stream.head == 0) continue;
    auto& row = *snapshot.add_streams();
    row.set_stream(static_cast<v1::Stream>(i));
    row.set_head(stream.head);
    for (const auto& [person, count] : stream.authored) (*row.mutable_authored())[person] = count;
  }
  put_team(snapshot, state.team);
  put_chat(snapshot, state.chat);
  put_tasks(snapshot, state.tasks, state.patient_id);
  put_protocols(snapshot, state.protocols, state.patient_id);
  put_organization(snapshot, state.organization);
  if (state.is_duty()) put_duty(*snapshot.mutable_duty(), state.duty);
  put_timers(snapshot, state.timers);
  std::string bytes;
  google::protobuf::io::StringOutputStream raw(&bytes);
  google::protobuf::io::CodedOutputStream coded(&raw);
  coded.SetSerializationDeterministic(true);
  snapshot.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

std::optional<record_state> from_snapshot(std::string_view bytes) {
  RecordSnapshot snapshot;
  if (!snapshot.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || snapshot.format() != snapshot_format) return std::nullopt;
  record_state state(snapshot.patient_id());
  state.version = snapshot.version();
  for (const auto& row : snapshot.streams()) {
    if (!v1::Stream_IsValid(row.stream())) return std::nullopt;
    auto& stream = state.stream(row.stream());
    stream.head = row.head();
    for (const auto& [person, count] : row.authored()) stream.authored.emplace(person, count);
  }
  // Every entry counts once: a snapshot that lost its end, or a stream, does not add up.
  const auto entries = std::accumulate(state.streams.begin(), state.streams.end(), std::uint64_t{0},
                                       [](std::uint64_t sum, const stream_state& stream) { return sum + stream.head; });
  if (state.version == 0 || entries != state.version) return std::nullopt;
  get_team(state.team, snapshot);
  get_chat(state.chat, snapshot);
  get_tasks(state.tasks, snapshot);
  if (!get_protocols(state.protocols, snapshot)) return std::nullopt;
  get_organization(state.organization, snapshot);
  if (snapshot.has_duty() && !get_duty(state.duty, snapshot.duty())) return std::nullopt;
  get_timers(state.timers, snapshot);
  return state;
}

}  // namespace careteam::care
