// Task: what somebody was asked to do elsewhere. It becomes commands, as people would have given them here, one after the other; the domain
// decides each of them. What it does not allow is left out with its reason, and the task stays as far as it came.
//
// An import brings what is owed, and what was done: `draft`, `requested`, `received`, `accepted`, `ready`, `in-progress`, `on-hold`,
// `completed`, `cancelled`. By `failed`, `rejected` and `entered-in-error` nothing begins: to fail or to be declined asks somebody, stat,
// to see to it, and nobody is to be called for what ended elsewhere. What an earlier import brought ends by them all the same.
#include <algorithm>
#include <array>

#include "admin/fhir_mapping.hpp"
#include "admin/fhir_task_codes.hpp"
#include "care/command.hpp"
#include "care/roles.hpp"
#include "care/task.hpp"
#include "care/time.hpp"

namespace careteam::admin {
namespace {

namespace codes = task_codes;

constexpr std::array<std::string_view, 12> statuses{"draft",     "requested",   "received", "accepted", "rejected",  "ready",
                                                    "cancelled", "in-progress", "on-hold",  "failed",   "completed", "entered-in-error"};
// FHIR R4 Task.intent. What nobody has decided yet is no task.
constexpr std::array<std::string_view, 5> intents{"order", "original-order", "reflex-order", "filler-order", "instance-order"};
constexpr std::array<std::string_view, 4> intents_left_out{"proposal", "plan", "option", "unknown"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& codes, std::string_view code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

/// What a CodeableConcept says in words.
std::string words_of(const fhir_node& concept_node) {
  auto text = concept_node["text"].text();
  if (!text.empty()) return text;
  for (const auto& coding : concept_node["coding"].items()) {
    if (auto display = coding["display"].text(); !display.empty()) return display;
  }
  for (const auto& coding : concept_node["coding"].items()) {
    if (auto code = coding["code"].text(); !code.empty()) return code;
  }
  return {};
}

/// What a Reference says in words: its literal, else its identifier, else its display.
std::string words_of_reference(const fhir_node& reference) {
  if (auto literal = reference["reference"].text(); !literal.empty()) return literal;
  if (auto value = reference["identifier"]["value"].text(); !value.empty()) return value;
  return reference["display"].text();
}

/// The value of an input or an output that is a text or a reference; empty for every other kind.
std::string value_of(const fhir_node& one) {
  for (const auto* field : {"valueString", "valueCode", "valueId", "valueUri", "valueMarkdown", "valueDateTime", "valueDate"}) {
    if (one[field].present()) return one[field].text();
  }
  return one["valueReference"].present() ? words_of_reference(one["valueReference"]) : std::string();
}

/// The kind: our own code, else what the focus is about where the rights differ by it.
v1::TaskKind kind_of(const fhir_node& body, const fhir_resources& resources, const fhir_resource& task) {
  for (const auto& coding : body["code"]["coding"].items()) {
    if (coding["system"].text() == codes::kind_system) return codes::kind_of(coding["code"].text());
  }
  if (!body["focus"].present()) return v1::TASK_KIND_CARE;
  const auto focus = resources.follow(body["focus"], task).type;
  if (focus.starts_with("Medication")) return v1::TASK_KIND_MEDICATION;
  if (focus == "DiagnosticReport" || focus == "Observation") return v1::TASK_KIND_RESULT;
  return v1::TASK_KIND_CARE;
}

/// A duty is handed over by its people, each in their own words; what a Task says of it moves nothing.
bool is_handoff(const fhir_node& body) {
  const auto codings = body["code"]["coding"].items();
  return std::ranges::any_of(codings, [](const fhir_node& coding) {
    return coding["system"].text() == codes::kind_system && coding["code"].text() == codes::handoff_kind;
  });
}

}  // namespace

/// One Task on its way to its steps.
struct unit_mapping::mapped_task {
  const fhir_resource* resource = nullptr;
  std::string status;
  mapped_person* patient = nullptr;
  v1::Stream stream = v1::STREAM_CLINICAL;
  v1::TaskOrder order;
  v1::Author requester;  ///< Empty person: the system.
  v1::Author owner;      ///< Empty person: nobody here.
  std::string no_owner;  ///< Why.
  v1::EntryRef own;      ///< Where it began in the store that exported it.
  std::vector<import_step> steps;
};

v1::Author unit_mapping::acting_author(const mapped_person& person, const mapped_person& patient) const {
  v1::Author author;
  author.set_person_id(person.id);
  if (person.kind == v1::PERSON_KIND_PATIENT) {
    author.set_role(v1::ROLE_PATIENT);
  } else if (person.kind == v1::PERSON_KIND_RELATED) {
    author.set_role(v1::ROLE_CAREGIVER);
  } else if (const auto acting = acting_.find(patient.id + '/' + person.id); acting != acting_.end()) {
    author.set_role(acting->second);
  }
  return author;
}

mapped_person* unit_mapping::task_person(const mapped_task& task, const fhir_node& reference, std::string& why) {
  auto* person = person_at(resources_.follow(reference, *task.resource), why);
  if (person == nullptr) return nullptr;
  if (person->resource != nullptr && !person->refused.empty()) {
    why = person->refused;
    return nullptr;
  }
  if (person->kind == v1::PERSON_KIND_PATIENT && task.patient != nullptr && person->id != task.patient->id) {
    why = "is another patient than the one whom the task is for";
    return nullptr;
  }
  return person;
}

bool unit_mapping::read_task_people(mapped_task& task) {
  const auto& body = task.resource->body;
  const auto for_node = body["for"];
  if (!for_node.present()) return leave_out(*task.resource, for_node, "is missing: it belongs to no patient's record"), false;
  std::string why;
  auto target = resources_.follow(for_node, *task.resource);
  if (target.type != "Patient" && !target.type.empty()) return leave_out(*task.resource, for_node, "is no Patient"), false;
  task.patient = task_person(task, for_node, why);
  if (task.patient == nullptr) return leave_out(*task.resource, for_node, why), false;

  const auto requester = body["requester"];
  if (requester.present()) {
    if (auto* person = task_person(task, requester, why)) {
      task.requester = acting_author(*person, *task.patient);
    } else if (why.starts_with("is another patient")) {
      return leave_out(*task.resource, requester, why), false;
    } else {
      refuse(requester, why + ": the system asks for the task");
    }
  } else {
    note("Task.requester missing: the system asks");
  }
  const auto owner = body["owner"];
  if (!owner.present()) {
    task.no_owner = "is missing: nobody here has the task";
  } else if (auto* person = task_person(task, owner, task.no_owner)) {
    task.owner = acting_author(*person, *task.patient);
  }
  return true;
}

bool unit_mapping::read_task_target(mapped_task& task, const fhir_node& from, v1::TaskTarget& to, std::string& why) {
  if (from["valueReference"].present()) {
    const auto* person = task_person(task, from["valueReference"], why);
    if (person != nullptr) to.set_person_id(person->id);
    return person != nullptr;
  }
  if (from["valueId"].present()) {
    to.set_duty_id(from["valueId"].text());
    return true;
  }
  const auto role = care::role_from_coding(codes::role_system, from["valueCode"].text());
  if (!role) return why = "is no role that is known here", false;
  to.set_role(*role);
  return true;
}

bool unit_mapping::read_task_extensions(mapped_task& task) {
  bool streamed = false;
  for (const auto& extension : task.resource->body["extension"].items()) {
    const auto url = extension["url"].text();
    std::string why;
    if (url == codes::stream_extension) {
      task.stream = codes::stream_of(extension["valueCode"].text());
      if (task.stream == v1::STREAM_UNSPECIFIED) return leave_out(*task.resource, extension, "is no stream that is known here"), false;
      streamed = true;
    } else if (url == codes::duty_extension) {
      task.order.mutable_target()->set_duty_id(extension["valueId"].text());
    } else if (url == codes::ladder_extension) {
      if (!read_task_target(task, extension, *task.order.add_ladder(), why)) return leave_out(*task.resource, extension, why), false;
    } else if (url == codes::read_back_extension) {
      task.order.set_read_back(extension["valueBoolean"].flag().value_or(false));
    } else if (url == codes::two_person_extension) {
      task.order.set_two_person(extension["valueBoolean"].flag().value_or(false));
    } else if (url == codes::required_output_extension) {
      task.order.add_required_outputs(extension["valueString"].text());
    } else if (url != codes::resume_at_extension) {
      import_tally::count(tally_.unused_fields, "Task.extension");
    }
  }
  const auto of_patients_side = [](const v1::Author& who) { return who.role() == v1::ROLE_PATIENT || who.role() == v1::ROLE_CAREGIVER; };
  if (!streamed && (of_patients_side(task.requester) || of_patients_side(task.owner))) task.stream = v1::STREAM_SHARED;
  return true;
}

bool unit_mapping::read_task_order(mapped_task& task) {
  const auto& body = task.resource->body;
  auto& order = task.order;
  order.set_kind(kind_of(body, resources_, *task.resource));
  if (order.kind() == v1::TASK_KIND_UNSPECIFIED) return leave_out(*task.resource, body["code"], "is no kind that is known here"), false;
  if (order.kind() == v1::TASK_KIND_FOLLOW_UP) {
    order.set_kind(v1::TASK_KIND_CARE);
    note("Task.code=follow-up imported as care");
  }
  order.set_title(words_of(body["code"]));
  order.set_description(body["description"].text());
  if (order.title().empty()) return leave_out(*task.resource, body["code"], "does not say what is to be done"), false;
  if (order.title().size() > care::max_title_bytes) return leave_out(*task.resource, body["code"], "is longer than 200 bytes"), false;
  if (order.description().size() > care::max_description_bytes) {
    return leave_out(*task.resource, body["description"], "is longer than 4000 bytes"), false;
  }
  const auto priority = body["priority"];
  const auto urgency = priority.text();
  order.set_priority(urgency.empty() ? v1::PRIORITY_ROUTINE : codes::priority_of(urgency));
  if (order.priority() == v1::PRIORITY_UNSPECIFIED) return priority.fail("is not a FHIR request-priority"), false;

  const auto due = body["restriction"]["period"]["end"].time();
  if (due && earlier(now(), due->after)) {
    *order.mutable_due() = due->after;
  } else if (due) {
    note("Task.restriction.period has ended: due by priority, from now");
  }
  for (const auto& input : body["input"].items()) {
    auto value = value_of(input);
    auto name = words_of(input["type"]);
    if (value.empty() || name.empty()) {
      import_tally::count(tally_.unused_fields, "Task.input");
      continue;
    }
    auto& fact = *order.add_facts();
    fact.set_name(std::move(name));
    fact.set_value(std::move(value));
    for (const auto& extension : input["extension"].items()) {
      if (extension["url"].text() == codes::unit_extension) fact.set_unit(extension["valueString"].text());
    }
  }
  return true;
}

// Whom the order asks: a role, a duty, or the owner.
void unit_mapping::find_task_target(mapped_task& task) {
  auto& order = task.order;
  if (order.has_target()) return;
  for (const auto& concept_node : task.resource->body["performerType"].items()) {
    std::string unknown;
    if (const auto role = role_of(concept_node, unknown)) return order.mutable_target()->set_role(*role);
  }
  if (!task.owner.person_id().empty()) order.mutable_target()->set_person_id(task.owner.person_id());
}

import_step& unit_mapping::add_task_step(mapped_task& task, std::string_view what, const v1::Author& author) {
  auto& step = task.steps.emplace_back();
  step.command.set_patient_id(task.patient->id);
  step.author = author;
  step.source = task.resource->key;
  step.task = task.resource->key;
  step.identity = task.resource->key + '#' + std::string(what);
  step.when = apply_when::as_far_as_allowed;
  return step;
}

void unit_mapping::add_task_beginning(mapped_task& task) {
  const bool drafts = task.status == "draft" || task.status == "cancelled";
  auto& step = add_task_step(task, drafts ? task_drafted : task_begun, task.requester);
  step.own = task.own;
  if (drafts) {
    step.command.mutable_draft_task()->set_stream(task.stream);
    *step.command.mutable_draft_task()->mutable_order() = task.order;
  } else if (task.status == "ready") {
    auto& asked = *step.command.mutable_instantiate_task();
    asked.set_stream(task.stream);
    *asked.mutable_order() = task.order;
    asked.mutable_order()->mutable_target()->set_person_id(task.owner.person_id());
  } else {
    step.command.mutable_request_task()->set_stream(task.stream);
    *step.command.mutable_request_task()->mutable_order() = task.order;
  }
}

void unit_mapping::add_acceptance(mapped_task& task) {
  auto& accept = *add_task_step(task, "accepted", task.owner).command.mutable_accept_task();
  accept.mutable_task()->set_stream(task.stream);
  // Whoever accepted it there has read its facts back there.
  if (task.order.read_back()) *accept.mutable_read_back() = task.order.facts();
}

void unit_mapping::add_start(mapped_task& task) {
  add_task_step(task, "started", task.owner).command.mutable_start_task()->mutable_task()->set_stream(task.stream);
}

void unit_mapping::add_pause(mapped_task& task, const std::string& reason) {
  const auto& body = task.resource->body;
  std::optional<fhir_interval> resume_at;
  fhir_node place = body["status"];
  for (const auto& extension : body["extension"].items()) {
    if (extension["url"].text() == codes::resume_at_extension) resume_at = extension["valueDateTime"].time();
  }
  if (reason.empty()) return refuse(body["statusReason"], "is missing, and who pauses says why: imported as in-progress");
  if (!resume_at || !earlier(now(), resume_at->first)) {
    return refuse(place, "is on-hold without saying until when (urn:careteam:resume-at, in the future): imported as in-progress");
  }
  auto& pause = *add_task_step(task, "paused", task.owner).command.mutable_pause_task();
  pause.mutable_task()->set_stream(task.stream);
  pause.set_reason(reason);
  *pause.mutable_resume_at() = resume_at->first;
}

void unit_mapping::add_completion(mapped_task& task) {
  auto& complete = *add_task_step(task, "completed", task.owner).command.mutable_complete_task();
  complete.mutable_task()->set_stream(task.stream);
  for (const auto& output : task.resource->body["output"].items()) {
    auto name = words_of(output["type"]);
    auto value = value_of(output);
    if (name.empty() || value.empty()) {
      import_tally::count(tally_.unused_fields, "Task.output");
      continue;
    }
    auto& evidence = *complete.add_outputs();
    evidence.set_name(std::move(name));
    evidence.set_value(std::move(value));
  }
}

// The ends by which nothing begins here; of what an earlier import brought they are the end.
void unit_mapping::add_end(mapped_task& task, const std::string& reason) {
  const auto status = task.resource->body["status"];
  leave_out(*task.resource, status, "is " + task.status + ": nothing begins by it; what came by it before ends");
  const auto& because = reason.empty() ? task.status + " in " + task.resource->key : reason;
  if (task.status == "entered-in-error") {
    auto& mark = *add_task_step(task, "in-error", {}).command.mutable_mark_task_in_error();
    mark.mutable_task()->set_stream(task.stream);
    mark.set_reason(because);
  } else if (task.status == "failed") {
    auto& fail = *add_task_step(task, "failed", task.owner).command.mutable_fail_task();
    fail.mutable_task()->set_stream(task.stream);
    fail.set_reason(because);
  } else {
    auto& decline = *add_task_step(task, "rejected", task.owner).command.mutable_decline_task();
    decline.mutable_task()->set_stream(task.stream);
    decline.set_reason(because);
  }
}

bool unit_mapping::add_task_steps(mapped_task& task) {
  const auto& body = task.resource->body;
  auto reason = words_of(body["statusReason"]);
  if (reason.size() > care::max_reason_bytes) return leave_out(*task.resource, body["statusReason"], "is longer than 1000 bytes"), false;
  const auto& status = task.status;
  if (status == "failed" || status == "rejected" || status == "entered-in-error") return add_end(task, reason), true;
  if (status == "draft" || status == "cancelled") {
    if (status == "draft" && task.requester.person_id().empty()) {
      return leave_out(*task.resource, body["requester"], "is nobody here who could finish the draft"), false;
    }
    add_task_beginning(task);
    if (status == "draft") return true;
    auto& cancel = *add_task_step(task, "cancelled", {}).command.mutable_cancel_task();
    cancel.mutable_task()->set_stream(task.stream);
    cancel.set_reason(reason.empty() ? "cancelled in " + task.resource->key : reason);
    return true;
  }
  if (status == "requested" && !task.order.has_target()) return leave_out(*task.resource, body["owner"], task.no_owner), false;
  if (status != "requested" && task.owner.person_id().empty()) return leave_out(*task.resource, body["owner"], task.no_owner), false;
  add_task_beginning(task);
  if (status == "requested" || status == "ready") return true;
  if (status == "received") {
    add_task_step(task, "claimed", task.owner).command.mutable_claim_task()->mutable_task()->set_stream(task.stream);
    return true;
  }
  add_acceptance(task);
  if (status == "accepted") return true;
  if (status != "completed" || body["executionPeriod"]["start"].present()) add_start(task);
  if (status == "on-hold") add_pause(task, reason);
  if (status == "completed") add_completion(task);
  return true;
}

// Where the task began in the store that exported it: this one does not begin it a second time.
void unit_mapping::read_own_place(mapped_task& task) {
  for (const auto& identifier : task.resource->body["identifier"].items()) {
    if (identifier["system"].text() != codes::task_system) continue;
    const auto value = identifier["value"].text();
    const auto seq_at = value.rfind('/');
    const auto stream_at = seq_at == std::string::npos || seq_at == 0 ? seq_at : value.rfind('/', seq_at - 1);
    if (stream_at == std::string::npos) continue;
    task.own.set_patient_id(value.substr(0, stream_at));
    task.own.set_stream(codes::stream_of(value.substr(stream_at + 1, seq_at - stream_at - 1)));
    task.own.set_seq(std::strtoull(value.c_str() + seq_at + 1, nullptr, 10));
  }
}

void unit_mapping::read_task(const fhir_resource& resource) {
  const auto& body = resource.body;
  count_unused(body, "Task", {"resourceType", "id",        "contained",     "extension",   "identifier",  "status", "statusReason",
                              "intent",       "priority",  "code",          "description", "focus",       "for",    "executionPeriod",
                              "authoredOn",   "requester", "performerType", "owner",       "restriction", "input",  "output"},
               tally_);
  mapped_task task;
  task.resource = &resource;
  task.status = body["status"].text();
  if (!body["status"].present()) return body["status"].fail("is missing");
  if (!among(statuses, task.status)) return body["status"].fail("is not a Task status");
  const auto intent = body["intent"].text();
  if (!body["intent"].present()) return body["intent"].fail("is missing");
  if (!among(intents, intent) && !among(intents_left_out, intent)) return body["intent"].fail("is not a Task intent");
  const auto authored = body["authoredOn"].time();
  if (among(intents_left_out, intent)) return leave_out(resource, body["intent"], "is " + intent + ": nobody has asked for it");
  if (is_handoff(body)) return leave_out(resource, body["code"], "is a handoff: the people of a duty hand it over, and an import does not");
  if (!read_task_people(task) || !read_task_extensions(task) || !read_task_order(task)) return;
  find_task_target(task);
  read_own_place(task);
  if (body["groupIdentifier"]["system"].text() == codes::protocol_system) {
    note("Task of a protocol: of its own here");
  }
  if (!add_task_steps(task)) return;
  task.patient->needed = true;
  for (const auto& who : {task.requester.person_id(), task.owner.person_id()}) {
    if (const auto person = by_person_id_.find(who); person != by_person_id_.end()) person->second->needed = true;
  }
  tasks_.push_back({authored ? authored->first : google::protobuf::Timestamp{}, std::move(task.steps)});
}

}  // namespace careteam::admin
