// Communication: what was said elsewhere before. Imported messages tell the past; they never ask anybody for an acknowledgement.
//
// Imported are `completed` and `in-progress`. Every other status says that it was not said (preparation, not-done, on-hold, stopped), that
// it should not have been (entered-in-error), or that nobody knows (unknown): such a one is named and left out.
#include <algorithm>
#include <array>

#include "admin/fhir_mapping.hpp"

namespace careteam::admin {
namespace {

constexpr std::array<std::string_view, 6> statuses_left_out{"preparation", "not-done", "on-hold", "stopped", "entered-in-error", "unknown"};

}  // namespace

std::string unit_mapping::text_of(const fhir_resource& message) {
  std::string text;
  for (const auto& payload : message.body["payload"].items()) {
    const auto said = payload["contentString"].text();
    if (said.empty()) {
      count_unused(payload, "Communication.payload", {"id"}, tally_);
      continue;
    }
    count_unused(payload, "Communication.payload", {"id", "contentString"}, tally_);
    if (!text.empty()) text += '\n';
    text += said;
  }
  return text;
}

// The sender. A device or an organisation is no person: the system writes its message down. `usable` is false if the message must be left
// out.
v1::Author unit_mapping::author_of(const fhir_resource& message, const mapped_person& patient, bool& usable) {
  v1::Author author;
  usable = true;
  const auto sender = message.body["sender"];
  if (!sender.present()) {
    refuse(sender, "is missing: the message is written by the system");
    return author;
  }
  auto target = resources_.follow(sender, message);
  std::string why;
  auto* person = person_at(target, why);
  if (person == nullptr) {
    refuse(sender, why + ": the message is written by the system");
    return author;
  }
  if (person->resource != nullptr && !person->refused.empty()) {
    leave_out(message, sender, person->refused + ": the message is left out");
    usable = false;
    return author;
  }
  if (person->kind == v1::PERSON_KIND_PATIENT && person->id != patient.id) {
    leave_out(message, sender, "is another patient than the subject: the message is left out");
    usable = false;
    return author;
  }
  person->needed = true;
  author.set_person_id(person->id);
  if (person->kind == v1::PERSON_KIND_PATIENT) {
    author.set_role(v1::ROLE_PATIENT);
  } else if (person->kind == v1::PERSON_KIND_RELATED) {
    author.set_role(v1::ROLE_CAREGIVER);
  } else if (const auto acting = acting_.find(patient.id + '/' + person->id); acting != acting_.end()) {
    author.set_role(acting->second);
  } else if (person->held.size() == 1) {
    author.set_role(person->held.front());
  }
  return author;
}

// Whether the patient or somebody related to the patient was addressed.
bool unit_mapping::reaches_patient(const fhir_resource& message, const mapped_person& patient) {
  bool reaches = false;
  for (const auto& recipient : message.body["recipient"].items()) {
    auto target = resources_.follow(recipient, message);
    if (target.type == "RelatedPerson") reaches = true;
    if (target.type != "Patient") continue;
    std::string why;
    const auto* person = person_at(target, why);
    if (person != nullptr && person->id == patient.id) {
      reaches = true;
    } else {
      refuse(recipient, "is another patient than the subject, or unknown: nothing is shown to them");
    }
  }
  return reaches;
}

void unit_mapping::read_communication(const fhir_resource& message) {
  const auto& body = message.body;
  count_unused(body, "Communication",
               {"resourceType", "id", "contained", "status", "subject", "sender", "recipient", "payload", "sent", "received", "priority"},
               tally_);
  auto* patient = patient_at(message);
  const auto status = body["status"];
  const auto said = status.text();
  if (!status.present()) return status.fail("is missing");
  const bool left_out = std::find(statuses_left_out.begin(), statuses_left_out.end(), said) != statuses_left_out.end();
  if (!left_out && said != "completed" && said != "in-progress") return status.fail("is not a Communication status");

  const auto sent = body["sent"].time();
  const auto received = body["received"].time();
  const auto priority = body["priority"];
  const auto urgency = priority.text();
  if (!urgency.empty() && urgency != "routine" && urgency != "urgent" && urgency != "asap" && urgency != "stat") {
    return priority.fail("is not a FHIR request-priority");
  }
  const auto text = text_of(message);
  if (patient == nullptr) return;
  if (left_out) return leave_out(message, status, "is " + said + ": not imported");
  if (text.empty()) return leave_out(message, body["payload"], "has no text: not imported");

  import_step step;
  step.command.set_patient_id(patient->id);
  auto& post = *step.command.mutable_post_message();
  post.mutable_content()->set_text(text);
  if (post.content().ByteSizeLong() > max_content_bytes) return leave_out(message, body["payload"], "is longer than 16 KiB: not imported");
  bool usable = false;
  step.author = author_of(message, *patient, usable);
  if (!usable) return;
  patient->needed = true;

  const bool by_patient_side = step.author.role() == v1::ROLE_PATIENT || step.author.role() == v1::ROLE_CAREGIVER;
  const bool to_patient_side = reaches_patient(message, *patient);
  post.set_stream(by_patient_side || to_patient_side ? v1::STREAM_SHARED : v1::STREAM_CLINICAL);
  post.set_priority(urgency.empty() || urgency == "routine" ? v1::PRIORITY_ROUTINE : v1::PRIORITY_URGENT);
  if (urgency == "asap" || urgency == "stat") note("Communication.priority=" + urgency + " imported as urgent");
  auto& imported = *post.mutable_imported();
  imported.set_source(message.key);
  const auto& when = sent ? sent : received;
  if (!sent) note(received ? "Communication.sent missing, received taken" : "Communication.sent and received missing");
  if (when) *imported.mutable_sent() = when->first;

  step.source = message.key;
  step.identity = message.key;
  step.when = apply_when::once;
  messages_.push_back({when ? when->first : google::protobuf::Timestamp{}, std::move(step)});
}

}  // namespace careteam::admin
