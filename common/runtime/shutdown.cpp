#include "runtime/shutdown.hpp"

#include <csignal>
#include <utility>

namespace careteam::runtime {

shutdown_signals::shutdown_signals(const boost::asio::any_io_executor& executor, std::function<void(int signal)> on_signal)
    : signals_(std::make_shared<boost::asio::signal_set>(executor, SIGTERM, SIGINT)) {
  std::weak_ptr<boost::asio::signal_set> waiting = signals_;
  signals_->async_wait([waiting, notify = std::move(on_signal)](const boost::system::error_code& failed, int signal) {
    const auto signals = waiting.lock();
    if (failed || !signals) return;
    boost::system::error_code ignored;
    signals->clear(ignored);
    notify(signal);
  });
}

void shutdown_signals::cancel() {
  boost::system::error_code ignored;
  signals_->cancel(ignored);
}

void ignore_broken_pipes() noexcept {
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace careteam::runtime
