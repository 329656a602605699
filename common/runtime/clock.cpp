#include "runtime/clock.hpp"

#include "runtime/log.hpp"

namespace careteam::runtime {

followed_time::reading followed_time::follow(wall_time wall, steady_time steady) {
  reading now{wall};
  if (started_) {
    const auto step = std::chrono::duration_cast<std::chrono::milliseconds>((wall - wall_) - (steady - steady_));
    if (step >= least_step || step <= -least_step) now.step = step;
    if (wall < told_ && told_ - wall <= longest_standstill) now.time = told_;
  }
  started_ = true;
  told_ = now.time;
  wall_ = wall;
  steady_ = steady;
  return now;
}

std::chrono::system_clock::time_point system_clock::now() const {
  // A process that is stopped between the two readings has not seen a step.
  constexpr auto at_once = std::chrono::milliseconds(100);
  constexpr int tries = 3;
  std::chrono::steady_clock::time_point before, after;
  std::chrono::system_clock::time_point wall;
  for (int i = 0; i < tries && (i == 0 || after - before > at_once); ++i) {
    before = std::chrono::steady_clock::now();
    wall = std::chrono::system_clock::now();
    after = std::chrono::steady_clock::now();
  }
  const auto now = following_.follow(wall, after);
  if (now.step != std::chrono::milliseconds::zero()) {
    log_warning("clock_was_set", {{"by", now.step}, {"stands_still", now.time > wall}});
  }
  return now.time;
}

}  // namespace careteam::runtime
