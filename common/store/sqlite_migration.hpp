// From the schema of an older program to this one's: by the operator's command only, after a backup, in one transaction.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "store/sqlite_backup.hpp"
#include "store/sqlite_schema.hpp"
#include "store/verify.hpp"

namespace careteam::store {

/// Raises a store from one schema to the next. Runs inside the transaction; failures are the connection's.
struct schema_step {
  std::int64_t from = 0;
  const char* what = "";  ///< For the operator.
  void (*carry_out)(sqlite_connection& connection) = nullptr;
};

/// Every step there ever was, in order, without a gap: the last one leads to store_schema_version.
std::span<const schema_step> schema_steps();

struct migration_report {
  std::int64_t from = 0;
  std::int64_t to = 0;   ///< Equal to `from`: there was nothing to do, and nothing was done.
  verify_report before;  ///< Of the backup. Where it is not sound, nothing was changed.
  verify_report after;   ///< Of the migrated store.
  std::uint64_t backup_bytes = 0;
};

/// Migrates the store at `path`, which no server may hold. Writes a backup to `backup` first and verifies it. A migration that is cut off
/// anywhere leaves the store as it was; starting it again is safe. Throws open_error: as open_sqlite does; `backup` exists already or
/// cannot be written; the schema is newer than this program's, or older than the first step.
migration_report migrate_sqlite(const std::string& path, const std::string& backup, const copy_progress& progress,
                                std::span<const schema_step> steps = schema_steps());

}  // namespace careteam::store
