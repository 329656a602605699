#include "gateway/file_watch.hpp"

#include <sys/stat.h>

namespace careteam::gateway {

file_watch::file_watch(boost::asio::any_io_executor executor, watched_files what)
    : timer_(executor), what_(std::move(what)), seen_(state()) {
  // What changed between the first reading and now would not be seen as a change.
  if (what_.reload()) what_.failures.increment();
}

void file_watch::start() {
  timer_.expires_after(file_look);
  timer_.async_wait([this](boost::system::error_code stopped) {
    if (stopped) return;
    look();
    start();
  });
}

std::vector<file_watch::file_state> file_watch::state() const {
  std::vector<file_state> states;
  for (const auto& file : what_.files) {
    struct stat now {};
    const bool there = stat(file.c_str(), &now) == 0;
    states.push_back(there ? file_state{now.st_ino, now.st_size, now.st_mtim.tv_sec, now.st_mtim.tv_nsec} : file_state{});
  }
  return states;
}

// Files that belong together are replaced one after the other: what does not fit is tried once more before it counts as a failure.
void file_watch::look() {
  auto now = state();
  const bool changed = now != seen_;
  if (!changed && !failed_just_now_) return;
  seen_ = std::move(now);
  const std::string& file = what_.files.front().native();
  const auto failed = what_.reload();
  if (!failed) {
    runtime::log_info(what_.reloaded, {{"file", file}});
  } else if (!changed) {
    what_.failures.increment();
    runtime::log_error(what_.not_reloaded, {{"file", file}, {"reason", *failed}});
  }
  failed_just_now_ = failed && changed;
}

}  // namespace careteam::gateway
