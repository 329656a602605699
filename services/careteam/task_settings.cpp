#include "careteam/task_settings.hpp"

#include <absl/time/time.h>

#include <algorithm>
#include <stdexcept>

namespace careteam {

void throw_exception_from_error(const setting_fault& fault, const boost::source_location&) {
  throw std::runtime_error(fault.setting + ": " + fault.why);
}

boost::system::result<std::optional<care::business_calendar>, setting_fault> read_calendar(const runtime::config& settings) {
  const auto& calendar = settings.calendar;
  if (calendar.hours.empty()) return std::optional<care::business_calendar>();
  const auto& name = calendar.time_zone.empty() ? settings.organization.time_zone : calendar.time_zone;
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(name, &zone)) return setting_fault{"calendar.time_zone", "\"" + name + "\" cannot be read on this machine"};
  auto read = care::business_calendar::read(zone, calendar.hours, calendar.holidays);
  if (read) return std::optional(std::move(*read));
  const auto& fault = read.error();
  const bool of_hours = std::ranges::find(calendar.hours, fault.text) != calendar.hours.end();
  return setting_fault{of_hours ? "calendar.hours" : "calendar.holidays", "\"" + fault.text + "\" " + fault.why};
}

care::task_setting task_setting_of(const runtime::config& settings) {
  care::task_setting tasks;
  tasks.safety_person = settings.organization.safety_person;
  if (const auto calendar = read_calendar(settings).value()) {
    tasks.policy.business = [days = *calendar](care::instant t, std::chrono::microseconds time) { return days.add(t, time); };
  }
  return tasks;
}

}  // namespace careteam
