#include "store/sqlite_schema.hpp"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "store/contract.hpp"

namespace careteam::store {
namespace {

// Strings are interned (names, records, streams), so that the rows written for every entry hold small integers.
//
// An entry is written to the end of `entries`, whatever its stream; `positions` finds it by (stream, seq). Entries keyed by
// stream themselves would split pages in the middle of a big tree: 21 µs instead of 9 µs an entry in transactions of 256.
// `positions` repeats version and author because the reads that look for these should not have to touch the entries.
//
// A stream's head and chain and a record's version are written beside what they follow from: so a tail that is cut off is noticed.
constexpr const char* tables = R"(
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE records(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL);
CREATE TABLE streams(id INTEGER PRIMARY KEY, record INTEGER NOT NULL, kind INTEGER NOT NULL, head INTEGER NOT NULL,
  chain BLOB NOT NULL, UNIQUE(record, kind));
CREATE TABLE entries(row INTEGER PRIMARY KEY, position INTEGER NOT NULL, version INTEGER NOT NULL, chain BLOB NOT NULL,
  bytes BLOB NOT NULL);
CREATE TABLE positions(position INTEGER PRIMARY KEY, row INTEGER NOT NULL, version INTEGER NOT NULL, author INTEGER NOT NULL);
CREATE TABLE about(target INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY(target, position)) WITHOUT ROWID;
CREATE TABLE authors(stream INTEGER NOT NULL, person INTEGER NOT NULL, first INTEGER NOT NULL,
  PRIMARY KEY(stream, person)) WITHOUT ROWID;
CREATE TABLE commands(id BLOB NOT NULL, actor INTEGER NOT NULL, digest BLOB NOT NULL, record INTEGER NOT NULL,
  kind INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(id, actor)) WITHOUT ROWID;
CREATE TABLE memberships(person INTEGER NOT NULL, record INTEGER NOT NULL, PRIMARY KEY(person, record)) WITHOUT ROWID;
CREATE TABLE cursors(person INTEGER NOT NULL, stream INTEGER NOT NULL, displayed INTEGER NOT NULL, read INTEGER NOT NULL,
  read_own INTEGER NOT NULL, PRIMARY KEY(person, stream)) WITHOUT ROWID;
CREATE TABLE device_cursors(stream INTEGER NOT NULL, person INTEGER NOT NULL, device INTEGER NOT NULL,
  received INTEGER NOT NULL, PRIMARY KEY(stream, person, device)) WITHOUT ROWID;
CREATE TABLE snapshots(record INTEGER PRIMARY KEY, version INTEGER NOT NULL, bytes BLOB NOT NULL, digest BLOB NOT NULL DEFAULT x'');
)";

// Timers are kept by when they are due and not by record: what is armed together is due together, so that a batch of timers writes few
// pages, and one tree where (record, id) would need a second one with a page for each record. Whoever moves a timer says where it was. A
// row is nothing but its key: what is to be done is in the record's state, and rows that are small share their pages with many.
//
// Of the deliveries only those that can still change are in an index besides that of their ids.
constexpr const char* outbox_tables = R"(
CREATE TABLE timers(due INTEGER NOT NULL, id TEXT NOT NULL, record INTEGER NOT NULL, PRIMARY KEY(due, id, record)) WITHOUT ROWID;
CREATE TABLE deliveries(row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, record INTEGER NOT NULL, obligation TEXT NOT NULL,
  channel INTEGER NOT NULL, recipient INTEGER NOT NULL, priority INTEGER NOT NULL, payload BLOB NOT NULL, state INTEGER NOT NULL,
  next INTEGER NOT NULL, attempts INTEGER NOT NULL, worker INTEGER NOT NULL);
CREATE INDEX deliveries_waiting ON deliveries(next) WHERE state = 1;
CREATE INDEX deliveries_about ON deliveries(record, obligation) WHERE state <= 2;
)";

// A row for each of those whom an obligation concerns, in the order in which they ask for it: theirs are together, the next to be breached
// first. Whoever moves a row says where it was, as with timers. What is counted has an index of its own, which holds all that
// the count looks at.
constexpr const char* obligation_tables = R"(
CREATE TABLE obligations(owner INTEGER NOT NULL, breach INTEGER NOT NULL, record INTEGER NOT NULL, stream INTEGER NOT NULL,
  seq INTEGER NOT NULL, parts INTEGER NOT NULL, kind INTEGER NOT NULL, priority INTEGER NOT NULL, status INTEGER NOT NULL,
  version INTEGER NOT NULL, PRIMARY KEY(owner, breach, record, stream, seq)) WITHOUT ROWID;
CREATE INDEX obligations_open ON obligations(priority, breach, parts) WHERE parts & 1;
)";

std::string owner_of(int file) {
  std::array<char, 32> text{};
  const auto size = pread(file, text.data(), text.size() - 1, 0);
  if (size <= 0) return "another process";
  return "process " + std::string(text.data(), strcspn(text.data(), "\n"));
}

[[noreturn]] void throw_file_error(int error, const std::string& path) {
  if (error == EACCES || error == EROFS || error == EPERM) {
    throw open_error(open_failure::read_only,
                     "store " + path + " cannot be written by this user: correct the owner and mode of the file and its folder");
  }
  if (error == ENOENT || error == ENOTDIR) {
    throw open_error(open_failure::missing, "the folder of store " + path + " does not exist: create it or correct the path");
  }
  throw open_error(open_failure::unreadable, "store " + path + " cannot be opened: " + std::generic_category().message(error));
}

/// The path as an URI of a file that nobody changes.
std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char each : path) {
    switch (each) {
      case '%':
        uri += "%25";
        break;
      case '?':
        uri += "%3f";
        break;
      case '#':
        uri += "%23";
        break;
      default:
        uri += each;
    }
  }
  return uri + "?immutable=1";
}

}  // namespace

