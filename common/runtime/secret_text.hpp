// A password or private key in memory, and reading one from its file: configuration names secrets only by the file that holds them.
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <filesystem>
#include <string>

namespace careteam::runtime {

/// A secret: not printable, not loggable, not comparable (use identity::equal_in_constant_time), wiped when it ends.
class secret_text {
 public:
  secret_text() = default;
  explicit secret_text(std::string text) noexcept;
  secret_text(secret_text&& other) noexcept;
  secret_text& operator=(secret_text&& other) noexcept;
  secret_text(const secret_text&) = delete;
  secret_text& operator=(const secret_text&) = delete;
  ~secret_text();

  [[nodiscard]] const std::string& reveal() const& noexcept { return text_; }
  void reveal() const&& = delete;
  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }

  template <class Stream>
  friend Stream& operator<<(Stream&, const secret_text&) = delete;

 private:
  void wipe() noexcept;
  std::string text_;
};

/// A secret file holds a password, a key or a JWK: more than this is the wrong file.
inline constexpr std::size_t max_secret_file_bytes = 16 * 1024;

/// Reads a secret file; one trailing newline is not part of the secret.
/// Errors: those of open(2) and read(2); permission_denied when everybody may write the file (then it is nobody's secret);
/// file_too_large above max_secret_file_bytes; invalid_argument when it is empty or no regular file.
boost::system::result<secret_text> read_secret_file(const std::filesystem::path& path);

}  // namespace careteam::runtime
