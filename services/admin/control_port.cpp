#include "admin/control_port.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runtime/log.hpp"

namespace careteam::admin {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
constexpr auto pause_when_out_of_descriptors = std::chrono::milliseconds(100);

/// Who is at the other end, where it is somebody who may ask. The socket's mode keeps others out already; a copied or loosened file does
/// not let them in.
std::optional<uid_t> trusted_user(control_socket& peer) {
  const auto user = runtime::user_of(peer);
  return user == geteuid() || user == uid_t{0} ? user : std::nullopt;
}

}  // namespace

control_port::control_port(std::filesystem::path path, coordination::record_hosts& hosts, session_directory sessions)
    : path_(std::move(path)), hosts_(hosts), sessions_(std::move(sessions)), acceptor_(hosts.environment().executor) {
  const auto failed = runtime::listen_at(acceptor_, path_, S_IRUSR | S_IWUSR, static_cast<int>(max_control_connections));
  if (failed) {
    throw std::runtime_error("cannot listen on the control socket " + path_.string() + ": " + failed.message() +
                             ": correct the folder or set server.control_socket");
  }
}

control_port::~control_port() {
  stop();
}

void control_port::start() {
  asio::co_spawn(hosts_.environment().executor, accept(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

void control_port::stop() {
  if (!acceptor_.is_open()) return;
  error_code ignored;
  acceptor_.close(ignored);
  std::error_code not_removed;
  std::filesystem::remove(path_, not_removed);
}

asio::awaitable<void> control_port::accept() {
  asio::steady_timer pause(hosts_.environment().executor);
  while (acceptor_.is_open()) {
    auto [failed, peer] = co_await acceptor_.async_accept(no_throw);
    if (failed == asio::error::operation_aborted) co_return;
    if (failed) {  // Out of descriptors: go on, but never in a tight loop.
      runtime::log_warning("control_accept_failed", {{"error", failed}});
      pause.expires_after(pause_when_out_of_descriptors);
      (void)co_await pause.async_wait(no_throw);
      continue;
    }
    const auto user = trusted_user(peer);
    if (connections_ >= max_control_connections || !user) continue;
    ++connections_;
    asio::co_spawn(hosts_.environment().executor, serve(std::move(peer), *user), [this](std::exception_ptr failure) {
      --connections_;
      if (failure) std::rethrow_exception(failure);
    });
  }
}

asio::awaitable<void> control_port::serve(control_socket peer, std::uint32_t user) {
  const auto& environment = hosts_.environment();
  importer into(environment.store, environment.clock, environment.snapshot_every, *environment.tasks);
  std::uint64_t applied = 0;
  std::uint64_t units = 0;
  for (;;) {
    internal::ControlRequest request;
    if (co_await read_control(peer, request)) break;
    const auto given = co_await answer(into, std::move(request), user);
    applied += given.outcome().applied();
    ++units;
    if (co_await write_control(peer, given)) break;
  }
  if (units > 0) runtime::log_info("operator_applied", {{"units", units}, {"steps", applied}});
}

asio::awaitable<internal::ControlAnswer> control_port::answer(importer& into, internal::ControlRequest request, std::uint32_t user) {
  internal::ControlAnswer given;
  switch (request.request_case()) {
    case internal::ControlRequest::kApply:
      given = co_await apply(into, from_control(std::move(*request.mutable_apply())));
      break;
    case internal::ControlRequest::kListSessions:
      *given.mutable_sessions() = sessions_(request.list_sessions().person_id());
      break;
    case internal::ControlRequest::kNoteAudit:
      given = co_await note_audit(std::move(*request.mutable_note_audit()), user);
      break;
    case internal::ControlRequest::REQUEST_NOT_SET:
      given.set_error("this server does not know the request: use its own version of careteam");
      given.set_not_known(true);
      break;
  }
  co_return given;
}

asio::awaitable<internal::ControlAnswer> control_port::note_audit(internal::NoteAudit asked, std::uint32_t user) {
  care::facts entries;
  auto& read = *care::add_fact(entries, v1::STREAM_AUDIT).mutable_audit_read();
  read.set_operator_uid(user);
  read.set_person_id(asked.person_id());
  read.set_stream(asked.stream());
  read.set_seq(asked.seq());
  const auto written = std::make_shared<asio::steady_timer>(hosts_.environment().executor, asio::steady_timer::time_point::max());
  const auto failed = std::make_shared<error_code>();
  internal::ControlAnswer given;
  const auto key = care::record_named_by(asked);
  if (!care::is_record_key(key)) {
    given.set_error("names no record");
    co_return given;
  }
  const auto host = hosts_.find_or_make(key);
  host->note(std::move(entries), {}, [written, failed](error_code why) {
    *failed = why;
    written->expires_at(asio::steady_timer::time_point::min());  // An event: what is past has happened.
  });
  (void)co_await written->async_wait(no_throw);
  if (*failed) given.set_error(failed->message());
  co_return given;
}

asio::awaitable<internal::ControlAnswer> control_port::apply(importer& into, import_unit unit) {
  // The hosts of what the unit touches stand still meanwhile: a record where everybody talks would always be a step ahead. In the order of
  // their names, so that two units never wait for each other.
  std::set<std::string> touched{std::string()};
  for (const auto& step : unit.steps) touched.insert(step.command.patient_id());
  std::vector<std::shared_ptr<void>> still;
  for (const auto& patient : touched) {
    const auto host = hosts_.find(care::record_key(patient));
    if (!host) continue;
    still.push_back(co_await host->hold());
    into.forget_unless(patient, host->state().version);
  }
  const auto outcome = co_await into.apply(std::move(unit));
  still.clear();
  internal::ControlAnswer given;
  if (!outcome) {
    given.set_error(outcome.error().message());
    co_return given;
  }
  for (const auto& patient : outcome->patients) hosts_.refresh(care::record_key(patient));
  if (outcome->first_timer && hosts_.environment().timer_set) hosts_.environment().timer_set(*outcome->first_timer);
  *given.mutable_outcome() = to_control(*outcome);
  co_return given;
}

}  // namespace careteam::admin
