// Processes of one machine that talk over a Unix socket: where one listens, who is at the other end, and frames, each a length of four
// bytes (big-endian) and so many bytes. What a frame means is the business of whoever reads it.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/system/result.hpp>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace careteam::runtime {

using unix_socket = boost::asio::local::stream_protocol::socket;
using unix_acceptor = boost::asio::local::stream_protocol::acceptor;

/// A longer path is none for a socket.
std::size_t longest_socket_path() noexcept;

/// Listens at `path` with this mode. A file that a process which was killed has left there is replaced; one where somebody listens is
/// not: address_in_use. Nobody comes in by another mode meanwhile.
boost::system::error_code listen_at(unix_acceptor& acceptor, const std::filesystem::path& path, mode_t mode, int waiting);

/// The user at the other end, by the kernel's word; nothing: it does not know.
std::optional<uid_t> user_of(unix_socket& peer);

/// Reads one frame. Errors: end of file, what the socket says, std::errc::message_size for one of more than `most` bytes.
boost::asio::awaitable<boost::system::result<std::string>> read_frame(unix_socket& from, std::size_t most);

/// Appends one frame that holds `content`: at most 4 GiB.
void append_frame(std::string& to, std::string_view content);

}  // namespace careteam::runtime
