#include "store/sqlite_writer.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "store/contract.hpp"
#include "store/limits.hpp"

namespace careteam::store {
namespace {

// Bounds of the caches; a record of three streams takes about 400 bytes.
constexpr std::size_t max_cached_records = 32'768;
constexpr std::size_t max_cached_streams = 131'072;
constexpr std::size_t max_cached_names = 131'072;
constexpr std::size_t max_cached_authors = 524'288;

// Counting this many positions takes some 20 µs; more is left to the reader, so that commits do not wait.
constexpr std::uint64_t max_entries_counted_by_writer = 128;

// Waiting for readers is what every commit does meanwhile.
constexpr int restart_patience_ms = 10;

/// Whether a commit that failed like this may have written all of itself. A write that failed has not: the mark of a commit is the last
/// thing that is written.
bool may_be_in_wal(int extended_code) {
  const int code = extended_code & 0xff;
  return extended_code != SQLITE_IOERR_WRITE && code != SQLITE_FULL && code != SQLITE_BUSY && code != SQLITE_CONSTRAINT;
}

std::int64_t signed_version(std::uint64_t version) {
  return static_cast<std::int64_t>(version);
}

}  // namespace

sqlite_writer::sqlite_writer(sqlite_connection& connection)
    : connection_(connection),
      begin_(connection, "BEGIN IMMEDIATE"),
      commit_(connection, "COMMIT"),
      select_record_(connection, "SELECT id, version FROM records WHERE key = ?1"),
      insert_record_(connection, "INSERT INTO records(key, version) VALUES(?1, 0)"),
      update_record_(connection, "UPDATE records SET version = ?2 WHERE id = ?1"),
      select_streams_(connection, "SELECT id, kind, head, chain FROM streams WHERE record = ?1 ORDER BY kind"),
      insert_stream_(connection, "INSERT INTO streams(record, kind, head, chain) VALUES(?1, ?2, 0, zeroblob(32))"),
      update_stream_(connection, "UPDATE streams SET head = ?2, chain = ?3 WHERE id = ?1"),
      select_name_(connection, "SELECT id FROM names WHERE name = ?1"),
      insert_name_(connection, "INSERT INTO names(name) VALUES(?1)"),
      insert_command_(connection, "INSERT OR IGNORE INTO commands(id, actor, digest, record, kind, seq) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"),
      delete_command_(connection, "DELETE FROM commands WHERE id = ?1 AND actor = ?2"),
      select_command_(connection, "SELECT digest, kind, seq FROM commands WHERE id = ?1 AND actor = ?2"),
      insert_entry_(connection, "INSERT INTO entries(row, position, version, chain, bytes) VALUES(?1, ?2, ?3, ?4, ?5)"),
      insert_position_(connection, "INSERT INTO positions(position, row, version, author) VALUES(?1, ?2, ?3, ?4)"),
      insert_about_(connection, "INSERT INTO about(target, position) VALUES(?1, ?2)"),
      insert_author_(connection, "INSERT OR IGNORE INTO authors(stream, person, first) VALUES(?1, ?2, ?3)"),
      insert_membership_(connection, "INSERT OR IGNORE INTO memberships(person, record) VALUES(?1, ?2)"),
      delete_membership_(connection, "DELETE FROM memberships WHERE person = ?1 AND record = ?2"),
      put_snapshot_(connection, "INSERT OR REPLACE INTO snapshots(record, version, bytes, digest) VALUES(?1, ?2, ?3, ?4)"),
      select_cursor_(connection, "SELECT displayed, read, read_own FROM cursors WHERE person = ?1 AND stream = ?2"),
      put_cursor_(connection, "INSERT OR REPLACE INTO cursors(person, stream, displayed, read, read_own) VALUES(?1, ?2, ?3, ?4, ?5)"),
      put_received_(connection,
                    "INSERT INTO device_cursors(stream, person, device, received) VALUES(?1, ?2, ?3, ?4) "
                    "ON CONFLICT DO UPDATE SET received = excluded.received WHERE excluded.received > received"),
      select_author_(connection, "SELECT first FROM authors WHERE stream = ?1 AND person = ?2"),
      count_own_(connection, "SELECT count(*) FROM positions WHERE position BETWEEN ?1 AND ?2 AND author = ?3"),
      timers_(connection),
      deliveries_(connection),
      obligations_(connection) {
  last_row_ = connection.integer("SELECT max(row) FROM entries");
  sqlite3_wal_hook(
      connection.handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        auto& writer = *static_cast<sqlite_writer*>(self);
        // Fewer than before: SQLite has started over at the beginning of the WAL.
        if (pages < writer.wal_pages_) {
          writer.checkpointed_pages_ = 0;
          writer.too_long_pages_ = long_wal_pages;
        }
        writer.wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
}

// ---- transactions

void sqlite_writer::begin() {
  begin_.run();
}

bool sqlite_writer::commit() {
  write_heads();
  timers_.write();
  const bool complete = !connection_.failed();
  commit_.run();
  if (!connection_.failed()) {
    shrink_caches();
    return true;
  }
  in_doubt_ |= complete && may_be_in_wal(connection_.extended_code());
  drop_caches();
  roll_back();
  return false;
}

// What was written last may be whole in the WAL as the page cache has it, and the failed sync may have marked it clean: the next sync
// would say nothing. So it is overwritten, and the sync of that is believed: it covers every page that it depends on.
bool sqlite_writer::settle() {
  if (!in_doubt_) return true;
  connection_.execute("BEGIN IMMEDIATE");
  // Writes the first page, as it is: a transaction of one page that changes nothing.
  connection_.execute(("PRAGMA user_version = " + std::to_string(store_schema_version)).c_str());
  connection_.execute("COMMIT");
  if (connection_.failed()) {
    roll_back();
    return false;
  }
  in_doubt_ = false;
  return true;
}

void sqlite_writer::roll_back() {
  // Serious errors have rolled back already; the others have to be.
  if (sqlite3_get_autocommit(connection_.handle()) == 0) {
    sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

void sqlite_writer::write_heads() {
  for (record_state* state : changed_) {
    update_record_.run(state->id, signed_version(state->version));
    for (stream_state& stream : state->streams) {
      if (!std::exchange(stream.changed, false)) continue;
      update_stream_.run(stream.id, stream.head, as_blob(stream.chain));
    }
    state->changed = false;
  }
  changed_.clear();
}

bool sqlite_writer::checkpoint() {
  checkpointed_pages_ = wal_pages_;
  const bool wait = wal_pages_ > too_long_pages_;
  // Readers that are always busy keep the WAL from starting over at its beginning. Only when it has become long are they waited for. In
  // vain: one of them needs long, as a backup does, and everybody's commit would wait for it at each checkpoint. So the next wait is when
  // there is twice as much.
  if (wait) sqlite3_busy_timeout(connection_.handle(), restart_patience_ms);
  const int mode = wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
  const int code = sqlite3_wal_checkpoint_v2(connection_.handle(), nullptr, mode, nullptr, nullptr) & 0xff;
  if (code != SQLITE_OK && code != SQLITE_BUSY && code != SQLITE_LOCKED) connection_.fail(sqlite3_extended_errcode(connection_.handle()));
  if (wait) sqlite3_busy_timeout(connection_.handle(), busy_timeout_ms);
  if (wait && code == SQLITE_BUSY) too_long_pages_ = 2 * wal_pages_;
  return !connection_.failed();
}

void sqlite_writer::checkpoint_and_truncate() {
  checkpointed_pages_ = wal_pages_;
  sqlite3_busy_timeout(connection_.handle(), 0);
  sqlite3_wal_checkpoint_v2(connection_.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

// ---- caches

sqlite_writer::record_state& sqlite_writer::record(const record_key& key) {
  if (const auto found = records_by_key_.find(key); found != records_by_key_.end()) {
    records_.splice(records_.begin(), records_, found->second);
    return records_.front();
  }
  require(!key.empty() && key.size() <= max_record_key_bytes, "a record's key has 1 to 100 bytes");
  records_.emplace_front().key = key;
  records_by_key_.emplace(records_.front().key, records_.begin());
  load(records_.front());
  return records_.front();
}

void sqlite_writer::load(record_state& state) {
  {
    query row(select_record_, std::string_view(state.key));
    if (!row.next()) return;
    state.id = row.integer(0);
    state.version = row.as<std::uint64_t>(1);
  }
  query rows(select_streams_, state.id);
  while (rows.next()) {
    const auto chain = rows.fixed<chain_value>(3);
    if (!chain) return connection_.fail_corrupt("a stream's chain value has the wrong size");
    state.streams.push_back({rows.as<stream_kind>(1), rows.integer(0), rows.as<std::uint64_t>(2), *chain});
    ++cached_streams_;
  }
}

void sqlite_writer::create_row(record_state& state) {
  if (state.id != 0) return;
  insert_record_.run(std::string_view(state.key));
  state.id = sqlite3_last_insert_rowid(connection_.handle());
}

sqlite_writer::stream_state* sqlite_writer::find_stream(record_state& state, stream_kind kind) {
  const auto at = std::ranges::lower_bound(state.streams, kind, {}, &stream_state::kind);
  return at != state.streams.end() && at->kind == kind ? &*at : nullptr;
}

sqlite_writer::stream_state& sqlite_writer::stream(record_state& state, stream_kind kind) {
  if (auto* found = find_stream(state, kind)) return *found;
  insert_stream_.run(state.id, kind);
  const std::int64_t id = sqlite3_last_insert_rowid(connection_.handle());
  // After a failure it is whatever row was inserted last.
  require(connection_.failed() || id <= max_streams, "a store has at most 2^31 - 1 streams");
  ++cached_streams_;
  const auto at = std::ranges::lower_bound(state.streams, kind, {}, &stream_state::kind);
  return *state.streams.insert(at, stream_state{kind, id});
}

std::int64_t sqlite_writer::name(std::string_view text) {
  if (const auto found = names_.find(text); found != names_.end()) return found->second;
  require(text.size() <= max_name_bytes, "the name of a person, device or actor has at most 200 bytes");
  std::int64_t id = 0;
  if (query row(select_name_, text); row.next()) id = row.integer(0);
  if (id == 0) {
    insert_name_.run(text);
    id = sqlite3_last_insert_rowid(connection_.handle());
  }
  if (!connection_.failed()) names_.emplace(text, id);
  return id;
}

void sqlite_writer::shrink_caches() {
  while (records_.size() > max_cached_records || (cached_streams_ > max_cached_streams && records_.size() > 1)) {
    cached_streams_ -= records_.back().streams.size();
    records_by_key_.erase(records_.back().key);
    records_.pop_back();
  }
  // Starting over is simpler than an order of use, and costs one look-up for each name.
  if (names_.size() > max_cached_names) names_.clear();
  if (authors_.size() > max_cached_authors) authors_.clear();
}

void sqlite_writer::drop_caches() {
  records_by_key_.clear();
  records_.clear();
  cached_streams_ = 0;
  names_.clear();
  authors_.clear();
  changed_.clear();
  timers_.forget();
}

// ---- append

append_result sqlite_writer::append(const std::vector<record_append>& request) {
  std::vector<record_state*> states;
  states.reserve(request.size());
  const record_append* late = nullptr;
  for (const auto& part : request) {
    record_state& state = record(part.record);
    require(!state.in_request, "a request names a record once");
    state.in_request = true;
    states.push_back(&state);
    if (!late && state.version != part.expected_version) late = &part;
  }
  for (record_state* state : states) state->in_request = false;
  if (connection_.failed()) return committed{};
  if (late) return conflict{late->record, states[static_cast<std::size_t>(late - request.data())]->version};

  for (std::size_t i = 0; i < request.size(); ++i) {
    if (auto gone = timers_.missing(request[i].fired_timers, states[i]->id); !gone.empty()) {
      return stale_timers{request[i].record, std::move(gone)};
    }
  }
  if (auto known = insert_commands(request, states); !known.empty()) return duplicates{std::move(known)};

  committed done;
  done.heads.reserve(request.size());
  for (std::size_t i = 0; i < request.size() && !connection_.failed(); ++i) {
    done.heads.push_back(append_entries(request[i], *states[i]));
    change_memberships(request[i], *states[i]);
    change_outbox(request[i], *states[i]);
    change_obligations(request[i], *states[i]);
  }
  return done;
}

std::vector<command_record> sqlite_writer::insert_commands(const std::vector<record_append>& request,
                                                           const std::vector<record_state*>& states) {
  std::vector<command_record> known;
  std::vector<written_command> written;
  for (std::size_t i = 0; i < request.size(); ++i) {
    if (!request[i].commands.empty()) create_row(*states[i]);
    for (const auto& command : request[i].commands) {
      const std::int64_t actor = name(command.actor);
      insert_command_.run(as_blob(command.id), actor, as_blob(command.digest), states[i]->id, command.stream, command.seq);
      if (connection_.failed()) return {};
      if (sqlite3_changes(connection_.handle()) != 0) {
        written.push_back({actor, command.id});
        continue;
      }
      const bool repeated =
          std::ranges::any_of(written, [&](const auto& earlier) { return earlier.actor == actor && earlier.id == command.id; });
      require(!repeated, "a request carries a command once");
      known.push_back(known_command(command, actor));
    }
  }
  // The rare path pays: a savepoint for every request would be paid by all.
  if (!known.empty()) {
    for (const auto& command : written) delete_command_.run(as_blob(command.id), command.actor);
  }
  return known;
}

command_record sqlite_writer::known_command(const command_record& sent, std::int64_t actor) {
  command_record known = sent;
  query row(select_command_, as_blob(sent.id), actor);
  if (!row.next()) return known;
  const auto digest = row.fixed<uuid_bytes>(0);
  if (!digest) {
    connection_.fail_corrupt("a command's digest has the wrong size");
    return known;
  }
  known.digest = *digest;
  known.stream = row.as<stream_kind>(1);
  known.seq = row.as<std::uint64_t>(2);
  return known;
}

std::vector<stream_head> sqlite_writer::append_entries(const record_append& part, record_state& state) {
  if (!part.entries.empty() || !part.memberships.empty() || part.snapshot) create_row(state);
  for (const auto& entry : part.entries) {
    stream_state& target = stream(state, entry.stream);
    // After a failure the cache may hold anything: nothing of it is written, and none of it is a caller's fault.
    if (connection_.failed()) return {};
    append_entry(entry, ++state.version, target);
  }
  if (!part.entries.empty() && !std::exchange(state.changed, true)) changed_.push_back(&state);
  if (part.snapshot) {
    const auto digest = hasher_.snapshot_digest(state.version, *part.snapshot);
    put_snapshot_.run(state.id, signed_version(state.version), as_blob(*part.snapshot), as_blob(digest));
  }

  std::vector<stream_head> heads;
  for (stream_state& stream : state.streams) {
    if (std::exchange(stream.touched, false)) heads.push_back({stream.kind, stream.head, stream.chain});
  }
  return heads;
}

void sqlite_writer::append_entry(const new_entry& entry, std::uint64_t version, stream_state& stream) {
  require(entry.seq == stream.head + 1, "an entry's seq follows its stream's head");
  require(entry.seq <= max_stream_entries, "a stream has at most 2^32 - 1 entries");
  require(entry.about_seq < entry.seq, "an entry is about an earlier one");
  require(entry.bytes.size() <= max_entry_bytes, "an entry has at most 16 MiB");
  stream.head = entry.seq;
  stream.chain = hasher_.next(stream.chain, entry.bytes);
  stream.changed = true;
  stream.touched = true;

  const std::int64_t author = entry.author.empty() ? 0 : name(entry.author);
  const std::int64_t position = position_of(stream.id, entry.seq);
  // Not from max(row) at each append: after a failed transaction the numbers may skip, which nobody minds.
  ++last_row_;
  insert_entry_.run(last_row_, position, signed_version(version), as_blob(stream.chain), as_blob(entry.bytes));
  insert_position_.run(position, last_row_, signed_version(version), author);
  if (entry.about_seq != 0) insert_about_.run(position_of(stream.id, entry.about_seq), position);
  if (author != 0) note_author(stream.id, author, entry.seq);
}

void sqlite_writer::note_author(std::int64_t stream, std::int64_t person, std::uint64_t seq) {
  if (authors_.insert(stream << 32 | person).second) insert_author_.run(stream, person, seq);
}

void sqlite_writer::change_memberships(const record_append& part, const record_state& state) {
  for (const auto& change : part.memberships) {
    (change.member ? insert_membership_ : delete_membership_).run(name(change.person), state.id);
  }
}

void sqlite_writer::change_outbox(const record_append& part, record_state& state) {
  if (!part.set_timers.empty() || !part.add_deliveries.empty()) create_row(state);
  timers_.change(part, state.id);
  for (const auto& obligation : part.quiet_obligations) deliveries_.quieten(state.id, obligation);
  for (const auto& delivery : part.add_deliveries) {
    deliveries_.add(delivery, state.id, name(delivery.channel), name(delivery.recipient));
  }
}

void sqlite_writer::change_obligations(const record_append& part, record_state& state) {
  if (!part.put_obligations.empty()) create_row(state);
  for (const auto& key : part.drop_obligations) obligations_.drop(key, state.id, name(key.owner));
  for (const auto& row : part.put_obligations) obligations_.put(row, state.id, name(row.key.owner));
}

// ---- the outbox

std::vector<stored_delivery> sqlite_writer::claim(const delivery_claim& claim) {
  return deliveries_.claim(claim, name(claim.worker));
}

std::vector<bool> sqlite_writer::record_outcomes(const std::vector<delivery_outcome>& outcomes) {
  std::vector<bool> counted;
  counted.reserve(outcomes.size());
  for (const auto& outcome : outcomes) {
    counted.push_back(deliveries_.record_outcome(outcome, name(outcome.worker)));
    if (counted.back() && outcome.then) add_next(outcome.id, *outcome.then);
  }
  return counted;
}

void sqlite_writer::add_next(const std::string& of, const following_delivery& then) {
  deliveries_.add_next(of, then, name(then.channel), then.recipient.empty() ? 0 : name(then.recipient));
}

delivery_cleaned sqlite_writer::clean_deliveries(const delivery_cleaning& step) {
  return deliveries_.clean(step);
}

// ---- cursors

move_result sqlite_writer::move(const std::vector<cursor_move>& request, const std::vector<own_count>& counted, long_counts policy) {
  // Planned first and written afterwards, so that a request that has to wait for a count has written nothing. Moves may repeat a cursor.
  std::map<std::pair<std::int64_t, std::int64_t>, cursor_state> planned;
  std::vector<std::pair<std::int64_t, std::int64_t>> touched;
  std::vector<own_count> missing;
  for (const auto& move : request) {
    record_state& state = record(move.record);
    const stream_state* target = find_stream(state, move.stream);
    if (!target) {
      touched.emplace_back(0, 0);
      continue;
    }
    const auto key = std::pair(name(move.person), target->id);
    touched.push_back(key);
    const auto [at, fresh] = planned.try_emplace(key);
    if (fresh) at->second = stored_cursor(key.first, key.second);
    cursor_state& cursor = at->second;
    if (const std::uint64_t displayed = std::min(move.displayed, target->head); displayed > cursor.displayed) {
      cursor.displayed = displayed;
      cursor.changed = true;
    }
    const std::uint64_t read = std::min(move.read, target->head);
    if (read > cursor.read && !count_own(move, key.first, key.second, read, counted, policy, cursor)) {
      missing.push_back({move.record, move.stream, move.person, cursor.read, read});
      cursor.read = read;
    }
  }
  if (!missing.empty()) return missing;

  for (const auto& [key, cursor] : planned) {
    if (cursor.changed) put_cursor_.run(key.first, key.second, cursor.displayed, cursor.read, cursor.read_own);
  }
  std::vector<cursor> answer;
  answer.reserve(request.size());
  for (std::size_t i = 0; i < request.size(); ++i) {
    const auto& move = request[i];
    const auto [person, stream] = touched[i];
    cursor& now = answer.emplace_back(cursor{move.record, move.stream, move.person});
    if (stream == 0) continue;
    const cursor_state& state = planned.at(touched[i]);
    now.displayed = state.displayed;
    now.read = state.read;
    now.read_own = state.read_own;
    if (move.received == 0 || move.device.empty()) continue;
    const std::uint64_t head = find_stream(record(move.record), move.stream)->head;
    put_received_.run(stream, person, name(move.device), std::min(move.received, head));
  }
  return answer;
}

sqlite_writer::cursor_state sqlite_writer::stored_cursor(std::int64_t person, std::int64_t stream) {
  query row(select_cursor_, person, stream);
  if (!row.next()) return {};
  return {row.as<std::uint64_t>(0), row.as<std::uint64_t>(1), row.as<std::uint64_t>(2)};
}

bool sqlite_writer::count_own(const cursor_move& move, std::int64_t person, std::int64_t stream, std::uint64_t to,
                              const std::vector<own_count>& counted, long_counts policy, cursor_state& state) {
  std::uint64_t own = 0;
  const auto fits = [&](const own_count& count) {
    return count.after == state.read && count.to == to && count.stream == move.stream && count.record == move.record &&
           count.person == move.person;
  };
  if (const auto found = std::ranges::find_if(counted, fits); found != counted.end()) {
    own = found->own;
  } else {
    // Most people never wrote in most of the streams that they read.
    std::uint64_t first = 0;
    if (query row(select_author_, stream, person); row.next()) first = row.as<std::uint64_t>(0);
    if (first != 0 && first <= to) {
      const std::uint64_t from = std::max(first, state.read + 1);
      if (policy == long_counts::deferred && to - from >= max_entries_counted_by_writer) return false;
      if (query row(count_own_, position_of(stream, from), position_of(stream, to), person); row.next()) own = row.as<std::uint64_t>(0);
    }
  }
  state.read = to;
  state.read_own += own;
  state.changed = true;
  return true;
}

}  // namespace careteam::store
