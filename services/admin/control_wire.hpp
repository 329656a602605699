// How the operator's commands and the server talk over the control socket: frames (runtime/unix_socket.hpp), each a message.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>

#include "admin/unit_sink.hpp"
#include "careteam/internal/control.pb.h"
#include "runtime/unix_socket.hpp"

namespace careteam::admin {

using control_socket = runtime::unix_socket;

/// A unit is a whole Bundle, whose document is limited to max_document_bytes; its steps are not much larger.
inline constexpr std::size_t max_control_message_bytes = max_document_bytes;

/// Where the server of this store listens: the configured path, or `<store>.control`. Throws std::runtime_error that says which setting
/// to change where the path is longer than a Unix socket's may be.
std::filesystem::path control_path(const std::filesystem::path& configured, const std::filesystem::path& store);

/// Reads one message. Errors: end of file, what the socket says, std::errc::message_size for too long a one, std::errc::bad_message for
/// bytes that are none.
boost::asio::awaitable<boost::system::error_code> read_control(control_socket& from, google::protobuf::MessageLite& message);
/// Writes one message. Errors: what the socket says, std::errc::message_size.
boost::asio::awaitable<boost::system::error_code> write_control(control_socket& to, const google::protobuf::MessageLite& message);

internal::ImportUnit to_control(const import_unit& unit);
import_unit from_control(internal::ImportUnit unit);
internal::UnitOutcome to_control(const unit_outcome& outcome);
unit_outcome from_control(const internal::UnitOutcome& outcome);

}  // namespace careteam::admin
