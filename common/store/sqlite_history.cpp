#include "store/sqlite_history.hpp"

#include <optional>

#include "store/sqlite_connection.hpp"
#include "store/sqlite_reader.hpp"

namespace careteam::store {
namespace {

constexpr std::size_t page_bytes = 1024 * 1024;
constexpr std::size_t small_page_bytes = 64 * 1024;  // Of many records at the same time.
constexpr std::size_t keys_at_once = 500;

}  // namespace

struct record_history::open_file {
  explicit open_file(const std::string& where) : path(where) {
    require_file(path);
    open_to_read(connection, path);
    throw_if_failed(connection, path);
    check_schema(connection, path);
    // One moment for everything that is asked.
    connection.execute("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384; BEGIN");
    throw_if_failed(connection, path);
    reader.emplace(connection);
    throw_if_failed(connection, path);
  }
  std::string path;
  sqlite_connection connection;
  std::optional<sqlite_reader> reader;
};

record_history::record_history(const std::string& path) : file_(std::make_unique<open_file>(path)) {}
record_history::~record_history() = default;

std::vector<stream_head> record_history::heads(const record_key& record) {
  auto heads = file_->reader->head(record).streams;
  throw_if_failed(file_->connection, file_->path);
  return heads;
}

std::vector<record_key> record_history::keys(const std::string& prefix) {
  std::vector<record_key> found;
  for (record_key after = prefix;;) {
    auto page = file_->reader->record_keys(after, keys_at_once);
    throw_if_failed(file_->connection, file_->path);
    for (auto& key : page) {
      if (!key.starts_with(prefix)) return found;  // Behind the last of them.
      found.push_back(key);
    }
    if (page.size() < keys_at_once) return found;
    after = std::move(page.back());
  }
}

std::vector<stored_entry> record_history::page(const record_key& record, std::uint64_t after) {
  auto page = file_->reader->read_record(record, after, small_page_bytes);
  throw_if_failed(file_->connection, file_->path);
  return page;
}

void record_history::each(const record_key& record, const std::function<void(const stored_entry&)>& visit) {
  for (std::uint64_t version = 0;;) {
    const auto page = file_->reader->read_record(record, version, page_bytes);
    throw_if_failed(file_->connection, file_->path);
    if (page.empty()) return;
    for (const auto& entry : page) visit(entry);
    version = page.back().version;
  }
}

std::vector<device_cursor> record_history::cursors(const record_key& record, stream_kind stream) {
  statement select(file_->connection,
                   "SELECT p.name, d.name, c.received, ifnull(m.displayed, 0), ifnull(m.read, 0) FROM records r "
                   "CROSS JOIN streams s ON s.record = r.id AND s.kind = ?2 CROSS JOIN device_cursors c ON c.stream = s.id "
                   "CROSS JOIN names p ON p.id = c.person CROSS JOIN names d ON d.id = c.device "
                   "LEFT JOIN cursors m ON m.person = c.person AND m.stream = s.id WHERE r.key = ?1 ORDER BY p.name, d.name");
  std::vector<device_cursor> found;
  query rows(select, std::string_view(record), stream);
  while (rows.next()) {
    found.push_back({std::string(rows.bytes(0)), std::string(rows.bytes(1)), rows.as<std::uint64_t>(2), rows.as<std::uint64_t>(3),
                     rows.as<std::uint64_t>(4)});
  }
  throw_if_failed(file_->connection, file_->path);
  return found;
}

}  // namespace careteam::store
