// How a process hears that it should stop, how it ends when it cannot go on, and what it leaves behind then.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <memory>

namespace careteam::runtime {

/// Calls back once, on the executor, at the first SIGTERM or SIGINT. The signals then get their default effect again: a second one
/// ends a process that hangs while it drains. Construct at most one per process at a time; destroying it cancels.
class shutdown_signals {
 public:
  shutdown_signals(const boost::asio::any_io_executor& executor, std::function<void(int signal)> on_signal);

  /// Stops waiting, so that an event loop with nothing else to do ends.
  void cancel();

 private:
  std::shared_ptr<boost::asio::signal_set> signals_;  // The waiting handler holds it weakly: it may run after the destructor.
};

/// A peer (or the reader of stderr) that went away is an error of the write, not the end of the process.
void ignore_broken_pipes() noexcept;

/// A core dump would hold patients' text and tokens: none is written, also where the kernel pipes it to a program, and nobody but root
/// attaches to the process or reads its memory.
void forbid_core_dumps() noexcept;

/// From now on a process that gets no more memory says so in one log line and ends with exit code 1 at once: half of a turn is not carried
/// on with, and what was acknowledged is on disk.
void end_when_memory_is_exhausted();
/// That end, for an allocator that does not ask the new-handler.
[[noreturn]] void end_without_memory();

}  // namespace careteam::runtime
