#include "store/sqlite_outbox.hpp"

#include <algorithm>
#include <span>
#include <tuple>

#include "store/contract.hpp"
#include "store/limits.hpp"

namespace careteam::store {
namespace {

void require_id(std::string_view id) {
  require(!id.empty() && id.size() <= max_id_bytes, "the id of a timer or a delivery has 1 to 100 bytes");
}

std::string of_delivery(std::string_view condition) {
  return std::string(delivery_query) + std::string(condition);
}

/// Whether an attempt that found the delivery in the first state may leave it in the second.
bool may_become(delivery_state from, delivery_state to) {
  switch (from) {
    case delivery_state::waiting:
      return to != delivery_state::acknowledged;  // That is the record's to say.
    case delivery_state::sent:
      return to == delivery_state::failed;  // The provider took it, and said later that it could not be delivered.
    case delivery_state::acknowledged:
    case delivery_state::failed:
      return false;
  }
  return false;
}

}  // namespace

// ---- timers

namespace {

constexpr std::size_t timers_in_a_group = 8;

std::string insert_timers(std::size_t count) {
  std::string sql = "INSERT OR REPLACE INTO timers(due, id, record) VALUES(?, ?, ?)";
  for (std::size_t i = 1; i < count; ++i) sql += ", (?, ?, ?)";
  return sql;
}

}  // namespace

timer_rows::timer_rows(sqlite_connection& connection)
    : select_(connection, "SELECT 1 FROM timers WHERE due = ?1 AND id = ?2 AND record = ?3"),
      delete_(connection, "DELETE FROM timers WHERE due = ?1 AND id = ?2 AND record = ?3"),
      put_(connection, insert_timers(1).c_str()),
      put_group_(connection, insert_timers(timers_in_a_group).c_str()) {}

std::vector<timer_key> timer_rows::missing(const std::vector<timer_key>& keys, std::int64_t record) {
  std::vector<timer_key> gone;
  if (!keys.empty()) write_those_of(record);
  for (const auto& key : keys) {
    query row(select_, micros(key.due), std::string_view(key.id), record);
    if (!row.next()) gone.push_back(key);
  }
  return gone;
}

void timer_rows::change(const record_append& part, std::int64_t record) {
  write_those_of(record);
  for (const auto& key : part.fired_timers) remove(key, record);
  for (const auto& key : part.cancel_timers) remove(key, record);
  for (const auto& timer : part.set_timers) {
    if (timer.instead_of && *timer.instead_of != timer.key.due) remove({timer.key.id, *timer.instead_of}, record);
  }
  for (const auto& timer : part.set_timers) {
    require_id(timer.key.id);
    set_.push_back({micros(timer.key.due), timer.key.id, record});
  }
  if (!part.set_timers.empty()) records_set_.insert(record);
}

void timer_rows::write() {
  std::ranges::sort(set_);
  auto left = std::span<const set_row>(set_);
  for (; left.size() >= timers_in_a_group; left = left.subspan(timers_in_a_group)) {
    put_group_.run_rows(left.first(timers_in_a_group), [](const set_row& one) { return std::tuple(one.due, one.id, one.record); });
  }
  for (const auto& one : left) put_.run(one.due, one.id, one.record);
  forget();
}

void timer_rows::forget() {
  set_.clear();
  records_set_.clear();
}

void timer_rows::write_those_of(std::int64_t record) {
  if (records_set_.contains(record)) write();
}

void timer_rows::remove(const timer_key& key, std::int64_t record) {
  delete_.run(micros(key.due), std::string_view(key.id), record);
}

// ---- deliveries

stored_delivery delivery_of(const query& row) {
  stored_delivery found;
  found.record = row.bytes(0);
  found.what.id = row.bytes(1);
  found.what.obligation = row.bytes(2);
  found.what.channel = row.bytes(3);
  found.what.recipient = row.bytes(4);
  found.what.priority = row.as<std::uint32_t>(5);
  found.what.payload = row.bytes(6);
  found.state = static_cast<delivery_state>(row.integer(7));
  found.what.not_before = from_micros(row.integer(8));
  found.attempts = row.as<std::uint32_t>(9);
  found.worker = row.bytes(10);
  return found;
}

delivery_rows::delivery_rows(sqlite_connection& connection)
    : connection_(connection),
      insert_(connection,
              "INSERT INTO deliveries(id, record, obligation, channel, recipient, priority, payload, state, next, attempts, worker) "
              "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, 0, 0) ON CONFLICT(id) DO NOTHING"),
      quieten_(connection, "UPDATE deliveries SET state = 3 WHERE record = ?1 AND obligation = ?2 AND state <= 2"),
      select_due_(connection, "SELECT row FROM deliveries WHERE state = 1 AND next <= ?1 ORDER BY next, row LIMIT ?2"),
      select_free_(connection, "SELECT row FROM deliveries WHERE id = ?1 AND state = 1 AND (next <= ?2 OR (?3 AND attempts = 0))"),
      claim_(connection, "UPDATE deliveries SET worker = ?2, next = ?3, attempts = attempts + 1 WHERE row = ?1"),
      select_row_(connection, of_delivery("WHERE d.row = ?1").c_str()),
      select_claimed_(connection, "SELECT row, state FROM deliveries WHERE id = ?1 AND worker = ?2 AND attempts = ?3"),
      settle_(connection,
              "UPDATE deliveries SET state = ?2, next = ?3, attempts = attempts - ?4, "
              "worker = CASE attempts - ?4 WHEN 0 THEN 0 ELSE worker END WHERE row = ?1"),
      insert_next_(connection,
                   "INSERT INTO deliveries(id, record, obligation, channel, recipient, priority, payload, state, next, attempts, worker) "
                   "SELECT ?2, record, obligation, ?3, CASE ?6 WHEN 0 THEN recipient ELSE ?6 END, priority, ?4, 1, ?5, 0, 0 FROM "
                   "deliveries WHERE id = ?1 "
                   "ON CONFLICT(id) DO NOTHING"),
      select_done_(connection, "SELECT row, state, next FROM deliveries WHERE row > ?1 ORDER BY row LIMIT ?2"),
      delete_(connection, "DELETE FROM deliveries WHERE row = ?1") {
  statement records(connection, "SELECT DISTINCT record FROM deliveries WHERE state <= 2");
  query row(records);
  while (row.next()) with_deliveries_.insert(row.integer(0));
}

void delivery_rows::add(const new_delivery& what, std::int64_t record, std::int64_t channel, std::int64_t recipient) {
  require_id(what.id);
  require_id(what.obligation);
  require(what.payload.size() <= max_delivery_payload_bytes, "a delivery's payload has at most 512 bytes");
  with_deliveries_.insert(record);
  insert_.run(std::string_view(what.id), record, std::string_view(what.obligation), channel, recipient, what.priority,
              as_blob(what.payload), micros(what.not_before));
}

void delivery_rows::quieten(std::int64_t record, std::string_view obligation) {
  if (with_deliveries_.contains(record)) quieten_.run(record, obligation);
}

std::vector<std::int64_t> delivery_rows::free_rows(const delivery_claim& claim) {
  std::vector<std::int64_t> rows;
  if (claim.ids.empty()) {
    query due(select_due_, micros(claim.now), claim.limit);
    while (due.next()) rows.push_back(due.integer(0));
    return rows;
  }
  for (const auto& id : claim.ids) {
    if (rows.size() == claim.limit) break;
    query row(select_free_, std::string_view(id), micros(claim.now), claim.early ? 1 : 0);
    if (row.next() && std::ranges::find(rows, row.integer(0)) == rows.end()) rows.push_back(row.integer(0));
  }
  return rows;
}

std::vector<stored_delivery> delivery_rows::claim(const delivery_claim& claim, std::int64_t worker) {
  require(claim.limit <= max_deliveries_at_once, "at most 1,000 deliveries are claimed at once");
  require(claim.now < claim.until, "a claim ends after it began");
  std::vector<stored_delivery> claimed;
  for (const auto row : free_rows(claim)) {
    claim_.run(row, worker, micros(claim.until));
    query as_claimed(select_row_, row);
    if (as_claimed.next()) {
      claimed.push_back(delivery_of(as_claimed));
    } else {
      connection_.fail_corrupt("a delivery names no record or no person");
    }
  }
  return claimed;
}

bool delivery_rows::record_outcome(const delivery_outcome& outcome, std::int64_t worker) {
  std::int64_t at = 0;
  {
    query row(select_claimed_, std::string_view(outcome.id), worker, outcome.attempt);
    if (!row.next() || !may_become(static_cast<delivery_state>(row.integer(1)), outcome.state)) return false;
    at = row.integer(0);
  }
  settle_.run(at, static_cast<std::int64_t>(outcome.state), micros(outcome.next), outcome.attempted ? 0 : 1);
  return true;
}

void delivery_rows::add_next(std::string_view of, const following_delivery& next, std::int64_t channel, std::int64_t recipient) {
  require_id(next.id);
  require(next.payload.size() <= max_delivery_payload_bytes, "a delivery's payload has at most 512 bytes");
  insert_next_.run(of, std::string_view(next.id), channel, as_blob(next.payload), micros(next.not_before), recipient);
}

delivery_cleaned delivery_rows::clean(const delivery_cleaning& step) {
  std::vector<std::int64_t> done;
  delivery_cleaned cleaned;
  std::size_t looked_at = 0;
  {
    query row(select_done_, step.after, max_deliveries_at_once);
    while (row.next()) {
      ++looked_at;
      cleaned.after = row.as<std::uint64_t>(0);
      const bool waits = static_cast<delivery_state>(row.integer(1)) == delivery_state::waiting;
      if (!waits && row.integer(2) < micros(step.done_before)) done.push_back(row.integer(0));
    }
  }
  for (const auto each : done) delete_.run(each);
  cleaned.removed = done.size();
  if (looked_at < max_deliveries_at_once) cleaned.after = 0;
  return cleaned;
}

}  // namespace careteam::store
