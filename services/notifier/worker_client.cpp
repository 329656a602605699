#include "notifier/worker_client.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runtime/log.hpp"

namespace careteam::notifier {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
constexpr int spread = 4;  // A quarter.
constexpr milliseconds farewell{1'000};

}  // namespace

worker_client::worker_client(asio::any_io_executor executor, sender& through, worker_client_options options)
    : executor_(std::move(executor)),
      through_(through),
      options_(std::move(options)),
      pause_(executor_),
      random_(std::random_device{}()),
      longest_attempt_(through.attempt_timeout()) {}

asio::awaitable<void> worker_client::run() {
  auto pause = options_.first_pause;
  while (!stopping_) {
    const bool was_in = co_await work();
    if (stopping_) break;
    pause = was_in ? options_.first_pause : std::min(pause * 2, options_.longest_pause);
    std::uniform_int_distribution<milliseconds::rep> more(0, pause.count() / spread);
    pause_.expires_after(pause + milliseconds(more(random_)));
    (void)co_await pause_.async_wait(no_throw);
  }
}

void worker_client::stop() {
  if (std::exchange(stopping_, true)) return;
  pause_.cancel();
  if (!connection_) return;
  if (!welcome_) return connection_->close();
  internal::FromWorker frame;
  frame.mutable_leaving();
  connection_->write(frame);
  // The server closes after the last verdict. One that hangs is not waited for.
  pause_.expires_after(longest_attempt_ + farewell);
  pause_.async_wait([weak = weak_from_this()](error_code over) {
    const auto self = weak.lock();
    if (!over && self && self->connection_) self->connection_->close();
  });
}

asio::awaitable<bool> worker_client::work() {
  runtime::unix_socket socket(executor_);
  const auto [failed] = co_await socket.async_connect(options_.path.string(), no_throw);
  if (failed) {
    tell_trouble(failed);
    co_return false;
  }
  if (stopping_) co_return false;
  connection_ = std::make_shared<worker_connection>(std::move(socket));
  welcome_ = false;
  internal::FromWorker hello;
  hello.mutable_hello()->set_in_flight(static_cast<std::uint32_t>(through_.capacity()));
  connection_->write(hello);
  error_code ended;
  while (!ended) {
    const auto frame = co_await connection_->read();
    internal::ToWorker said;
    if (!frame) {
      ended = frame.error();
    } else if (!said.ParseFromString(*frame) || !take(said)) {
      ended = make_error_code(boost::system::errc::bad_message);
    }
  }
  connection_->close();
  connection_.reset();
  if (!stopping_) tell_trouble(ended);
  co_return welcome_;
}

void worker_client::tell_trouble(const error_code& why) {
  if (!std::exchange(troubled_, true)) runtime::log_warning("server_away", {{"socket", options_.path.string()}, {"error", why}});
}

bool worker_client::take(const internal::ToWorker& said) {
  if (said.has_welcome()) {
    welcome_ = true;
    troubled_ = false;
    runtime::log_info("working", {{"socket", options_.path.string()}});
    return true;
  }
  if (!said.has_attempt() || !welcome_ || through_.in_flight() >= 2 * through_.capacity()) return false;
  auto what = from_wire(said.attempt());
  if (!what) return false;
  longest_attempt_ = std::max(longest_attempt_, *what->timeout);
  auto told = [number = said.attempt().number(), to = std::weak_ptr<worker_connection>(connection_)](attempt how) {
    const auto server = to.lock();
    if (!server) return;  // It is given again, by the server that comes.
    internal::FromWorker frame;
    *frame.mutable_verdict() = to_wire(number, how);
    server->write(frame);
  };
  through_.send(std::move(*what), std::move(told));
  return true;
}

}  // namespace careteam::notifier
