// Base64url as JOSE writes it (RFC 7515 §2): no padding, and exactly one text for each sequence of bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace careteam::identity {

/// The bytes; nothing for any other text than the one that encode_base64url() gives: no padding, no white space, no '+' or '/', and no
/// unused bits set (otherwise a signature would have several texts).
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

[[nodiscard]] std::string encode_base64url(std::string_view bytes);

}  // namespace careteam::identity