store_lock::store_lock(const std::string& path) {
  file_ = ::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) throw_file_error(errno, path);
  if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const std::string owner = owner_of(file_);
    ::close(file_);
    if (error != EWOULDBLOCK) throw_file_error(error, path);
    throw open_error(open_failure::locked, "store " + path + " is in use by " + owner + ": stop it first, or serve another store");
  }
  // For the person who reads it; the lock itself does not need it.
  const std::string owner = std::to_string(getpid()) + "\n";
  const bool written = ftruncate(file_, 0) == 0 && pwrite(file_, owner.data(), owner.size(), 0) == static_cast<ssize_t>(owner.size());
  if (!written) {
    const int error = errno;
    ::close(file_);
    throw_file_error(error, path);
  }
}

// The file stays: removing it would let a third process lock a file that a second one has already opened.
store_lock::~store_lock() {
  ::close(file_);
}

void throw_if_failed(const sqlite_connection& connection, const std::string& path) {
  if (!connection.failed()) return;
  const std::string because = ": " + connection.message();
  switch (connection.code()) {
    case SQLITE_NOTADB:
      throw open_error(open_failure::not_a_store, path + " is not a careteam store: correct the path");
    case SQLITE_CORRUPT:
      throw open_error(open_failure::corrupt, "store " + path + " is damaged: run `careteam verify`, then restore a backup" + because);
    case SQLITE_READONLY:
    case SQLITE_PERM:
      throw open_error(
          open_failure::read_only,
          "store " + path + " cannot be written by this user: correct the owner and mode of the file and its folder" + because);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw open_error(open_failure::locked, "store " + path + " is locked by another process: stop it first" + because);
    default:
      throw open_error(open_failure::unreadable, "store " + path + " cannot be opened" + because);
  }
}

void require_file(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) throw_file_error(errno, path);
    throw open_error(open_failure::missing, "store " + path + " does not exist: create it first or correct the path");
  }
  if (!S_ISREG(status.st_mode)) throw open_error(open_failure::not_a_store, path + " is not a file: correct the path");
}

void open_to_read(sqlite_connection& connection, const std::string& path) {
  connection.open(path, SQLITE_OPEN_READONLY);
  connection.integer("PRAGMA schema_version");
  // A WAL needs a file for what its readers share. Where none can be made (a backup on a read-only volume) and there is no WAL,
  // the file is all there is.
  std::error_code none;
  const auto wal_bytes = std::filesystem::file_size(path + "-wal", none);
  const bool no_shared_file = connection.code() == SQLITE_CANTOPEN || connection.code() == SQLITE_READONLY;
  if (!no_shared_file || (!none && wal_bytes != 0)) return;
  connection.close();
  connection.clear_failure();
  connection.open(immutable_uri(path), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

void check_schema(sqlite_connection& connection, const std::string& path, accepted_schema accepted) {
  const auto application = connection.integer("PRAGMA application_id");
  const auto version = connection.integer("PRAGMA user_version");
  throw_if_failed(connection, path);
  if (application != store_application_id) {
    throw open_error(open_failure::not_a_store, path + " is not a careteam store: correct the path");
  }
  const std::string differs =
      "store " + path + " has schema " + std::to_string(version) + ", this program needs " + std::to_string(store_schema_version);
  if (version > store_schema_version) throw open_error(open_failure::newer_schema, differs + ": use the newer program");
  if (version == store_schema_version || (accepted == accepted_schema::older_too && version >= oldest_schema_version)) return;
  throw open_error(open_failure::older_schema, differs);
}

void rewrite_wal(const std::string& path) {
  constexpr std::size_t step_bytes = 1 << 20;
  const int file = ::open((path + "-wal").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) {
    if (errno == ENOENT) return;
    throw_file_error(errno, path);
  }
  std::string bytes(step_bytes, '\0');
  off_t at = 0;
  ssize_t size = 0;
  bool good = true;
  while (good && (size = pread(file, bytes.data(), bytes.size(), at)) > 0) {
    good = pwrite(file, bytes.data(), static_cast<std::size_t>(size), at) == size;
    at += size;
  }
  good = good && size == 0 && fdatasync(file) == 0;
  const int error = errno;
  ::close(file);
  if (!good) throw_file_error(error, path);
}

void sync_folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  const int file = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = file >= 0 && fsync(file) == 0;
  const int error = errno;
  if (file >= 0) ::close(file);
  if (!synced) throw_file_error(error, path);
}

void create_outbox_tables(sqlite_connection& connection) {
  connection.execute(outbox_tables);
}

void create_obligations_table(sqlite_connection& connection) {
  connection.execute(obligation_tables);
}

void create_schema(sqlite_connection& connection, const std::string& path) {
  connection.execute("BEGIN IMMEDIATE");
  connection.execute(tables);
  create_outbox_tables(connection);
  create_obligations_table(connection);
  statement(connection, "INSERT INTO meta VALUES('epoch', ?1), ('created', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))")
      .run(std::string_view(random_epoch()));
  connection.execute(("PRAGMA application_id = " + std::to_string(store_application_id)).c_str());
  connection.execute(("PRAGMA user_version = " + std::to_string(store_schema_version)).c_str());
  connection.execute("COMMIT");
  throw_if_failed(connection, path);
}

std::string random_epoch() {
  std::array<unsigned char, 16> random{};
  require(RAND_bytes(random.data(), static_cast<int>(random.size())) == 1, "the system has random numbers");
  std::string epoch;
  for (const unsigned char byte : random) {
    constexpr const char* digits = "0123456789abcdef";
    epoch += digits[byte >> 4];
    epoch += digits[byte & 15];
  }
  return epoch;
}

}  // namespace careteam::store
