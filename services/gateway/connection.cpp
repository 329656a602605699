#include "gateway/connection.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include "gateway/upgrade.hpp"
#include "runtime/log.hpp"

namespace careteam::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::system::error_code;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
constexpr auto abandon_after = std::chrono::seconds(5);  // A peer that does not even take the close frame.
constexpr std::size_t kept_buffer_bytes = 16 * 1024;     // An idle connection gives larger buffers back.

using stream_type = websocket::stream<loop_socket, false>;

/// The socket's side of a session.
class connection final : public transport, public std::enable_shared_from_this<connection> {
 public:
  connection(loop_socket socket, hub& the_hub, subprotocol form)
      : stream_(std::move(socket)),
        hub_(the_hub),
        session_(std::make_shared<session>(the_hub, *this, form)),
        give_up_(stream_.get_executor()) {
    stream_.set_option(
        websocket::stream_base::timeout{the_hub.settings().server.handshake_timeout, the_hub.settings().server.idle_timeout, true});
    stream_.read_message_max(the_hub.settings().server.max_frame_bytes);
    stream_.auto_fragment(false);
    stream_.binary(form == subprotocol::proto);
    expects_text_ = form == subprotocol::json;
    stream_.control_callback([this](websocket::frame_type kind, beast::string_view) {
      if (kind == websocket::frame_type::pong) give_back_memory();
    });
  }

  stream_type& stream() { return stream_; }

  asio::awaitable<void> run([[maybe_unused]] std::shared_ptr<connection> self) {
    hub_.watch(std::chrono::steady_clock::now() + hub_.settings().server.hello_timeout, session_);
    beast::flat_buffer buffer;
    for (;;) {
      const auto [failed, size] = co_await stream_.async_read(buffer, no_throw);
      if (failed) break;
      if (!closing_) {
        if (stream_.got_text() != expects_text_) {
          session_->end(v1::CLOSE_CODE_MALFORMED);
        } else {
          session_->on_message({static_cast<const char*>(buffer.data().data()), size});
        }
      }
      buffer.consume(size);
      if (buffer.capacity() > kept_buffer_bytes) buffer.shrink_to_fit();
    }
    closing_ = true;
    give_up_.cancel();
    session_->on_disconnected();
  }

  void output_ready() override {
    if (writing_) return;
    if (!session_->out().take(current_)) {
      if (current_.capacity() > kept_buffer_bytes) std::string().swap(current_);
      if (close_code_ && !std::exchange(close_sent_, true)) send_close();
      return;
    }
    writing_ = true;
    hub_.metrics().messages_out.increment();
    stream_.async_write(asio::buffer(current_), [self = shared_from_this()](error_code failed, std::size_t) {
      self->writing_ = false;
      if (failed) return;
      self->session_->on_written();
      self->output_ready();
    });
  }

  void close(v1::CloseCode code) override {
    if (close_code_) return;
    close_code_ = static_cast<std::uint16_t>(code);
    closing_ = true;
    hard_stop_later();
    output_ready();
  }

  void abandon(v1::CloseCode code) override { close(code); }

 private:
  /// Pings go out only after a long silence: whoever answers one is idle, and keeps no room for messages that do not come.
  void give_back_memory() {
    if (writing_) return;
    std::string().swap(current_);
    session_->out().give_back_memory();
  }

  void send_close() {
    stream_.async_close(websocket::close_reason(static_cast<websocket::close_code>(*close_code_)), [self = shared_from_this()](error_code) {
      error_code ignored;
      self->stream_.next_layer().close(ignored);
    });
  }

  void hard_stop_later() {
    give_up_.expires_after(abandon_after);
    give_up_.async_wait([self = shared_from_this()](error_code cancelled) {
      error_code ignored;
      if (!cancelled) self->stream_.next_layer().close(ignored);
    });
  }

  stream_type stream_;
  hub& hub_;
  std::shared_ptr<session> session_;
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, asio::io_context::executor_type>
      give_up_;
  std::string current_;
  std::optional<std::uint16_t> close_code_;
  bool close_sent_ = false;
  bool writing_ = false;
  bool closing_ = false;
  bool expects_text_ = false;
};

asio::awaitable<void> refuse_request(loop_socket& socket, http::response<http::string_body> answer) {
  answer.keep_alive(false);
  answer.set(http::field::content_type, "text/plain; charset=utf-8");
  answer.set(http::field::cache_control, "no-store");
  answer.prepare_payload();
  co_await http::async_write(socket, answer, no_throw);
  error_code ignored;
  socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

}  // namespace

asio::awaitable<void> serve_connection(loop_socket accepted, hub& the_hub) {
  error_code ignored;
  accepted.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto from = accepted.remote_endpoint(ignored).address();
  const auto admitted = the_hub.admit(from);
  timed_socket socket(std::move(accepted), the_hub.settings().server.handshake_timeout);
  beast::flat_buffer buffer;
  http::request_parser<http::empty_body> parser;
  parser.header_limit(max_header_bytes);
  parser.body_limit(0);
  const auto [failed, size] = co_await http::async_read_header(socket.get(), buffer, parser, no_throw);
  if (failed) {
    socket.in_time();
    the_hub.metrics().refused_upgrades.increment();
    if (failed == http::error::header_limit || failed == http::error::bad_version ||
        failed.category() == http::make_error_code(http::error::bad_method).category()) {
      auto answer = bad_request_answer(failed == http::error::header_limit);
      co_await refuse_request(socket.get(), std::move(answer));
    }
    co_return;
  }
  subprotocol form{};
  auto refusal = check_upgrade(parser.get(), the_hub.settings().server.allowed_origins, buffer.size() > 0, form);
  if (!admitted) refusal = too_many_from_there_answer();
  if (!refusal && the_hub.session_count() >= the_hub.settings().server.max_connections) refusal = too_many_answer();
  if (refusal) {
    socket.in_time();
    the_hub.metrics().refused_upgrades.increment();
    co_await refuse_request(socket.get(), std::move(*refusal));
    co_return;
  }
  socket.in_time();
  auto one = std::make_shared<connection>(std::move(socket.get()), the_hub, form);
  const std::string_view name = form == subprotocol::proto ? proto_name : json_name;
  one->stream().set_option(websocket::stream_base::decorator([name](websocket::response_type& response) {
    response.set(http::field::sec_websocket_protocol, name);
    response.set(http::field::server, "careteam");
  }));
  const auto [upgrade_failed] = co_await one->stream().async_accept(parser.get(), no_throw);
  if (upgrade_failed) {
    the_hub.metrics().refused_upgrades.increment();
    co_return;
  }
  // What the request took: the connection may last for days.
  (void)parser.release();
  buffer.clear();
  buffer.shrink_to_fit();
  co_await one->run(one);
}

}  // namespace careteam::gateway
