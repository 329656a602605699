// The embedded store: one SQLite file, one process, one thread that writes and one that reads.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "store/sqlite_schema.hpp"
#include "store/store.hpp"

namespace careteam::store {

/// What happens when the file of a store is not there.
enum class when_missing { fail, create };
/// Whether clients may go on from where they were. After a restore from a backup they may not: positions can have been taken twice.
enum class incarnation { keep, renew };

struct sqlite_options {
  std::string path;  ///< Of the file; `<path>-wal`, `<path>-shm` and `<path>.lock` lie beside it.
  when_missing missing = when_missing::fail;
  incarnation epoch = incarnation::keep;
  /// Page cache of the writer and of the reader, each. Should hold the working set of the indexes.
  std::size_t cache_bytes = 64 << 20;
  /// The WAL is copied to the file when it has grown by this much. More makes bulk appends cheaper and single stalls longer
  /// (about 1 ms per MiB).
  std::size_t checkpoint_bytes = 8 << 20;
  /// The file does not grow beyond this; 0: no bound. Keeps a volume from running full.
  std::uint64_t max_file_bytes = 0;
  /// Called on the event loop when a transaction or a read failed, for the log. The text has SQLite's words and no stored value.
  std::function<void(errc reason, std::string_view text)> on_failure;
};

/// Opens a store; blocks the caller (start-up). Throws open_error. All functions are to be called on `executor`, from coroutines that
/// run there. Its context must outlive the store; the store may go before its answers have been delivered.
std::unique_ptr<record_store> open_sqlite(boost::asio::any_io_executor executor, sqlite_options options);

}  // namespace careteam::store
