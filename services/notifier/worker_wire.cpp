#include "notifier/worker_wire.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "store/limits.hpp"

namespace careteam::notifier {
namespace {

namespace asio = boost::asio;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds longest_timeout{60'000};            // As the configuration allows.
constexpr std::int64_t latest_us = 4'102'444'800'000'000;  // 2100-01-01
constexpr seconds longest_pause{24 * 3600};                // That a provider may wish for: whoever hears of it cuts it further.

/// The id stands in headers.
bool is_id(std::string_view text) {
  const auto is_plain = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-'; };
  return !text.empty() && text.size() <= store::max_id_bytes && std::ranges::all_of(text, is_plain);
}

}  // namespace

asio::awaitable<boost::system::result<std::string>> worker_connection::read() {
  return runtime::read_frame(socket_, max_worker_frame_bytes);
}

void worker_connection::write(const google::protobuf::MessageLite& frame) {
  if (!socket_.is_open()) return;
  runtime::append_frame(waiting_, frame.SerializeAsString());
  if (std::exchange(writing_, true)) return;
  asio::co_spawn(socket_.get_executor(), flush(shared_from_this()), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

asio::awaitable<void> worker_connection::flush(std::shared_ptr<worker_connection> self) {
  while (!waiting_.empty() && socket_.is_open()) {
    const auto some = std::exchange(waiting_, {});
    const auto [failed, written] = co_await asio::async_write(socket_, asio::buffer(some), asio::as_tuple(asio::use_awaitable));
    if (failed) close();
  }
  self->writing_ = false;
}

void worker_connection::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

internal::Attempt to_wire(std::uint64_t number, const message& what, milliseconds timeout) {
  internal::Attempt made;
  made.set_number(number);
  made.set_id(what.id);
  made.set_system(what.to.system);
  made.set_to(what.to.value);
  made.set_priority(what.priority);
  made.set_time_us(std::chrono::floor<microseconds>(what.time).time_since_epoch().count());
  made.set_timeout_ms(static_cast<std::uint32_t>(timeout.count()));
  return made;
}

std::optional<message> from_wire(const internal::Attempt& attempt) {
  const milliseconds timeout(attempt.timeout_ms());
  message made{attempt.id(), {attempt.system(), attempt.to()}, attempt.priority(), {}, timeout};
  const bool is_one = is_id(made.id) && !care::fault_of_contact(made.to) && v1::Priority_IsValid(attempt.priority()) &&
                      timeout.count() > 0 && timeout <= longest_timeout && attempt.time_us() > 0 && attempt.time_us() < latest_us;
  if (!is_one) return std::nullopt;
  made.time = std::chrono::system_clock::time_point(microseconds(attempt.time_us()));
  return made;
}

internal::AttemptVerdict to_wire(std::uint64_t number, const attempt& how) {
  internal::AttemptVerdict made;
  made.set_number(number);
  if (how.result == verdict::taken) made.set_result(internal::AttemptVerdict::RESULT_TAKEN);
  if (how.result == verdict::again) made.set_result(internal::AttemptVerdict::RESULT_AGAIN);
  if (how.result == verdict::refused) made.set_result(internal::AttemptVerdict::RESULT_REFUSED);
  if (how.not_before) made.set_retry_after_s(static_cast<std::uint32_t>(std::clamp(*how.not_before, seconds(0), longest_pause).count()));
  return made;
}

std::optional<attempt> from_wire(const internal::AttemptVerdict& told) {
  attempt made;
  switch (told.result()) {
    case internal::AttemptVerdict::RESULT_TAKEN:
      made.result = verdict::taken;
      break;
    case internal::AttemptVerdict::RESULT_AGAIN:
      made.result = verdict::again;
      if (told.retry_after_s() > 0) made.not_before = std::min(seconds(told.retry_after_s()), longest_pause);
      break;
    case internal::AttemptVerdict::RESULT_REFUSED:
      made.result = verdict::refused;
      break;
    default:
      return std::nullopt;
  }
  return made;
}

}  // namespace careteam::notifier
