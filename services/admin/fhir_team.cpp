// CareTeam: who is on the team, in which role, from when to when, who the attending is.
//
// What the status means: `active` or none: the participants are members. `inactive` and `entered-in-error`, or a team whose period has
// ended: what an earlier import of this team brought ends now. `proposed` and `suspended`: nothing changes; a person decides.
#include <algorithm>

#include "admin/fhir_mapping.hpp"
#include "admin/fhir_task_codes.hpp"
#include "care/roles.hpp"

namespace careteam::admin {
namespace {

using careteam::v1::Role;
using careteam::v1::Scope;

constexpr std::string_view attending_extension = "urn:careteam:attending";
constexpr std::string_view scope_extension = "urn:careteam:scope";

std::optional<Scope> scope_from_code(std::string_view code) {
  if (code == "read-clinical") return v1::SCOPE_READ_CLINICAL;
  if (code == "post-clinical") return v1::SCOPE_POST_CLINICAL;
  if (code == "read-shared") return v1::SCOPE_READ_SHARED;
  if (code == "post-shared") return v1::SCOPE_POST_SHARED;
  if (code == "manage-team") return v1::SCOPE_MANAGE_TEAM;
  if (code == "acknowledge") return v1::SCOPE_ACKNOWLEDGE;
  return std::nullopt;
}

bool may_be_on_a_team_as_staff(Role role) {
  return role != v1::ROLE_PATIENT && role != v1::ROLE_CAREGIVER && role != v1::ROLE_ADMINISTRATOR && role != v1::ROLE_INTEGRATION;
}

std::string moment(const std::optional<google::protobuf::Timestamp>& time) {
  return time ? std::to_string(time->seconds()) + '.' + std::to_string(time->nanos()) : std::string("open");
}

}  // namespace

struct unit_mapping::membership {
  const fhir_resource* team;
  fhir_node place;
  std::string patient_id;
  std::string person_id;
  Role role = v1::ROLE_UNSPECIFIED;
  std::optional<google::protobuf::Timestamp> start, end;
  std::vector<Scope> scopes;
  bool attending = false;

