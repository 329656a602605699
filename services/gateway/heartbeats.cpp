#include "gateway/heartbeats.hpp"

#include <algorithm>

namespace careteam::gateway {

heartbeats::heartbeats(const boost::asio::any_io_executor& executor, std::chrono::milliseconds period)
    : tick_after_(std::max<std::chrono::milliseconds>(period / parts, std::chrono::milliseconds(1))), timer_(executor) {}

void heartbeats::watch(std::weak_ptr<beating> one) {
  wheel_[at_].push_back(std::move(one));  // The part that was looked at last is the one whose turn comes last.
  if (watched_++ > 0) return;
  timer_.expires_after(tick_after_);
  tick_later();
}

void heartbeats::tick_later() {
  timer_.async_wait([this](boost::system::error_code failed) {
    if (!failed) tick();
  });
}

void heartbeats::tick() {
  at_ = (at_ + 1) % parts;
  const auto gone = std::erase_if(wheel_[at_], [](const std::weak_ptr<beating>& weak) {
    const auto one = weak.lock();
    return !one || !one->on_beat();
  });
  if (wheel_[at_].empty()) std::vector<std::weak_ptr<beating>>().swap(wheel_[at_]);
  watched_ -= gone;
  if (watched_ == 0) return;
  // In step with the clock, not with how long a tick took; but what was missed is not made up for.
  timer_.expires_at(std::max(timer_.expiry() + tick_after_, std::chrono::steady_clock::now()));
  tick_later();
}

}  // namespace careteam::gateway
