// Looks now and then how much is free on the store's disk, and says so once when it becomes little.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <filesystem>

#include "runtime/config.hpp"
#include "runtime/log.hpp"

namespace careteam {

class disk_watch {
 public:
  disk_watch(const boost::asio::any_io_executor& executor, const runtime::config& settings)
      : timer_(executor), folder_(settings.store.path.parent_path()), least_(settings.store.min_free_bytes) {
    if (folder_.empty()) folder_ = ".";
  }

  /// Looks at once, and then again and again until stop().
  void start() {
    look();
    timer_.expires_after(pause);
    timer_.async_wait([this](boost::system::error_code stopped) {
      if (!stopped) start();
    });
  }
  void stop() { timer_.cancel(); }

  /// 0 when the disk cannot be asked.
  std::uintmax_t free_bytes() const {
    std::error_code failed;
    const auto space = std::filesystem::space(folder_, failed);
    return failed ? 0 : space.available;
  }
  bool short_of_room() const { return free_bytes() < least_; }

 private:
  static constexpr std::chrono::seconds pause{10};  // A busy server writes some hundred MB in this time.

  void look() {
    const bool was_little = little_;
    little_ = short_of_room();
    if (little_ == was_little) return;
    if (little_) {
      runtime::log_warning("disk_nearly_full", {{"folder", folder_.string()}, {"free_bytes", free_bytes()}, {"least_bytes", least_}});
    } else {
      runtime::log_info("disk_has_room", {{"folder", folder_.string()}, {"free_bytes", free_bytes()}});
    }
  }

  boost::asio::steady_timer timer_;
  std::filesystem::path folder_;
  std::uintmax_t least_;
  bool little_ = false;
};

}  // namespace careteam
