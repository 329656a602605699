// Reads the key file again when it has changed: a retired key is refused and a new one accepted without a restart. Runs on the event loop.
#pragma once

#include <sys/types.h>

#include <boost/asio/steady_timer.hpp>
#include <filesystem>

#include "identity/key_store.hpp"
#include "runtime/metrics.hpp"

namespace careteam::gateway {

inline constexpr std::chrono::seconds key_look{1};  ///< Between two looks at the file.

/// A file that cannot be used changes nothing: the log says why, and a metric counts it.
class key_watch {
 public:
  key_watch(boost::asio::any_io_executor executor, identity::key_store& keys, std::filesystem::path file,
            runtime::metrics_registry& metrics);

  void start();
  void stop() { timer_.cancel(); }

 private:
  struct file_state {
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed_s = 0, changed_ns = 0;
    bool operator==(const file_state&) const = default;
  };
  static file_state state_of(const std::filesystem::path& file);
  void look();

  boost::asio::steady_timer timer_;
  identity::key_store& keys_;
  std::filesystem::path file_;
  file_state seen_;
  runtime::counter& failures_;
};

}  // namespace careteam::gateway
