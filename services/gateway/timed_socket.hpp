// An accepted socket, and the deadline by which its HTTP request must be there. Used on the event loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

namespace careteam::gateway {

/// The event loop's own executor type: a socket on it needs no virtual calls.
using loop_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// Closes a socket, or a stream on one, when the time is over; what is under way on it then ends with an error.
template <typename Stream>
class timed {
 public:
  timed(Stream accepted, std::chrono::milliseconds within)
      : stream_(std::make_shared<Stream>(std::move(accepted))), deadline_(stream_->get_executor(), within) {
    // Weakly: a deadline that has passed already may run after this object has ended.
    deadline_.async_wait([weak = std::weak_ptr(stream_)](boost::system::error_code cancelled) {
      const auto late = weak.lock();
      boost::system::error_code ignored;
      if (!cancelled && late) late->close(ignored);
    });
  }

  Stream& get() { return *stream_; }
  /// In time: the deadline is void.
  void in_time() { deadline_.cancel(); }

 private:
  std::shared_ptr<Stream> stream_;
  boost::asio::steady_timer deadline_;
};
using timed_socket = timed<loop_socket>;

}  // namespace careteam::gateway
