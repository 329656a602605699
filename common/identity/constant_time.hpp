// Comparing secrets without telling by the time it takes how much of a guess was right.
#pragma once

#include <string_view>

namespace careteam::identity {

/// Whether both are the same bytes. The time depends on the lengths only.
[[nodiscard]] bool equal_in_constant_time(std::string_view one, std::string_view other) noexcept;

}  // namespace careteam::identity
