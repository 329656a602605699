// Sends messages: one thread with one libcurl multi handle, on which all attempts run side by side.
//
// The event loop hands a message over and hears later, on itself, how the attempt ended. The queue between the two is the only thing that
// both touch. Connections are kept between messages.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <memory>

#include "notifier/sender.hpp"

namespace careteam::notifier {

/// The ways that there are; without one, what is for it is refused at once.
struct channels {
  std::unique_ptr<channel> mail;     ///< For e-mail addresses.
  std::unique_ptr<channel> gateway;  ///< For everything else.
};

struct curl_sender_options {
  std::size_t in_flight = 64;                        ///< Attempts at the same time: connections, and memory of about 20 KiB each.
  std::chrono::milliseconds attempt_timeout{5'000};  ///< Of a message that has none of its own.
  std::filesystem::path ca_file;                     ///< Empty: the machine's.
};

class curl_sender final : public sender {
 public:
  /// The executor's context must outlive the sender. Throws std::runtime_error when libcurl cannot be started.
  curl_sender(boost::asio::any_io_executor executor, channels ways, curl_sender_options options);
  /// Gives up what is on its way: whether the provider has taken it is not known.
  ~curl_sender() override;
  curl_sender(const curl_sender&) = delete;
  curl_sender& operator=(const curl_sender&) = delete;

  void send(message what, answer done) override;
  std::size_t in_flight() const override { return *in_flight_; }
  std::size_t capacity() const override { return options_.in_flight; }
  std::chrono::milliseconds attempt_timeout() const override { return options_.attempt_timeout; }

 private:
  class worker;
  curl_sender_options options_;
  std::shared_ptr<std::size_t> in_flight_;  ///< Event loop.
  std::unique_ptr<worker> worker_;
};

}  // namespace careteam::notifier
