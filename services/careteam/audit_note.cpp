#include "careteam/audit_note.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <iostream>

#include "admin/control_client.hpp"
#include "care/roles.hpp"

namespace careteam {

std::string stream_name(v1::Stream stream) {
  switch (stream) {
    case v1::STREAM_SHARED:
      return "shared";
    case v1::STREAM_CLINICAL:
      return "clinical";
    case v1::STREAM_SUPPORT:
      return "support";
    case v1::STREAM_AUDIT:
      return "audit";
    case v1::STREAM_ORGANIZATION:
      return "organization";
    case v1::STREAM_DUTY:
      return "duty";
    default:
      return "";
  }
}

v1::Stream stream_named(std::string_view name) {
  for (const auto stream :
       {v1::STREAM_SHARED, v1::STREAM_CLINICAL, v1::STREAM_SUPPORT, v1::STREAM_AUDIT, v1::STREAM_ORGANIZATION, v1::STREAM_DUTY}) {
    if (stream_name(stream) == name) return stream;
  }
  return v1::STREAM_UNSPECIFIED;
}

std::string role_name(v1::Role role) {
  const auto* row = care::find_role(role);
  return row ? std::string(row->code) : std::string();
}

namespace {

boost::asio::awaitable<store::result<void>> write_all(admin::control_client& server, std::vector<internal::NoteAudit> notes) {
  for (auto& note : notes) {
    auto written = co_await server.note_audit(std::move(note));
    if (!written) co_return written;
  }
  co_return store::result<void>{};
}

}  // namespace

bool note_readings(const runtime::config& settings, const std::vector<internal::NoteAudit>& notes, std::string_view command) {
  boost::asio::io_context loop(1);
  store::result<void> written;
  try {
    admin::control_client server(loop, admin::control_path(settings.server.control_socket, settings.store.path));
    boost::asio::co_spawn(loop, write_all(server, notes), [&](std::exception_ptr failure, store::result<void> answer) {
      if (failure) std::rethrow_exception(failure);
      written = answer;
    });
    loop.run();
  } catch (const boost::system::system_error& nobody) {
    std::cerr << "careteam " << command << ": note: no server wrote down that the audit is read (" << nobody.code().message() << ")\n";
    return true;
  }
  if (!written) {
    std::cerr << "careteam " << command << ": the server could not write down that the audit is read: " << written.error().message()
              << '\n';
  }
  return written.has_value();
}

bool note_reading(const runtime::config& settings, const internal::NoteAudit& note, std::string_view command) {
  return note_readings(settings, {note}, command);
}

}  // namespace careteam
