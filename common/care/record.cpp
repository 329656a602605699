#include "care/record.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "care/invitation.hpp"
#include "care/message_escalation.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {
namespace {

constexpr std::string_view organization_key = "organization";
constexpr std::string_view patient_prefix = "patient/";
constexpr std::string_view duty_prefix = "duty/";

/// States an invariant; a wrong answer is worse than none, so it stays on in Release.
void require(bool holds, const char* what) {
  if (holds) return;
  std::fputs(what, stderr);
  std::fputc('\n', stderr);
  std::abort();
}

bool on_team_roster(v1::Command::ActionCase action) {
  switch (action) {
    case v1::Command::kAddMember:
    case v1::Command::kEndMember:
    case v1::Command::kChangeRole:
    case v1::Command::kAssignAttending:
    case v1::Command::kViewRoster:
    case v1::Command::kOpenRecord:
    case v1::Command::kInviteConsultant:
    case v1::Command::kRenewInvitation:
      return true;
    default:
      return false;
  }
}

/// The role that is stored with what the actor does.
outcome<v1::Role> role_of(const record_state& state, const actor& who, const context& with, v1::Command::ActionCase action) {
  if (who.system) return who.chosen_role;
  if (state.is_duty()) {
    const auto role = duty_role(state.duty, with.people, who);
    if (!role) return no_such_duty();
    return *role;
  }
  if (state.is_organization()) return v1::ROLE_ADMINISTRATOR;
  auto role = acting_role(state.team, who, with.now);
  const account* asking = with.people.find(who.person_id);
  if (on_team_roster(action) && asking && asking->administrator) {
    const bool on_team = role || role.error().code != code::not_found;
    if (!on_team || who.chosen_role == v1::ROLE_ADMINISTRATOR) return v1::ROLE_ADMINISTRATOR;
  }
  return role;
}

outcome<facts> decide_action(const record_state& state, const v1::Command& command, const actor& who, const context& with) {
  if (state.is_duty()) {
    return decide_duty(state.duty, command, who,
                       {with.now, with.people, state.stream(v1::STREAM_CLINICAL).head, with.owed, with.tasks.safety_person});
  }
  if (on_organization(command.action_case())) return decide_organization(state.organization, command, who);
  std::array<std::uint64_t, stream_count> heads{};
  for (std::size_t i = 0; i < stream_count; ++i) heads[i] = state.streams[i].head;
  if (on_team_roster(command.action_case()))
    return decide_team(state.team, command, who, {with.now, with.people, heads, with.tasks.duties});
  const task_context around_tasks{with.now, state.team, with.people, state.chat, heads, with.tasks};
  if (on_tasks(command.action_case())) return decide_task(state.tasks, command, who, around_tasks);
  if (on_protocols(command.action_case())) return decide_protocol(state.protocols, state.tasks, command, who, around_tasks);
  if (command.has_fire_message_timer()) return fire_message_timer(state.chat, command.fire_message_timer(), who, around_tasks);
  return decide_chat(state.chat, command, who,
                     {with.now, state.team, heads, with.stat_in_last_hour, with.stat_per_hour, &with.people, with.tasks});
}

/// The duty that a fact addresses although nobody holds it, and who answers for it instead; nothing: there is none such.
void add_uncovered(std::vector<std::pair<std::string, std::string>>& to,
                   const google::protobuf::RepeatedPtrField<v1::ResolvedMention>& from) {
  for (const auto& mention : from) {
    if (mention.uncovered()) to.emplace_back(mention.duty_id(), mention.person_id(0));
  }
}

std::vector<std::pair<std::string, std::string>> uncovered(const v1::Entry& fact, const record_state& state, const context& with) {
  std::vector<std::pair<std::string, std::string>> result;
  if (fact.has_message_posted()) add_uncovered(result, fact.message_posted().mentions());
  if (fact.has_message_corrected()) add_uncovered(result, fact.message_corrected().mentions());
  const auto& asked =
      fact.has_task_requested() ? fact.task_requested().order().target().duty_id() : fact.task_instantiated().order().target().duty_id();
  if (asked.empty() || with.tasks.duties == nullptr) return result;
  const auto duty = with.tasks.duties->find(asked, state.patient_id, with.now);
  if (duty && duty->holder.empty()) result.emplace_back(asked, duty->fallback);
  return result;
}

/// That a duty was addressed which nobody held is a matter for the audit, in the same commit (G7).
void note_uncovered(facts& so_far, const record_state& state, const context& with) {
  facts notes;
  std::array<std::uint64_t, stream_count> added{};
  for (const auto& fact : so_far) {
    const auto seq = state.stream(fact.stream()).head + ++added[static_cast<std::size_t>(fact.stream())];
    for (const auto& [duty, person] : uncovered(fact, state, with)) {
      auto& note = *add_fact(notes, v1::STREAM_AUDIT).mutable_duty_uncovered();
      note.set_duty_id(duty);
      note.set_person_id(person);
      note.mutable_entry()->set_patient_id(state.patient_id);
      note.mutable_entry()->set_stream(fact.stream());
      note.mutable_entry()->set_seq(seq);
    }
  }
  so_far.insert(so_far.end(), std::make_move_iterator(notes.begin()), std::make_move_iterator(notes.end()));
}

/// Whether the command is for this kind of record, and names no other.
outcome<void> check_kind(const record_state& state, const v1::Command& command) {
  const auto action = command.action_case();
  if (on_duties(action) != state.is_duty() || command.duty_id() != state.duty.id) {
    return refuse(code::invalid_argument, "dutyId", on_duties(action) ? "must be set for this command" : "must be empty for this command");
  }
  if (state.is_duty() || on_organization(action) == state.is_organization()) return {};
  return refuse(code::invalid_argument, "patientId",
                state.is_organization() ? "must be set for this command" : "must be empty for this command");
}

}  // namespace

