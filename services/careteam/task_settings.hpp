// From the configuration to what the organisation gives to the tasks of all records.
#pragma once

#include <boost/system/result.hpp>
#include <optional>
#include <string>

#include "care/business_calendar.hpp"
#include "care/task_policy.hpp"
#include "runtime/config.hpp"

namespace careteam {

/// Why a setting cannot be used.
struct setting_fault {
  std::string setting;  ///< "calendar.hours"
  std::string why;
};
/// For result::value(): throws std::runtime_error.
[[noreturn]] void throw_exception_from_error(const setting_fault& fault, const boost::source_location& where);

/// The calendar in which routine tasks are due; nothing: all time is working time.
boost::system::result<std::optional<care::business_calendar>, setting_fault> read_calendar(const runtime::config& settings);

/// The deadlines of tasks. Throws std::runtime_error that names the setting at fault.
care::task_setting task_setting_of(const runtime::config& settings);

}  // namespace careteam
