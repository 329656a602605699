#include "gateway/key_watch.hpp"

#include <sys/stat.h>

#include "runtime/log.hpp"

namespace careteam::gateway {

key_watch::key_watch(boost::asio::any_io_executor executor, identity::key_store& keys, std::filesystem::path file,
                     runtime::metrics_registry& metrics)
    : timer_(executor),
      keys_(keys),
      file_(std::move(file)),
      seen_(state_of(file_)),
      failures_(metrics.add_counter("careteam_key_reload_failures_total", "Changes of the key file that could not be used.")) {
  metrics.add_callback_gauge("careteam_keys", "Keys that tokens are verified with.",
                             [&keys] { return static_cast<double>(keys.keys().size()); });
  // What changed between the first reading and now would not be seen as a change.
  if (keys_.reload()) failures_.increment();
}

void key_watch::start() {
  timer_.expires_after(key_look);
  timer_.async_wait([this](boost::system::error_code stopped) {
    if (stopped) return;
    look();
    start();
  });
}

key_watch::file_state key_watch::state_of(const std::filesystem::path& file) {
  struct stat now {};
  if (stat(file.c_str(), &now) != 0) return {};
  return {now.st_ino, now.st_size, now.st_mtim.tv_sec, now.st_mtim.tv_nsec};
}

void key_watch::look() {
  const auto now = state_of(file_);
  if (now == seen_) return;
  seen_ = now;
  if (const auto failed = keys_.reload()) {
    failures_.increment();
    runtime::log_error("keys_not_reloaded", {{"file", file_.string()}, {"reason", failed->message}});
  } else {
    runtime::log_info("keys_reloaded", {{"file", file_.string()}, {"keys", keys_.keys().size()}});
  }
}

}  // namespace careteam::gateway
