// One record as the file tells it at one moment, also beside a server that holds the store. Blocking, read-only; for the operator's
// commands.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/sqlite_schema.hpp"
#include "store/store.hpp"

namespace careteam::store {

/// How far a device has come in a stream, and the person whose it is.
struct device_cursor {
  std::string person;
  std::string device;
  std::uint64_t received = 0;   ///< Of the device.
  std::uint64_t displayed = 0;  ///< Of the person, as is `read`.
  std::uint64_t read = 0;
};

class record_history {
 public:
  /// Opens the file at `path`. Throws open_error.
  explicit record_history(const std::string& path);
  ~record_history();
  record_history(const record_history&) = delete;
  record_history& operator=(const record_history&) = delete;

  /// Where the record's streams stand; empty: there is no such record.
  std::vector<stream_head> heads(const record_key& record);
  /// The records whose keys begin with `prefix`, in the order of their keys.
  std::vector<record_key> keys(const std::string& prefix);
  /// Entries of the record behind a version, in the order in which they were committed: some 64 KiB of them, at least one; none: there are
  /// no more. Throws open_error (corrupt).
  std::vector<stored_entry> page(const record_key& record, std::uint64_t after);
  /// Every entry of the record in the order in which they were committed. Memory: a MiB of them. Throws open_error (corrupt).
  void each(const record_key& record, const std::function<void(const stored_entry&)>& visit);
  /// Everybody who has received something of the stream, by person and device.
  std::vector<device_cursor> cursors(const record_key& record, stream_kind stream);

 private:
  struct open_file;
  std::unique_ptr<open_file> file_;
};

}  // namespace careteam::store
