#include "store/verify.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <unordered_map>

#include "store/chain.hpp"
#include "store/sqlite_connection.hpp"
#include "store/sqlite_schema.hpp"

namespace careteam::store {
namespace {

constexpr std::uint64_t entries_between_progress = 4096;

/// Which versions of a record have been seen: a bit each, in blocks, so that one wild number does not cost memory.
class version_set {
 public:
  /// False when it was there.
  bool add(std::uint64_t version) {
    auto& block = blocks_[version / block_bits];
    if (block.empty()) block.resize(block_bits);
    const std::size_t bit = version % block_bits;
    if (block[bit]) return false;
    block[bit] = true;
    return true;
  }
  bool contains(std::uint64_t version) const {
    const auto block = blocks_.find(version / block_bits);
    return block != blocks_.end() && block->second[version % block_bits];
  }

 private:
  static constexpr std::uint64_t block_bits = 65'536;
  std::unordered_map<std::uint64_t, std::vector<bool>> blocks_;
};

struct record_row {
  std::int64_t id = 0;
  record_key key;
  std::uint64_t version = 0;
};

struct stream_row {
  std::int64_t id = 0;
  stream_kind kind = 0;
  std::uint64_t head = 0;
  std::optional<chain_value> chain;
};

/// A query over references that names what it finds: key, kind, seq.
struct reference_check {
  const char* what;
  const char* sql;
};

// Keys may be NULL: then even the record is unknown.
constexpr reference_check reference_checks[] = {
    {"a stream belongs to no record",
     "SELECT NULL, s.kind, 0 FROM streams s WHERE NOT EXISTS(SELECT 1 FROM records r WHERE r.id = s.record)"},
    {"an entry belongs to no stream",
     "SELECT NULL, 0, p.position & 4294967295 FROM positions p WHERE NOT EXISTS(SELECT 1 FROM streams s WHERE s.id = p.position >> 32)"},
    {"an entry has no place in its stream",
     "SELECT r.key, s.kind, e.position & 4294967295 FROM entries e LEFT JOIN streams s ON s.id = e.position >> 32 "
     "LEFT JOIN records r ON r.id = s.record "
     "WHERE NOT EXISTS(SELECT 1 FROM positions p WHERE p.position = e.position AND p.row = e.row)"},
    {"a record has a version and no stream",
     "SELECT r.key, 0, 0 FROM records r WHERE r.version <> 0 AND NOT EXISTS(SELECT 1 FROM streams s WHERE s.record = r.id)"},
    {"a command's answer names an entry that does not exist",
     "SELECT r.key, c.kind, c.seq FROM commands c LEFT JOIN records r ON r.id = c.record "
     "LEFT JOIN streams s ON s.record = c.record AND s.kind = c.kind "
     "WHERE c.seq <> 0 AND NOT EXISTS(SELECT 1 FROM positions p WHERE p.position = (s.id << 32 | c.seq))"},
    {"a command belongs to no record",
     "SELECT NULL, c.kind, c.seq FROM commands c WHERE NOT EXISTS(SELECT 1 FROM records r WHERE r.id = c.record)"},
    {"a command has no actor or a malformed id",
     "SELECT r.key, c.kind, c.seq FROM commands c LEFT JOIN records r ON r.id = c.record WHERE length(c.id) <> 16 "
     "OR length(c.digest) <> 16 OR NOT EXISTS(SELECT 1 FROM names n WHERE n.id = c.actor)"},
    {"an amendment and what it is about do not fit together",
     "SELECT r.key, s.kind, a.position & 4294967295 FROM about a LEFT JOIN streams s ON s.id = a.position >> 32 "
     "LEFT JOIN records r ON r.id = s.record WHERE a.target >> 32 <> a.position >> 32 OR a.target >= a.position "
     "OR NOT EXISTS(SELECT 1 FROM positions p WHERE p.position = a.target) "
     "OR NOT EXISTS(SELECT 1 FROM positions p WHERE p.position = a.position)"},
    {"a membership names no record or no person",
     "SELECT r.key, 0, 0 FROM memberships m LEFT JOIN records r ON r.id = m.record WHERE r.id IS NULL "
     "OR NOT EXISTS(SELECT 1 FROM names n WHERE n.id = m.person)"},
    {"a cursor lies beyond its stream, or belongs to nobody",
     "SELECT r.key, s.kind, c.read FROM cursors c LEFT JOIN streams s ON s.id = c.stream LEFT JOIN records r ON r.id = s.record "
     "WHERE s.id IS NULL OR c.read > s.head OR c.displayed > s.head OR c.read_own > c.read "
     "OR NOT EXISTS(SELECT 1 FROM names n WHERE n.id = c.person)"},
    {"a device's cursor lies beyond its stream, or belongs to nobody",
     "SELECT r.key, s.kind, c.received FROM device_cursors c LEFT JOIN streams s ON s.id = c.stream "
     "LEFT JOIN records r ON r.id = s.record WHERE s.id IS NULL OR c.received > s.head "
     "OR NOT EXISTS(SELECT 1 FROM names n WHERE n.id = c.person) OR NOT EXISTS(SELECT 1 FROM names n WHERE n.id = c.device)"},
    {"a snapshot is newer than its record, or has none",
     "SELECT r.key, 0, 0 FROM snapshots x LEFT JOIN records r ON r.id = x.record WHERE r.id IS NULL OR x.version > r.version"},
};

constexpr reference_check outbox_checks[] = {
    {"a timer names no record, or is not what a timer is",
     "SELECT r.key, 0, 0 FROM timers t LEFT JOIN records r ON r.id = t.record "
     "WHERE r.id IS NULL OR length(CAST(t.id AS BLOB)) NOT BETWEEN 1 AND 100"},
    {"a delivery names no record or no person, or is in no state that there is",
     "SELECT r.key, 0, 0 FROM deliveries d LEFT JOIN records r ON r.id = d.record "
     "WHERE r.id IS NULL OR d.state NOT BETWEEN 1 AND 4 OR (d.state <> 1 AND d.state <> 3 AND d.attempts = 0) OR length(d.payload) > 512 "
     "OR (d.worker = 0) <> (d.attempts = 0) OR NOT EXISTS(SELECT 1 FROM names n WHERE n.id = d.recipient) "
     "OR NOT EXISTS(SELECT 1 FROM names n WHERE n.id = d.channel) "
     "OR (d.worker <> 0 AND NOT EXISTS(SELECT 1 FROM names n WHERE n.id = d.worker))"},
};

constexpr reference_check obligation_checks[] = {
    {"an obligation names no record, no entry or no owner",
     "SELECT r.key, o.stream, o.seq FROM obligations o LEFT JOIN records r ON r.id = o.record "
     "LEFT JOIN streams s ON s.record = o.record AND s.kind = o.stream "
     "WHERE r.id IS NULL OR s.id IS NULL OR o.seq NOT BETWEEN 1 AND s.head OR NOT EXISTS(SELECT 1 FROM names n WHERE n.id = o.owner)"},
};

class verification {
 public:
  verification(sqlite_connection& connection, const verify_progress& progress)
      : connection_(connection),
        progress_(progress),
        select_streams_(connection, "SELECT id, kind, head, chain FROM streams WHERE record = ?1 ORDER BY kind"),
        select_entries_(connection,
                        "SELECT p.position, p.version, p.author, e.row, e.position, e.version, e.chain, e.bytes "
                        "FROM positions p LEFT JOIN entries e ON e.row = p.row WHERE p.position BETWEEN ?1 AND ?2 ORDER BY p.position"),
        select_author_(connection, "SELECT first FROM authors WHERE stream = ?1 AND person = ?2"),
        total_(static_cast<std::uint64_t>(connection.integer("SELECT count(*) FROM entries"))),
        schema_(connection.integer("PRAGMA user_version")) {}

