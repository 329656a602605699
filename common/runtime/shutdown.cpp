#include "runtime/shutdown.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <new>
#include <utility>

#include "runtime/log.hpp"

namespace careteam::runtime {
namespace {

constexpr std::size_t last_words_bytes = 64 * 1024;
std::atomic<char*> kept_for_last_words{nullptr};

}  // namespace

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

void end_without_memory() {
  // Whoever comes second has nothing to add.
  if (char* reserve = kept_for_last_words.exchange(nullptr)) {
    ::operator delete(reserve);
    log_error("out_of_memory", {{"text", "the process ends; what was acknowledged is on disk; give it more memory or less load"}});
  }
  _exit(1);
}

void end_when_memory_is_exhausted() {
  ::operator delete(kept_for_last_words.exchange(static_cast<char*>(::operator new(last_words_bytes))));
  std::set_new_handler(end_without_memory);
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
