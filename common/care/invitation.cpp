#include "care/invitation.hpp"

#include <google/protobuf/descriptor.h>

#include <array>

namespace careteam::care {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// People of the clinic who take part in care: a patient grants their caregivers, and administrators join no team.
bool can_be_invited(v1::Role role) {
  return rights_of(role).staff && role != v1::ROLE_ADMINISTRATOR && role != v1::ROLE_PRIVACY_OFFICER && role != v1::ROLE_INTEGRATION;
}

right read_right(v1::Role role, v1::Stream stream) {
  const auto& row = rights_of(role);
  switch (stream) {
    case v1::STREAM_SHARED:
      return row.read_shared;
    case v1::STREAM_CLINICAL:
      return row.read_clinical;
    case v1::STREAM_SUPPORT:
      return row.read_support;
    default:
      return right::no;
  }
}

/// What "T" of the table becomes with an invitation to the stream.
std::vector<v1::Scope> scopes_of(v1::Role role, const std::vector<invitation::part>& parts) {
  const auto& row = rights_of(role);
  std::vector<v1::Scope> scopes;
  for (const auto& part : parts) {
    const bool is_shared = part.stream == v1::STREAM_SHARED;
    const auto add = [&](right cell, v1::Scope scope) {
      if (cell == right::scoped) scopes.push_back(scope);
    };
    if (part.stream == v1::STREAM_SUPPORT) continue;
    add(is_shared ? row.read_shared : row.read_clinical, is_shared ? v1::SCOPE_READ_SHARED : v1::SCOPE_READ_CLINICAL);
    add(is_shared ? row.post_shared : row.post_clinical, is_shared ? v1::SCOPE_POST_SHARED : v1::SCOPE_POST_CLINICAL);
  }
  return scopes;
}

outcome<invitation> parts_of(const v1::InviteConsultant& asked, const team_context& context) {
  static constexpr std::string_view field = "inviteConsultant.streams";
  invitation result;
  result.history = asked.history() == v1::HISTORY_UNSPECIFIED ? v1::HISTORY_FROM_NOW : asked.history();
  const bool none = result.history == v1::HISTORY_NONE;
  if (none != asked.streams().empty()) {
    return refuse(code::invalid_argument, field, none ? "must be empty where nothing is to be read" : "must name what is to be read");
  }
  for (const int value : asked.streams()) {
    const auto stream = static_cast<v1::Stream>(value);
    const auto cell = read_right(asked.role(), stream);
    if (cell != right::yes && cell != right::scoped) return refuse(code::invalid_argument, field, "this role cannot be invited to it");
    if (result.find(stream)) return refuse(code::invalid_argument, field, "names a stream twice");
    const bool full = result.history == v1::HISTORY_FULL;
    result.parts.push_back({stream, full ? 1 : context.heads[static_cast<std::size_t>(stream)] + 1});
  }
  return result;
}

outcome<instant> end_of(bool is_set, const google::protobuf::Timestamp& until, instant now, const std::string& field) {
  if (!is_set) return now + usual_invitation;
  const auto end = to_instant(until);
  if (!end) return refuse(code::invalid_argument, field, "must lie between 1900 and 2200");
  if (*end <= now) return refuse(code::invalid_argument, field, "must lie in the future");
  if (*end > now + longest_invitation) return refuse(code::invalid_argument, field, "must come within 30 days");
  return *end;
}

void add_detail(facts& to, const std::string& person, v1::Role role, const std::string& reason, const invitation* what) {
  auto& detailed = *add_fact(to, v1::STREAM_AUDIT).mutable_membership_detailed();
  detailed.set_person_id(person);
  detailed.set_role(role);
  detailed.set_reason(reason);
  detailed.set_source(v1::SOURCE_MANUAL);
  if (!what) return;
  for (const auto scope : scopes_of(role, what->parts)) detailed.add_scopes(scope);
  *detailed.mutable_invitation() = on_wire(*what);
}

/// The seq fields of a message that names a place by its own `stream`.
void hide(Message& message, const team_state& team, std::string_view person, instant t) {
  const auto& reflection = *message.GetReflection();
  const auto& type = *message.GetDescriptor();
  const auto* stream = type.FindFieldByName("stream");
  static constexpr std::array<const char*, 4> numbers{"seq", "thread_seq", "reply_to_seq", "draft_seq"};
  for (const auto* name : numbers) {
    const auto* field = type.FindFieldByName(name);
    if (!stream || !field || field->cpp_type() != FieldDescriptor::CPPTYPE_UINT64) continue;
    const auto seq = reflection.GetUInt64(message, field);
    const auto first = readable_from(team, person, static_cast<v1::Stream>(reflection.GetEnumValue(message, stream)), t);
    if (seq != 0 && first && seq < *first) reflection.SetUInt64(&message, field, yet_to_come);
  }
  std::vector<const FieldDescriptor*> present;
  reflection.ListFields(message, &present);
  for (const auto* field : present) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 0;
    if (!field->is_repeated()) hide(*reflection.MutableMessage(&message, field), team, person, t);
    for (int i = 0; i < count; ++i) hide(*reflection.MutableRepeatedMessage(&message, field, i), team, person, t);
  }
}

}  // namespace