  [[nodiscard]] std::string who() const { return person_id + '/' + v1::Role_Name(role); }
  [[nodiscard]] std::string identity() const { return team->key + "#member/" + who() + '/' + moment(start); }
};

mapped_person* unit_mapping::patient_at(const fhir_resource& resource) {
  const auto subject = resource.body["subject"];
  if (!subject.present()) {
    subject.fail("is missing: it says whose record this belongs to");
    return nullptr;
  }
  std::string why;
  auto target = resources_.follow(subject, resource);
  if (target.type != "Patient" && !target.type.empty()) {
    subject.fail("must be a Patient");
    return nullptr;
  }
  auto* patient = person_at(target, why);
  if (patient == nullptr) {
    subject.fail(why);
    return nullptr;
  }
  if (patient->resource != nullptr && !patient->refused.empty()) {
    subject.fail("is a Patient who cannot be enrolled: " + patient->refused);
    return nullptr;
  }
  return patient;
}

void unit_mapping::read_care_team(const fhir_resource& team) {
  const auto& body = team.body;
  count_unused(body, "CareTeam", {"resourceType", "id", "contained", "status", "subject", "period", "participant"}, tally_);
  auto* patient = patient_at(team);
  if (patient == nullptr) return;
  patient->needed = true;

  const auto status = body["status"];
  const auto said = status.text();
  const auto period_start = body["period"]["start"].time();
  const auto period_end = body["period"]["end"].time();
  bool ended = false;
  if (said == "proposed" || said == "suspended") {
    return leave_out(team, status, "is " + said + ": nobody joins or leaves the team");
  } else if (said == "inactive" || said == "entered-in-error") {
    refuse(status, "is " + said + ": nobody joins; who came by it before leaves");
    ended = true;
  } else if (!said.empty() && said != "active") {
    return status.fail("is not a CareTeam status");
  }
  if (period_end && period_start && ends_before_start(*period_start, *period_end)) return body["period"].fail("ends before it starts");
  if (!ended && period_end && !earlier(now(), period_end->after)) {
    refuse(body["period"], "has ended: nobody joins; who came by it before leaves");
    ended = true;
  }
  for (const auto& participant : body["participant"].items()) read_participant(team, participant, *patient, ended);
}

void unit_mapping::read_participant(const fhir_resource& team, const fhir_node& participant, const mapped_person& patient, bool ended) {
  count_unused(participant, "CareTeam.participant", {"id", "role", "member", "period", "extension", "modifierExtension"}, tally_);
  if (participant["modifierExtension"].present()) {
    return refuse(participant, "has a modifierExtension that is not understood here");
  }
  const auto member_node = participant["member"];
  if (!member_node.present()) return refuse(participant, "has no member");
  if (member_node["identifier"]["system"].text() == task_codes::duty_system) {
    return refuse(member_node, "is a duty: it does not join a team by an import");
  }
  std::string why;
  auto target = resources_.follow(member_node, team);
  auto* person = person_at(target, why);
  if (person == nullptr) return refuse(member_node, why);
  if (!person->refused.empty() && (person->resource != nullptr || form_ == unit_form::whole)) return refuse(member_node, person->refused);

  membership member{&team, participant, patient.id, person->id, v1::ROLE_UNSPECIFIED, {}, {}, {}, false};
  const auto start = participant["period"]["start"].time();
  const auto end = participant["period"]["end"].time();
  if (start) member.start = start->first;
  if (end) member.end = end->after;
  // A team's own end is the end of everybody on it who does not leave before.
  const auto team_end = team.body["period"]["end"].time();
  if (team_end && (!member.end || earlier(team_end->after, *member.end))) member.end = team_end->after;
  if (start && end && ends_before_start(*start, *end)) return participant["period"].fail("ends before it starts");

  std::string refused_scope;
  for (const auto& extension : participant["extension"].items()) {
    const auto url = extension["url"].text();
    if (url == attending_extension) {
      member.attending = extension["valueBoolean"].flag().value_or(false);
    } else if (url == scope_extension) {
      const auto scope = scope_from_code(extension["valueCode"].text());
      if (!scope) return refuse(extension, "is not a scope that is known here");
      if (std::find(member.scopes.begin(), member.scopes.end(), *scope) == member.scopes.end()) member.scopes.push_back(*scope);
    } else {
      import_tally::count(tally_.unused_fields, "CareTeam.participant.extension");
    }
  }
  // Whoever is named on a team may be the author of a message: they get an account, with or without a membership.
  person->needed = true;
  why = why_no_membership(*person, patient);
  if (!why.empty()) return refuse(participant, why);
  const auto roles = roles_of(participant, *person, patient, why);
  if (roles.empty()) return refuse(participant["role"], why);
  for (const auto role : roles) {
    member.role = role;
    emit_membership(member, ended);
  }
}

std::string unit_mapping::why_no_membership(const mapped_person& person, const mapped_person& patient) const {
  if (person.inactive) return "is not active any more";
  if (person.kind == v1::PERSON_KIND_PATIENT && person.id != patient.id) return "is another patient than the subject";
  if (person.kind != v1::PERSON_KIND_RELATED || person.resource == nullptr) return {};
  const auto of = resources_.follow(person.resource->body["patient"], *person.resource);
  const bool same = of.resource != nullptr ? of.resource == patient.resource : !of.id.empty() && "Patient/" + of.id == patient.key;
  return same ? std::string{} : "is related to another patient than the subject";
}

std::vector<Role> unit_mapping::roles_of(const fhir_node& participant, mapped_person& person, const mapped_person& patient,
                                         std::string& why) {
  std::vector<Role> roles;
  std::string unknown;
  for (const auto& concept_node : participant["role"].items()) {
    const auto role = role_of(concept_node, unknown);
    if (role && std::find(roles.begin(), roles.end(), *role) == roles.end()) roles.push_back(*role);
  }
  if (person.id == patient.id) return {v1::ROLE_PATIENT};
  if (person.kind == v1::PERSON_KIND_RELATED) {
    const bool only_caregiver = std::all_of(roles.begin(), roles.end(), [](Role role) { return role == v1::ROLE_CAREGIVER; });
    if (only_caregiver) return {v1::ROLE_CAREGIVER};
    why = "names a role that a related person cannot have";
    return {};
  }
  if (!std::all_of(roles.begin(), roles.end(), may_be_on_a_team_as_staff)) {
    why = "names a role that is no membership of staff";
    return {};
  }
  if (!roles.empty()) return roles;
  if (person.held.size() == 1) return person.held;
  if (person.held.size() > 1) {
    why = "is not known, and several PractitionerRoles of the person could be meant";
  } else if (unknown.empty()) {
    why = "has no coding, and no PractitionerRole of the unit tells the role: an unknown role has no rights";
  } else {
    why = "is not in the role vocabulary: " + unknown + "; an unknown role has no rights";
  }
  return {};
}

void unit_mapping::emit_membership(const membership& member, bool team_ended) {
  const bool ended = team_ended || (member.end && !earlier(now(), *member.end));
  const auto identity = member.identity();
  if (member.attending) assign_attending(member, ended);
  if (member.role == v1::ROLE_PATIENT) return;  // Comes with the record, and stays.
  if (!members_.emplace(identity, member.place.path()).second) return note("CareTeam.participant named more than once");

  if (!ended) {
    acting_.emplace(member.patient_id + '/' + member.person_id, member.role);
    import_step step;
    step.command.set_patient_id(member.patient_id);
    auto& add = *step.command.mutable_add_member();
    add.set_person_id(member.person_id);
    add.set_role(member.role);
    if (member.start) *add.mutable_period()->mutable_start() = *member.start;
    for (const auto scope : member.scopes) add.add_scopes(scope);
    add.set_source(v1::SOURCE_IMPORT);
    step.source = member.team->key;
    step.identity = identity;
    step.when = apply_when::unless_member;
    member_steps_.push_back(std::move(step));
  }
  if (!ended && !member.end) return;
  // The end is a step of its own: a later version of the team that brings an end then has the same AddMember as this one.
  import_step step;
  step.command.set_patient_id(member.patient_id);
  auto& end = *step.command.mutable_end_member();
  end.set_person_id(member.person_id);
  end.set_role(member.role);
  if (!ended) *end.mutable_end() = *member.end;
  end.set_reason(ended ? "the membership has ended in " + member.team->key : "the end of the period in " + member.team->key);
  step.source = member.team->key;
  step.identity = member.team->key + "#end/" + member.who() + '/' + moment(member.start) + '/' + (team_ended ? "team" : moment(member.end));
  step.when = apply_when::if_applied;
  step.depends_on = identity;
  (ended ? end_steps_ : member_steps_).push_back(std::move(step));
}

void unit_mapping::assign_attending(const membership& member, bool ended) {
  if (member.role != v1::ROLE_MEDICAL_ONCOLOGIST) return refuse(member.place, "names an attending who is not a medical oncologist");
  if (ended || (member.start && earlier(now(), *member.start)))
    return refuse(member.place, "names an attending who is not on the team now");
  const auto [known, first] = attending_.emplace(member.patient_id, member.person_id);
  if (!first) {
    if (known->second != member.person_id) refuse(member.place, "names a second attending");
    return;
  }
  import_step step;
  step.command.set_patient_id(member.patient_id);
  step.command.mutable_assign_attending()->set_person_id(member.person_id);
  step.source = member.team->key;
  step.identity = member.team->key + "#attending/" + member.person_id;
  step.when = apply_when::unless_attending;
  attending_steps_.push_back(std::move(step));
}

}  // namespace careteam::admin
