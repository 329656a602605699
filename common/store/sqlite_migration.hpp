// From the schema of an older program to this one's: by the operator's command only, after a backup, in one transaction.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

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

/// What the entries of a record lead to, for the tables that are made from them. The store does not know what an entry means.
class record_projection {
 public:
  virtual ~record_projection() = default;
  virtual void begin(const record_key& record) = 0;
  /// Every entry of the record, in version order. False: it cannot be read; the migration fails.
  virtual bool take(const stored_entry& entry) = 0;
  /// The record's obligations after its last entry.
  virtual std::vector<obligation_row> obligations() = 0;
};

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
///
/// `projection` fills what is made from the entries, in the same transaction.
migration_report migrate_sqlite(const std::string& path, const std::string& backup, const copy_progress& progress,
                                record_projection& projection, std::span<const schema_step> steps = schema_steps());

}  // namespace careteam::store
