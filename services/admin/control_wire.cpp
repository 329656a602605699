#include "admin/control_wire.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace careteam::admin {
namespace {

namespace asio = boost::asio;
namespace errc = boost::system::errc;
using boost::system::error_code;

}  // namespace

std::filesystem::path control_path(const std::filesystem::path& configured, const std::filesystem::path& store) {
  auto path = configured.empty() ? std::filesystem::path(store.string() + ".control") : configured;
  if (path.string().size() > runtime::longest_socket_path()) {
    throw std::runtime_error("the control socket's path " + path.string() + " is longer than " +
                             std::to_string(runtime::longest_socket_path()) + " bytes: set server.control_socket to a shorter one");
  }
  return path;
}

asio::awaitable<error_code> read_control(control_socket& from, google::protobuf::MessageLite& message) {
  const auto bytes = co_await runtime::read_frame(from, max_control_message_bytes);
  if (!bytes) co_return bytes.error();
  if (!message.ParseFromString(*bytes)) co_return make_error_code(errc::bad_message);
  co_return error_code{};
}

asio::awaitable<error_code> write_control(control_socket& to, const google::protobuf::MessageLite& message) {
  if (message.ByteSizeLong() > max_control_message_bytes) co_return make_error_code(errc::message_size);
  std::string bytes;
  runtime::append_frame(bytes, message.SerializeAsString());
  const auto [failed, written] = co_await asio::async_write(to, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
  co_return failed;
}

namespace {

void put_problem(internal::UnitOutcome::Problem& to, const import_problem& problem) {
  to.set_where(problem.where);
  to.set_path(problem.path);
  to.set_message(problem.message);
}

}  // namespace

internal::ImportUnit to_control(const import_unit& unit) {
  internal::ImportUnit made;
  made.set_where(unit.where);
  for (const auto& step : unit.steps) {
    auto& one = *made.add_steps();
    *one.mutable_command() = step.command;
    *one.mutable_author() = step.author;
    one.set_source(step.source);
    one.set_identity(step.identity);
    one.set_when(static_cast<internal::ImportStep::When>(step.when));
    one.set_depends_on(step.depends_on);
    one.set_task(step.task);
    if (step.own.seq() != 0) *one.mutable_own() = step.own;
  }
  return made;
}

import_unit from_control(internal::ImportUnit unit) {
  import_unit made;
  made.where = std::move(*unit.mutable_where());
  made.steps.reserve(static_cast<std::size_t>(unit.steps_size()));
  for (auto& step : *unit.mutable_steps()) {
    made.steps.push_back({std::move(*step.mutable_command()), std::move(*step.mutable_author()), std::move(*step.mutable_source()),
                          std::move(*step.mutable_identity()), static_cast<apply_when>(step.when()), std::move(*step.mutable_depends_on()),
                          std::move(*step.mutable_task()), step.own()});
  }
  return made;
}

internal::UnitOutcome to_control(const unit_outcome& outcome) {
  internal::UnitOutcome made;
  if (outcome.refused) put_problem(*made.mutable_refused(), *outcome.refused);
  for (const auto& problem : outcome.left_out) put_problem(*made.add_left_out(), problem);
  made.set_applied(outcome.applied);
  made.set_unchanged(outcome.unchanged);
  return made;
}

unit_outcome from_control(const internal::UnitOutcome& outcome) {
  unit_outcome made;
  if (outcome.has_refused()) {
    made.refused = import_problem{outcome.refused().where(), outcome.refused().path(), outcome.refused().message(), true};
  }
  for (const auto& problem : outcome.left_out()) made.left_out.push_back({problem.where(), problem.path(), problem.message(), false});
  made.applied = outcome.applied();
  made.unchanged = outcome.unchanged();
  return made;
}

}  // namespace careteam::admin