  verify_report run() {
    note_unreadable("the file");
    check_pages();
    check_records();
    if (progress_) progress_(total_, total_);
    for (const auto& check : reference_checks) check_references(check);
    if (schema_ >= 2) check_snapshots();
    if (schema_ >= 3) check_outbox();
    if (schema_ >= 4) check_obligations();
    report_.commands = static_cast<std::uint64_t>(connection_.integer("SELECT count(*) FROM commands"));
    note_unreadable("commands");
    return std::move(report_);
  }

 private:
  void add(record_key record, stream_kind stream, std::uint64_t seq, std::string what) {
    if (report_.findings.size() == max_findings) {
      report_.stopped = true;
      return;
    }
    report_.findings.push_back({std::move(record), stream, seq, std::move(what)});
  }

  /// Turns a failure to read into a finding, so that the rest can be looked at.
  void note_unreadable(const std::string& what, const record_key& record = {}, stream_kind stream = 0, std::uint64_t seq = 0) {
    if (!connection_.failed()) return;
    add(record, stream, seq, what + " cannot be read: " + connection_.message());
    connection_.clear_failure();
  }

  void check_pages() {
    statement pragma(connection_, "PRAGMA integrity_check(100)");
    {
      query rows(pragma);
      while (rows.next()) {
        if (rows.bytes(0) != "ok") add({}, 0, 0, "pages: " + std::string(rows.bytes(0)));
      }
    }
    note_unreadable("the file's pages");
  }

