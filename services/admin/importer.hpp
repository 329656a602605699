// Applies what the FHIR reader yields: each unit as one commit, or not at all. Works on the store alone, as another writer beside the
// record hosts; whoever runs hosts tells them to refresh what was touched.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <set>
#include <string>

#include "admin/fhir_import.hpp"
#include "care/record.hpp"
#include "runtime/clock.hpp"
#include "store/store.hpp"

namespace careteam::admin {

/// What became of a unit.
struct unit_outcome {
  std::optional<import_problem> refused;  ///< Nothing of the unit was applied.
  std::uint64_t applied = 0;              ///< Steps that changed something.
  std::uint64_t unchanged = 0;            ///< Steps that had been applied before or had nothing to change.
  std::set<std::string> patients;         ///< Records that were touched; empty: the organisation.
};

class importer {
 public:
  importer(store::record_store& into, const runtime::clock& clock) : store_(into), clock_(clock) {}

  /// Applies one unit. An error: the store cannot be written, and nothing of this unit was applied.
  boost::asio::awaitable<store::result<unit_outcome>> apply(import_unit unit);

 private:
  struct working_record {
    care::record_state state;
    std::uint64_t snapshot_version = 0;
  };
  struct draft;
  boost::asio::awaitable<store::result<working_record*>> record(std::string patient_id);
  boost::asio::awaitable<store::result<std::optional<unit_outcome>>> attempt(const import_unit& unit);

  store::record_store& store_;
  const runtime::clock& clock_;
  std::map<std::string, working_record> records_;
};

}  // namespace careteam::admin
