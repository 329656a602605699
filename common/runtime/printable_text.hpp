// Text from elsewhere, made safe to show to an operator.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace careteam::runtime {

/// Valid UTF-8 of at most max_bytes: bytes that are no UTF-8, C1 and DEL controls, line and paragraph separators and bidirectional
/// controls become U+FFFD (a terminal or a log viewer would obey them). What is longer is cut at a character and ends in "…".
/// C0 controls (CR, LF, ESC) pass: whoever prints the result escapes them as JSON does. max_bytes ≥ 8.
std::string printable(std::string_view text, std::size_t max_bytes);

}  // namespace careteam::runtime
