// The worker's end: comes to the server's hall, makes the attempts that it is given, and tells how they ended. Runs on the event loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <memory>
#include <random>

#include "notifier/sender.hpp"
#include "notifier/worker_wire.hpp"

namespace careteam::notifier {

struct worker_client_options {
  std::filesystem::path path;                  ///< Where the server listens.
  std::chrono::milliseconds first_pause{100};  ///< Before it comes again; doubled each time, and spread by a random quarter.
  std::chrono::milliseconds longest_pause{5'000};
};

class worker_client : public std::enable_shared_from_this<worker_client> {
 public:
  /// `through` must outlive the client, and makes nobody else's attempts.
  worker_client(boost::asio::any_io_executor executor, sender& through, worker_client_options options);

  /// Comes again whenever the server goes, until it is stopped. Once.
  boost::asio::awaitable<void> run();
  /// Takes nothing more; what is on its way is ended first, and told, where the server is there. Takes no longer
  /// than an attempt, and a second.
  void stop();

 private:
  /// Whether the server let it in.
  boost::asio::awaitable<bool> work();
  /// False: it makes no sense.
  bool take(const internal::ToWorker& said);
  void tell_trouble(const boost::system::error_code& why);

  boost::asio::any_io_executor executor_;
  sender& through_;
  worker_client_options options_;
  std::shared_ptr<worker_connection> connection_;
  boost::asio::steady_timer pause_;
  std::minstd_rand random_;
  std::chrono::milliseconds longest_attempt_;  ///< That may be on its way.
  bool welcome_ = false;
  bool troubled_ = false;  ///< Told of.
  bool stopping_ = false;
};

}  // namespace careteam::notifier
