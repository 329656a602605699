// Handoffs as FHIR R4 (`domain.md` 3.2). Pure: logs in, resources out.
//
// Each is a Task (code `handoff`) from whoever hands over to whoever takes over; its focus a List of what is owed, with each deadline; its
// input a Composition with a section for each patient, of I-PASS's five; and a Provenance of the commit in which the duty moved. A patient
// who was declined is a Task of its own for the lead, as is their way back. Of a patient's part all of that is about them alone.
#pragma once

#include <boost/json.hpp>

#include "admin/fhir_writing.hpp"
#include "admin/handoff_log.hpp"
#include "admin/owed_things.hpp"

namespace careteam::admin::fhir {

/// Adds the resources of these handoffs; the people and duties to whom they refer are `people`'s to write.
void add_handoffs(boost::json::array& to, const duty_handoffs& handoffs, const owed_things& owed, told_texts texts, people_writer& people);

}  // namespace careteam::admin::fhir

namespace careteam::admin {

/// A duty's handoffs as a whole, with the duty and everybody in them. `organization` and `owed` must outlive the call.
boost::json::array duty_resources(const duty_handoffs& handoffs, const known_organization& organization, const owed_things& owed,
                                  told_texts texts);

}  // namespace careteam::admin
