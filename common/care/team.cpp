#include "care/team.hpp"

#include <algorithm>
#include <tuple>

#include "care/invitation.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {
namespace {

bool allows(right cell, const membership& m, v1::Scope scope) {
  switch (cell) {
    case right::no:
      return false;
    case right::yes:
      return true;
    case right::scoped:
    case right::by_grant:
      return m.has(scope);
  }
  return false;
}

/// The membership of this person or duty in this role that runs at t, or else the next one to begin: what "end it" and "change it" mean, in
/// whatever order they were written.
template <class Members>
auto find_open(Members& members, std::string_view person, std::string_view duty, v1::Role role, instant t) -> decltype(&members.front()) {
  decltype(&members.front()) next = nullptr;
  for (auto& m : members) {
    if (!m.is_of(person, duty) || m.role != role || m.over_at(t)) continue;
    if (m.start <= t) return &m;
    if (!next || m.start < next->start) next = &m;
  }
  return next;
}

bool overlaps(const membership& m, instant start, const std::optional<instant>& end) {
  if (m.end && *m.end <= m.start) return false;  // Cancelled before it began.
  return (!end || m.start < *end) && (!m.end || start < *m.end);
}

/// A person's role on a team must fit what kind of person they are. An unknown role fits nobody (B1).
bool fits(v1::PersonKind kind, v1::Role role) {
  if (!find_role(role)) return false;
  switch (role) {
    case v1::ROLE_PATIENT:
      return kind == v1::PERSON_KIND_PATIENT;
    case v1::ROLE_CAREGIVER:
      return kind == v1::PERSON_KIND_RELATED;
    case v1::ROLE_INTEGRATION:
      return kind == v1::PERSON_KIND_SERVICE;
    default:
      return kind == v1::PERSON_KIND_STAFF;
  }
}

outcome<void> check_scopes(v1::Role role, const google::protobuf::RepeatedField<int>& scopes, const std::string& field) {
  const auto& row = rights_of(role);
  if (scopes.size() >= v1::Scope_ARRAYSIZE) return refuse(code::invalid_argument, field, "names more scopes than there are");
  for (const int scope : scopes) {
    const bool invited = [&] {
      const auto open = [](right cell) { return cell == right::scoped || cell == right::by_grant; };
      switch (static_cast<v1::Scope>(scope)) {
        case v1::SCOPE_READ_CLINICAL:
          return open(row.read_clinical);
        case v1::SCOPE_POST_CLINICAL:
          return open(row.post_clinical);
        case v1::SCOPE_READ_SHARED:
          return open(row.read_shared);
        case v1::SCOPE_POST_SHARED:
          return open(row.post_shared);
        case v1::SCOPE_MANAGE_TEAM:
          return row.manage_team == team_right::delegated;
        case v1::SCOPE_ACKNOWLEDGE:
          return role == v1::ROLE_CAREGIVER;
        default:
          return false;
      }
    }();
    if (!invited) return refuse(code::invalid_argument, field, "this role cannot be granted this scope");
  }
  return {};
}

void detail(facts& to, const std::string& person, const std::string& duty, v1::Role role,
            const google::protobuf::RepeatedField<int>& scopes, const std::string& reason, v1::Source source) {
  auto& detailed = *add_fact(to, v1::STREAM_AUDIT).mutable_membership_detailed();
  detailed.set_person_id(person);
  detailed.set_duty_id(duty);
  detailed.set_role(role);
  *detailed.mutable_scopes() = scopes;
  detailed.set_reason(reason);
  detailed.set_source(source);
}

outcome<facts> open_record(const team_state& state, const actor& who, const v1::Command& command, const team_context& context) {
  const account* asking = who.system ? nullptr : context.people.find(who.person_id);
  if (!who.system && !(asking && asking->administrator)) return no_such_record();
  const account* patient = context.people.find(command.patient_id());
  if (!patient || patient->kind != v1::PERSON_KIND_PATIENT) {
    return refuse(code::failed_precondition, "patientId", "no patient with this id is enrolled");
  }
  if (state.opened) return who.system ? outcome<facts>(facts{}) : refuse(code::already_exists, "patientId", "the record is open already");
  facts result;
  add_fact(result, v1::STREAM_SHARED).mutable_record_opened()->set_name(patient->name);
  return result;
}

/// Who becomes a member, as the roster tells it.
struct new_member {
  std::string name, reach, hours;
};

outcome<new_member> find_person(const team_state& state, const actor& who, const v1::AddMember& asked, const team_context& context) {
  const account* person = context.people.find(asked.person_id());
  // A patient learns only whom they may add, not who else has an account here: other patients have accounts, too (invariant 4).
  const bool guest = !who.system && who.chosen_role == v1::ROLE_PATIENT;
  if (!person || (guest && (!person->works() || !fits(person->kind, asked.role())))) {
    return refuse(code::failed_precondition, "addMember.personId", "no such person is enrolled");
  }
  if (person->deceased) return refuse(code::failed_precondition, "addMember.personId", "is deceased");
  if (person->suspended) return refuse(code::failed_precondition, "addMember.personId", "is suspended");
  if (!fits(person->kind, asked.role())) return refuse(code::invalid_argument, "addMember.role", "does not fit this kind of person");
  if (asked.role() == v1::ROLE_PATIENT && asked.person_id() != state.patient_id) {
    return refuse(code::invalid_argument, "addMember.personId", "only the record's patient");
  }
  return new_member{person->name, person->reach, person->hours};
}

outcome<new_member> find_duty(const team_state& state, const v1::AddMember& asked, const team_context& context) {
  if (!asked.person_id().empty()) return refuse(code::invalid_argument, "addMember.dutyId", "name a person or a duty, not both");
  if (!fits(v1::PERSON_KIND_STAFF, asked.role())) return refuse(code::invalid_argument, "addMember.role", "is not held by a duty");
  const auto duty = context.duties ? context.duties->appointment(asked.duty_id(), state.patient_id) : std::nullopt;
  if (!duty) return refuse(code::failed_precondition, "addMember.dutyId", "no such duty");
  if (!duty->roles.empty() && std::find(duty->roles.begin(), duty->roles.end(), asked.role()) == duty->roles.end()) {
    return refuse(code::invalid_argument, "addMember.role", "is not among the roles in which this duty is held");
  }
  return new_member{duty->name, {}, {}};
}

outcome<facts> add_member(const team_state& state, const actor& who, const v1::AddMember& asked, const team_context& context) {
  if (auto may = check_manager(state, who, asked.role(), context); !may) return may.error();
  if (auto version = check_version(state, asked.expected_roster_version(), "addMember.expectedRosterVersion"); !version)
    return version.error();
  if (asked.role() == v1::ROLE_UNSPECIFIED) return refuse(code::invalid_argument, "addMember.role", "must be set");
  if (asked.role() == v1::ROLE_ADMINISTRATOR) {
    return refuse(code::invalid_argument, "addMember.role", "administrators belong to the organisation, not to a team");
  }
  if (asked.reason().size() > max_reason_bytes) return refuse(code::invalid_argument, "addMember.reason", "is too long");
  const auto member = asked.duty_id().empty() ? find_person(state, who, asked, context) : find_duty(state, asked, context);
  if (!member) return member.error();
  if (auto scopes = check_scopes(asked.role(), asked.scopes(), "addMember.scopes"); !scopes) return scopes.error();
  instant start = context.now;
  std::optional<instant> end;
  if (asked.period().has_start()) {
    const auto given = to_instant(asked.period().start());
    if (!given) return refuse(code::invalid_argument, "addMember.period.start", "must lie between 1900 and 2200");
    start = *given;
  }
  if (asked.period().has_end()) {
    end = to_instant(asked.period().end());
    if (!end) return refuse(code::invalid_argument, "addMember.period.end", "must lie between 1900 and 2200");
    if (*end <= start) return refuse(code::invalid_argument, "addMember.period.end", "must come after the start");
  }
  std::size_t open = 0;
  for (const auto& m : state.members) {
    if (!m.over_at(context.now)) ++open;
    if (m.is_of(asked.person_id(), asked.duty_id()) && m.role == asked.role() && overlaps(m, start, end)) {
      if (who.system) return facts{};  // An import that comes again.
      return refuse(code::already_exists, asked.duty_id().empty() ? "addMember.personId" : "addMember.dutyId",
                    "has this role on the team in this period already");
    }
  }
  if (open >= max_members) return refuse(code::resource_exhausted, "addMember", "the team has as many members as a team can have");

  facts result;
  auto& added = *add_fact(result, v1::STREAM_SHARED).mutable_member_added();
  added.set_person_id(asked.person_id());
  added.set_duty_id(asked.duty_id());
  added.set_name(member->name);
  added.set_role(asked.role());
  set_timestamp(*added.mutable_period()->mutable_start(), start);
  if (end) set_timestamp(*added.mutable_period()->mutable_end(), *end);
  added.set_reach(member->reach);
  added.set_hours(member->hours);
  added.set_roster_version(state.version + 1);
  detail(result, asked.person_id(), asked.duty_id(), asked.role(), asked.scopes(), asked.reason(), asked.source());
  return result;
}

outcome<facts> end_member(const team_state& state, const actor& who, const v1::EndMember& asked, const team_context& context) {
  if (auto may = check_manager(state, who, asked.role(), context); !may) return may.error();
  if (auto version = check_version(state, asked.expected_roster_version(), "endMember.expectedRosterVersion"); !version)
    return version.error();
  if (auto reason = check_text(asked.reason(), "endMember.reason", max_reason_bytes); !reason) return reason.error();
  const bool of_duty = !asked.duty_id().empty();
  if (of_duty && !asked.person_id().empty()) return refuse(code::invalid_argument, "endMember.dutyId", "name a person or a duty, not both");
  const membership* m = find_open(state.members, asked.person_id(), asked.duty_id(), asked.role(), context.now);
  if (!m) return refuse(code::failed_precondition, of_duty ? "endMember.dutyId" : "endMember.personId", "has no such membership");
  if (asked.role() == v1::ROLE_PATIENT) return refuse(code::failed_precondition, "endMember.role", "the patient stays on the team");
  if (!of_duty && state.attending == asked.person_id() && asked.role() == v1::ROLE_MEDICAL_ONCOLOGIST) {
    return refuse(code::failed_precondition, "endMember.personId", "is the attending: assign another one first");
  }
  instant end = context.now;
  if (asked.has_end()) {
    const auto given = to_instant(asked.end());
    if (!given) return refuse(code::invalid_argument, "endMember.end", "must lie between 1900 and 2200");
    if (*given < context.now) return refuse(code::invalid_argument, "endMember.end", "must not lie in the past");
    // A time-boxed invitation is renewed by a new membership, which asks what a new membership asks (B8).
    if (m->end && *m->end < *given) return refuse(code::invalid_argument, "endMember.end", "must not come after the membership's end");
    end = *given;
  }
  facts result;
  auto& ended = *add_fact(result, v1::STREAM_SHARED).mutable_member_ended();
  ended.set_person_id(asked.person_id());
  ended.set_duty_id(asked.duty_id());
  ended.set_role(asked.role());
  set_timestamp(*ended.mutable_end(), end);
  ended.set_roster_version(state.version + 1);
  detail(result, asked.person_id(), asked.duty_id(), asked.role(), {}, asked.reason(), v1::SOURCE_MANUAL);
  return result;
}

outcome<facts> change_role(const team_state& state, const actor& who, const v1::ChangeRole& asked, const team_context& context) {
  if (auto may = check_manager(state, who, asked.to_role(), context); !may) return may.error();
  if (auto may = check_manager(state, who, asked.from_role(), context); !may) return may.error();
  if (auto version = check_version(state, asked.expected_roster_version(), "changeRole.expectedRosterVersion"); !version)
    return version.error();
  if (auto reason = check_text(asked.reason(), "changeRole.reason", max_reason_bytes); !reason) return reason.error();
  const membership* m = find_open(state.members, asked.person_id(), {}, asked.from_role(), context.now);
  if (!m || !m->active_at(context.now)) return refuse(code::failed_precondition, "changeRole.fromRole", "is not this person's role now");
  if (asked.from_role() == v1::ROLE_PATIENT)
    return refuse(code::failed_precondition, "changeRole.fromRole", "the patient stays the patient");
  if (asked.to_role() == asked.from_role()) return refuse(code::invalid_argument, "changeRole.toRole", "is the same role");
  const account* person = context.people.find(asked.person_id());
  if (asked.to_role() == v1::ROLE_UNSPECIFIED || asked.to_role() == v1::ROLE_PATIENT || asked.to_role() == v1::ROLE_ADMINISTRATOR ||
      !person || !fits(person->kind, asked.to_role())) {
    return refuse(code::invalid_argument, "changeRole.toRole", "does not fit this kind of person");
  }
  if (state.attending == asked.person_id() && asked.from_role() == v1::ROLE_MEDICAL_ONCOLOGIST) {
    return refuse(code::failed_precondition, "changeRole.personId", "is the attending: assign another one first");
  }
  for (const auto& other : state.members) {
    if (other.is_of(asked.person_id()) && other.role == asked.to_role() && overlaps(other, context.now, m->end)) {
      return refuse(code::already_exists, "changeRole.toRole", "has this role already");
    }
  }
  if (auto scopes = check_scopes(asked.to_role(), asked.scopes(), "changeRole.scopes"); !scopes) return scopes.error();
  facts result;
  auto& changed = *add_fact(result, v1::STREAM_SHARED).mutable_role_changed();
  changed.set_person_id(asked.person_id());
  changed.set_from_role(asked.from_role());
  changed.set_to_role(asked.to_role());
  changed.set_roster_version(state.version + 1);
  detail(result, asked.person_id(), {}, asked.to_role(), asked.scopes(), asked.reason(), v1::SOURCE_MANUAL);
  return result;
}

outcome<facts> assign_attending(const team_state& state, const actor& who, const v1::AssignAttending& asked, const team_context& context) {
  if (auto may = check_manager(state, who, v1::ROLE_MEDICAL_ONCOLOGIST, context); !may) return may.error();
  if (auto version = check_version(state, asked.expected_roster_version(), "assignAttending.expectedRosterVersion"); !version) {
    return version.error();
  }
  const membership* m = find_open(state.members, asked.person_id(), {}, v1::ROLE_MEDICAL_ONCOLOGIST, context.now);
  if (!m || !m->active_at(context.now)) {
    return refuse(code::failed_precondition, "assignAttending.personId", "is not a medical oncologist on this team now");
  }
  if (state.attending == asked.person_id()) return facts{};
  facts result;
  auto& assigned = *add_fact(result, v1::STREAM_SHARED).mutable_attending_assigned();
  assigned.set_person_id(asked.person_id());
  assigned.set_roster_version(state.version + 1);
  return result;
}

void note_change(team_state& state, v1::RosterChange::Kind kind, const std::string& person, const std::string& duty, v1::Role role,
                 std::uint64_t version, instant t) {
  std::string name = duty.empty() ? person : duty;
  for (const auto& m : state.members) {
    if (m.is_of(person, duty)) name = m.name;
  }
  if (state.changes.size() == max_roster_changes) state.changes.erase(state.changes.begin());
  state.changes.push_back({version, kind, duty, person, std::move(name), role, t});
  state.version = version;
}

instant time_of(const v1::Entry& entry) {
  return to_instant(entry.time()).value_or(earliest_time);
}

}  // namespace

