#include "coordination/cursor_desk.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "runtime/log.hpp"

namespace careteam::coordination {

void cursor_desk::move(store::cursor_move what) {
  if (waiting_.size() >= max_waiting_moves) return;
  auto& slot = waiting_[{what.record, what.stream, what.person, what.device}];
  what.received = std::max(what.received, slot.received);
  what.displayed = std::max(what.displayed, slot.displayed);
  what.read = std::max(what.read, slot.read);
  slot = std::move(what);
  arm();
}

void cursor_desk::arm() {
  if (armed_ || writing_ || waiting_.empty()) return;
  armed_ = true;
  timer_.expires_after(cursor_gathering);
  timer_.async_wait([this](boost::system::error_code failed) {
    if (failed) return;
    armed_ = false;
    writing_ = true;
    boost::asio::co_spawn(executor_, write(), [this](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
      writing_ = false;
      arm();
    });
  });
}

boost::asio::awaitable<void> cursor_desk::write() {
  std::vector<store::cursor_move> moves;
  moves.reserve(waiting_.size());
  for (auto& [key, what] : waiting_) moves.push_back(std::move(what));
  waiting_.clear();
  const auto failed = co_await write(moves);
  if (failed != store::errc::corrupt || moves.size() == 1) co_return;
  // One record's damage is not the others' failure.
  for (auto& what : moves) {
    std::vector<store::cursor_move> alone;
    alone.push_back(std::move(what));
    (void)co_await write(std::move(alone));
  }
}

boost::asio::awaitable<boost::system::error_code> cursor_desk::write(std::vector<store::cursor_move> moves) {
  auto moved = co_await store_.move_cursors(moves);
  if (moved) {
    listener_.cursors_moved(*moved, moves);
    co_return boost::system::error_code{};
  }
  runtime::log_warning("cursors_not_written", {{"moves", moves.size()}, {"error", moved.error()}});
  co_return moved.error();
}

}  // namespace careteam::coordination
