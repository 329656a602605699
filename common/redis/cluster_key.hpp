// The secret that all processes of one installation share: what is published through Redis is sealed with keys derived from it.
#pragma once

#include <array>
#include <boost/system/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace careteam::redis {

/// 32 bytes that are wiped when they go. They cannot be printed or compared.
class secret_key {
 public:
  static constexpr std::size_t size = 32;
  using bytes = std::array<unsigned char, size>;

  secret_key() = default;
  explicit secret_key(const bytes& value) : value_(value) {}
  secret_key(const secret_key&) = default;
  secret_key& operator=(const secret_key&) = default;
  ~secret_key();

  /// HMAC-SHA256 under this key: another key, or a name that tells nothing about the text. Throws if OpenSSL fails.
  secret_key derive(std::string_view label, std::string_view text = {}) const;
  const bytes& value() const noexcept { return value_; }

 private:
  bytes value_{};
};

/// Reads the cluster's key: a file of exactly 32 bytes, or of 64 hex digits and at most one line end.
/// Errors: that of opening or reading; invalid_argument for any other content.
boost::system::result<secret_key> read_cluster_key(const std::string& path);

}  // namespace careteam::redis
