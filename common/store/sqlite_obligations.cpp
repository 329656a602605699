#include "store/sqlite_obligations.hpp"

#include <limits>

#include "store/contract.hpp"
#include "store/limits.hpp"
#include "store/sqlite_outbox.hpp"

namespace careteam::store {
namespace {

constexpr std::int64_t before_all = std::numeric_limits<std::int64_t>::min();

std::vector<stored_obligation> read(query& rows) {
  std::vector<stored_obligation> found;
  while (rows.next()) {
    found.push_back({record_key(rows.bytes(0)),
                     {{std::string(rows.bytes(1)), from_micros(rows.integer(2)), rows.as<stream_kind>(3), rows.as<std::uint64_t>(4)},
                      rows.as<std::uint8_t>(5),
                      rows.as<std::uint8_t>(6),
                      rows.as<std::uint8_t>(7),
                      rows.as<std::uint8_t>(8),
                      rows.as<std::uint64_t>(9)}});
  }
  return found;
}

}  // namespace

obligation_rows::obligation_rows(sqlite_connection& connection)
    : delete_(connection, "DELETE FROM obligations WHERE owner = ?1 AND breach = ?2 AND record = ?3 AND stream = ?4 AND seq = ?5"),
      put_(connection,
           "INSERT OR REPLACE INTO obligations(owner, breach, record, stream, seq, parts, kind, priority, status, version) "
           "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)") {}

void obligation_rows::drop(const obligation_key& key, std::int64_t record, std::int64_t owner) {
  delete_.run(owner, micros(key.breach), record, key.stream, key.seq);
}

void obligation_rows::put(const obligation_row& row, std::int64_t record, std::int64_t owner) {
  require(!row.key.owner.empty() && row.key.seq > 0, "an obligation has an owner and a place");
  put_.run(owner, micros(row.key.breach), record, row.key.stream, row.key.seq, std::uint32_t{row.parts}, std::uint32_t{row.kind},
           std::uint32_t{row.priority}, std::uint32_t{row.status}, row.version);
}

obligation_reads::obligation_reads(sqlite_connection& connection)
    : select_owner_(connection,
                    "SELECT r.key, n.name, o.breach, o.stream, o.seq, o.parts, o.kind, o.priority, o.status, o.version FROM obligations o "
                    "CROSS JOIN records r ON r.id = o.record CROSS JOIN names n ON n.id = o.owner "
                    "WHERE o.owner = ?1 AND (o.breach, o.record, o.stream, o.seq) > (?2, ?3, ?4, ?5) "
                    "ORDER BY o.breach, o.record, o.stream, o.seq LIMIT ?6"),
      select_all_(connection,
                  "SELECT r.key, n.name, o.breach, o.stream, o.seq, o.parts, o.kind, o.priority, o.status, o.version FROM obligations o "
                  "CROSS JOIN records r ON r.id = o.record CROSS JOIN names n ON n.id = o.owner "
                  "WHERE (o.owner, o.breach, o.record, o.stream, o.seq) > (?1, ?2, ?3, ?4, ?5) "
                  "ORDER BY o.owner, o.breach, o.record, o.stream, o.seq LIMIT ?6"),
      count_(connection,
             "SELECT priority, count(*), sum(breach < ?1) FROM obligations WHERE parts & 1 GROUP BY priority ORDER BY priority"),
      count_owners_(connection,
                    "SELECT n.name, count(*), sum(o.breach < ?3) FROM names n CROSS JOIN obligations o ON o.owner = n.id "
                    "WHERE n.name >= ?1 AND n.name < ?2 AND o.parts & 1 GROUP BY n.name ORDER BY n.name") {}

std::vector<stored_obligation> obligation_reads::of_owner(std::int64_t owner, const std::optional<stored_obligation>& after,
                                                          std::int64_t after_record, std::size_t limit) {
  require(limit <= max_obligations_at_once, "at most 10,000 obligations are read at once");
  const std::int64_t breach = after ? micros(after->row.key.breach) : before_all;
  query rows(select_owner_, owner, breach, after_record, after ? after->row.key.stream : 0, after ? after->row.key.seq : 0, limit);
  return read(rows);
}

std::vector<stored_obligation> obligation_reads::all(const std::optional<stored_obligation>& after, std::int64_t after_owner,
                                                     std::int64_t after_record, std::size_t limit) {
  require(limit <= max_obligations_at_once, "at most 10,000 obligations are read at once");
  const std::int64_t breach = after ? micros(after->row.key.breach) : before_all;
  query rows(select_all_, after_owner, breach, after_record, after ? after->row.key.stream : 0, after ? after->row.key.seq : 0, limit);
  return read(rows);
}

std::vector<obligation_count> obligation_reads::count(instant now) {
  std::vector<obligation_count> counts;
  query rows(count_, micros(now));
  while (rows.next()) counts.push_back({rows.as<std::uint8_t>(0), rows.as<std::uint64_t>(1), rows.as<std::uint64_t>(2)});
  return counts;
}

std::vector<owner_count> obligation_reads::count_by_owner(const std::string& prefix, instant now) {
  require(!prefix.empty() && static_cast<unsigned char>(prefix.back()) < 0x7f, "the names of owners begin with an ASCII prefix");
  std::string behind = prefix;  // The first text behind every name that begins so.
  ++behind.back();
  std::vector<owner_count> counts;
  query rows(count_owners_, std::string_view(prefix), std::string_view(behind), micros(now));
  while (rows.next()) counts.push_back({std::string(rows.bytes(0)), rows.as<std::uint64_t>(1), rows.as<std::uint64_t>(2)});
  return counts;
}

}  // namespace careteam::store
