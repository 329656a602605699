// Read, displayed and received positions on their way to the store: collected for a moment and written together.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <tuple>
#include <vector>

#include "store/store.hpp"

namespace careteam::coordination {

class cursor_listener {
 public:
  virtual ~cursor_listener() = default;
  /// Positions that are on disk; `moves[i]` is what was asked for `cursors[i]`.
  virtual void cursors_moved(const std::vector<store::cursor>& cursors, const std::vector<store::cursor_move>& moves) = 0;
};

/// Moves of one (stream, person, device) within this time become one.
inline constexpr std::chrono::milliseconds cursor_gathering{50};
/// Moves waiting; more are dropped: a client sends its position again with the next one, and nothing that was acknowledged is lost.
inline constexpr std::size_t max_waiting_moves = 50'000;

class cursor_desk {
 public:
  cursor_desk(boost::asio::any_io_executor executor, store::record_store& store, cursor_listener& listener)
      : executor_(executor), store_(store), listener_(listener), timer_(executor) {}
  void move(store::cursor_move what);
  bool idle() const { return waiting_.empty() && !writing_; }

 private:
  void arm();
  boost::asio::awaitable<void> write();
  boost::asio::awaitable<boost::system::error_code> write(std::vector<store::cursor_move> moves);
  using move_key = std::tuple<store::record_key, store::stream_kind, std::string, std::string>;
  boost::asio::any_io_executor executor_;
  store::record_store& store_;
  cursor_listener& listener_;
  boost::asio::steady_timer timer_;
  std::map<move_key, store::cursor_move> waiting_;
  bool writing_ = false;
  bool armed_ = false;
};

}  // namespace careteam::coordination
