// The server's end of the control socket: what the operator's commands do while the server holds the store.
//
// Only the server's own user and root may connect: the socket is theirs alone (mode 0600), and the kernel tells who is at the other end.
// Runs on the event loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <functional>

#include "admin/control_wire.hpp"
#include "admin/importer.hpp"
#include "coordination/record_hosts.hpp"

namespace careteam::admin {

inline constexpr std::size_t max_control_connections = 8;

/// The sessions of a person, or of everybody where it is empty: the gateway knows.
using session_directory = std::function<internal::SessionList(const std::string& person)>;

class control_port {
 public:
  /// Listens. A file that is left at `path` by a server that was killed is replaced: whoever holds the store's lock owns it. Throws
  /// std::runtime_error that names the path (start-up).
  control_port(std::filesystem::path path, coordination::record_hosts& hosts, session_directory sessions);
  ~control_port();

  void start();
  /// No new connections from now on; removes the socket.
  void stop();

 private:
  boost::asio::awaitable<void> accept();
  boost::asio::awaitable<void> serve(control_socket peer, std::uint32_t user);
  boost::asio::awaitable<internal::ControlAnswer> answer(importer& into, internal::ControlRequest request, std::uint32_t user);
  boost::asio::awaitable<internal::ControlAnswer> apply(importer& into, import_unit unit);
  boost::asio::awaitable<internal::ControlAnswer> note_audit(internal::NoteAudit asked, std::uint32_t user);

  std::filesystem::path path_;
  coordination::record_hosts& hosts_;
  session_directory sessions_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  std::size_t connections_ = 0;
};

}  // namespace careteam::admin
