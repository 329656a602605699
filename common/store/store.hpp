// The store: the append-only truth. One interface; SQLite is the embedded implementation, PostgreSQL follows.
//
// A record is a set of streams. Each stream is a gapless sequence of entries (seq 1, 2, 3 …), hashed into a chain:
// chain(0) = 32 zero bytes, chain(n) = SHA-256(chain(n-1) || bytes(n)). A record's version counts the entries of all of its streams,
// so that it orders them: an append of k entries moves it by k.
//
// Every function runs on, and resumes on, the executor of the calling coroutine (the one event loop); implementations do their
// work elsewhere. Nothing here knows what an entry means.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace careteam::store {

/// What a store can answer besides success. I/O failures carry the implementation's own message to the log.
enum class errc {
  unavailable = 1,    ///< The store cannot be written or read now (disk full, I/O error). Nothing of the request has happened.
  corrupt = 2,        ///< Stored data contradicts itself; `careteam verify` names the place. Nothing of the request has happened.
  shutting_down = 3,  ///< The store was closed.
  uncertain = 4       ///< The disk failed while the request was made durable: all of it is kept or nothing. The same command asks which.
};
const boost::system::error_category& store_category() noexcept;
boost::system::error_code make_error_code(errc e) noexcept;

template <class T>
using result = boost::system::result<T>;

/// A record's key in the store, for example "patient/rosa" or "organization". At most 100 bytes.
using record_key = std::string;
/// A stream inside its record: the number of its audience in the public contract.
using stream_kind = std::uint32_t;
using chain_value = std::array<std::uint8_t, 32>;
using uuid_bytes = std::array<std::uint8_t, 16>;

/// One entry to append. The views must live as long as record_append::keep_alive.
struct new_entry {
  stream_kind stream = 0;
  std::uint64_t seq = 0;        ///< Must be the stream's head + 1 at that point of the batch.
  std::uint64_t about_seq = 0;  ///< The entry of the same stream that this one amends; 0: none. Makes it findable by read_about.
  std::string_view author;      ///< The person who counts as its author; empty: the system.
  std::string_view bytes;       ///< What is stored and hashed.
};

/// The answer that a command got, remembered for at least 30 days under (actor, id).
struct command_record {
  std::string actor;
  uuid_bytes id{};
  uuid_bytes digest{};     ///< Of the command's body: the same id with another digest is another command.
  stream_kind stream = 0;  ///< What was answered.
  std::uint64_t seq = 0;
};

/// Whether the record is offered to a person (an index; who may read what is decided above).
struct membership_change {
  std::string person;
  bool member = false;
};

/// Microseconds since the Unix epoch, UTC.
using instant = std::chrono::sys_time<std::chrono::microseconds>;

/// A timer of a record (G5): the domain's name for it, at most 100 bytes, and when it is due. A record has at most one timer of a name.
struct timer_key {
  std::string id;
  instant due{};
  bool operator==(const timer_key&) const = default;
};

/// Sets a timer, or moves it: whoever knows the record's state knows when it was due until now, and what is to be done then.
struct timer_set {
  timer_key key;
  std::optional<instant> instead_of;  ///< When it was due until now; none: it is a new one.
};

/// Someone is to be reached outside: a row of the outbox (G1-G4). It has no patient data in it, and its id tells nothing either.
struct new_delivery {
  std::string id;          ///< Chosen by the domain, so that nothing is ever sent for the same reason twice. At most 100 bytes.
  std::string obligation;  ///< What it is about; everything about it is quiet at once. At most 100 bytes.
  std::string channel;     ///< For example "email".
  std::string recipient;   ///< A person.
  std::uint32_t priority = 0;
  std::string payload;   ///< At most 512 bytes, opaque.
  instant not_before{};  ///< The first attempt.
};

/// The time of an obligation that has no deadline: behind all others.
inline constexpr instant no_breach = instant::max();

/// Where an obligation's row is: under whom, by when it is breached, and where in its record it began.
struct obligation_key {
  std::string owner;  ///< A person or a duty, as the domain names it; at most 200 bytes.
  instant breach = no_breach;
  stream_kind stream = 0;
  std::uint64_t seq = 0;
  bool operator==(const obligation_key&) const = default;
};

