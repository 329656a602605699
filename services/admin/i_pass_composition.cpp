#include "admin/i_pass_composition.hpp"

#include <utility>

namespace careteam::admin::fhir {
namespace {

namespace json = boost::json;

constexpr std::string_view part_system = "urn:careteam:i-pass";
constexpr std::string_view severity_extension = "urn:careteam:illness-severity";
constexpr std::string_view synthesis_extension = "urn:careteam:synthesis";
constexpr std::string_view empty_reason_system = "http://terminology.hl7.org/CodeSystem/list-empty-reason";

json::object part(std::string_view code) {
  return {{"code", coded(part_system, code)}};
}

/// Words of people: none without texts, where FHIR wants a text all the same.
json::object words(std::vector<std::string> paragraphs, told_texts texts) {
  std::erase(paragraphs, std::string());
  return texts == told_texts::none || paragraphs.empty() ? narrative("empty", {}) : narrative("additional", paragraphs);
}

std::string_view code_of(synthesis_status status) {
  switch (status) {
    case synthesis_status::awaited:
      return "awaited";
    case synthesis_status::said_back:
      return "said-back";
    case synthesis_status::differs:
      return "differs";
    case synthesis_status::sent_back:
      return "sent-back";
    case synthesis_status::declined:
      return "declined";
  }
  return {};
}

json::object severity_part(v1::HandoffNote::Severity severity) {
  auto result = part("illness-severity");
  if (severity == v1::HandoffNote::SEVERITY_UNSPECIFIED) {
    result["emptyReason"] = coded(empty_reason_system, "notstarted");
    result["text"] = narrative("empty", {});
    return result;
  }
  const auto code = fhir::code_of(v1::HandoffNote_Severity_Name(severity), "SEVERITY_");
  result["extension"] = json::array{extension(severity_extension, "valueCode", json::string(code))};
  result["text"] = narrative("extensions", {code});
  return result;
}

json::object actions_part(const told_patient& patient) {
  auto result = part("action-list");
  if (!patient.actions.empty()) {
    result["entry"] = json::array(patient.actions.begin(), patient.actions.end());
    return result;
  }
  result["emptyReason"] = coded(empty_reason_system, patient.actions_known ? "nilknown" : "unavailable");
  result["text"] = narrative("empty", {});
  return result;
}

json::object synthesis_part(const told_patient& patient, told_texts texts, people_writer& people) {
  auto result = part("synthesis-by-receiver");
  result["extension"] = json::array{extension(synthesis_extension, "valueCode", json::string(code_of(patient.status)))};
  result["text"] = words({patient.synthesis, patient.answer}, texts);
  if (!patient.receiver.empty()) result["author"] = json::array{people.reference(patient.receiver)};
  if (patient.top_action) {
    result["entry"] = json::array{*patient.top_action};
  } else if (patient.status == synthesis_status::awaited) {
    result["emptyReason"] = coded(empty_reason_system, "notstarted");
  }
  return result;
}

}  // namespace

json::object patient_section(const told_patient& patient, told_texts texts, people_writer& people) {
  auto summary = part("patient-summary");
  summary["text"] = words({patient.said.summary}, texts);
  auto situation = part("situation-awareness");
  situation["text"] = words(patient.said.contingencies, texts);
  return {{"code", coded(part_system, "patient")},
          {"focus", people.reference(patient.id)},
          {"section", json::array{severity_part(patient.said.severity), std::move(summary), actions_part(patient), std::move(situation),
                                  synthesis_part(patient, texts, people)}}};
}

}  // namespace careteam::admin::fhir