void throw_exception_from_error(const refusal& why, const boost::source_location&) {
  require(false, "a refusal was taken for a value");
  (void)why;
  std::abort();
}

std::string record_key(std::string_view patient_id) {
  return patient_id.empty() ? std::string(organization_key) : std::string(patient_prefix) + std::string(patient_id);
}

std::optional<std::string> patient_of_key(std::string_view key) {
  if (key == organization_key) return std::string();
  if (!key.starts_with(patient_prefix) || key.size() == patient_prefix.size()) return std::nullopt;
  return std::string(key.substr(patient_prefix.size()));
}

std::string duty_record_key(std::string_view duty_id) {
  return std::string(duty_prefix) + std::string(duty_id);
}

std::optional<std::string> duty_of_key(std::string_view key) {
  if (!key.starts_with(duty_prefix) || key.size() == duty_prefix.size()) return std::nullopt;
  return std::string(key.substr(duty_prefix.size()));
}

std::optional<record_state> new_record(std::string_view key) {
  if (auto patient = patient_of_key(key)) return record_state(std::move(*patient));
  auto duty = duty_of_key(key);
  if (!duty) return std::nullopt;
  record_state state;
  state.duty.id = std::move(*duty);
  return state;
}

bool is_record_key(std::string_view key) {
  const auto patient = patient_of_key(key);
  if (patient) return patient->empty() || is_fhir_id(*patient);
  const auto duty = duty_of_key(key);
  return duty && is_fhir_id(*duty);
}

std::string key_of(const record_state& state) {
  return state.is_duty() ? duty_record_key(state.duty.id) : record_key(state.patient_id);
}

std::vector<std::string> people_of(const record_state& state, instant t) {
  std::vector<std::string> people;
  for (const auto& member : state.duty.what.members) people.push_back(member.person);
  for (const auto& m : state.team.members) {
    if (!m.runs_at(t)) continue;
    if (!m.person_id.empty()) people.push_back(m.person_id);
    if (!m.former_id.empty()) people.push_back(m.former_id);
  }
  return people;
}

bool among_people_of(const record_state& state, std::string_view person, instant t) {
  return state.duty.what.member(person) || state.team.on_team(person, t);
}

