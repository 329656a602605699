// What all resources of an export are written with: FHIR's data types, and references to people, duties and what is owed.
#pragma once

#include <boost/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "admin/known_organization.hpp"
#include "admin/told_texts.hpp"
#include "care/chat.hpp"
#include "care/time.hpp"

namespace careteam::admin::fhir {

/// dateTime and instant: UTC with milliseconds.
std::string time_of(care::instant t);
std::string time_of(const google::protobuf::Timestamp& stamp);

/// `type`: the value's field, "valueCode".
boost::json::object extension(std::string_view url, std::string_view type, boost::json::value value);
boost::json::object identifier(std::string_view system, std::string_view value);
/// A CodeableConcept of one coding.
boost::json::object coded(std::string_view system, std::string_view code);
/// A CodeableConcept of words alone.
boost::json::object named(std::string_view text);
/// Narrative with a paragraph for each; `status`: FHIR's narrative-status. FHIR wants a text where a section has nothing else: no
/// paragraphs are a dash.
boost::json::object narrative(std::string_view status, const std::vector<std::string>& paragraphs);
/// The readable text where it is short enough for an id; else it is cut, with a digest of `name`.
std::string id_from(const std::string& readable, const std::string& name);
/// Always with the digest: where two names can have the same readable text.
std::string id_with_digest(const std::string& readable, const std::string& name);

std::string role_code(v1::Role role);
/// HOLDER_REASON_COVER_ENDED: "cover-ended". The enumeration's value without its prefix.
std::string code_of(std::string_view name, std::string_view prefix);
/// "clinical/17".
std::string place_text(care::place at);
/// The id of the resource that a task is.
std::string task_id(std::string_view patient, care::place at);

/// The people and the duties of an export as resources, and the references to them: who is referred to is among the resources.
class people_writer {
 public:
  /// `organization` must outlive this.
  people_writer(const known_organization& organization, told_texts texts) : organization_(organization), texts_(texts) {}

  boost::json::object reference(const std::string& person);
  /// A duty is a PractitionerRole: whoever holds it now practises in it. One that is not known is named by its id alone.
  boost::json::object duty_reference(const std::string& duty);

  /// Everybody and every duty to whom a reference was given, the patient whose record it is first. Empty: no patient's record.
  boost::json::array resources(const std::string& patient);

 private:
  const care::organization_state& people() const { return organization_.people(); }
  std::string_view type_of(const std::string& person) const;
  std::string id_of(const std::string& person) const;
  boost::json::object resource(const std::string& person, const std::string& patient) const;
  boost::json::object duty_resource(const care::duty_state& duty);

  const known_organization& organization_;
  told_texts texts_;
  std::set<std::string> mentioned_, duties_;
};

}  // namespace careteam::admin::fhir
