// The rows of timers and deliveries as a transaction changes them: a part of sqlite_writer, which interns the names. Failures are the
// connection's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "store/sqlite_connection.hpp"
#include "store/store.hpp"

namespace careteam::store {

/// An instant as it is stored.
inline std::int64_t micros(instant t) {
  return t.time_since_epoch().count();
}
inline instant from_micros(std::int64_t us) {
  return instant(std::chrono::microseconds(us));
}

class timer_rows {
 public:
  explicit timer_rows(sqlite_connection& connection);

  /// Which of these are not there.
  std::vector<timer_key> missing(const std::vector<timer_key>& keys, std::int64_t record);
  /// Takes a record's fired and cancelled timers off, then sets what it sets: by the next write(), until when `part` must live.
  void change(const record_append& part, std::int64_t record);
  /// Writes what was set, in the order of the rows: in groups, which cost less than each by itself.
  void write();
  /// What was set and not written never was.
  void forget();

 private:
  struct set_row {
    std::int64_t due = 0;
    std::string_view id;
    std::int64_t record = 0;
    auto operator<=>(const set_row&) const = default;
  };
  /// What follows sees the table as it is after what the record has set.
  void write_those_of(std::int64_t record);
  void remove(const timer_key& key, std::int64_t record);

  std::vector<set_row> set_;
  std::unordered_set<std::int64_t> records_set_;  ///< Whose timers are in set_.
  statement select_, delete_, put_, put_group_;
};

/// What the deliveries' query gives, in the order of delivery_columns.
stored_delivery delivery_of(const query& row);
/// Columns and tables of a query that delivery_of understands; a condition follows.
inline constexpr std::string_view delivery_query =
    "SELECT r.key, d.id, d.obligation, c.name, p.name, d.priority, d.payload, d.state, d.next, d.attempts, ifnull(w.name, '') "
    "FROM deliveries d CROSS JOIN records r ON r.id = d.record CROSS JOIN names c ON c.id = d.channel "
    "CROSS JOIN names p ON p.id = d.recipient LEFT JOIN names w ON w.id = d.worker ";

class delivery_rows {
 public:
  explicit delivery_rows(sqlite_connection& connection);

  void add(const new_delivery& what, std::int64_t record, std::int64_t channel, std::int64_t recipient);
  /// Most records have nothing to quieten, which costs them nothing.
  void quieten(std::int64_t record, std::string_view obligation);
  /// `worker` is the interned name of the claim's.
  std::vector<stored_delivery> claim(const delivery_claim& claim, std::int64_t worker);
  /// Whether it counted.
  bool record_outcome(const delivery_outcome& outcome, std::int64_t worker);
  /// What follows a delivery whose outcome counted. `channel` and `recipient` are interned names; recipient 0: the same person.
  void add_next(std::string_view of, const following_delivery& next, std::int64_t channel, std::int64_t recipient);
  delivery_cleaned clean(const delivery_cleaning& step);

 private:
  std::vector<std::int64_t> free_rows(const delivery_claim& claim);

  sqlite_connection& connection_;
  /// Every record with a delivery that can still change, and perhaps others. Only the writer's connection adds deliveries.
  std::unordered_set<std::int64_t> with_deliveries_;
  statement insert_, quieten_;
  statement select_due_, select_free_, claim_, select_row_;
  statement select_claimed_, settle_, insert_next_;
  statement select_done_, delete_;
};

}  // namespace careteam::store
