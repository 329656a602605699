// A record's state from the store: the newest snapshot and the entries after it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "care/record.hpp"
#include "store/store.hpp"

namespace careteam::coordination {

struct loaded_record {
  care::record_state state;
  std::uint64_t snapshot_version = 0;       ///< 0: no snapshot was used.
  std::vector<store::stream_head> streams;  ///< At the state's version.
};

/// Whether a snapshot may be used. `ignore` folds every entry: what `careteam rebuild` compares with.
enum class snapshot_use { allow, ignore };

/// Reads a record. A record that does not exist has version 0. errc::corrupt: an entry cannot be read or does not fit, or no record has
/// such a key; the log names it.
boost::asio::awaitable<store::result<loaded_record>> load_record(store::record_store& from, store::record_key key,
                                                                 snapshot_use use = snapshot_use::allow);

/// Whether the entry is the record's next one of its stream.
bool follows(const care::record_state& state, const v1::Entry& entry);
/// An entry as it was stored; false when the bytes are no entry of that place.
bool parse_entry(const store::stored_entry& stored, v1::Entry& entry);

}  // namespace careteam::coordination
