#include "floor_store.hpp"

#include <openssl/evp.h>
#include <sqlite3.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bench/message_template.hpp"
#include "bench/wire_scan.hpp"

namespace careteam::bench {
namespace {

// The tables of the store's schema that it writes for a message (common/store/sqlite_schema.cpp tells why they look like this).
constexpr const char* schema = R"sql(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = OFF;
PRAGMA wal_autocheckpoint = 1024;
PRAGMA cache_size = -65536;
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = FAST;
CREATE TABLE records(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL);
CREATE TABLE streams(id INTEGER PRIMARY KEY, record INTEGER NOT NULL, kind INTEGER NOT NULL, head INTEGER NOT NULL,
  chain BLOB NOT NULL, UNIQUE(record, kind));
CREATE TABLE entries(row INTEGER PRIMARY KEY, position INTEGER NOT NULL, version INTEGER NOT NULL, chain BLOB NOT NULL,
  bytes BLOB NOT NULL);
CREATE TABLE positions(position INTEGER PRIMARY KEY, row INTEGER NOT NULL, version INTEGER NOT NULL, author INTEGER NOT NULL);
CREATE TABLE commands(id BLOB NOT NULL, actor INTEGER NOT NULL, digest BLOB NOT NULL, record INTEGER NOT NULL,
  kind INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(id, actor)) WITHOUT ROWID;
CREATE TABLE about(target INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY(target, position)) WITHOUT ROWID;
CREATE TABLE timers(due INTEGER NOT NULL, id TEXT NOT NULL, record INTEGER NOT NULL, PRIMARY KEY(due, id, record)) WITHOUT ROWID;
CREATE TABLE obligations(owner INTEGER NOT NULL, breach INTEGER NOT NULL, record INTEGER NOT NULL, stream INTEGER NOT NULL,
  seq INTEGER NOT NULL, parts INTEGER NOT NULL, kind INTEGER NOT NULL, priority INTEGER NOT NULL, status INTEGER NOT NULL,
  version INTEGER NOT NULL, PRIMARY KEY(owner, breach, record, stream, seq)) WITHOUT ROWID;
CREATE INDEX obligations_open ON obligations(priority, breach, parts) WHERE parts & 1;
)sql";

constexpr std::int64_t minute_us = 60'000'000;
// Of an urgent task: the deadline that each step sets (common/care/task_policy.hpp), 0 for none, and when it is due.
constexpr std::array<std::int64_t, 5> deadlines_us{60 * minute_us, 15 * minute_us, 240 * minute_us, 0, 0};
constexpr std::int64_t due_us = 480 * minute_us;
constexpr std::size_t accept_step = 2;  // From then on it is watched whether it is done when it is due.
constexpr std::size_t last_step = 4;

/// Where an entry stands, by stream and seq in one integer.
std::int64_t position_of(std::uint32_t stream, std::uint64_t seq) {
  return static_cast<std::int64_t>(std::uint64_t{stream} << 32U | seq);
}

}  // namespace

floor_store::floor_store(const std::string& path, std::uint32_t rooms, std::uint32_t members, std::vector<std::string> entries,
                         std::uint32_t owners)
    : sha256_{EVP_MD_fetch(nullptr, "SHA256", nullptr)},
      digest_{EVP_MD_CTX_new()},
      rooms_(rooms),
      members_{members},
      owners_{owners},
      kinds_{std::move(entries)},
      tasks_(kinds_.size() > 1 ? std::size_t{rooms} * members : 0) {
  if (sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
    throw std::runtime_error("cannot create " + path);
  }
  execute(schema);
  begin_ = prepare("BEGIN IMMEDIATE");
  commit_ = prepare("COMMIT");
  insert_entry_ = prepare("INSERT INTO entries VALUES(?1, ?2, ?3, ?4, ?5)");
  insert_position_ = prepare("INSERT INTO positions VALUES(?1, ?2, ?3, ?4)");
  insert_about_ = prepare("INSERT INTO about VALUES(?1, ?2)");
  put_timer_ = prepare("INSERT OR REPLACE INTO timers VALUES(?1, ?2, ?3)");
  delete_timer_ = prepare("DELETE FROM timers WHERE due = ?1 AND id = ?2 AND record = ?3");
  put_obligation_ = prepare("INSERT OR REPLACE INTO obligations VALUES(?1, ?2, ?3, 2, ?4, ?5, 1, 2, ?6, ?6)");
  delete_obligation_ = prepare("DELETE FROM obligations WHERE owner = ?1 AND breach = ?2 AND record = ?3 AND stream = 2 AND seq = ?4");
  insert_command_ = prepare("INSERT INTO commands VALUES(?1, ?2, ?3, ?4, 2, ?5)");
  update_stream_ = prepare("UPDATE streams SET head = ?2, chain = ?3 WHERE id = ?1");
  update_record_ = prepare("UPDATE records SET version = ?2 WHERE id = ?1");
  execute("BEGIN");
  auto* record = prepare("INSERT INTO records VALUES(?1, 'patient/room-' || ?1, 0)");
  auto* stream = prepare("INSERT INTO streams VALUES(?1, ?1, 2, 0, zeroblob(32))");
  for (std::uint32_t room = 0; room < rooms; ++room) {
    sqlite3_bind_int64(record, 1, room + 1);
    step(record);
    sqlite3_bind_int64(stream, 1, room + 1);
    step(stream);
  }
  execute("COMMIT");
}

