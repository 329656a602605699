// Copies of a store: taken while it is served, put back where one was lost. Blocking; for the operator's commands.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "store/sqlite_schema.hpp"

namespace careteam::store {

/// Called every quarter of a MiB with the bytes that are copied and the bytes that there are.
using copy_progress = std::function<void(std::uint64_t copied, std::uint64_t total)>;

struct copy_report {
  std::uint64_t bytes = 0;
  std::string epoch;  ///< Of the copy.
};

/// Writes the store at `from`, as it is at one moment, to a new file at `to`. A server may hold `from` meanwhile: it goes on, and its WAL
/// grows until the copy is done; the copy takes the disk half of the time at most. `to` appears when it is whole and on disk; until then
/// `<to>.part` grows. Throws open_error: `from` is not there or no store of such a schema, `to` exists already or cannot be written.
copy_report back_up_sqlite(const std::string& from, const std::string& to, const copy_progress& progress,
                           accepted_schema accepted = accepted_schema::current);

/// Makes the backup at `from` the store at `to`, as a new incarnation: clients read everything again, because positions may have been
/// given twice. A backup of an older schema is put back as it is, to be migrated. Throws open_error: as above, and where there is a store
/// at `to` (it is never overwritten) or a server holds it.
copy_report restore_sqlite(const std::string& from, const std::string& to, const copy_progress& progress);

}  // namespace careteam::store
