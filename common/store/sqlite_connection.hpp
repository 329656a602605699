// One SQLite connection, its statements and its failure.
//
// Failures are sticky, as with a stream of the standard library: after the first one every step does nothing and finds nothing until
// clear_failure(). So a transaction is written down as straight code, and is asked once, at its end, whether it went well.
#pragma once

#include <sqlite3.h>

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "store/store.hpp"

namespace careteam::store {

class sqlite_connection {
 public:
  /// Does not open yet.
  sqlite_connection() = default;
  ~sqlite_connection() { close(); }
  sqlite_connection(const sqlite_connection&) = delete;
  sqlite_connection& operator=(const sqlite_connection&) = delete;

  /// `flags` are those of sqlite3_open_v2. False and a failure when it cannot be opened.
  bool open(const std::string& path, int flags);
  /// All statements must be gone.
  void close();

  /// Runs SQL without parameters and without rows.
  bool execute(const char* sql);
  /// The first column of the first row as an integer; 0 when there is none.
  std::int64_t integer(const char* sql);
  /// The first column of the first row as text.
  std::string text(const char* sql);

  bool failed() const noexcept { return code_ != SQLITE_OK; }
  /// SQLite's primary result code of the failure.
  int code() const noexcept { return code_ & 0xff; }
  int extended_code() const noexcept { return code_; }
  /// SQLite's words for the failure; never contains stored values.
  const std::string& message() const noexcept { return message_; }
  /// What the store's callers are told.
  errc reason() const noexcept;
  void fail(int code);
  void fail_corrupt(const char* message);
  void clear_failure();

  sqlite3* handle() const noexcept { return db_; }

 private:
  sqlite3* db_ = nullptr;
  int code_ = SQLITE_OK;
  std::string message_;
};

/// Bytes to bind as a blob. They must live until the statement has run.
struct blob_view {
  const void* bytes;
  std::size_t size;
};
template <class Bytes>
blob_view as_blob(const Bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

/// A prepared statement. Belongs to the thread of its connection.
class statement {
 public:
  statement() = default;
  statement(sqlite_connection& connection, const char* sql);
  ~statement();
  statement(statement&& other) noexcept : connection_(other.connection_), handle_(std::exchange(other.handle_, nullptr)) {}
  statement& operator=(statement&& other) noexcept {
    std::swap(connection_, other.connection_);
    std::swap(handle_, other.handle_);
    return *this;
  }

  /// Runs a statement that yields no row.
  template <class... Values>
  void run(const Values&... values) {
    bind_all(values...);
    step();
    sqlite3_reset(handle_);
  }

  /// The same with the values of several rows, one row after the other; `values_of` makes a tuple of each.
  template <class Rows, class ValuesOf>
  void run_rows(const Rows& rows, const ValuesOf& values_of) {
    int index = 0;
    for (const auto& row : rows) {
      std::apply([&](const auto&... values) { (bind(++index, values), ...); }, values_of(row));
    }
    step();
    sqlite3_reset(handle_);
  }

 private:
  friend class query;

  template <class... Values>
  void bind_all(const Values&... values) {
    int index = 0;
    (bind(++index, values), ...);
  }
  template <std::integral Integer>
  void bind(int index, Integer value) {
    sqlite3_bind_int64(handle_, index, static_cast<sqlite3_int64>(value));
  }
  void bind(int index, std::string_view text);
  void bind(int index, blob_view blob);
  bool step();

  sqlite_connection* connection_ = nullptr;
  sqlite3_stmt* handle_ = nullptr;
};

/// One run of a statement that yields rows; gives the statement back when it goes out of scope.
class query {
 public:
  template <class... Values>
  explicit query(statement& source, const Values&... values) : source_(source) {
    source_.bind_all(values...);
  }
  ~query() { sqlite3_reset(source_.handle_); }
  query(const query&) = delete;
  query& operator=(const query&) = delete;

  /// Moves to the next row; false at the end and after a failure.
  bool next() { return source_.step(); }

  std::int64_t integer(int column) const { return sqlite3_column_int64(source_.handle_, column); }
  template <std::integral Integer>
  Integer as(int column) const {
    return static_cast<Integer>(integer(column));
  }
  bool null(int column) const { return sqlite3_column_type(source_.handle_, column) == SQLITE_NULL; }
  /// Text or blob; valid until the next step.
  std::string_view bytes(int column) const;
  /// A blob of exactly this size; nothing when the stored one differs.
  template <class Array>
  std::optional<Array> fixed(int column) const {
    const auto stored = bytes(column);
    Array value{};
    if (stored.size() != value.size()) return std::nullopt;
    std::copy(stored.begin(), stored.end(), value.begin());
    return value;
  }

 private:
  statement& source_;
};

}  // namespace careteam::store
