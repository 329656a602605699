// Replies of Redis (RESP2), and the reader that turns bytes into them. Sans-I/O: no socket here.
//
// The parser is hiredis'. It allocates what a header announces, so the reader builds the values itself and refuses an announced size
// before any memory is taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "redis/error.hpp"

struct redisReader;

namespace careteam::redis {

enum class reply_kind : std::uint8_t { nil, integer, text, status, error, array };

/// One reply. Accessors of another kind answer 0, "" or an empty list.
class reply {
 public:
  reply() = default;
  explicit reply(std::int64_t value) : kind_(reply_kind::integer), value_(value) {}
  reply(reply_kind kind, std::string text) : kind_(kind), value_(std::move(text)) {}
  explicit reply(std::vector<reply> elements) : kind_(reply_kind::array), value_(std::move(elements)) {}

  reply_kind kind() const noexcept { return kind_; }
  bool is_nil() const noexcept { return kind_ == reply_kind::nil; }
  bool is_error() const noexcept { return kind_ == reply_kind::error; }
  std::int64_t integer() const noexcept;
  /// The bytes of a text, status or error.
  const std::string& text() const noexcept;
  const std::vector<reply>& elements() const noexcept;
  std::vector<reply>& mutable_elements();

 private:
  reply_kind kind_ = reply_kind::nil;
  std::variant<std::int64_t, std::string, std::vector<reply>> value_;
};

/// Bounds on one reply. Nesting deeper than 7 is refused by the parser itself.
struct reply_limits {
  std::size_t bytes = 16U << 20U;     ///< All texts of the reply together.
  std::size_t elements = 1'000'000;   ///< All elements of all its arrays together.
  std::size_t line_bytes = 64 << 10;  ///< A status, an error, a number: read until the line ends, so it needs its own bound.
};

/// Turns bytes into replies. After an error it stays in error: the connection is of no use any more.
class reply_reader {
 public:
  explicit reply_reader(reply_limits limits = {});
  ~reply_reader();
  reply_reader(const reply_reader&) = delete;
  reply_reader& operator=(const reply_reader&) = delete;

  /// Adds what was received. At most 64 KiB at once keep the buffer within the limits.
  boost::system::error_code feed(std::string_view bytes);
  /// The next complete reply; nothing when bytes are missing. Errors: protocol_violation, reply_too_large.
  result<std::optional<reply>> next();

 private:
  struct builder;
  boost::system::error_code check_incomplete() const;

  std::unique_ptr<builder> builder_;
  redisReader* reader_;
  boost::system::error_code failed_;
};

}  // namespace careteam::redis
