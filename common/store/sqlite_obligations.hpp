// The rows of obligations as a transaction changes them and as they are read: a part of sqlite_writer, which interns the names, and of
// sqlite_reader. Failures are the connection's.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "store/sqlite_connection.hpp"
#include "store/store.hpp"

namespace careteam::store {

class obligation_rows {
 public:
  explicit obligation_rows(sqlite_connection& connection);

  /// `owner` is the interned name of the row's.
  void drop(const obligation_key& key, std::int64_t record, std::int64_t owner);
  void put(const obligation_row& row, std::int64_t record, std::int64_t owner);

 private:
  statement delete_, put_;
};

class obligation_reads {
 public:
  explicit obligation_reads(sqlite_connection& connection);

  /// Behind a row of this record, by the records' and owners' ids.
  std::vector<stored_obligation> of_owner(std::int64_t owner, const std::optional<stored_obligation>& after, std::int64_t after_record,
                                          std::size_t limit);
  std::vector<stored_obligation> all(const std::optional<stored_obligation>& after, std::int64_t after_owner, std::int64_t after_record,
                                     std::size_t limit);
  std::vector<obligation_count> count(instant now);
  std::vector<owner_count> count_by_owner(const std::string& prefix, instant now);

 private:
  statement select_owner_, select_all_, count_, count_owners_;
};

}  // namespace careteam::store