  void check_records() {
    statement select(connection_, "SELECT id, key, version FROM records ORDER BY id");
    {
      query rows(select);
      while (rows.next() && !report_.stopped) {
        ++report_.records;
        check_record({rows.integer(0), record_key(rows.bytes(1)), rows.as<std::uint64_t>(2)});
      }
    }
    note_unreadable("the records");
  }

  void check_record(const record_row& record) {
    std::vector<stream_row> streams;
    {
      query rows(select_streams_, record.id);
      while (rows.next()) {
        streams.push_back({rows.integer(0), rows.as<stream_kind>(1), rows.as<std::uint64_t>(2), rows.fixed<chain_value>(3)});
      }
    }
    note_unreadable("the record's streams", record.key);
    versions_ = {};
    record_entries_ = 0;
    for (const auto& stream : streams) {
      ++report_.streams;
      check_stream(record, stream);
    }
    if (record_entries_ == record.version) return;
    std::uint64_t missing = 1;
    while (missing <= record.version && versions_.contains(missing)) ++missing;
    add(record.key, 0, 0,
        "the record's version is " + std::to_string(record.version) + ", but it has " + std::to_string(record_entries_) +
            " entries; the first version without one is " + std::to_string(missing));
  }

  void check_stream(const record_row& record, const stream_row& stream) {
    // What the next link follows: as stored and as computed. They differ after an altered link; both are tried then, so that one
    // alteration is one finding.
    std::optional<chain_value> stored = chain_value{};
    std::optional<chain_value> computed = stored;
    std::uint64_t seq = 0;
    std::uint64_t version = 0;
    std::set<std::int64_t> authors;
    {
      query rows(select_entries_, position_of(stream.id, 0), position_of(stream.id, max_stream_entries));
      while (rows.next() && !report_.stopped) {
        const std::uint64_t here = seq_of_position(rows.integer(0));
        if (here != seq + 1) {
          add(record.key, stream.kind, seq + 1, "entries " + std::to_string(seq + 1) + " to " + std::to_string(here - 1) + " are missing");
          stored = computed = std::nullopt;
        }
        seq = here;
        ++record_entries_;
        count_entry();
        check_version(record, stream, seq, rows.as<std::uint64_t>(1), version);
        version = rows.as<std::uint64_t>(1);
        if (const auto author = rows.integer(2); author != 0) authors.insert(author);
        check_entry(record, stream, seq, rows, stored, computed);
      }
    }
    note_unreadable("an entry after this one", record.key, stream.kind, seq);
    if (seq != stream.head) {
      add(record.key, stream.kind, std::min(seq, stream.head) + 1,
          "the stream's head is " + std::to_string(stream.head) + ", its last entry " + std::to_string(seq));
    } else if (computed && stream.chain != computed && stream.chain != stored) {
      add(record.key, stream.kind, seq, "the stream's chain value is not that of its last entry");
    }
    for (const auto author : authors) check_author(record, stream, author);
  }

  void check_version(const record_row& record, const stream_row& stream, std::uint64_t seq, std::uint64_t version, std::uint64_t previous) {
    if (version <= previous || version > record.version) {
      add(record.key, stream.kind, seq, "version " + std::to_string(version) + " is out of order");
    } else if (!versions_.add(version)) {
      add(record.key, stream.kind, seq, "version " + std::to_string(version) + " is used twice");
    }
  }

