// The tables, and what must hold before a file is served: it exists, is ours, has this schema, and belongs to this process alone.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "store/sqlite_connection.hpp"

namespace careteam::store {

/// Why a store cannot be opened. The message says what to do.
enum class open_failure { missing, read_only, not_a_store, older_schema, newer_schema, locked, corrupt, unreadable };

/// Thrown at start-up only.
class open_error : public std::runtime_error {
 public:
  open_error(open_failure kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  open_failure kind() const noexcept { return kind_; }

 private:
  open_failure kind_;
};

/// "care" in the header of the file (PRAGMA application_id).
inline constexpr std::int64_t store_application_id = 0x63617265;
/// Grows when the tables change (PRAGMA user_version).
inline constexpr std::int64_t store_schema_version = 5;
/// What `careteam migrate` can start from.
inline constexpr std::int64_t oldest_schema_version = 1;
/// A stream has at most this many entries: seq is the lower half of a position.
inline constexpr std::uint64_t max_stream_entries = 0xffff'ffff;
/// A store has at most this many streams: the upper half of a position, without its sign.
inline constexpr std::int64_t max_streams = 0x7fff'ffff;

/// An entry's place as one integer, so that the index over all streams is a plain integer key.
inline std::int64_t position_of(std::int64_t stream, std::uint64_t seq) {
  return stream << 32 | static_cast<std::int64_t>(seq);
}
inline std::int64_t stream_of_position(std::int64_t position) {
  return position >> 32;
}
inline std::uint64_t seq_of_position(std::int64_t position) {
  return static_cast<std::uint64_t>(position) & max_stream_entries;
}

/// The right to write a store: an flock on `<path>.lock`, which holds the owner's process id. Ends with the object or the process.
class store_lock {
 public:
  /// Throws open_error (locked, read_only, unreadable).
  explicit store_lock(const std::string& path);
  ~store_lock();
  store_lock(const store_lock&) = delete;
  store_lock& operator=(const store_lock&) = delete;

 private:
  int file_ = -1;
};

/// Throws open_error when the connection has failed.
void throw_if_failed(const sqlite_connection& connection, const std::string& path);

/// Throws open_error unless a file is there.
void require_file(const std::string& path);

/// Opens a store for reading, whoever else has it open. The connection's failure says what went wrong.
void open_to_read(sqlite_connection& connection, const std::string& path);

/// Which schemas will do: `older_too` is for what is done to a store before it is migrated.
enum class accepted_schema { current, older_too };

/// Throws open_error unless the connection's file is a store of such a schema.
void check_schema(sqlite_connection& connection, const std::string& path, accepted_schema accepted = accepted_schema::current);

/// A process that dies after a failed sync leaves pages that look as if they were on the disk and are not, and the next sync would not
/// write them. So whoever opens a store writes the WAL's bytes once more, as they are, and syncs them, before anything is appended behind
/// them. Needs the store_lock. Throws open_error where the disk still fails.
void rewrite_wal(const std::string& path);

/// Makes the names of new files beside `path` durable. Throws open_error.
void sync_folder_of(const std::string& path);

/// The tables of timers and deliveries: since schema 3. Failures are the connection's.
void create_outbox_tables(sqlite_connection& connection);

/// The table of obligations: since schema 4. Failures are the connection's.
void create_obligations_table(sqlite_connection& connection);

/// Creates the tables of an empty file, in one transaction. Throws open_error.
void create_schema(sqlite_connection& connection, const std::string& path);

/// A new incarnation of the store: 32 random hexadecimal digits.
std::string random_epoch();

}  // namespace careteam::store
