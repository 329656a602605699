#include "admin/control_client.hpp"

namespace careteam::admin {

namespace errc = boost::system::errc;

control_client::control_client(boost::asio::io_context& loop, const std::filesystem::path& path) : socket_(loop) {
  socket_.connect(boost::asio::local::stream_protocol::endpoint(path.string()));
}

boost::asio::awaitable<store::result<internal::ControlAnswer>> control_client::ask(internal::ControlRequest request) {
  if (const auto failed = co_await write_control(socket_, request)) co_return failed;
  internal::ControlAnswer answer;
  if (const auto failed = co_await read_control(socket_, answer)) co_return failed;
  if (answer.not_known()) co_return make_error_code(errc::not_supported);
  if (!answer.error().empty()) co_return make_error_code(store::errc::unavailable);
  co_return answer;
}

boost::asio::awaitable<store::result<unit_outcome>> control_client::apply(import_unit unit) {
  internal::ControlRequest request;
  *request.mutable_apply() = to_control(unit);
  const auto answer = co_await ask(std::move(request));
  if (!answer) co_return answer.error();
  if (!answer->has_outcome()) co_return make_error_code(errc::protocol_error);
  co_return from_control(answer->outcome());
}

boost::asio::awaitable<store::result<internal::SessionList>> control_client::sessions(std::string person) {
  internal::ControlRequest request;
  request.mutable_list_sessions()->set_person_id(std::move(person));
  const auto answer = co_await ask(std::move(request));
  if (!answer) co_return answer.error();
  co_return answer->sessions();
}

boost::asio::awaitable<store::result<void>> control_client::note_audit(internal::NoteAudit what) {
  internal::ControlRequest request;
  *request.mutable_note_audit() = std::move(what);
  const auto answer = co_await ask(std::move(request));
  if (!answer) co_return answer.error();
  co_return store::result<void>();
}

}  // namespace careteam::admin