std::string member_key(std::string_view person, std::string_view duty) {
  return duty.empty() ? std::string(person) : duty_record_key(duty);
}

bool is_offered(const record_state& state, std::string_view member, instant t) {
  const auto duty = duty_of_key(member).value_or(std::string());
  return state.duty.what.member(member) != nullptr ||
         std::ranges::any_of(state.team.members, [&](const membership& m) { return m.is_of(member, duty) && (!m.end || t < *m.end); });
}

v1::Role role_there(const record_state& state, const organization_state& people, std::string_view person, instant t) {
  if (state.is_duty()) return duty_role(state.duty, people, {std::string(person)}).value_or(v1::ROLE_UNSPECIFIED);
  if (state.is_organization()) return v1::ROLE_ADMINISTRATOR;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  for (const auto& m : state.team.members) {
    if (m.lets_read(person, t)) role = m.role;
  }
  return role;
}

bool staff_there(const record_state& state, std::string_view person, instant t) {
  return state.patient_id.empty() || is_staff(state.team, person, t);
}

outcome<std::string> record_for(const v1::Command& command) {
  if (on_duties(command.action_case())) {
    if (!command.patient_id().empty()) return refuse(code::invalid_argument, "patientId", "must be empty for this command");
    if (!is_fhir_id(command.duty_id())) {
      return refuse(code::invalid_argument, "dutyId", "must be a FHIR id: 1 to 64 of A-Z a-z 0-9 - .");
    }
    return duty_record_key(command.duty_id());
  }
  if (!command.duty_id().empty()) return refuse(code::invalid_argument, "dutyId", "must be empty for this command");
  const bool organization = on_organization(command.action_case());
  if (organization && !command.patient_id().empty()) {
    return refuse(code::invalid_argument, "patientId", "must be empty for this command");
  }
  if (!organization && !is_fhir_id(command.patient_id())) {
    return refuse(code::invalid_argument, "patientId", "must be a FHIR id: 1 to 64 of A-Z a-z 0-9 - .");
  }
  return record_key(command.patient_id());
}

bool on_organization(v1::Command::ActionCase action) {
  return action == v1::Command::kEnrollPerson || action == v1::Command::kSuspendPerson || action == v1::Command::kReinstatePerson ||
         action == v1::Command::kRevokeSessions;
}

std::string_view action_name(v1::Command::ActionCase action) {
  if (action == v1::Command::ACTION_NOT_SET) return "";
  return v1::Command::descriptor()->FindFieldByNumber(static_cast<int>(action))->json_name();
}

std::vector<place> references(const record_state& state, const v1::Command& command) {
  if (state.is_duty()) return {};
  if (!on_tasks(command.action_case())) return references(state.chat, command);
  auto wanted = task_references(state.tasks, command);
  const auto message = message_named(command);
  if (message.seq != 0 && is_chat_stream(message.stream) && !state.chat.message(message)) wanted.push_back(message);
  return wanted;
}

void page_in(record_state& state, place at, std::span<const v1::Entry> entries) {
  page_in(state.chat, at, entries);
  page_in_task(state.tasks, at, entries);
}

void forget_settled(record_state& state) {
  forget_settled(state.chat);
  forget_ended_tasks(state.tasks);
}

std::uint64_t about(const v1::Entry& entry) {
  if (const auto chat = about_chat(entry)) return chat;
  if (const auto task = about_task(entry)) return task;
  return about_handoff(entry);
}

