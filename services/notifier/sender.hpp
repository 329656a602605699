// Whoever makes the attempts: libcurl in this process (curl_sender.hpp), or processes of their own that are given them (worker_hall.hpp).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>

#include "notifier/channel.hpp"

namespace careteam::notifier {

/// Event loop.
class sender {
 public:
  /// Called once on the executor, never inside `send`, unless the sender has gone before. Must not throw.
  using answer = std::function<void(attempt)>;

  virtual ~sender() = default;
  /// Takes what goes beyond `room`, too, as far as there was room when it was claimed: it waits.
  virtual void send(message what, answer done) = 0;
  virtual std::size_t in_flight() const = 0;
  /// Attempts at the same time. Zero: nobody is there to make one.
  virtual std::size_t capacity() const = 0;
  /// How long one attempt may take.
  virtual std::chrono::milliseconds attempt_timeout() const = 0;

  std::size_t room() const { return capacity() - std::min(capacity(), in_flight()); }
};

}  // namespace careteam::notifier
