// Pages of the log that many read at once: when a server is back, everybody in a room misses the same entries. Runs on the event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "coordination/stream_batch.hpp"
#include "store/store.hpp"

namespace careteam::gateway {

inline constexpr std::size_t catch_up_page_bytes = 128 * 1024;
inline constexpr std::size_t kept_page_bytes = 4 * 1024 * 1024;  ///< All pages that are kept, together.
inline constexpr std::chrono::seconds pages_are_kept{5};         ///< What people wrote does not lie about for longer.

/// Reads each page once, however many ask for it while it is read or shortly after. Asks nobody whether they may read it: that is the
/// caller's, before and after.
class catch_up_pages {
 public:
  /// The store must outlive this object, and this object whatever reads through it.
  catch_up_pages(store::record_store& store, const boost::asio::any_io_executor& executor,
                 std::chrono::milliseconds kept_for = pages_are_kept)
      : store_(store), kept_for_(kept_for), forget_(executor) {}

  /// Entries from … to of a stream, as many as a page holds and at least one. Null: the store has no entry `from`. Errors are the store's,
  /// and not remembered.
  boost::asio::awaitable<store::result<coordination::shared_batch>> read(store::record_key record, v1::Stream stream, std::uint64_t from,
                                                                         std::uint64_t to);

  std::size_t kept_bytes() const { return kept_bytes_; }

 private:
  using place = std::tuple<store::record_key, v1::Stream, std::uint64_t, std::uint64_t>;
  struct reading {
    explicit reading(const boost::asio::any_io_executor& executor) : done(executor, boost::asio::steady_timer::time_point::max()) {}
    boost::asio::steady_timer done;  ///< Cancelled when there is an outcome.
    std::optional<store::result<coordination::shared_batch>> outcome;
  };
  void keep(const place& where, std::size_t bytes);
  void forget_later();

  store::record_store& store_;
  std::chrono::milliseconds kept_for_;
  std::map<place, std::shared_ptr<reading>> readings_;  ///< Under way, or kept.
  std::deque<std::pair<place, std::size_t>> kept_;      ///< The oldest first, with its bytes.
  std::size_t kept_bytes_ = 0;
  boost::asio::steady_timer forget_;
};

}  // namespace careteam::gateway
