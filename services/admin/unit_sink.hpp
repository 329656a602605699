// Where the units of an import are applied: a store of our own (importer), or the server that holds it (control_client).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <set>
#include <string>

#include "admin/fhir_import.hpp"
#include "care/time.hpp"
#include "store/store.hpp"

namespace careteam::admin {

/// What became of a unit.
struct unit_outcome {
  std::optional<import_problem> refused;     ///< Nothing of the unit was applied.
  std::uint64_t applied = 0;                 ///< Steps that changed something.
  std::uint64_t unchanged = 0;               ///< Steps that had been applied before or had nothing to change.
  std::vector<import_problem> left_out;      ///< Steps that the domain does not allow, where the rest of the unit stands without them.
  std::optional<care::instant> first_timer;  ///< When the first of the timers is due that were set. Not told by a server.
  std::set<std::string> patients;            ///< Records that were touched; empty: the organisation. Not told by a server.
};

class unit_sink {
 public:
  virtual ~unit_sink() = default;
  /// Applies one unit. An error: nothing of this unit was applied, or, where a server ended meanwhile, perhaps all of it; applying it again
  /// does no harm.
  virtual boost::asio::awaitable<store::result<unit_outcome>> apply(import_unit unit) = 0;
};

}  // namespace careteam::admin
