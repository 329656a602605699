// How to reach Redis and how far to trust its patience.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "redis/reply.hpp"

namespace careteam::redis {

struct tcp_address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
};
struct unix_address {
  std::string path;
};
using address = std::variant<tcp_address, unix_address>;

enum class severity : std::uint8_t { info, warning, error };
/// Where log lines go. They carry no key, value, password or reply text.
using log_sink = std::function<void(severity, std::string_view)>;

/// A command and its arguments; every byte is allowed.
using command = std::vector<std::string>;

/// The answers to a batch, in the order of its commands. An error reply is an error: authentication_failed, no_permission, unavailable or
/// server_error. Inside an array (EXEC) it stays a reply of kind error.
using outcomes = std::vector<result<reply>>;
using completion = std::function<void(outcomes)>;

struct client_options {
  address where;
  std::string user;      ///< ACL user; empty: the default user.
  std::string password;  ///< Empty: no AUTH is sent.
  std::string name;      ///< For CLIENT SETNAME (no spaces); empty: not sent.

  std::chrono::milliseconds connect_timeout{3000};   ///< For connecting and authenticating together.
  std::chrono::milliseconds response_timeout{2000};  ///< From submission to answer; then the connection is dropped.
  std::chrono::milliseconds keepalive{1000};         ///< An idle connection is asked PING this often, so that a frozen Redis is noticed.
  std::chrono::milliseconds backoff_base{50};        ///< Reconnecting waits a random time up to base·2ⁿ …
  std::chrono::milliseconds backoff_cap{5000};       ///< … but never more than this.

  std::size_t max_outstanding = 16'384;            ///< Commands without an answer.
  std::size_t max_outstanding_bytes = 32U << 20U;  ///< Their encoded bytes.
  std::size_t max_command_bytes = 16U << 20U;      ///< One encoded command.
  reply_limits replies;

  log_sink log;
};

}  // namespace careteam::redis
