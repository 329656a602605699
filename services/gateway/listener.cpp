#include "gateway/listener.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runtime/log.hpp"

namespace careteam::gateway {
namespace {

namespace asio = boost::asio;
constexpr auto pause_when_out_of_descriptors = std::chrono::milliseconds(100);

}  // namespace

listener::listener(asio::io_context& loop, const runtime::tcp_address& address, handler serve)
    : loop_(loop), acceptor_(loop), serve_(std::move(serve)) {
  asio::ip::tcp::resolver resolver(loop);
  const auto resolved = resolver.resolve(address.host, std::to_string(address.port), asio::ip::tcp::resolver::passive);
  const asio::ip::tcp::endpoint endpoint = resolved.begin()->endpoint();
  try {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen(asio::socket_base::max_listen_connections);
  } catch (const boost::system::system_error& error) {
    throw std::runtime_error("cannot listen on " + runtime::to_text(address) + ": " + error.code().message());
  }
  port_ = acceptor_.local_endpoint().port();
}

void listener::start() {
  asio::co_spawn(loop_, accept(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

void listener::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
}

asio::awaitable<void> listener::accept() {
  asio::steady_timer pause(loop_);
  while (acceptor_.is_open()) {
    auto [failed, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
    if (failed == asio::error::operation_aborted) break;
    if (failed) {  // Out of descriptors, or the peer went away: go on, but never in a tight loop.
      runtime::log_warning("accept_failed", {{"error", failed}});
      pause.expires_after(pause_when_out_of_descriptors);
      (void)co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    loop_socket accepted(loop_.get_executor(), acceptor_.local_endpoint().protocol(), socket.release());
    asio::co_spawn(loop_, serve_(std::move(accepted)), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
  }
}

}  // namespace careteam::gateway
