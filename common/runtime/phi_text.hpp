// Text about a patient. It has its own type so that no logger, metric or error can format it: leaking it does not compile.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace careteam::runtime {

/// Protected health information as text. There is no conversion to a string and no stream operator; the only way to the characters
/// is reveal(), which is easy to find in a review. Any executor.
class phi_text {
 public:
  phi_text() = default;
  explicit phi_text(std::string text) noexcept : text_(std::move(text)) {}

  /// The characters, for those who may see them. Never hand them to a log, a metric or an error.
  [[nodiscard]] const std::string& reveal() const& noexcept { return text_; }
  /// A temporary's characters would dangle.
  void reveal() const&& = delete;

  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return text_.size(); }

  friend bool operator==(const phi_text&, const phi_text&) = default;
  template <class Stream>
  friend Stream& operator<<(Stream&, const phi_text&) = delete;

 private:
  std::string text_;
};

}  // namespace careteam::runtime
