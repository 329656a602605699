#include "runtime/unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/endian/conversion.hpp>
#include <cerrno>

namespace careteam::runtime {
namespace {

namespace asio = boost::asio;
namespace errc = boost::system::errc;
using boost::system::error_code;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);

/// A socket that nobody listens at any more refuses.
bool is_left_behind(unix_acceptor& acceptor, const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_socket(path, ignored)) return false;
  unix_socket visitor(acceptor.get_executor());
  error_code failed;
  visitor.open(asio::local::stream_protocol(), failed);
  if (!failed) visitor.non_blocking(true, failed);
  if (!failed) visitor.connect(path.string(), failed);
  return failed == errc::connection_refused;
}

}  // namespace

std::size_t longest_socket_path() noexcept {
  return sizeof(sockaddr_un::sun_path) - 1;
}

error_code listen_at(unix_acceptor& acceptor, const std::filesystem::path& path, mode_t mode, int waiting) {
  if (path.string().size() > longest_socket_path()) return make_error_code(errc::filename_too_long);
  std::error_code ignored;
  if (is_left_behind(acceptor, path)) std::filesystem::remove(path, ignored);
  const asio::local::stream_protocol::endpoint here(path.string());
  error_code failed;
  acceptor.open(here.protocol(), failed);
  if (!failed) acceptor.bind(here, failed);
  // Nobody can connect before listen(), so nobody comes in by a mode that the umask gave.
  if (!failed && chmod(path.c_str(), mode) != 0) failed.assign(errno, boost::system::system_category());
  if (!failed) acceptor.listen(waiting, failed);
  error_code not_closed;
  if (failed) acceptor.close(not_closed);
  return failed;
}

std::optional<uid_t> user_of(unix_socket& peer) {
  ucred who{};
  socklen_t size = sizeof who;
  if (getsockopt(peer.native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return std::nullopt;
  return who.uid;
}

asio::awaitable<boost::system::result<std::string>> read_frame(unix_socket& from, std::size_t most) {
  std::array<unsigned char, 4> prefix{};
  const auto [no_prefix, prefix_size] = co_await asio::async_read(from, asio::buffer(prefix), no_throw);
  if (no_prefix) co_return no_prefix;
  const std::size_t size = boost::endian::load_big_u32(prefix.data());
  if (size > most) co_return make_error_code(errc::message_size);
  std::string content(size, '\0');
  const auto [failed, read] = co_await asio::async_read(from, asio::buffer(content), no_throw);
  if (failed) co_return failed;
  co_return content;
}

void append_frame(std::string& to, std::string_view content) {
  std::array<unsigned char, 4> prefix{};
  boost::endian::store_big_u32(prefix.data(), static_cast<std::uint32_t>(content.size()));
  to.append(prefix.begin(), prefix.end());
  to.append(content);
}

}  // namespace careteam::runtime