floor_store::~floor_store() {
  for (auto* statement : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
  EVP_MD_CTX_free(digest_);
  EVP_MD_free(sha256_);
}

void floor_store::execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(db_));
}

sqlite3_stmt* floor_store::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    throw std::runtime_error(sqlite3_errmsg(db_));
  statements_.push_back(statement);
  return statement;
}

void floor_store::step(sqlite3_stmt* statement) {
  const int result = sqlite3_step(statement);
  if (result != SQLITE_DONE && result != SQLITE_ROW) throw std::runtime_error(sqlite3_errmsg(db_));
  sqlite3_reset(statement);
}

void floor_store::append_entry(const floor_message& message) {
  auto& room = rooms_[message.room];
  const auto& bytes = kinds_[tasks_.empty() ? 0 : tasks_[message.room * members_ + message.member].step];
  if (EVP_DigestInit_ex2(digest_, sha256_, nullptr) != 1 || EVP_DigestUpdate(digest_, room.chain.data(), room.chain.size()) != 1 ||
      EVP_DigestUpdate(digest_, bytes.data(), bytes.size()) != 1 || EVP_DigestFinal_ex(digest_, room.chain.data(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 failed");
  }
  ++room.seq;
  const auto row = static_cast<std::int64_t>(++entries_);
  const auto position = position_of(message.room + 1, room.seq);
  const auto version = static_cast<std::int64_t>(room.seq);
  sqlite3_bind_int64(insert_entry_, 1, row);
  sqlite3_bind_int64(insert_entry_, 2, position);
  sqlite3_bind_int64(insert_entry_, 3, version);
  sqlite3_bind_blob(insert_entry_, 4, room.chain.data(), static_cast<int>(room.chain.size()), SQLITE_STATIC);
  sqlite3_bind_blob(insert_entry_, 5, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
  step(insert_entry_);
  sqlite3_bind_int64(insert_position_, 1, position);
  sqlite3_bind_int64(insert_position_, 2, row);
  sqlite3_bind_int64(insert_position_, 3, version);
  sqlite3_bind_int64(insert_position_, 4, message.room * members_ + message.member + 1);
  step(insert_position_);
}

void floor_store::change_timer(sqlite3_stmt* statement, std::int64_t due, const task_state& task, std::uint32_t room, std::size_t kind) {
  const auto id = "task/2/" + std::to_string(task.seq) + "/" + std::to_string(kind);
  sqlite3_bind_int64(statement, 1, due);
  sqlite3_bind_text(statement, 2, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
  sqlite3_bind_int64(statement, 3, room + 1);
  step(statement);
}

void floor_store::change_worklists(sqlite3_stmt* statement, const task_state& task, const floor_message& message) {
  for (std::uint32_t i = 0; i < owners_; ++i) {
    const auto owner = message.room * members_ + (message.member + i) % members_ + 1;
    sqlite3_bind_int64(statement, 1, owner);
    sqlite3_bind_int64(statement, 2, task.breach);
    sqlite3_bind_int64(statement, 3, message.room + 1);
    sqlite3_bind_int64(statement, 4, task.seq);
    if (statement == put_obligation_) {
      sqlite3_bind_int64(statement, 5, i == 0 ? 3 : 2);
      sqlite3_bind_int64(statement, 6, static_cast<std::int64_t>(task.step));
    }
    step(statement);
  }
}

void floor_store::append_task_rows(const floor_message& message) {
  auto& task = tasks_[message.room * members_ + message.member];
  const auto seq = rooms_[message.room].seq;
  const auto now = static_cast<std::int64_t>(1'800'000'000'000'000 + commands_ * 50);
  if (task.step == 0) {
    task.seq = static_cast<std::int64_t>(seq);
    task.due = now + due_us;
  } else {
    sqlite3_bind_int64(insert_about_, 1, position_of(message.room + 1, static_cast<std::uint64_t>(task.seq)));
    sqlite3_bind_int64(insert_about_, 2, position_of(message.room + 1, seq));
    step(insert_about_);
    if (task.timer != 0) change_timer(delete_timer_, task.timer, task, message.room, task.step);
    change_worklists(delete_obligation_, task, message);
  }
  task.timer = deadlines_us[task.step] == 0 ? 0 : now + deadlines_us[task.step];
  task.breach = task.timer == 0 ? task.due : std::min(task.timer, task.due);
  if (task.timer != 0) change_timer(put_timer_, task.timer, task, message.room, task.step + 1);
  if (task.step == accept_step) change_timer(put_timer_, task.due, task, message.room, last_step + 1);
  if (task.step == last_step) {
    change_timer(delete_timer_, task.due, task, message.room, last_step + 1);
  } else {
    change_worklists(put_obligation_, task, message);
  }
  task.step = (task.step + 1) % kinds_.size();
}

void floor_store::append_command(const floor_message& message, std::uint64_t seq) {
  // As a UUIDv7: ordered by time first, then random enough to fall between its neighbours.
  const std::uint64_t number = ++commands_;
  std::array<unsigned char, 16> id{};
  std::array<unsigned char, 16> digest{};
  const std::uint64_t high = number >> 5U << 16U | 0x7000U;
  const std::uint64_t low = number * 0x9e3779b97f4a7c15ULL;
  for (unsigned i = 0; i < 8; ++i) {
    id[i] = static_cast<unsigned char>(high >> (56 - 8 * i));
    id[8 + i] = static_cast<unsigned char>(low >> (56 - 8 * i));
    digest[i] = digest[8 + i] = id[8 + i];
  }
  sqlite3_bind_blob(insert_command_, 1, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
  sqlite3_bind_int64(insert_command_, 2, message.room * members_ + message.member + 1);
  sqlite3_bind_blob(insert_command_, 3, digest.data(), static_cast<int>(digest.size()), SQLITE_STATIC);
  sqlite3_bind_int64(insert_command_, 4, message.room + 1);
  sqlite3_bind_int64(insert_command_, 5, static_cast<std::int64_t>(seq));
  step(insert_command_);
}

void floor_store::update_room(std::uint32_t room) {
  const auto& state = rooms_[room];
  sqlite3_bind_int64(update_stream_, 1, room + 1);
  sqlite3_bind_int64(update_stream_, 2, static_cast<std::int64_t>(state.seq));
  sqlite3_bind_blob(update_stream_, 3, state.chain.data(), static_cast<int>(state.chain.size()), SQLITE_STATIC);
  step(update_stream_);
  sqlite3_bind_int64(update_record_, 1, room + 1);
  sqlite3_bind_int64(update_record_, 2, static_cast<std::int64_t>(state.seq));
  step(update_record_);
}

void floor_store::append(const std::vector<floor_message>& batch) {
  step(begin_);
  touched_.clear();
  for (const auto& message : batch) {
    append_entry(message);
    if (!tasks_.empty()) append_task_rows(message);
    append_command(message, rooms_[message.room].seq);
    if (!std::exchange(rooms_[message.room].touched, true)) touched_.push_back(message.room);
  }
  for (const auto room : touched_) {
    update_room(room);
    rooms_[room].touched = false;
  }
  step(commit_);
}

}  // namespace careteam::bench
