#include "store/sqlite_migration.hpp"

#include <array>
#include <vector>

#include "store/chain.hpp"
#include "store/contract.hpp"
#include "store/sqlite_connection.hpp"
#include "store/sqlite_reader.hpp"
#include "store/sqlite_writer.hpp"

namespace careteam::store {
namespace {

// The snapshots that are there are believed: they are what an older program would have used.
void give_snapshots_a_digest(sqlite_connection& connection) {
  connection.execute("ALTER TABLE snapshots ADD COLUMN digest BLOB NOT NULL DEFAULT x''");
  chain_hasher hasher;
  std::vector<std::int64_t> records;
  {
    statement select(connection, "SELECT record FROM snapshots");
    query rows(select);
    while (rows.next()) records.push_back(rows.integer(0));
  }
  statement select(connection, "SELECT version, bytes FROM snapshots WHERE record = ?1");
  statement update(connection, "UPDATE snapshots SET digest = ?2 WHERE record = ?1");
  for (const auto record : records) {
    chain_value digest{};
    {
      query row(select, record);
      if (!row.next()) return;
      digest = hasher.snapshot_digest(row.as<std::uint64_t>(0), row.bytes(1));
    }
    update.run(record, as_blob(digest));
  }
}

/// The rows are what they were without the commands, which the records' states have.
void take_commands_off_timers(sqlite_connection& connection) {
  connection.execute(
      "ALTER TABLE timers RENAME TO timers_with_commands; "
      "CREATE TABLE timers(due INTEGER NOT NULL, id TEXT NOT NULL, record INTEGER NOT NULL, PRIMARY KEY(due, id, record)) WITHOUT ROWID; "
      "INSERT INTO timers SELECT due, id, record FROM timers_with_commands ORDER BY due, id, record; "
      "DROP TABLE timers_with_commands");
}

constexpr std::array steps_there_are{
    schema_step{1, "snapshots get a digest, so that a damaged one is noticed", give_snapshots_a_digest},
    schema_step{2, "tables of timers and deliveries", create_outbox_tables},
    schema_step{3, "the table of obligations, which is made from the entries", create_obligations_table},
    schema_step{4, "timers are when and which; what is to be done follows from the entries", take_commands_off_timers},
};

constexpr std::int64_t obligations_since = 4;
constexpr std::size_t keys_at_once = 1000;
constexpr std::size_t page_bytes = 1024 * 1024;

void project(sqlite_connection& connection, sqlite_reader& reader, sqlite_writer& writer, const record_key& record,
             record_projection& projection) {
  projection.begin(record);
  std::uint64_t version = 0;
  for (auto page = reader.read_record(record, 0, page_bytes); !page.empty(); page = reader.read_record(record, version, page_bytes)) {
    for (const auto& entry : page) {
      if (!projection.take(entry)) return connection.fail_corrupt("an entry cannot be read");
    }
    version = page.back().version;
  }
  record_append rows;
  rows.record = record;
  rows.expected_version = version;
  rows.put_obligations = projection.obligations();
  if (connection.failed() || rows.put_obligations.empty()) return;
  const auto done = writer.append({rows});
  if (!std::holds_alternative<committed>(done)) connection.fail_corrupt("a record's version is not that of its last entry");
}

/// Inside the transaction, which the writer only adds to.
void fill_obligations(sqlite_connection& connection, record_projection& projection) {
  {
    sqlite_reader reader(connection);
    sqlite_writer writer(connection);
    record_key after;
    for (auto keys = reader.record_keys(after, keys_at_once); !keys.empty(); keys = reader.record_keys(after, keys_at_once)) {
      for (const auto& key : keys) project(connection, reader, writer, key, projection);
      if (connection.failed()) break;
      after = keys.back();
    }
  }
  sqlite3_wal_hook(connection.handle(), nullptr, nullptr);  // It was the writer's.
}

/// The steps from this version on; none that fits is an error of whoever wrote the list.
std::span<const schema_step> steps_from(std::int64_t version, std::span<const schema_step> steps) {
  require(!steps.empty() && version >= steps.front().from, "there is a step for every schema that is accepted");
  const auto rest = steps.subspan(static_cast<std::size_t>(version - steps.front().from));
  require(!rest.empty() && rest.front().from == version, "the steps are in order and without a gap");
  return rest;
}

}  // namespace

std::span<const schema_step> schema_steps() {
  return steps_there_are;
}

migration_report migrate_sqlite(const std::string& path, const std::string& backup, const copy_progress& progress,
                                record_projection& projection, std::span<const schema_step> steps) {
  require_file(path);
  const store_lock lock(path);
  rewrite_wal(path);
  migration_report report;
  {
    sqlite_connection connection;
    connection.open(path, SQLITE_OPEN_READWRITE);
    throw_if_failed(connection, path);
    check_schema(connection, path, accepted_schema::older_too);
    report.from = report.to = connection.integer("PRAGMA user_version");
    throw_if_failed(connection, path);
  }
  if (report.from == store_schema_version) return report;
  report.backup_bytes = back_up_sqlite(path, backup, progress, accepted_schema::older_too).bytes;
  report.before = verify_sqlite(backup, {}, accepted_schema::older_too);
  if (!report.before.sound()) return report;

  sqlite_connection connection;
  connection.open(path, SQLITE_OPEN_READWRITE);
  connection.execute("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
  connection.execute("BEGIN IMMEDIATE");
  for (const auto& step : steps_from(report.from, steps)) {
    if (connection.failed()) break;
    step.carry_out(connection);
    report.to = step.from + 1;
  }
  if (report.from < obligations_since && report.to >= obligations_since && !connection.failed()) fill_obligations(connection, projection);
  connection.execute(("PRAGMA user_version = " + std::to_string(report.to)).c_str());
  connection.execute("COMMIT");
  throw_if_failed(connection, path);
  connection.close();
  report.after = verify_sqlite(path, {}, accepted_schema::older_too);
  return report;
}

}  // namespace careteam::store