/// Something that is owed, under one of those whom it concerns (C5, C10). Codes are the domain's: numbers, no text.
struct obligation_row {
  obligation_key key;
  std::uint8_t parts = 0;  ///< How the owner stands to it, in bits. Bit 0 is in exactly one row of an obligation: that one is counted.
  std::uint8_t kind = 0;
  std::uint8_t priority = 0;
  std::uint8_t status = 0;
  std::uint64_t version = 0;
  bool operator==(const obligation_row&) const = default;
};

/// What one record appends in one commit. Entries take versions expected_version + 1 … expected_version + entries.size().
struct record_append {
  record_key record;
  std::uint64_t expected_version = 0;  ///< 0: the record does not exist yet.
  std::vector<new_entry> entries;      ///< May be empty when only the rest is to be written.
  std::vector<command_record> commands;
  std::vector<membership_change> memberships;
  std::vector<timer_key> fired_timers;           ///< Are taken off. One that is gone, or was moved: nothing is written (stale_timers).
  std::vector<timer_key> cancel_timers;          ///< One that is not there is nothing.
  std::vector<timer_set> set_timers;             ///< After the others; each has another id.
  std::vector<new_delivery> add_deliveries;      ///< One whose id is known, in whatever state, is nothing.
  std::vector<std::string> quiet_obligations;    ///< Deliveries of the record about these, added before, count as acknowledged.
  std::vector<obligation_key> drop_obligations;  ///< One that is not there is nothing.
  std::vector<obligation_row> put_obligations;   ///< After the others.
  std::optional<std::string> snapshot;           ///< The record's state after these entries.
  std::shared_ptr<const void> keep_alive;        ///< Owns what the views point to.
};

struct stream_head {
  stream_kind stream = 0;
  std::uint64_t head = 0;
  chain_value chain{};
};

/// The append is on disk (fsync). For each record in the order of the request, the streams that it touched.
struct committed {
  std::vector<std::vector<stream_head>> heads;
};
/// Another writer was first. Nothing was written.
struct conflict {
  record_key record;
  std::uint64_t version = 0;  ///< Its version now.
};
/// Commands that were carried out before. Nothing was written.
struct duplicates {
  std::vector<command_record> known;  ///< As stored (the digest may differ from the one sent).
};
/// Timers that were to be taken off are not there as they were named. Nothing was written.
struct stale_timers {
  record_key record;
  std::vector<timer_key> gone;
};
using append_result = std::variant<committed, conflict, duplicates, stale_timers>;

/// A timer as it is stored. Timers are ordered by (due, id, the age of their record).
struct stored_timer {
  record_key record;
  timer_key key;
};

/// An obligation as it is stored.
struct stored_obligation {
  record_key record;
  obligation_row row;
};

/// How much is open of one priority, over all records.
struct obligation_count {
  std::uint8_t priority = 0;
  std::uint64_t open = 0;
  std::uint64_t overdue = 0;  ///< Of them: whose deadline has passed.
};

/// How much one owner answers for, over all records.
struct owner_count {
  std::string owner;
  std::uint64_t open = 0;
  std::uint64_t overdue = 0;  ///< Of them: whose deadline has passed.
};

/// How a delivery stands. Acknowledged and failed are final.
enum class delivery_state : std::uint8_t {
  waiting = 1,       ///< For its next attempt, or for the outcome of one.
  sent = 2,          ///< A provider has taken it.
  acknowledged = 3,  ///< Whoever was to be reached has answered, here or elsewhere.
  failed = 4         ///< It will not be tried again: a human has to be told.
};

struct stored_delivery {
  record_key record;
  new_delivery what;  ///< `not_before`: the next attempt, or until when it is claimed.
  delivery_state state = delivery_state::waiting;
  std::uint32_t attempts = 0;  ///< Claims so far, without those in which nothing was tried.
  std::string worker;          ///< Who claimed it last; empty: nobody, or nothing was tried yet.
};

/// Takes deliveries for an attempt. Whatever waits and is due is free; what a worker claimed is so again when `until` has passed, so that
/// a dead worker's are found by the same question.
struct delivery_claim {
  std::string worker;
  instant now{};
  instant until{};               ///< Later than `now`.
  std::vector<std::string> ids;  ///< Only these (a queue named them); empty: whatever is due, the longest due first.
  std::size_t limit = 0;
  bool early = false;  ///< Of those ids also what is not due yet and nobody has claimed.
};

