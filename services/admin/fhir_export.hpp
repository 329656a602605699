// One patient's record as FHIR R4: its people, its care team, its protocols and all its tasks, open and ended, with the exact status codes.
// Pure: entries in, resources out. What `careteam import` makes of it again, and what not, tells README.md.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "admin/fhir_protocols.hpp"
#include "admin/handoff_log.hpp"
#include "admin/known_organization.hpp"
#include "admin/owed_things.hpp"
#include "admin/told_texts.hpp"
#include "care/record.hpp"

namespace careteam::admin {

/// A record's export. Use once: take every entry, then ask for the resources.
class fhir_export {
 public:
  /// `organization`: the accounts and the duties at `now`; must outlive this. A duty's task is owned by whoever holds the duty. Without
  /// texts neither names nor anything that people wrote is told: an import cannot take such a file, and a count of what is overdue can.
  fhir_export(std::string patient_id, const known_organization& organization, told_texts texts, care::instant now);

  /// The next entry of the record, of whatever stream.
  void take(const v1::Entry& entry);

  /// The resources: Patient, the people on the team and in the tasks, the duties, CareTeam, the protocols, the Tasks in the order in which
  /// they began, and the patient's part of these handoffs. `owed`: what those list.
  [[nodiscard]] boost::json::array resources(std::span<const duty_handoffs* const> handoffs, const owed_things& owed) const;
  [[nodiscard]] std::size_t tasks() const { return tasks_.size(); }

 private:
  const known_organization& organization_;
  told_texts texts_;
  care::instant now_;
  care::record_state record_;
  fhir::protocols_writer protocols_;
  std::map<care::place, std::vector<v1::Entry>> tasks_;  ///< Of each task the entry with which it began and those about it.
};

/// Writes the Bundle (type collection) of several records, one after the other: in memory is one record.
class bundle_writer {
 public:
  /// `to` must outlive this.
  bundle_writer(std::ostream& to, care::instant now);
  /// The resources of the next record; a person who was written with an earlier one is not written again.
  void add(const boost::json::array& resources);
  /// The end of the Bundle.
  void finish();

 private:
  std::ostream& to_;
  std::set<std::string> written_;
};

}  // namespace careteam::admin
