// Patient, Practitioner, RelatedPerson and PractitionerRole: who gets an account, under which id and name.
#include <algorithm>

#include "admin/fhir_mapping.hpp"
#include "care/roles.hpp"

namespace careteam::admin {
namespace {

using careteam::v1::PersonKind;
using careteam::v1::Role;

constexpr std::size_t max_shown_coding_bytes = 120;
constexpr std::string_view own_role_system = "urn:careteam:role";
constexpr std::string_view hl7_role_system = "http://terminology.hl7.org/CodeSystem/practitioner-role";

import_step patient_step(const mapped_person& patient, std::string identity, apply_when when) {
  import_step step;
  step.command.set_patient_id(patient.id);
  step.source = patient.key;
  step.identity = std::move(identity);
  step.when = when;
  return step;
}

}  // namespace

std::string shown_coding(std::string_view system, std::string_view code) {
  std::string shown(system);
  shown += '|';
  shown += code;
  const auto plain = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("|:/._-#").find(c) != std::string_view::npos;
  };
  if (shown.size() > max_shown_coding_bytes || !std::all_of(shown.begin(), shown.end(), plain)) return "(unreadable coding)";
  return shown;
}

google::protobuf::Timestamp unit_mapping::now() const {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(options_.now.time_since_epoch().count());
  return stamp;
}

std::vector<import_step> unit_mapping::run() {
  for (const auto* resource : resources_.top()) {
    const auto kind = person_kind_of(resource->type);
    if (kind) person_of(*resource, *kind).needed = true;
  }
  for (const auto* resource : resources_.top()) {
    if (resource->type == "PractitionerRole") read_practitioner_role(*resource);
  }
  for (const auto* resource : resources_.top()) {
    if (resource->type == "CareTeam") read_care_team(*resource);
  }
  for (const auto* resource : resources_.top()) {
    if (resource->type == "Communication") read_communication(*resource);
  }
  for (const auto* resource : resources_.top()) {
    if (resource->type == "Task") read_task(*resource);
  }
  count_resources();
  emit_people();

  std::stable_sort(messages_.begin(), messages_.end(), [](const auto& a, const auto& b) { return earlier(a.sent, b.sent); });
  std::vector<import_step> steps;
  for (auto* some : {&enroll_steps_, &record_steps_, &end_steps_, &member_steps_, &attending_steps_}) {
    std::move(some->begin(), some->end(), std::back_inserter(steps));
  }
  for (auto& message : messages_) steps.push_back(std::move(message.step));
  std::stable_sort(tasks_.begin(), tasks_.end(), [](const auto& a, const auto& b) { return earlier(a.authored, b.authored); });
  for (auto& task : tasks_) std::move(task.steps.begin(), task.steps.end(), std::back_inserter(steps));
  return steps;
}

void unit_mapping::count_resources() {
  for (const auto* resource : resources_.top()) {
    const bool known = is_used_type(resource->type);
    import_tally::count(!known ? tally_.unused_types : left_out_.contains(resource) ? tally_.refused : tally_.used, resource->type);
    if (known) check_modifiers(*resource);
  }
  for (const auto* resource : resources_.contained()) {
    const auto person = by_key_.find(resource->key);
    const bool mentioned = person != by_key_.end() && person->second->needed;
    import_tally::count(!mentioned                     ? tally_.unused_types
                        : left_out_.contains(resource) ? tally_.refused
                                                       : tally_.used,
                        resource->type + " (contained)");
    if (mentioned) check_modifiers(*resource);
  }
}

// A modifier extension changes what its resource means; FHIR forbids to process one that is not understood (R4 Extensibility).
void unit_mapping::check_modifiers(const fhir_resource& resource) {
  for (const auto* field : {"modifierExtension", "implicitRules"}) {
    const auto modifier = resource.body[field];
    if (modifier.present()) modifier.fail("changes the meaning in a way that is not understood here");
  }
}

mapped_person& unit_mapping::add_person(mapped_person person, const fhir_node& place) {
  auto& added = people_.emplace_back(std::move(person));
  by_key_.emplace(added.key, &added);
  if (!by_person_id_.emplace(added.id, &added).second) place.fail("gives the person id of somebody else in the unit");
  return added;
}

mapped_person& unit_mapping::person_of(const fhir_resource& resource, PersonKind kind) {
  if (const auto known = by_key_.find(resource.key); known != by_key_.end()) return *known->second;
  mapped_person person;
  person.kind = kind;
  person.key = resource.key;
  person.resource = &resource;
  person.id = chosen_person_id(resource.body);
  if (!person.id.empty()) {
    chosen_ids_.emplace_back(resource.key, person.id);
  } else if (resource.container != nullptr) {
    person.id = contained_person_id_of(kind, resource.id, resource.key);
  } else {
    person.id = person_id_of(kind, resource.id);
  }
  fill_from_resource(person);
  return add_person(std::move(person), resource.body);
}