/// What follows a delivery's attempt: another delivery for the same record, obligation and priority.
struct following_delivery {
  std::string id;
  std::string channel;
  std::string payload;         ///< At most 512 bytes, opaque.
  instant not_before{};        ///< The first attempt.
  std::string recipient = {};  ///< Empty: the same person.
};

/// How an attempt ended. It counts only while the delivery is claimed as it says: a worker that was given up on changes nothing.
struct delivery_outcome {
  std::string id;
  std::string worker;
  std::uint32_t attempt = 0;
  delivery_state state = delivery_state::waiting;  ///< Waiting: again at `next`. A provider may still fail what it had taken.
  instant next{};
  std::optional<following_delivery> then = {};  ///< Is added when the outcome counts, so that a quiet obligation has no successor.
  bool attempted = true;                        ///< False: nothing was tried, and the claim is none of the delivery's attempts.
};

/// A walk over all deliveries that takes off those that are done.
struct delivery_cleaning {
  instant done_before{};    ///< Of an attempt, or planned for one; nothing that still waits is taken off.
  std::uint64_t after = 0;  ///< Where the walk stands; 0: its beginning.
};
struct delivery_cleaned {
  std::uint64_t removed = 0;
  std::uint64_t after = 0;  ///< Where it goes on; 0: it has come to its end.
};

struct stored_entry {
  stream_kind stream = 0;
  std::uint64_t seq = 0;
  std::uint64_t version = 0;
  std::string bytes;
};

/// Where a record stands.
struct record_head {
  std::uint64_t version = 0;  ///< 0: there is no such record.
  std::vector<stream_head> streams;
  std::uint64_t snapshot_version = 0;  ///< 0: no snapshot.
  std::string snapshot;
  bool snapshot_damaged = false;  ///< There is one, and it is not what was written: it is left out.
};

/// A person's place in a stream. Positions only move forward.
struct cursor {
  record_key record;
  stream_kind stream = 0;
  std::string person;
  std::uint64_t displayed = 0;
  std::uint64_t read = 0;
  std::uint64_t read_own = 0;  ///< How many of the person's own entries lie at or before `read`. Computed by the store.
};

/// Moves cursors forward; 0 leaves a position. `received` belongs to the device, the others to the person.
struct cursor_move {
  record_key record;
  stream_kind stream = 0;
  std::string person;
  std::string device;
  std::uint64_t received = 0;
  std::uint64_t displayed = 0;
  std::uint64_t read = 0;
};

/// How far a person has come in a stream, for the others.
struct receipt {
  stream_kind stream = 0;
  std::string person;
  std::uint64_t received = 0;  ///< The furthest of the person's devices.
  std::uint64_t displayed = 0;
};

class record_store {
 public:
  virtual ~record_store() = default;

  /// The store's incarnation: random at creation, new after a restore.
  virtual const std::string& epoch() const noexcept = 0;

  /// Transactions committed by this object so far; each holds what any number of callers asked for. For the operator.
  virtual std::uint64_t transactions() const noexcept = 0;

  /// Appends to one or several records: all or nothing, durable when it answers `committed`.
  virtual boost::asio::awaitable<result<append_result>> append(std::vector<record_append> records) = 0;

  /// Where the record stands, with its newest snapshot. A record that does not exist has version 0.
  virtual boost::asio::awaitable<result<record_head>> head(record_key record) = 0;

  /// The record's entries of all streams with version > after, in version order; stops after max_bytes (at least one entry is returned).
  virtual boost::asio::awaitable<result<std::vector<stored_entry>>> read_record(record_key record, std::uint64_t after,
                                                                                std::size_t max_bytes) = 0;

  /// Entries from … to of one stream in order; stops after max_bytes (at least one entry is returned, if there is one).
  virtual boost::asio::awaitable<result<std::vector<stored_entry>>> read_stream(record_key record, stream_kind stream, std::uint64_t from,
                                                                                std::uint64_t to, std::size_t max_bytes) = 0;

  /// The entry `seq` and every entry that is about it, in order. Empty when there is no such entry.
  virtual boost::asio::awaitable<result<std::vector<stored_entry>>> read_about(record_key record, stream_kind stream,
                                                                               std::uint64_t seq) = 0;

