// What a transaction of the SQLite store does. Synchronous; belongs to the writer's thread. The only connection that writes and
// checkpoints (SQLite before 3.51.3 can corrupt a WAL that two connections reset).
//
// This is the one place that turns entries and snapshots into stored bytes; sqlite_reader is the one that turns them back.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "store/chain.hpp"
#include "store/sqlite_connection.hpp"
#include "store/sqlite_obligations.hpp"
#include "store/sqlite_outbox.hpp"
#include "store/sqlite_schema.hpp"
#include "store/store.hpp"

namespace careteam::store {

/// Entries of a stream from `after` + 1 to `to` of which a person's own are to be counted before a cursor can be moved.
struct own_count {
  record_key record;
  stream_kind stream = 0;
  std::string person;
  std::uint64_t after = 0;
  std::uint64_t to = 0;
  std::uint64_t own = 0;  ///< The answer.
};
/// The cursors as they are now, or what has to be counted first (nothing was written then).
using move_result = std::variant<std::vector<cursor>, std::vector<own_count>>;

/// Whether a long count may be left to the reader, so that commits do not wait for it.
enum class long_counts { deferred, immediate };

/// Only strangers (an operator with the sqlite3 shell, a backup) can hold a lock that the writer needs.
inline constexpr int busy_timeout_ms = 1000;
inline constexpr std::int64_t long_wal_pages = 16'384;  ///< 64 MiB: sixteen times what an undisturbed WAL grows to.

class sqlite_writer {
 public:
  /// `connection` is open for writing and has the schema. It must outlive the writer.
  explicit sqlite_writer(sqlite_connection& connection);

  void begin();
  /// `request` must live until commit(), by which some of it is written.
  append_result append(const std::vector<record_append>& request);
  /// `counted`: answers to an earlier own_count; used where they still fit.
  move_result move(const std::vector<cursor_move>& request, const std::vector<own_count>& counted, long_counts policy);
  std::vector<stored_delivery> claim(const delivery_claim& claim);
  std::vector<bool> record_outcomes(const std::vector<delivery_outcome>& outcomes);
  delivery_cleaned clean_deliveries(const delivery_cleaning& step);
  /// True: everything since begin() is on disk. False: nothing of it has happened, unless in_doubt(); the connection's failure says why
  /// and is to be cleared by the caller.
  bool commit();

  /// The disk failed when a transaction was complete in the WAL but for the sync: after a crash it may be found there, or a hole may. Until
  /// settle() succeeds nothing may be committed behind it.
  bool in_doubt() const noexcept { return in_doubt_; }
  /// Overwrites what is in doubt with an empty transaction, and syncs that. True: what was in doubt has not happened, and never will have.
  /// False: as before, with a failure to be cleared.
  bool settle();

  /// Whether the transaction has failed already, so that going on is in vain.
  bool failed() const noexcept { return connection_.failed(); }

  /// Pages in the WAL that the last checkpoint did not see.
  std::int64_t pages_to_checkpoint() const noexcept { return wal_pages_ - checkpointed_pages_; }
  /// Copies the WAL to the file as far as readers allow. Between transactions only. False and a failure, to be cleared: the disk failed;
  /// that does no harm but that the WAL grows, because it keeps everything until it was copied and synced.
  bool checkpoint();
  /// The same, and cuts the WAL off. Waits for nobody.
  void checkpoint_and_truncate();

 private:
  void add_next(const std::string& of, const following_delivery& then);
  struct stream_state {
    stream_kind kind = 0;
    std::int64_t id = 0;
    std::uint64_t head = 0;
    chain_value chain{};
    bool changed = false;
    bool touched = false;  ///< By the request that is carried out.
  };
  struct record_state {
    record_key key;
    std::int64_t id = 0;  ///< 0: there is no row.
    std::uint64_t version = 0;
    std::vector<stream_state> streams;  ///< In the order of their kinds.
    bool changed = false;
    bool in_request = false;
  };
  struct written_command {
    std::int64_t actor;
    uuid_bytes id;
  };
  struct cursor_state {
    std::uint64_t displayed = 0;
    std::uint64_t read = 0;
    std::uint64_t read_own = 0;
    bool changed = false;
  };

  /// Finds a text without making a string of it.
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
  };

  record_state& record(const record_key& key);
  void load(record_state& state);
  void create_row(record_state& state);
  stream_state& stream(record_state& state, stream_kind kind);
  stream_state* find_stream(record_state& state, stream_kind kind);
  std::int64_t name(std::string_view text);

  std::vector<command_record> insert_commands(const std::vector<record_append>& request, const std::vector<record_state*>& states);
  command_record known_command(const command_record& sent, std::int64_t actor);
  std::vector<stream_head> append_entries(const record_append& part, record_state& state);
  void append_entry(const new_entry& entry, std::uint64_t version, stream_state& stream);
  void note_author(std::int64_t stream, std::int64_t person, std::uint64_t seq);
  void change_memberships(const record_append& part, const record_state& state);
  void change_outbox(const record_append& part, record_state& state);
  void change_obligations(const record_append& part, record_state& state);

  cursor_state stored_cursor(std::int64_t person, std::int64_t stream);
  /// Moves `state` to `to`; false when the count is left to the reader.
  bool count_own(const cursor_move& move, std::int64_t person, std::int64_t stream, std::uint64_t to, const std::vector<own_count>& counted,
                 long_counts policy, cursor_state& state);

  void roll_back();
  void write_heads();
  void shrink_caches();
  void drop_caches();

  sqlite_connection& connection_;
  chain_hasher hasher_;

  // The file belongs to this process alone, so what was read once stays true. Most recently used first.
  std::list<record_state> records_;
  std::unordered_map<std::string_view, std::list<record_state>::iterator> records_by_key_;
  std::size_t cached_streams_ = 0;
  std::unordered_map<std::string, std::int64_t, text_hash, std::equal_to<>> names_;
  std::unordered_set<std::int64_t> authors_;  ///< (stream, person) that have a row in `authors`.
  std::vector<record_state*> changed_;
  std::int64_t last_row_ = 0;

  bool in_doubt_ = false;
  std::int64_t wal_pages_ = 0;
  std::int64_t checkpointed_pages_ = 0;
  std::int64_t too_long_pages_ = long_wal_pages;

  statement begin_, commit_;
  statement select_record_, insert_record_, update_record_;
  statement select_streams_, insert_stream_, update_stream_;
  statement select_name_, insert_name_;
  statement insert_command_, delete_command_, select_command_;
  statement insert_entry_, insert_position_, insert_about_, insert_author_;
  statement insert_membership_, delete_membership_, put_snapshot_;
  statement select_cursor_, put_cursor_, put_received_, select_author_, count_own_;
  timer_rows timers_;
  delivery_rows deliveries_;
  obligation_rows obligations_;
};

}  // namespace careteam::store