void unit_mapping::fill_from_resource(mapped_person& person) {
  const auto& body = person.resource->body;
  person.enroll.set_person_id(person.id);
  person.enroll.set_kind(person.kind);
  auto name = name_of(body["name"]);
  if (name.empty()) {
    person.refused = "has no name";
  } else if (name.size() > max_enroll_text_bytes) {
    person.refused = "has a name longer than 200 bytes";
  } else {
    person.enroll.set_name(std::move(name));
  }
  if (!person.refused.empty()) leave_out(*person.resource, body, person.refused + ": nobody is enrolled");

  const auto active = body["active"].flag();
  person.inactive = active.has_value() && !*active;
  if (person.inactive) note(person.resource->type + ".active=false");
  for (const auto& contact : contacts_of(body["telecom"])) {
    auto& point = *person.enroll.add_contacts();
    point.set_system(contact.system);
    point.set_value(contact.value);
  }
  if (person.kind == v1::PERSON_KIND_STAFF) {
    auto reach = reach_of(body["telecom"]);
    if (reach.size() > max_enroll_text_bytes) {
      note("Practitioner.telecom longer than 200 bytes, left out");
    } else {
      person.enroll.set_reach(std::move(reach));
    }
    count_unused(body, "Practitioner", {"resourceType", "id", "contained", "identifier", "name", "active", "telecom"}, tally_);
  } else if (person.kind == v1::PERSON_KIND_PATIENT) {
    const auto deceased_at = body["deceasedDateTime"].time();
    const auto deceased = body["deceasedBoolean"].flag();
    if (deceased_at || deceased) person.enroll.set_deceased(deceased_at || *deceased);
    count_unused(body, "Patient",
                 {"resourceType", "id", "contained", "identifier", "name", "active", "telecom", "deceasedBoolean", "deceasedDateTime"},
                 tally_);
  } else {
    count_unused(body, "RelatedPerson", {"resourceType", "id", "contained", "identifier", "name", "active", "telecom", "patient"}, tally_);
  }
}

mapped_person* unit_mapping::person_at(const fhir_target& target, std::string& why) {
  if (target.resource != nullptr && target.resource->type == "PractitionerRole") {
    const auto practitioner = target.resource->body["practitioner"];
    const auto held_by = resources_.follow(practitioner, *target.resource);
    if (held_by.type == "Practitioner") return person_at(held_by, why);
    why = "is a PractitionerRole without a practitioner";
    return nullptr;
  }
  if (!target.trouble.empty()) {
    why = target.trouble;
    return nullptr;
  }
  const auto kind = person_kind_of(target.type);
  if (!kind) {
    if (target.type.empty()) {
      why = "names no type of resource";
    } else if (target.type == "PractitionerRole") {
      why = "is a PractitionerRole that the unit does not have";
    } else {
      why = "is a " + target.type + ", not a person";
    }
    return nullptr;
  }
  if (target.resource != nullptr) return &person_of(*target.resource, *kind);

  const auto key = target.type + '/' + (target.id.empty() ? '@' + target.person_id : target.id);
  auto known = by_key_.find(key);
  if (known == by_key_.end()) {
    mapped_person person;
    person.kind = *kind;
    person.key = key;
    const auto earlier_choice = remembered_.find(key);
    if (!target.person_id.empty()) {
      if (!is_fhir_id(target.person_id) || is_derived_person_id(target.person_id)) {
        why = "carries an identifier that cannot be a person id";
        return nullptr;
      }
      person.id = target.person_id;
    } else {
      person.id = earlier_choice != remembered_.end() ? earlier_choice->second : person_id_of(*kind, target.id);
    }
    if (const auto same = by_person_id_.find(person.id); same != by_person_id_.end()) {
      if (same->second->kind == *kind) return same->second;
      why = "has the person id of somebody of another kind";
      return nullptr;
    }
    person.refused = "is not in the unit, and its reference has no display";
    people_.push_back(std::move(person));
    by_person_id_.emplace(people_.back().id, &people_.back());
    known = by_key_.emplace(key, &people_.back()).first;
  }
  auto& person = *known->second;
  if (!person.refused.empty() && !target.display.empty() && target.display.size() <= max_enroll_text_bytes) {
    person.enroll.set_person_id(person.id);
    person.enroll.set_kind(person.kind);
    person.enroll.set_name(target.display);
    person.refused.clear();
  }
  return &person;
}

