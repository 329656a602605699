// What the SQLite store reads. Synchronous; belongs to the reader's thread. Its connection cannot write.
//
// This is the one place that turns stored bytes back into entries and snapshots; sqlite_writer is the one that stores them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/chain.hpp"
#include "store/sqlite_connection.hpp"
#include "store/sqlite_obligations.hpp"
#include "store/sqlite_outbox.hpp"
#include "store/sqlite_schema.hpp"
#include "store/sqlite_writer.hpp"
#include "store/store.hpp"

namespace careteam::store {

/// The functions are those of record_store. They see what was committed before begin(); failures are the connection's.
class sqlite_reader {
 public:
  /// `connection` must outlive the reader.
  explicit sqlite_reader(sqlite_connection& connection);

  void begin();
  void end();

  record_head head(const record_key& record);
  std::vector<stored_entry> read_record(const record_key& record, std::uint64_t after, std::size_t max_bytes);
  std::vector<stored_entry> read_stream(const record_key& record, stream_kind stream, std::uint64_t from, std::uint64_t to,
                                        std::size_t max_bytes);
  std::vector<stored_entry> read_about(const record_key& record, stream_kind stream, std::uint64_t seq);
  std::optional<command_record> find_command(const std::string& actor, const uuid_bytes& id);
  std::vector<record_key> records_of(const std::string& person);
  std::vector<receipt> receipts_of(const record_key& record);
  std::uint64_t received_by(const record_key& record, stream_kind stream, const std::string& person);
  std::vector<record_key> record_keys(const record_key& after, std::size_t limit);
  std::vector<cursor> cursors_of(const std::string& person, const std::vector<record_key>& records);
  std::vector<stored_timer> due_timers(instant until, const std::optional<stored_timer>& after, std::size_t limit);
  std::optional<instant> next_timer(instant later_than);
  std::optional<instant> next_delivery();
  std::vector<stored_delivery> deliveries_to(const std::string& person, std::size_t limit);
  std::optional<stored_delivery> find_delivery(const std::string& id);
  std::vector<stored_obligation> obligations_of(const std::string& owner, const std::optional<stored_obligation>& after, std::size_t limit);
  std::vector<stored_obligation> all_obligations(const std::optional<stored_obligation>& after, std::size_t limit);
  std::vector<obligation_count> count_obligations(instant now);
  std::vector<owner_count> count_by_owner(const std::string& prefix, instant now);
  std::vector<own_count> count_own(std::vector<own_count> counts);

 private:
  struct record_row {
    std::int64_t id = 0;
    std::uint64_t version = 0;
  };
  struct stream_row {
    stream_kind kind = 0;
    std::int64_t id = 0;
    std::uint64_t head = 0;
    chain_value link{};  ///< Of the last entry that was read of it.
  };

  record_row find_record(const record_key& record);
  std::optional<stream_row> find_stream(const record_key& record, stream_kind kind);
  std::int64_t find_name(const std::string& name);
  std::uint64_t version_at(const stream_row& stream, std::uint64_t seq);
  std::uint64_t first_after(const stream_row& stream, std::uint64_t version);
  /// The chain value of an entry; that of entry 0 is all zeros.
  chain_value link_at(std::int64_t stream, std::uint64_t seq);
  /// The entry of a row, which must follow `link` in the chain; `link` moves to it. What does not is a failure and never handed out.
  stored_entry entry(const query& row, const stream_row& stream, chain_value& link);

  sqlite_connection& connection_;
  chain_hasher hasher_;
  statement begin_, end_;
  statement select_record_, select_streams_, select_stream_, select_snapshot_, select_name_;
  statement select_version_, select_link_, select_entry_, select_entries_, select_about_;
  statement select_command_, select_memberships_, select_receipts_, select_received_, select_keys_, select_cursors_, count_own_;
  statement select_timers_, select_next_timer_, select_next_delivery_, select_delivery_, select_deliveries_to_;
  obligation_reads obligations_;
};

}  // namespace careteam::store
