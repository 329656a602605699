#include "admin/fhir_writing.hpp"

#include <algorithm>

#include "admin/fhir_node.hpp"
#include "admin/fhir_person.hpp"
#include "admin/fhir_task_codes.hpp"
#include "care/roles.hpp"
#include "coordination/digest.hpp"
#include "runtime/hex.hpp"
#include "runtime/time_text.hpp"

namespace careteam::admin::fhir {
namespace {

namespace json = boost::json;
namespace codes = task_codes;

constexpr std::size_t max_fhir_id_bytes = 64;

/// XHTML of a text, line by line. What XML has no characters for is a space.
void append_xhtml(std::string& to, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        to += "&amp;";
        break;
      case '<':
        to += "&lt;";
        break;
      case '>':
        to += "&gt;";
        break;
      case '\n':
        to += "<br/>";
        break;
      default:
        to += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
}

// The id from which an import makes this person's id; nothing where only an identifier can say it.
std::string_view source_id(std::string_view person) {
  return is_derived_person_id(person) && person[1] == '.' ? person.substr(2) : std::string_view();
}

}  // namespace

std::string time_of(care::instant t) {
  return runtime::rfc3339(t);
}

std::string time_of(const google::protobuf::Timestamp& stamp) {
  return time_of(care::to_instant(stamp).value_or(care::instant{}));
}

json::object extension(std::string_view url, std::string_view type, json::value value) {
  return {{"url", url}, {type, std::move(value)}};
}

json::object identifier(std::string_view system, std::string_view value) {
  return {{"system", system}, {"value", value}};
}

json::object coded(std::string_view system, std::string_view code) {
  return {{"coding", json::array{json::object{{"system", system}, {"code", code}}}}};
}

json::object named(std::string_view text) {
  return {{"text", text}};
}

json::object narrative(std::string_view status, const std::vector<std::string>& paragraphs) {
  std::string div = R"(<div xmlns="http://www.w3.org/1999/xhtml">)";
  for (const auto& paragraph : paragraphs) {
    div += "<p>";
    append_xhtml(div, paragraph);
    div += "</p>";
  }
  if (paragraphs.empty()) div += "<p>-</p>";
  div += "</div>";
  return {{"status", status}, {"div", div}};
}

std::string id_from(const std::string& readable, const std::string& name) {
  return is_fhir_id(readable) ? readable : id_with_digest(readable, name);
}

std::string id_with_digest(const std::string& readable, const std::string& name) {
  constexpr std::size_t digest_bytes = 8;
  const auto digest = runtime::to_hex(coordination::digest_of(name).data(), digest_bytes);
  return readable.substr(0, max_fhir_id_bytes - 1 - 2 * digest_bytes) + '.' + digest;
}

std::string role_code(v1::Role role) {
  const auto* row = care::find_role(role);
  return row ? std::string(row->code) : std::string();
}

std::string code_of(std::string_view name, std::string_view prefix) {
  std::string code(name.substr(std::min(prefix.size(), name.size())));
  std::ranges::transform(code, code.begin(), [](unsigned char c) { return c == '_' ? '-' : static_cast<char>(std::tolower(c)); });
  return code;
}

std::string place_text(care::place at) {
  return codes::stream_code(at.stream) + '/' + std::to_string(at.seq);
}

std::string task_id(std::string_view patient, care::place at) {
  const std::string whose(patient);
  return id_from(whose + '.' + codes::stream_code(at.stream) + '.' + std::to_string(at.seq), whose + '/' + place_text(at));
}

json::object people_writer::reference(const std::string& person) {
  const auto type = type_of(person);
  json::object result;
  if (type == "Device") {
    result = {{"type", type}, {"identifier", identifier(person_id_system, person)}};
  } else {
    mentioned_.insert(person);
    result["reference"] = std::string(type) + '/' + id_of(person);
  }
  const auto* account = people().find(person);
  if (account && texts_ == told_texts::all) result["display"] = account->name;
  return result;
}

json::object people_writer::duty_reference(const std::string& duty) {
  json::object result{{"type", "PractitionerRole"}, {"identifier", identifier(codes::duty_system, duty)}};
  const auto* known = organization_.duty(duty);
  if (known == nullptr) return result;
  duties_.insert(duty);
  result["reference"] = "PractitionerRole/" + duty;
  if (texts_ == told_texts::all) result["display"] = known->what.name;
  return result;
}

json::array people_writer::resources(const std::string& patient) {
  json::array duties;  // First: whoever holds one is among the people.
  for (const auto& duty : duties_) duties.push_back(duty_resource(*organization_.duty(duty)));
  json::array result;
  if (!patient.empty()) result.push_back(resource(patient, patient));
  for (const auto& person : mentioned_) {
    if (person != patient) result.push_back(resource(person, patient));
  }
  for (auto& duty : duties) result.push_back(std::move(duty));
  return result;
}

std::string_view people_writer::type_of(const std::string& person) const {
  const auto* account = people().find(person);
  switch (account ? account->kind : v1::PERSON_KIND_UNSPECIFIED) {
    case v1::PERSON_KIND_PATIENT:
      return "Patient";
    case v1::PERSON_KIND_RELATED:
      return "RelatedPerson";
    case v1::PERSON_KIND_SERVICE:
      return "Device";
    default:
      return "Practitioner";
  }
}

std::string people_writer::id_of(const std::string& person) const {
  if (const auto source = source_id(person); !source.empty()) return std::string(source);
  // Somebody else may have come from a resource of this very id.
  for (const auto* letter : {"p.", "s.", "r."}) {
    if (people().find(letter + person)) return ("own." + person).substr(0, max_fhir_id_bytes);
  }
  return person;
}

json::object people_writer::resource(const std::string& person, const std::string& patient) const {
  const auto type = type_of(person);
  json::object result{{"resourceType", type}, {"id", id_of(person)}};
  if (!is_derived_person_id(person)) result["identifier"] = json::array{identifier(person_id_system, person)};
  const auto* account = people().find(person);
  if (account && account->suspended) result["active"] = false;
  if (account && account->deceased) result["deceasedBoolean"] = true;
  if (account && texts_ == told_texts::all) result["name"] = json::array{named(account->name)};
  if (type == "RelatedPerson") result["patient"] = json::object{{"reference", "Patient/" + id_of(patient)}};
  return result;
}

json::object people_writer::duty_resource(const care::duty_state& duty) {
  json::object result{{"resourceType", "PractitionerRole"},
                      {"id", duty.id},
                      {"identifier", json::array{identifier(codes::duty_system, duty.id)}},
                      {"active", true}};
  if (!duty.holder.empty()) result["practitioner"] = reference(duty.holder);
  json::array roles;
  for (const auto role : duty.what.roles) roles.push_back(coded(codes::role_system, role_code(role)));
  if (texts_ == told_texts::all) roles.push_back(named(duty.what.name));
  if (!roles.empty()) result["code"] = std::move(roles);
  return result;
}

}  // namespace careteam::admin::fhir
