// Reads files again when they have changed: keys and certificates are replaced without a restart. Runs on the event loop.
#pragma once

#include <sys/types.h>

#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/log.hpp"
#include "runtime/metrics.hpp"

namespace careteam::gateway {

inline constexpr std::chrono::seconds file_look{1};  ///< Between two looks at the files.

/// Files that belong together, and what is made of them.
struct watched_files {
  std::vector<std::filesystem::path> files;
  std::function<std::optional<std::string>()> reload;  ///< Nothing: what the files hold is in force. Otherwise why it stays as it was.
  runtime::log_name reloaded, not_reloaded;            ///< Events of the log.
  runtime::counter& failures;
};

/// Files that cannot be used change nothing: the log says why, once, and a metric counts it.
class file_watch {
 public:
  file_watch(boost::asio::any_io_executor executor, watched_files what);

  void start();
  void stop() { timer_.cancel(); }

 private:
  struct file_state {
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed_s = 0, changed_ns = 0;
    bool operator==(const file_state&) const = default;
  };
  std::vector<file_state> state() const;
  void look();

  boost::asio::steady_timer timer_;
  watched_files what_;
  std::vector<file_state> seen_;
  bool failed_just_now_ = false;
};

}  // namespace careteam::gateway
