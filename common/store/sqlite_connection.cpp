#include "store/sqlite_connection.hpp"

#include <cerrno>
#include <mutex>

namespace careteam::store {
namespace {

/// A read that the system refused with one of these is SQLITE_CORRUPT to SQLite, as if a page had been read and were wrong. What was not
/// read has damaged nothing: it is an I/O error. `errno` is what the VFS has seen last in the call that failed.
int what_failed(int code) noexcept {
  const bool unread = errno == EIO || errno == ENXIO || errno == ERANGE;
  return code == SQLITE_CORRUPT && unread ? SQLITE_IOERR_CORRUPTFS : code;
}

// Each connection stays on one thread, so SQLite needs no mutexes of its own; its memory statistics would be a lock for every allocation.
void configure_sqlite_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  });
}

}  // namespace

bool sqlite_connection::open(const std::string& path, int flags) {
  configure_sqlite_once();
  const int code = sqlite3_open_v2(path.c_str(), &db_, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (code != SQLITE_OK) fail(code);
  return code == SQLITE_OK;
}

void sqlite_connection::close() {
  if (db_) sqlite3_close_v2(std::exchange(db_, nullptr));
}

bool sqlite_connection::execute(const char* sql) {
  if (failed()) return false;
  errno = 0;
  const int code = what_failed(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr));
  if (code != SQLITE_OK) fail(code);
  return code == SQLITE_OK;
}

std::int64_t sqlite_connection::integer(const char* sql) {
  statement source(*this, sql);
  query row(source);
  return row.next() ? row.integer(0) : 0;
}

std::string sqlite_connection::text(const char* sql) {
  statement source(*this, sql);
  query row(source);
  std::string first = row.next() ? std::string(row.bytes(0)) : std::string();
  // What the statement changes is done, or fails, when it ends: `PRAGMA journal_mode = WAL` answers "wal" before.
  row.next();
  return first;
}

errc sqlite_connection::reason() const noexcept {
  switch (code()) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:  // A row is there that should not be.
      return errc::corrupt;
    default:
      return errc::unavailable;
  }
}

void sqlite_connection::fail(int code) {
  if (failed()) return;
  code_ = code;
  const bool own_words = db_ && sqlite3_extended_errcode(db_) == code;
  message_ = std::string(own_words ? sqlite3_errmsg(db_) : sqlite3_errstr(code)) + " (SQLite " + std::to_string(code) + ")";
}

void sqlite_connection::fail_corrupt(const char* message) {
  if (failed()) return;
  code_ = SQLITE_CORRUPT;
  message_ = message;
}

void sqlite_connection::clear_failure() {
  code_ = SQLITE_OK;
  message_.clear();
}

statement::statement(sqlite_connection& connection, const char* sql) : connection_(&connection) {
  if (connection.failed()) return;
  errno = 0;
  const int code = what_failed(sqlite3_prepare_v3(connection.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr));
  if (code != SQLITE_OK) connection.fail(code);
}

statement::~statement() {
  sqlite3_finalize(handle_);
}

void statement::bind(int index, std::string_view text) {
  sqlite3_bind_text(handle_, index, text.data() ? text.data() : "", static_cast<int>(text.size()), SQLITE_STATIC);
}

void statement::bind(int index, blob_view blob) {
  // A null pointer would bind NULL, and an entry of no bytes is not the same as no entry.
  sqlite3_bind_blob64(handle_, index, blob.bytes ? blob.bytes : "", blob.size, SQLITE_STATIC);
}

bool statement::step() {
  if (connection_->failed()) return false;
  errno = 0;
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) connection_->fail(what_failed(code));
  return false;
}

std::string_view query::bytes(int column) const {
  // The pointer must be asked for before the size.
  const auto* start = static_cast<const char*>(sqlite3_column_blob(source_.handle_, column));
  return {start, static_cast<std::size_t>(sqlite3_column_bytes(source_.handle_, column))};
}

}  // namespace careteam::store
