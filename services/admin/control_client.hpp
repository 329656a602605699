// The operator's command's end of the control socket.
#pragma once

#include <boost/asio/io_context.hpp>

#include "admin/control_wire.hpp"

namespace careteam::admin {

/// Asks the server that holds the store. Used on the loop that it was made for.
class control_client final : public unit_sink {
 public:
  /// Connects; throws boost::system::system_error where nobody listens, or not to this user.
  control_client(boost::asio::io_context& loop, const std::filesystem::path& path);

  boost::asio::awaitable<store::result<unit_outcome>> apply(import_unit unit) override;
  /// The sessions of a person, or of everybody where it is empty.
  boost::asio::awaitable<store::result<internal::SessionList>> sessions(std::string person);
  /// Has it written down that the audit is read.
  boost::asio::awaitable<store::result<void>> note_audit(internal::NoteAudit what);

 private:
  boost::asio::awaitable<store::result<internal::ControlAnswer>> ask(internal::ControlRequest request);
  control_socket socket_;
};

}  // namespace careteam::admin
