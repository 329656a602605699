// Sends messages: one thread with one libcurl multi handle, on which all attempts run side by side.
//
// The event loop hands a message over and hears later, on itself, how the attempt ended. The queue between the two is the only thing that
// both touch. Connections are kept between messages.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>

#include "notifier/channel.hpp"

namespace careteam::notifier {

/// The ways that there are; without one, what is for it is refused at once.
struct channels {
  std::unique_ptr<channel> mail;     ///< For e-mail addresses.
  std::unique_ptr<channel> gateway;  ///< For everything else.
};

struct sender_options {
  std::size_t in_flight = 64;  ///< Attempts at the same time: connections, and memory of about 20 KiB each.
  std::chrono::milliseconds attempt_timeout{5'000};
  std::filesystem::path ca_file;  ///< Empty: the machine's.
};

class sender {
 public:
  /// Called once on the executor, unless the sender has gone before. Must not throw.
  using answer = std::function<void(attempt)>;

  /// The executor's context must outlive the sender. Throws std::runtime_error when libcurl cannot be started.
  sender(boost::asio::any_io_executor executor, channels ways, sender_options options);
  /// Gives up what is on its way: whether the provider has taken it is not known.
  ~sender();
  sender(const sender&) = delete;
  sender& operator=(const sender&) = delete;

  /// Event loop. More than `room` is a bug.
  void send(message what, answer done);
  std::size_t in_flight() const { return *in_flight_; }
  std::size_t room() const { return options_.in_flight - *in_flight_; }
  const sender_options& options() const { return options_; }

 private:
  class worker;
  sender_options options_;
  std::shared_ptr<std::size_t> in_flight_;  ///< Event loop.
  std::unique_ptr<worker> worker_;
};

}  // namespace careteam::notifier