outcome<facts> decide(const record_state& state, const v1::Command& command, const actor& who, const context& with) {
  if (command.action_case() == v1::Command::ACTION_NOT_SET) return refuse(code::invalid_argument, "action", "needs an action");
  if (auto kind = check_kind(state, command); !kind) return kind.error();
  if (!who.system && !with.people.active(who.person_id)) return refuse(code::unauthenticated, "", "this account has no access");
  const bool closed = !state.patient_id.empty() && !state.team.opened;
  if (closed && command.action_case() != v1::Command::kOpenRecord) return no_such_record();
  auto role = role_of(state, who, with, command.action_case());
  if (!role) return role.error();
  // What somebody may do follows from the role in which they act, which is also the role that is stored (A3).
  actor acting = who;
  acting.chosen_role = *role;
  // Only who was invited sees less than a whole stream.
  const bool invited = !who.system && std::any_of(state.team.members.begin(), state.team.members.end(), [&](const membership& m) {
    return m.invited && m.person_id == who.person_id && m.active_at(with.now);
  });
  auto decided = invited ? decide_action(state, without_hidden(command, state.team, who.person_id, with.now), acting, with)
                         : decide_action(state, command, acting, with);
  if (!decided) return decided;
  note_uncovered(*decided, state, with);
  v1::Author author;
  author.set_person_id(who.person_id);
  author.set_role(*role);
  if (*role == v1::ROLE_CAREGIVER) author.set_on_behalf_of(state.patient_id);
  stamp(state, *decided, author, with.now);
  return decided;
}

void stamp(const record_state& state, facts& entries, const v1::Author& author, instant now) {
  std::array<std::uint64_t, stream_count> added{};
  for (auto& entry : entries) {
    name_record(entry, state);
    entry.set_seq(state.stream(entry.stream()).head + ++added[static_cast<std::size_t>(entry.stream())]);
    set_timestamp(*entry.mutable_time(), now);
    *entry.mutable_author() = author;
  }
}

void apply(record_state& state, const v1::Entry& entry) {
  require(v1::Stream_IsValid(entry.stream()) && entry.stream() != v1::STREAM_UNSPECIFIED, "an entry has no stream");
  auto& stream = state.stream(entry.stream());
  require(entry.seq() == stream.head + 1, "an entry is not the next one of its stream");
  require(names_record(entry, state), "an entry belongs to another record");
  ++state.version;
  ++stream.head;
  if (!entry.author().person_id().empty()) ++stream.authored[entry.author().person_id()];
  if (state.is_duty()) {
    apply_duty(state.duty, entry, state.version);
    keep_duty_timers(state.timers, state.duty, state.version);
  } else if (entry.stream() == v1::STREAM_ORGANIZATION) {
    apply_organization(state.organization, entry);
  } else {
    apply_team(state.team, entry);
    apply_chat(state.chat, entry);
    apply_task(state.tasks, entry);
    apply_protocols(state.protocols, state.tasks, entry);
    const place here{entry.stream(), entry.seq()};
    const place task{entry.stream(), about_task(entry)};
    if (task.seq != 0 || state.tasks.open.contains(here)) {
      keep_timers(state.timers, state.tasks, task.seq != 0 ? task : here, state.patient_id, state.version);
    }
    if (const auto message = timed_message(entry); message.seq != 0) {
      keep_timer(state.timers, state.chat, message, state.patient_id, state.version);
    }
    if (const auto protocol = timed_protocol(entry); !protocol.id.empty()) {
      keep_timer(state.timers, state.protocols, protocol, state.patient_id, state.version);
    }
  }
}

void release_spare_memory(record_state& state) {
  state.team.members.shrink_to_fit();
  state.team.changes.shrink_to_fit();
}

std::vector<v1::Stream> readable_streams(const record_state& state, const organization_state& people, std::string_view person, instant t) {
  std::vector<v1::Stream> result;
  if (!people.active(person)) return result;
  if (state.is_duty()) {
    const bool theirs = of_duty(state.duty, people, person);
    if (theirs) result.push_back(v1::STREAM_CLINICAL);
    if (theirs || people.find(person)->administrator) result.push_back(v1::STREAM_DUTY);
    return result;
  }
  if (state.is_organization()) {
    if (people.find(person)->administrator) result.push_back(v1::STREAM_ORGANIZATION);
    return result;
  }
  for (const auto stream : {v1::STREAM_SHARED, v1::STREAM_CLINICAL, v1::STREAM_SUPPORT, v1::STREAM_AUDIT}) {
    if (may_read(state.team, person, stream, t)) result.push_back(stream);
  }
  return result;
}

}  // namespace careteam::care
