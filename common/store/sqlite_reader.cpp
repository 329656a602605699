#include "store/sqlite_reader.hpp"

#include <algorithm>
#include <limits>
#include <queue>

#include "store/contract.hpp"
#include "store/limits.hpp"

namespace careteam::store {

sqlite_reader::sqlite_reader(sqlite_connection& connection)
    : connection_(connection),
      begin_(connection, "BEGIN"),
      end_(connection, "COMMIT"),
      select_record_(connection, "SELECT id, version FROM records WHERE key = ?1"),
      select_streams_(connection, "SELECT id, kind, head, chain FROM streams WHERE record = ?1 ORDER BY kind"),
      select_stream_(connection, "SELECT id, head FROM streams WHERE record = ?1 AND kind = ?2"),
      select_snapshot_(connection, "SELECT version, bytes, digest FROM snapshots WHERE record = ?1"),
      select_name_(connection, "SELECT id FROM names WHERE name = ?1"),
      select_version_(connection, "SELECT version FROM positions WHERE position = ?1"),
      select_link_(connection, "SELECT e.chain FROM positions p CROSS JOIN entries e ON e.row = p.row WHERE p.position = ?1"),
      select_entry_(connection,
                    "SELECT e.position, e.version, e.bytes, e.chain FROM positions p CROSS JOIN entries e ON e.row = p.row "
                    "WHERE p.position = ?1"),
      select_entries_(connection,
                      "SELECT e.position, e.version, e.bytes, e.chain FROM positions p CROSS JOIN entries e ON e.row = p.row "
                      "WHERE p.position BETWEEN ?1 AND ?2 ORDER BY p.position"),
      select_about_(connection,
                    "SELECT e.position, e.version, e.bytes, e.chain FROM about a CROSS JOIN positions p ON p.position = a.position "
                    "CROSS JOIN entries e ON e.row = p.row WHERE a.target = ?1 ORDER BY a.position"),
      select_command_(connection, "SELECT digest, kind, seq FROM commands WHERE id = ?1 AND actor = ?2"),
      select_memberships_(connection,
                          "SELECT r.key FROM memberships m CROSS JOIN records r ON r.id = m.record WHERE m.person = ?1 ORDER BY r.key"),
      select_receipts_(connection,
                       "SELECT s.kind, n.name, max(d.received), ifnull(c.displayed, 0) FROM streams s "
                       "CROSS JOIN device_cursors d ON d.stream = s.id CROSS JOIN names n ON n.id = d.person "
                       "LEFT JOIN cursors c ON c.person = d.person AND c.stream = s.id WHERE s.record = ?1 GROUP BY s.kind, d.person"),
      select_received_(connection, "SELECT ifnull(max(received), 0) FROM device_cursors WHERE stream = ?1 AND person = ?2"),
      select_keys_(connection, "SELECT key FROM records WHERE key > ?1 ORDER BY key LIMIT ?2"),
      select_cursors_(connection,
                      "SELECT s.kind, c.displayed, c.read, c.read_own FROM streams s CROSS JOIN cursors c "
                      "ON c.person = ?1 AND c.stream = s.id WHERE s.record = ?2 ORDER BY s.kind"),
      count_own_(connection, "SELECT count(*) FROM positions WHERE position BETWEEN ?1 AND ?2 AND author = ?3"),
      select_timers_(connection,
                     "SELECT r.key, t.id, t.due FROM timers t CROSS JOIN records r ON r.id = t.record "
                     "WHERE (t.due, t.id, t.record) > (?1, ?2, ?3) AND t.due <= ?4 ORDER BY t.due, t.id, t.record LIMIT ?5"),
      select_next_timer_(connection, "SELECT due FROM timers WHERE due > ?1 ORDER BY due LIMIT 1"),
      select_next_delivery_(connection, "SELECT next FROM deliveries WHERE state = 1 ORDER BY next LIMIT 1"),
      select_delivery_(connection, (std::string(delivery_query) + "WHERE d.id = ?1").c_str()),
      select_deliveries_to_(
          connection, (std::string(delivery_query) + "WHERE d.state = 1 AND d.recipient = ?1 ORDER BY d.next, d.row LIMIT ?2").c_str()),
      obligations_(connection) {}

void sqlite_reader::begin() {
  begin_.run();
}

void sqlite_reader::end() {
  if (sqlite3_get_autocommit(connection_.handle()) == 0) {
    sqlite3_exec(connection_.handle(), "COMMIT", nullptr, nullptr, nullptr);
  }
}

sqlite_reader::record_row sqlite_reader::find_record(const record_key& record) {
  query row(select_record_, std::string_view(record));
  if (!row.next()) return {};
  return {row.integer(0), row.as<std::uint64_t>(1)};
}

std::optional<sqlite_reader::stream_row> sqlite_reader::find_stream(const record_key& record, stream_kind kind) {
  const auto [id, version] = find_record(record);
  query row(select_stream_, id, kind);
  if (!row.next()) return std::nullopt;
  return stream_row{kind, row.integer(0), row.as<std::uint64_t>(1)};
}

std::int64_t sqlite_reader::find_name(const std::string& name) {
  query row(select_name_, std::string_view(name));
  return row.next() ? row.integer(0) : 0;
}

chain_value sqlite_reader::link_at(std::int64_t stream, std::uint64_t seq) {
  if (seq == 0) return {};
  query row(select_link_, position_of(stream, seq));
  if (row.next()) {
    if (const auto link = row.fixed<chain_value>(0)) return *link;
  }
  connection_.fail_corrupt("a link of a stream's chain is missing");
  return {};
}

stored_entry sqlite_reader::entry(const query& row, const stream_row& stream, chain_value& link) {
  const auto stored = row.fixed<chain_value>(3);
  link = hasher_.next(link, row.bytes(2));
  if (stored != link || stream_of_position(row.integer(0)) != stream.id) connection_.fail_corrupt("an entry does not fit its chain value");
  return {stream.kind, seq_of_position(row.integer(0)), row.as<std::uint64_t>(1), std::string(row.bytes(2))};
}

record_head sqlite_reader::head(const record_key& record) {
  const auto [id, version] = find_record(record);
  record_head answer;
  answer.version = version;
  {
    query rows(select_streams_, id);
    while (rows.next()) {
      const auto chain = rows.fixed<chain_value>(3);
      if (!chain) {
        connection_.fail_corrupt("a stream's chain value has the wrong size");
        return answer;
      }
      answer.streams.push_back({rows.as<stream_kind>(1), rows.as<std::uint64_t>(2), *chain});
      if (link_at(rows.integer(0), answer.streams.back().head) != *chain) {
        connection_.fail_corrupt("a stream's chain value is not that of its last entry");
        return answer;
      }
    }
  }
  query row(select_snapshot_, id);
  if (!row.next()) return answer;
  answer.snapshot = row.bytes(1);
  answer.snapshot_version = row.as<std::uint64_t>(0);
  if (row.fixed<chain_value>(2) != hasher_.snapshot_digest(answer.snapshot_version, answer.snapshot)) {
    answer.snapshot_damaged = true;
    answer.snapshot_version = 0;
    answer.snapshot.clear();
  }
  return answer;
}

std::uint64_t sqlite_reader::version_at(const stream_row& stream, std::uint64_t seq) {
  query row(select_version_, position_of(stream.id, seq));
  if (row.next()) return row.as<std::uint64_t>(0);
  connection_.fail_corrupt("an entry before a stream's head is missing");
  return 0;
}

// Versions grow with seq, so that no index over versions is needed. Most streams have nothing new, or nothing old.
std::uint64_t sqlite_reader::first_after(const stream_row& stream, std::uint64_t version) {
  if (version == 0) return 1;
  std::uint64_t low = 1;
  std::uint64_t high = stream.head + 1;
  if (stream.head > 0 && version_at(stream, stream.head) <= version) return high;
  while (low < high && !connection_.failed()) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (version_at(stream, middle) <= version) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::vector<stored_entry> sqlite_reader::read_record(const record_key& record, std::uint64_t after, std::size_t max_bytes) {
  const auto [id, version] = find_record(record);
  if (version <= after) return {};
  std::vector<stream_row> streams;
  {
    query rows(select_streams_, id);
    while (rows.next()) streams.push_back({rows.as<stream_kind>(1), rows.integer(0), rows.as<std::uint64_t>(2)});
  }

  struct candidate {
    std::uint64_t version;
    std::uint64_t seq;
    stream_row* stream;
    bool operator>(const candidate& other) const { return version > other.version; }
  };
  std::priority_queue<candidate, std::vector<candidate>, std::greater<>> next;
  const auto offer = [&](stream_row& stream, std::uint64_t seq) {
    if (seq <= stream.head) next.push({version_at(stream, seq), seq, &stream});
  };
  for (auto& stream : streams) {
    const auto first = first_after(stream, after);
    if (first <= stream.head) stream.link = link_at(stream.id, first - 1);
    offer(stream, first);
  }

  std::vector<stored_entry> entries;
  std::size_t bytes = 0;
  while (!next.empty() && !connection_.failed()) {
    const candidate first = next.top();
    next.pop();
    {
      query row(select_entry_, position_of(first.stream->id, first.seq));
      if (!row.next()) {
        connection_.fail_corrupt("an entry is missing");
        break;
      }
      bytes += row.bytes(2).size();
      if (bytes > max_bytes && !entries.empty()) break;
      entries.push_back(entry(row, *first.stream, first.stream->link));
    }
    offer(*first.stream, first.seq + 1);
  }
  return entries;
}

std::vector<stored_entry> sqlite_reader::read_stream(const record_key& record, stream_kind kind, std::uint64_t from, std::uint64_t to,
                                                     std::size_t max_bytes) {
  const auto stream = find_stream(record, kind);
  if (!stream) return {};
  from = std::max<std::uint64_t>(from, 1);
  to = std::min(to, stream->head);
  if (from > to) return {};
  std::vector<stored_entry> entries;
  std::size_t bytes = 0;
  auto link = link_at(stream->id, from - 1);
  query rows(select_entries_, position_of(stream->id, from), position_of(stream->id, to));
  while (rows.next()) {
    bytes += rows.bytes(2).size();
    if (bytes > max_bytes && !entries.empty()) return entries;
    entries.push_back(entry(rows, *stream, link));
    if (connection_.failed() || entries.back().seq != from + entries.size() - 1) break;
  }
  const bool complete = !entries.empty() && entries.back().seq == to && entries.size() == to - from + 1;
  if (!complete) connection_.fail_corrupt("an entry before a stream's head is missing");
  return entries;
}

std::vector<stored_entry> sqlite_reader::read_about(const record_key& record, stream_kind kind, std::uint64_t seq) {
  const auto stream = find_stream(record, kind);
  if (!stream || seq == 0 || seq > stream->head) return {};
  std::vector<stored_entry> entries;
  {
    auto link = link_at(stream->id, seq - 1);
    query row(select_entry_, position_of(stream->id, seq));
    if (row.next()) entries.push_back(entry(row, *stream, link));
  }
  if (entries.empty()) {
    connection_.fail_corrupt("an entry before a stream's head is missing");
    return entries;
  }
  query rows(select_about_, position_of(stream->id, seq));
  while (rows.next()) {
    auto link = link_at(stream->id, seq_of_position(rows.integer(0)) - 1);
    entries.push_back(entry(rows, *stream, link));
  }
  return entries;
}

std::optional<command_record> sqlite_reader::find_command(const std::string& actor, const uuid_bytes& id) {
  query row(select_command_, as_blob(id), find_name(actor));
  if (!row.next()) return std::nullopt;
  const auto digest = row.fixed<uuid_bytes>(0);
  if (!digest) {
    connection_.fail_corrupt("a command's digest has the wrong size");
    return std::nullopt;
  }
  return command_record{actor, id, *digest, row.as<stream_kind>(1), row.as<std::uint64_t>(2)};
}

std::vector<record_key> sqlite_reader::records_of(const std::string& person) {
  std::vector<record_key> records;
  query rows(select_memberships_, find_name(person));
  while (rows.next()) records.emplace_back(rows.bytes(0));
  return records;
}

std::vector<receipt> sqlite_reader::receipts_of(const record_key& record) {
  std::vector<receipt> receipts;
  query rows(select_receipts_, find_record(record).id);
  while (rows.next()) {
    receipts.push_back({rows.as<stream_kind>(0), std::string(rows.bytes(1)), rows.as<std::uint64_t>(2), rows.as<std::uint64_t>(3)});
  }
  return receipts;
}

std::uint64_t sqlite_reader::received_by(const record_key& record, stream_kind kind, const std::string& person) {
  const auto stream = find_stream(record, kind);
  if (!stream) return 0;
  query row(select_received_, stream->id, find_name(person));
  return row.next() ? row.as<std::uint64_t>(0) : 0;
}

std::vector<record_key> sqlite_reader::record_keys(const record_key& after, std::size_t limit) {
  std::vector<record_key> keys;
  query rows(select_keys_, std::string_view(after), limit);
  while (rows.next()) keys.emplace_back(rows.bytes(0));
  return keys;
}

std::vector<cursor> sqlite_reader::cursors_of(const std::string& person, const std::vector<record_key>& records) {
  std::vector<cursor> cursors;
  const std::int64_t id = find_name(person);
  for (const auto& record : records) {
    query rows(select_cursors_, id, find_record(record).id);
    while (rows.next()) {
      cursors.push_back(
          {record, rows.as<stream_kind>(0), person, rows.as<std::uint64_t>(1), rows.as<std::uint64_t>(2), rows.as<std::uint64_t>(3)});
    }
  }
  return cursors;
}

std::vector<stored_timer> sqlite_reader::due_timers(instant until, const std::optional<stored_timer>& after, std::size_t limit) {
  require(limit <= max_timers_at_once, "at most 10,000 timers are read at once");
  const std::int64_t due = after ? micros(after->key.due) : std::numeric_limits<std::int64_t>::min();
  const std::string_view id = after ? std::string_view(after->key.id) : std::string_view();
  const std::int64_t record = after ? find_record(after->record).id : 0;
  std::vector<stored_timer> timers;
  query rows(select_timers_, due, id, record, micros(until), limit);
  while (rows.next()) {
    timers.push_back({record_key(rows.bytes(0)), {std::string(rows.bytes(1)), from_micros(rows.integer(2))}});
  }
  return timers;
}

std::optional<instant> sqlite_reader::next_timer(instant later_than) {
  query row(select_next_timer_, micros(later_than));
  if (!row.next()) return std::nullopt;
  return from_micros(row.integer(0));
}

std::optional<instant> sqlite_reader::next_delivery() {
  query row(select_next_delivery_);
  if (!row.next()) return std::nullopt;
  return from_micros(row.integer(0));
}

std::vector<stored_delivery> sqlite_reader::deliveries_to(const std::string& person, std::size_t limit) {
  std::vector<stored_delivery> found;
  query row(select_deliveries_to_, find_name(person), limit);
  while (row.next()) found.push_back(delivery_of(row));
  return found;
}

std::optional<stored_delivery> sqlite_reader::find_delivery(const std::string& id) {
  query row(select_delivery_, std::string_view(id));
  if (!row.next()) return std::nullopt;
  return delivery_of(row);
}

std::vector<stored_obligation> sqlite_reader::obligations_of(const std::string& owner, const std::optional<stored_obligation>& after,
                                                             std::size_t limit) {
  return obligations_.of_owner(find_name(owner), after, after ? find_record(after->record).id : 0, limit);
}

std::vector<stored_obligation> sqlite_reader::all_obligations(const std::optional<stored_obligation>& after, std::size_t limit) {
  return obligations_.all(after, after ? find_name(after->row.key.owner) : 0, after ? find_record(after->record).id : 0, limit);
}

std::vector<obligation_count> sqlite_reader::count_obligations(instant now) {
  return obligations_.count(now);
}

std::vector<owner_count> sqlite_reader::count_by_owner(const std::string& prefix, instant now) {
  return obligations_.count_by_owner(prefix, now);
}

std::vector<own_count> sqlite_reader::count_own(std::vector<own_count> counts) {
  for (auto& count : counts) {
    const auto stream = find_stream(count.record, count.stream);
    if (!stream || count.after >= count.to) continue;
    query row(count_own_, position_of(stream->id, count.after + 1), position_of(stream->id, count.to), find_name(count.person));
    if (row.next()) count.own = row.as<std::uint64_t>(0);
  }
  return counts;
}

}  // namespace careteam::store