  void check_entry(const record_row& record, const stream_row& stream, std::uint64_t seq, const query& row,
                   std::optional<chain_value>& stored, std::optional<chain_value>& computed) {
    if (row.null(3)) {
      add(record.key, stream.kind, seq, "the entry is missing");
      stored = computed = std::nullopt;
      return;
    }
    if (row.integer(4) != row.integer(0) || row.integer(5) != row.integer(1)) {
      add(record.key, stream.kind, seq, "the entry found here belongs elsewhere");
    }
    const auto link = row.fixed<chain_value>(6);
    const auto bytes = row.bytes(7);
    if (!stored) {
      // Behind a hole nothing can be computed: the chain is taken up again here.
      stored = computed = link;
      return;
    }
    const chain_value expected = hasher_.next(*stored, bytes);
    const bool follows = link == expected || (stored != computed && computed && link == hasher_.next(*computed, bytes));
    if (!follows) add(record.key, stream.kind, seq, "the entry's bytes do not fit its chain value");
    computed = follows ? link : std::optional(expected);
    stored = link ? link : computed;
  }

  void check_author(const record_row& record, const stream_row& stream, std::int64_t author) {
    query row(select_author_, stream.id, author);
    if (!row.next() && !connection_.failed()) add(record.key, stream.kind, 0, "an author of the stream is not listed");
  }

  void check_snapshots() {
    statement select(
        connection_,
        "SELECT r.key, x.version, x.bytes, x.digest FROM snapshots x JOIN records r ON r.id = x.record WHERE x.version <= r.version");
    {
      query rows(select);
      while (rows.next() && !report_.stopped) {
        const auto digest = rows.fixed<chain_value>(3);
        if (digest == hasher_.snapshot_digest(rows.as<std::uint64_t>(1), rows.bytes(2))) continue;
        add(record_key(rows.bytes(0)), 0, 0, "the snapshot is not what was written (its entries take its place; the next one replaces it)");
      }
    }
    note_unreadable("the snapshots");
  }

  void check_outbox() {
    for (const auto& check : outbox_checks) check_references(check);
    report_.timers = static_cast<std::uint64_t>(connection_.integer("SELECT count(*) FROM timers"));
    report_.deliveries = static_cast<std::uint64_t>(connection_.integer("SELECT count(*) FROM deliveries"));
    note_unreadable("timers and deliveries");
  }

  void check_obligations() {
    for (const auto& check : obligation_checks) check_references(check);
    report_.obligations = static_cast<std::uint64_t>(connection_.integer("SELECT count(*) FROM obligations WHERE parts & 1"));
    note_unreadable("obligations");
  }

  void check_references(const reference_check& check) {
    if (report_.stopped) return;
    statement select(connection_, check.sql);
    {
      query rows(select);
      while (rows.next() && !report_.stopped) {
        add(record_key(rows.bytes(0)), rows.as<stream_kind>(1), rows.as<std::uint64_t>(2), check.what);
      }
    }
    note_unreadable(std::string("a table (while checking whether ") + check.what + ")");
  }

  void count_entry() {
    ++report_.entries;
    if (progress_ && report_.entries % entries_between_progress == 0) progress_(report_.entries, total_);
  }

  sqlite_connection& connection_;
  const verify_progress& progress_;
  statement select_streams_, select_entries_, select_author_;
  std::uint64_t total_;
  std::int64_t schema_;
  chain_hasher hasher_;
  version_set versions_;
  std::uint64_t record_entries_ = 0;
  verify_report report_;
};

}  // namespace

verify_report verify_sqlite(const std::string& path, const verify_progress& progress, accepted_schema accepted) {
  require_file(path);
  sqlite_connection connection;
  open_to_read(connection, path);
  throw_if_failed(connection, path);
  check_schema(connection, path, accepted);
  // One moment for everything; large reads should not push everything else out of memory.
  connection.execute("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384; BEGIN");
  throw_if_failed(connection, path);
  return verification(connection, progress).run();
}

}  // namespace careteam::store
