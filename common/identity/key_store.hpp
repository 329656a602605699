// The public keys that tokens are verified with, from a JWK Set file (RFC 7517).
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace careteam::identity {

inline constexpr std::size_t max_keys = 64;
inline constexpr std::size_t max_key_id_bytes = 128;
inline constexpr std::size_t max_jwks_bytes = 256 * 1024;

/// Why keys cannot be used. The message names the place ("keys[2]") and never holds key material.
struct key_error {
  std::string message;
};
/// For result::value(): throws std::runtime_error with the message.
[[noreturn]] void throw_exception_from_error(const key_error& error, const boost::source_location& where);

/// Whether a text may be a key's id: 1 to max_key_id_bytes printable ASCII characters.
[[nodiscard]] bool is_key_id(std::string_view text) noexcept;

/// Public ES256 keys by their ids. Immutable; one thread at a time.
class key_set {
 public:
  /// Reads a JWK Set. Each key is EC, P-256, public, with a unique kid; `alg`, `use` and `key_ops`, where present, allow verifying with
  /// ES256. A private key is an error: whoever could read the file could log in as anybody.
  static boost::system::result<key_set, key_error> parse(std::string_view jwks);

  key_set(key_set&&) noexcept;
  key_set& operator=(key_set&&) noexcept;
  ~key_set();

  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
  [[nodiscard]] bool contains(std::string_view key_id) const { return keys_.find(key_id) != keys_.end(); }

  /// Whether the key signed the compact token with ES256. The caller has checked the token's form and header. False for an unknown key.
  [[nodiscard]] bool verify(std::string_view key_id, std::string_view token) const;

 private:
  struct verification_key;
  key_set();
  std::map<std::string, std::unique_ptr<verification_key>, std::less<>> keys_;
};

/// Reads a JWK Set file. Blocks.
boost::system::result<key_set, key_error> load_jwks(const std::filesystem::path& file);

/// The keys in force, and where they come from. Event loop only.
class key_store {
 public:
  /// Keys that are not read from a file: reload() keeps them.
  explicit key_store(key_set keys) noexcept;
  static boost::system::result<key_store, key_error> open(std::filesystem::path file);

  [[nodiscard]] const key_set& keys() const noexcept { return keys_; }

  /// Reads the file again: a key that is gone is retired at once, a new one is good at once. When the file cannot be used, the keys stay
  /// as they were and the reason is returned, for the log and a metric.
  [[nodiscard]] std::optional<key_error> reload();

 private:
  key_store(key_set keys, std::filesystem::path file) noexcept;
  key_set keys_;
  std::filesystem::path file_;
};

}  // namespace careteam::identity