outcome<facts> invite_consultant(const team_state& state, const actor& who, const v1::InviteConsultant& asked,
                                 const team_context& context) {
  if (auto may = check_manager(state, who, asked.role(), context); !may) return may.error();
  if (auto version = check_version(state, asked.expected_roster_version(), "inviteConsultant.expectedRosterVersion"); !version)
    return version.error();
  if (!can_be_invited(asked.role())) return refuse(code::invalid_argument, "inviteConsultant.role", "is no role in which one is invited");
  if (auto reason = check_text(asked.reason(), "inviteConsultant.reason", max_reason_bytes); !reason) return reason.error();
  const account* person = context.people.find(asked.person_id());
  if (!person) return refuse(code::failed_precondition, "inviteConsultant.personId", "no such person is enrolled");
  if (person->suspended) return refuse(code::failed_precondition, "inviteConsultant.personId", "is suspended");
  if (person->kind != v1::PERSON_KIND_STAFF) return refuse(code::invalid_argument, "inviteConsultant.personId", "is not of the staff");
  const auto what = parts_of(asked, context);
  if (!what) return what.error();
  const auto end = end_of(asked.has_until(), asked.until(), context.now, "inviteConsultant.until");
  if (!end) return end.error();
  std::size_t open = 0;
  for (const auto& m : state.members) {
    if (m.over_at(context.now)) continue;
    ++open;
    if (m.is_of(asked.person_id()) && m.role == asked.role() && m.start < *end) {
      return refuse(code::already_exists, "inviteConsultant.personId", "has this role on the team in this period already");
    }
  }
  if (open >= max_members) return refuse(code::resource_exhausted, "inviteConsultant", "the team has as many members as a team can have");

  facts result;
  auto& added = *add_fact(result, v1::STREAM_SHARED).mutable_member_added();
  added.set_person_id(asked.person_id());
  added.set_name(person->name);
  added.set_role(asked.role());
  set_timestamp(*added.mutable_period()->mutable_start(), context.now);
  set_timestamp(*added.mutable_period()->mutable_end(), *end);
  added.set_reach(person->reach);
  added.set_hours(person->hours);
  added.set_roster_version(state.version + 1);
  add_detail(result, asked.person_id(), asked.role(), asked.reason(), &*what);
  return result;
}

outcome<facts> renew_invitation(const team_state& state, const actor& who, const v1::RenewInvitation& asked, const team_context& context) {
  if (auto may = check_manager(state, who, asked.role(), context); !may) return may.error();
  if (auto version = check_version(state, asked.expected_roster_version(), "renewInvitation.expectedRosterVersion"); !version)
    return version.error();
  if (auto reason = check_text(asked.reason(), "renewInvitation.reason", max_reason_bytes); !reason) return reason.error();
  const membership* m = open_membership(state, asked.person_id(), asked.role(), context.now);
  if (!m || !m->invited || !m->end) return refuse(code::failed_precondition, "renewInvitation.personId", "has no invitation that runs");
  const account* person = context.people.find(asked.person_id());
  if (!person || person->suspended) return refuse(code::failed_precondition, "renewInvitation.personId", "is suspended");
  const auto end = end_of(asked.has_until(), asked.until(), context.now, "renewInvitation.until");
  if (!end) return end.error();
  if (*end <= *m->end) return refuse(code::invalid_argument, "renewInvitation.until", "must come after the invitation's end");
  for (const auto& other : state.members) {
    const bool same = &other != m && other.is_of(asked.person_id()) && other.role == asked.role() && !other.over_at(context.now);
    if (same && other.start < *end) {
      return refuse(code::already_exists, "renewInvitation.personId", "has this role on the team in this period already");
    }
  }
  facts result;
  auto& renewed = *add_fact(result, v1::STREAM_SHARED).mutable_invitation_renewed();
  renewed.set_person_id(asked.person_id());
  renewed.set_role(asked.role());
  set_timestamp(*renewed.mutable_end(), *end);
  renewed.set_roster_version(state.version + 1);
  add_detail(result, asked.person_id(), asked.role(), asked.reason(), nullptr);
  return result;
}

invitation invitation_of(const v1::Invitation& told) {
  invitation result;
  result.history = told.history();
  for (const auto& one : told.first()) result.parts.push_back({one.stream(), one.seq()});
  return result;
}

v1::Invitation on_wire(const invitation& what) {
  v1::Invitation told;
  told.set_history(what.history);
  for (const auto& part : what.parts) {
    auto& first = *told.add_first();
    first.set_stream(part.stream);
    first.set_seq(part.first);
  }
  return told;
}

v1::Command without_hidden(const v1::Command& command, const team_state& team, std::string_view person, instant t) {
  auto seen = command;
  hide(seen, team, person, t);
  return seen;
}

}  // namespace careteam::care