std::optional<Role> unit_mapping::role_of(const fhir_node& concept_node, std::string& unknown) const {
  std::optional<Role> role;
  for (const auto& coding : concept_node["coding"].items()) {
    const auto system = coding["system"].text();
    const auto code = coding["code"].text();
    auto known = care::role_from_coding(system, code);
    if (!known && system == hl7_role_system && code == "pharmacist") known = v1::ROLE_PHARMACIST;
    if (!known) {
      if (!unknown.empty()) unknown += ", ";
      unknown += shown_coding(system, code);
    } else if (!role || system == own_role_system) {
      role = known;  // The codings of one concept say the same, some more exactly: ours is exact.
    }
  }
  return role;
}

void unit_mapping::read_practitioner_role(const fhir_resource& resource) {
  const auto& body = resource.body;
  count_unused(body, "PractitionerRole",
               {"resourceType", "id", "contained", "practitioner", "code", "specialty", "active", "period", "telecom", "availableTime"},
               tally_);
  const auto practitioner = body["practitioner"];
  if (!practitioner.present()) return leave_out(resource, practitioner, "is missing: nobody has this role");
  std::string why;
  auto target = resources_.follow(practitioner, resource);
  auto* person = target.type == "Practitioner" ? person_at(target, why) : nullptr;
  if (person == nullptr) return leave_out(resource, practitioner, why.empty() ? "must be a Practitioner" : why);
  person->needed = true;
  if (body["active"].flag() == false) return note("PractitionerRole.active=false");
  const auto period_start = body["period"]["start"].time();
  const auto period_end = body["period"]["end"].time();
  if ((period_end && !earlier(now(), period_end->after)) || (period_start && earlier(now(), period_start->first))) {
    return note("PractitionerRole.period is not now");
  }
  note_roles(resource, *person);

  if (person->resource == nullptr) return;  // An account that only a reference names is not described by a role of it.
  if (person->enroll.reach().empty()) {
    auto reach = reach_of(body["telecom"]);
    if (reach.size() <= max_enroll_text_bytes) person->enroll.set_reach(std::move(reach));
  }
  if (person->enroll.hours().empty()) {
    auto hours = hours_of(body["availableTime"]);
    if (hours.size() <= max_enroll_text_bytes) {
      person->enroll.set_hours(std::move(hours));
    } else {
      note("PractitionerRole.availableTime longer than 200 bytes, left out");
    }
  }
}

void unit_mapping::note_roles(const fhir_resource& resource, mapped_person& person) {
  const auto& body = resource.body;
  std::vector<Role> roles;
  for (const auto* field : {"code", "specialty"}) {
    if (!roles.empty()) break;  // The specialty speaks only where the code says nothing.
    for (const auto& concept_node : body[field].items()) {
      std::string unknown;
      const auto role = role_of(concept_node, unknown);
      if (role) roles.push_back(*role);
      if (!role && !unknown.empty()) note(std::string("PractitionerRole.") + field + " not in the role vocabulary: " + unknown);
    }
  }
  for (const auto role : roles) {
    if (role == v1::ROLE_PATIENT || role == v1::ROLE_CAREGIVER || role == v1::ROLE_INTEGRATION) {
      refuse(body["code"], "is not a role of a practitioner");
    } else if (role != v1::ROLE_ADMINISTRATOR) {
      if (std::find(person.held.begin(), person.held.end(), role) == person.held.end()) person.held.push_back(role);
    } else if (person.resource == nullptr || person.inactive) {
      refuse(body["code"], "makes somebody an administrator who is not in the unit, or not active");
    } else if (person.enroll.roles().empty()) {
      person.enroll.add_roles(role);
    }
  }
}

void unit_mapping::emit_people() {
  for (const auto& person : people_) {
    if (!person.needed || !person.refused.empty()) continue;
    import_step enroll;
    *enroll.command.mutable_enroll_person() = person.enroll;
    enroll.source = person.key;
    enroll.identity = person.key + (person.resource != nullptr ? "" : "#display");
    enroll.when = person.resource != nullptr ? apply_when::if_changed : apply_when::unless_enrolled;
    enroll_steps_.push_back(std::move(enroll));
    if (person.kind != v1::PERSON_KIND_PATIENT) continue;

    auto record = patient_step(person, person.key + "#record", apply_when::once);
    record.command.mutable_open_record();
    record_steps_.push_back(std::move(record));
    auto member = patient_step(person, person.key + "#member", apply_when::unless_member);
    auto& add = *member.command.mutable_add_member();
    add.set_person_id(person.id);
    add.set_role(v1::ROLE_PATIENT);
    add.set_source(v1::SOURCE_IMPORT);
    record_steps_.push_back(std::move(member));
  }
}

}  // namespace careteam::admin
