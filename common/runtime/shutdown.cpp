#include "runtime/shutdown.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

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

void forbid_core_dumps() noexcept {
  constexpr rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);  // The limit alone does not hold for a core pattern that is a pipe.
}

}  // namespace careteam::runtime
