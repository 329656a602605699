// What can go wrong between us and Redis, as values. No text that Redis sent is kept: it may quote a key or an argument.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <string_view>

namespace careteam::redis {

enum class errc {
  not_connected = 1,      ///< There is no connection now; nothing was sent.
  queue_full,             ///< Too many requests or bytes are waiting for an answer; nothing was sent.
  command_too_large,      ///< The command exceeds the limit, or is empty; nothing was sent.
  connection_lost,        ///< The connection ended before the answer: the command may or may not have had its effect.
  response_timeout,       ///< No answer in time; the connection was dropped. The command may or may not have its effect.
  connect_timeout,        ///< Connecting, including authentication, took too long.
  protocol_violation,     ///< Redis (or whoever answers there) sent what is not RESP2.
  reply_too_large,        ///< The reply exceeds the limits on bytes, elements or depth.
  authentication_failed,  ///< Wrong user or password, or one is required and none is configured.
  no_permission,          ///< The ACL user may not do that.
  unavailable,            ///< Redis is loading, read-only, out of memory or without quorum: try later.
  server_error,           ///< Any other error reply.
  stopped                 ///< stop() was called.
};

const boost::system::error_category& redis_category() noexcept;
boost::system::error_code make_error_code(errc e) noexcept;

/// What an error reply of Redis means, by its first word.
errc error_of_reply(std::string_view text) noexcept;

template <class T>
using result = boost::system::result<T>;

}  // namespace careteam::redis

template <>
struct boost::system::is_error_code_enum<careteam::redis::errc> : std::true_type {};
