// What is said of patients when they are handed over, as a FHIR R4 Composition: a section for each patient, and in it I-PASS's five.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "admin/fhir_writing.hpp"
#include "care/handoff.hpp"

namespace careteam::admin::fhir {

/// How far the last S has come: the synthesis by whoever receives.
enum class synthesis_status : std::uint8_t { awaited, said_back, differs, sent_back, declined };

/// One patient in a handoff.
struct told_patient {
  std::string id;
  care::handoff_patient said;
  std::vector<boost::json::object> actions;  ///< References to what is owed.
  bool actions_known = true;                 ///< False: what was owed was not written down.
  synthesis_status status = synthesis_status::awaited;
  std::string synthesis;                          ///< The words of whoever receives; empty: by one tap.
  std::optional<boost::json::object> top_action;  ///< A reference to what they said is due first.
  std::string answer;                             ///< What is wrong with it, or why the patient was declined.
  std::string receiver;                           ///< Who said it; empty: nobody yet.
};

/// The section about one patient.
boost::json::object patient_section(const told_patient& patient, told_texts texts, people_writer& people);

}  // namespace careteam::admin::fhir
