// Structured messages (A5): what is required of each form, and the same as plain text for clients that know no better.
#pragma once

#include <string>

#include "care/refusal.hpp"
#include "careteam/v1/model.pb.h"

namespace careteam::care {

inline constexpr std::size_t max_content_bytes = 16 * 1024;  ///< A page of text is 3 KiB; a frame is 64 KiB.
inline constexpr int max_content_items = 64;                 ///< Items, options, actions of one structured message.

/// Checks the form's required parts. `path` is the JSON path of the content in its command.
outcome<void> check_content(const v1::Content& content, std::string_view path);

/// The content as plain text; empty when it is plain text already.
std::string plain_text(const v1::Content& content);

}  // namespace careteam::care
