#include "care/task_policy.hpp"

namespace careteam::care {

const task_times& task_policy::times(v1::Priority priority) const {
  switch (priority) {
    case v1::PRIORITY_STAT:
      return stat;
    case v1::PRIORITY_ASAP:
      return asap;
    case v1::PRIORITY_URGENT:
      return urgent;
    default:
      return routine;
  }
}

instant task_policy::after(v1::Priority priority, instant t, std::chrono::microseconds for_) const {
  return &times(priority) == &routine ? business(t, for_) : t + for_;
}

std::string told(std::string_view person, const absence& away) {
  auto text = std::string(person) + " is on leave until " + utc_text(away.until);
  if (!away.cover.empty()) text += ", and " + away.cover + " covers";
  return text + ": address the duty " + away.duty_id;
}

const task_setting& usual_task_setting() {
  static const task_setting setting;
  return setting;
}

}  // namespace careteam::care