outcome<void> check_manager(const team_state& state, const actor& who, v1::Role about, const team_context& context) {
  if (who.system) return {};
  const account* asking = context.people.find(who.person_id);
  if (who.chosen_role == v1::ROLE_ADMINISTRATOR && asking && asking->administrator) return {};
  if (!state.on_team(who.person_id, context.now)) return no_such_record();
  for (const auto& m : state.members) {
    if (m.person_id != who.person_id || m.role != who.chosen_role || !m.active_at(context.now)) continue;
    switch (rights_of(m.role).manage_team) {
      case team_right::yes:
        return {};
      case team_right::delegated:
        if (m.has(v1::SCOPE_MANAGE_TEAM)) return {};
        break;
      case team_right::caregivers:
        if (about == v1::ROLE_CAREGIVER) return {};
        break;
      case team_right::no:
        break;
    }
  }
  return refuse(code::permission_denied, "action", "this role may not change the team");
}

outcome<void> check_version(const team_state& state, std::uint64_t expected, std::string_view field) {
  if (expected == state.version) return {};
  return refuse(code::aborted, field, "the roster has changed; it is at version " + std::to_string(state.version));
}

const membership* open_membership(const team_state& state, std::string_view person, v1::Role role, instant t) {
  return find_open(state.members, person, {}, role, t);
}