  /// The answer that a command got, if it was carried out.
  virtual boost::asio::awaitable<result<std::optional<command_record>>> find_command(std::string actor, uuid_bytes id) = 0;

  /// The records that are offered to a person, in key order.
  virtual boost::asio::awaitable<result<std::vector<record_key>>> records_of(std::string person) = 0;

  /// All of a person's cursors in the given records (streams without one are left out).
  virtual boost::asio::awaitable<result<std::vector<cursor>>> cursors_of(std::string person, std::vector<record_key> records) = 0;

  /// How far everybody who has received something of the record has come.
  virtual boost::asio::awaitable<result<std::vector<receipt>>> receipts_of(record_key record) = 0;

  /// How far the furthest of a person's devices has received a stream; 0: nothing.
  virtual boost::asio::awaitable<result<std::uint64_t>> received_by(record_key record, stream_kind stream, std::string person) = 0;

  /// The keys of records, in key order, after a key; at most `limit`. For walking over the whole store.
  virtual boost::asio::awaitable<result<std::vector<record_key>>> record_keys(record_key after, std::size_t limit) = 0;

  /// Moves cursors, durably; answers the cursors as they are then, in the order of the request. Moves of one call may repeat a cursor.
  virtual boost::asio::awaitable<result<std::vector<cursor>>> move_cursors(std::vector<cursor_move> moves) = 0;

  /// The timers that are due until then (inclusive), in order, behind one of them, whether it is still there or not; at most `limit`.
  virtual boost::asio::awaitable<result<std::vector<stored_timer>>> due_timers(instant until, std::optional<stored_timer> after,
                                                                               std::size_t limit) = 0;

  /// When the first timer later than an instant is due.
  virtual boost::asio::awaitable<result<std::optional<instant>>> next_timer(instant later_than) = 0;

  /// The obligations under one owner, in the order of (breach, the age of their record, stream, seq), behind one of them, whether it is
  /// still there or not; at most `limit`.
  virtual boost::asio::awaitable<result<std::vector<stored_obligation>>> obligations_of(std::string owner,
                                                                                        std::optional<stored_obligation> after,
                                                                                        std::size_t limit) = 0;

  /// Every row of every owner, in an order of its own, behind one of them; at most `limit`. For walking over the whole store.
  virtual boost::asio::awaitable<result<std::vector<stored_obligation>>> all_obligations(std::optional<stored_obligation> after,
                                                                                         std::size_t limit) = 0;

  /// How much is open and overdue at an instant, by priority.
  virtual boost::asio::awaitable<result<std::vector<obligation_count>>> count_obligations(instant now) = 0;

  /// The same of each owner whose name begins with `prefix` (ASCII, not empty), in the order of their names; without those who answer for
  /// nothing. For a kind of owner of which there are few.
  virtual boost::asio::awaitable<result<std::vector<owner_count>>> count_by_owner(std::string prefix, instant now) = 0;

  /// Claims deliveries, durably; answers them as they are then.
  virtual boost::asio::awaitable<result<std::vector<stored_delivery>>> claim_deliveries(delivery_claim claim) = 0;

  /// Records how attempts ended, durably; answers, in the order of the request, which of them counted.
  virtual boost::asio::awaitable<result<std::vector<bool>>> record_outcomes(std::vector<delivery_outcome> outcomes) = 0;

  /// When the next waiting delivery can be claimed.
  virtual boost::asio::awaitable<result<std::optional<instant>>> next_delivery() = 0;

  /// Takes a step of at most `max_deliveries_at_once` rows over the deliveries.
  virtual boost::asio::awaitable<result<delivery_cleaned>> clean_deliveries(delivery_cleaning step) = 0;

  /// What waits for a person, the soonest first; at most `limit`.
  virtual boost::asio::awaitable<result<std::vector<stored_delivery>>> deliveries_to(std::string person, std::size_t limit) = 0;

  /// A delivery by its id.
  virtual boost::asio::awaitable<result<std::optional<stored_delivery>>> find_delivery(std::string id) = 0;

  /// Stops accepting, finishes what was accepted, and closes. Called once, before the destructor, from the event loop.
  virtual boost::asio::awaitable<void> close() = 0;
};

}  // namespace careteam::store

template <>
struct boost::system::is_error_code_enum<careteam::store::errc> : std::true_type {};