const invitation::part* invitation::find(v1::Stream stream) const {
  const auto at = std::find_if(parts.begin(), parts.end(), [&](const part& one) { return one.stream == stream; });
  return at == parts.end() ? nullptr : &*at;
}

bool membership::has(v1::Scope scope) const {
  return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

bool membership::operator==(const membership& other) const {
  const auto told = [](const membership& m) { return std::tie(m.duty_id, m.name, m.role, m.start, m.end, m.scopes, m.reach, m.hours); };
  return told(*this) == told(other) && invited == other.invited && (!duty_id.empty() || person_id == other.person_id);
}

bool appoint(team_state& team, const duty_directory& duties) {
  bool changed = false;
  for (auto& m : team.members) {
    if (m.duty_id.empty()) continue;
    auto duty = duties.appointment(m.duty_id, team.patient_id);
    auto person = duty && duty->role == m.role ? std::move(duty->person) : std::string();
    auto former = duty && duty->former_role == m.role ? std::move(duty->former) : std::string();
    changed |= person != m.person_id || former != m.former_id;
    m.person_id = std::move(person);
    m.former_id = std::move(former);
  }
  return changed;
}

std::vector<const membership*> team_state::at(instant t) const {
  std::vector<const membership*> result;
  for (const auto& m : members) {
    if (m.active_at(t)) result.push_back(&m);
  }
  return result;
}

bool team_state::on_team(std::string_view person, instant t) const {
  return std::any_of(members.begin(), members.end(), [&](const membership& m) { return m.lets_read(person, t); });
}

bool team_state::holds(std::string_view person, v1::Role role, instant t) const {
  return std::any_of(members.begin(), members.end(),
                     [&](const membership& m) { return m.person_id == person && m.role == role && m.active_at(t); });
}

std::optional<instant> team_state::next_boundary(instant t) const {
  std::optional<instant> next;
  const auto consider = [&](instant at) {
    if (at > t && (!next || at < *next)) next = at;
  };
  for (const auto& m : members) {
    consider(m.start);
    if (m.end) consider(*m.end);
  }
  return next;
}

bool reads(const membership& m, v1::Stream stream) {
  if (m.invited && !m.invited->find(stream)) return false;
  const auto& row = rights_of(m.role);
  switch (stream) {
    case v1::STREAM_SHARED:
      return allows(row.read_shared, m, v1::SCOPE_READ_SHARED);
    case v1::STREAM_CLINICAL:
      return allows(row.read_clinical, m, v1::SCOPE_READ_CLINICAL);
    case v1::STREAM_SUPPORT:
      return row.read_support == right::yes;
    case v1::STREAM_AUDIT:
      return row.read_audit;
    default:
      return false;
  }
}

bool posts(const membership& m, v1::Stream stream) {
  const auto& row = rights_of(m.role);
  switch (stream) {
    case v1::STREAM_SHARED:
      return allows(row.post_shared, m, v1::SCOPE_POST_SHARED) && reads(m, stream);
    case v1::STREAM_CLINICAL:
      return allows(row.post_clinical, m, v1::SCOPE_POST_CLINICAL) && reads(m, stream);
    case v1::STREAM_SUPPORT:
      return row.post_support == right::yes && reads(m, stream);
    default:
      return false;
  }
}

bool may_read(const team_state& team, std::string_view person, v1::Stream stream, instant t) {
  return std::any_of(team.members.begin(), team.members.end(),
                     [&](const membership& m) { return m.lets_read(person, t) && reads(m, stream); });
}

std::optional<std::uint64_t> readable_from(const team_state& team, std::string_view person, v1::Stream stream, instant t) {
  std::optional<std::uint64_t> first;
  for (const auto& m : team.members) {
    if (!m.lets_read(person, t) || !reads(m, stream)) continue;
    const auto begins = m.invited ? m.invited->find(stream)->first : 1;
    first = std::min(first.value_or(begins), begins);
  }
  return first;
}

bool may_see(const team_state& team, std::string_view person, v1::Stream stream, std::uint64_t seq, instant t) {
  const auto first = readable_from(team, person, stream, t);
  return first && *first <= seq;
}

std::vector<std::string> audience(const team_state& team, v1::Stream stream, instant t) {
  std::vector<std::string> result;
  for (const auto& m : team.members) {
    if (!m.runs_at(t) || !reads(m, stream)) continue;
    for (const auto* person : {&m.person_id, &m.former_id}) {
      if (!person->empty() && std::find(result.begin(), result.end(), *person) == result.end()) result.push_back(*person);
    }
  }
  return result;
}

bool audience_within(const team_state& team, v1::Stream inner, v1::Stream outer, instant t) {
  if (inner == outer) return true;
  // Whoever comes to hold a duty reads what it reads, also where nobody holds it now.
  return std::all_of(team.members.begin(), team.members.end(), [&](const membership& m) {
    if (!m.runs_at(t) || !reads(m, inner)) return true;
    return reads(m, outer) || (m.duty_id.empty() && may_read(team, m.person_id, outer, t));
  });
}

bool is_staff(const team_state& team, std::string_view person, instant t) {
  return std::any_of(team.members.begin(), team.members.end(),
                     [&](const membership& m) { return m.lets_read(person, t) && rights_of(m.role).staff; });
}

outcome<v1::Role> acting_role(const team_state& team, const actor& who, instant t) {
  const membership* only = nullptr;
  bool several = false;
  for (const auto& m : team.members) {
    if (m.person_id != who.person_id || !m.active_at(t)) continue;
    if (m.role == who.chosen_role) return m.role;
    several |= only != nullptr && only->role != m.role;
    only = &m;
  }
  if (!only && team.on_team(who.person_id, t)) {
    return refuse(code::permission_denied, "action", "is on leave from the duty by which this record is read: reads, and does nothing");
  }
  if (!only) return no_such_record();
  if (several) {
    return refuse(code::failed_precondition, "actingRole", "this person has several roles on this team: name one in Hello.actingRole");
  }
  return only->role;
}

bool may_post(const team_state& team, const actor& who, v1::Stream stream, instant t) {
  const auto role = acting_role(team, who, t);
  return role && std::any_of(team.members.begin(), team.members.end(), [&](const membership& m) {
           return m.person_id == who.person_id && m.role == *role && m.active_at(t) && posts(m, stream);
         });
}

refusal no_such_record() {
  return refuse(code::not_found, "patientId", "no such record");
}
outcome<void> check_alive(std::string_view person, const team_state& team, const organization_state& people, std::string_view field) {
  if (person != team.patient_id || !people.deceased(person)) return {};
  return refuse(code::failed_precondition, field, "is deceased");
}

refusal no_such_stream(std::string_view field) {
  return refuse(code::not_found, field, "no such stream");
}

outcome<facts> decide_team(const team_state& state, const v1::Command& command, const actor& who, const team_context& context) {
  if (command.action_case() == v1::Command::kOpenRecord) return open_record(state, who, command, context);
  if (!state.opened) return no_such_record();
  switch (command.action_case()) {
    case v1::Command::kAddMember:
      return add_member(state, who, command.add_member(), context);
    case v1::Command::kEndMember:
      return end_member(state, who, command.end_member(), context);
    case v1::Command::kChangeRole:
      return change_role(state, who, command.change_role(), context);
    case v1::Command::kAssignAttending:
      return assign_attending(state, who, command.assign_attending(), context);
    case v1::Command::kInviteConsultant:
      return invite_consultant(state, who, command.invite_consultant(), context);
    case v1::Command::kRenewInvitation:
      return renew_invitation(state, who, command.renew_invitation(), context);
    case v1::Command::kViewRoster: {
      const account* asking = context.people.find(who.person_id);
      const bool administrator = asking && asking->administrator;
      // The roster is part of what a caregiver reads only where the patient granted it (E11).
      const bool may =
          administrator || is_staff(state, who.person_id, context.now) || may_read(state, who.person_id, v1::STREAM_SHARED, context.now);
      if (!may) return no_such_record();
      const auto seen = state.seen.find(who.person_id);
      facts result;
      if (seen == state.seen.end() || seen->second < state.version) {
        auto& viewed = *add_fact(result, v1::STREAM_AUDIT).mutable_roster_viewed();
        viewed.set_roster_version(state.version);
        viewed.set_since_version(seen == state.seen.end() ? 0 : seen->second);
      }
      return result;
    }
    default:
      return refuse(code::invalid_argument, "action", "is not a command on the team");
  }
}

void apply_team(team_state& state, const v1::Entry& entry) {
  const instant t = time_of(entry);
  switch (entry.fact_case()) {
    case v1::Entry::kRecordOpened:
      state.opened = true;
      state.patient_id = entry.patient_id();
      state.patient_name = entry.record_opened().name();
      break;
    case v1::Entry::kMemberAdded: {
      const auto& added = entry.member_added();
      membership m;
      m.duty_id = added.duty_id();
      m.person_id = added.person_id();
      m.name = added.name();
      m.role = added.role();
      m.start = to_instant(added.period().start()).value_or(t);
      if (added.period().has_end()) m.end = to_instant(added.period().end());
      m.reach = added.reach();
      m.hours = added.hours();
      state.members.push_back(std::move(m));
      note_change(state, v1::RosterChange::KIND_JOINED, added.person_id(), added.duty_id(), added.role(), added.roster_version(), t);
      break;
    }
    case v1::Entry::kMemberEnded: {
      const auto& ended = entry.member_ended();
      if (membership* m = find_open(state.members, ended.person_id(), ended.duty_id(), ended.role(), t)) m->end = to_instant(ended.end());
      note_change(state, v1::RosterChange::KIND_LEFT, ended.person_id(), ended.duty_id(), ended.role(), ended.roster_version(), t);
      break;
    }
    case v1::Entry::kRoleChanged: {
      const auto& changed = entry.role_changed();
      if (membership* m = find_open(state.members, changed.person_id(), {}, changed.from_role(), t)) {
        membership next = *m;
        m->end = t;
        next.role = changed.to_role();
        next.start = t;
        next.scopes.clear();
        next.invited.reset();
        state.members.push_back(std::move(next));
      }
      note_change(state, v1::RosterChange::KIND_ROLE, changed.person_id(), {}, changed.to_role(), changed.roster_version(), t);
      break;
    }
    case v1::Entry::kAttendingAssigned:
      state.attending = entry.attending_assigned().person_id();
      note_change(state, v1::RosterChange::KIND_ATTENDING, state.attending, {}, v1::ROLE_MEDICAL_ONCOLOGIST,
                  entry.attending_assigned().roster_version(), t);
      break;
    case v1::Entry::kInvitationRenewed: {
      const auto& renewed = entry.invitation_renewed();
      if (membership* m = find_open(state.members, renewed.person_id(), {}, renewed.role(), t)) m->end = to_instant(renewed.end());
      note_change(state, v1::RosterChange::KIND_RENEWED, renewed.person_id(), {}, renewed.role(), renewed.roster_version(), t);
      break;
    }
    case v1::Entry::kMembershipDetailed: {
      const auto& detailed = entry.membership_detailed();
      // The newest membership of that person or duty and role is the one that the same commit added.
      for (auto m = state.members.rbegin(); m != state.members.rend(); ++m) {
        if (!m->is_of(detailed.person_id(), detailed.duty_id()) || m->role != detailed.role()) continue;
        if (m->end && *m->end <= t) break;  // It ended: nothing is granted any more.
        if (detailed.scopes_size() > 0) {
          m->scopes.clear();
          for (const int scope : detailed.scopes()) m->scopes.push_back(static_cast<v1::Scope>(scope));
        }
        if (detailed.has_invitation()) m->invited = invitation_of(detailed.invitation());
        break;
      }
      break;
    }
    case v1::Entry::kRosterViewed: {
      auto& seen = state.seen[entry.author().person_id()];
      seen = std::max(seen, entry.roster_viewed().roster_version());
      break;
    }
    default:
      break;
  }
}

v1::Roster roster_view(const team_state& state, std::uint64_t since, instant t, roster_reader reader) {
  v1::Roster view;
  view.set_patient_id(state.patient_id);
  view.set_roster_version(state.version);
  for (const auto& m : state.members) {
    if (m.over_at(t)) continue;
    auto& row = *view.add_members();
    row.set_duty_id(m.duty_id);
    if (m.duty_id.empty() || reader == roster_reader::staff) row.set_person_id(m.person_id);
    row.set_name(m.name);
    row.set_role(m.role);
    if (const role_row* names = find_role(m.role)) row.set_role_text(std::string(names->plain));
    set_timestamp(*row.mutable_period()->mutable_start(), m.start);
    if (m.end) set_timestamp(*row.mutable_period()->mutable_end(), *m.end);
    row.set_reach(m.reach);
    row.set_hours(m.hours);
    row.set_attending(m.is_of(state.attending) && m.role == v1::ROLE_MEDICAL_ONCOLOGIST);
  }
  for (const auto& change : state.changes) {
    if (change.version <= since) continue;
    auto& row = *view.add_changes();
    row.set_kind(change.kind);
    row.set_duty_id(change.duty_id);
    row.set_person_id(change.person_id);
    row.set_name(change.name);
    row.set_role(change.role);
    set_timestamp(*row.mutable_time(), change.time);
  }
  return view;
}

}  // namespace careteam::care
