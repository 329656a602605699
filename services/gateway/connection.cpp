#include "gateway/connection.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include "gateway/client_stream.hpp"
#include "gateway/heartbeats.hpp"
#include "gateway/upgrade.hpp"
#include "runtime/log.hpp"
#include "runtime/token_bucket.hpp"

namespace careteam::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::system::error_code;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
constexpr auto abandon_after = std::chrono::seconds(5);   // A peer that does not even take the close frame.
constexpr std::size_t least_read_bytes = 128;             // What waits for a message: enough for most of those who only read, …
constexpr std::size_t usual_read_bytes = 512;             // … and of those who write.
constexpr std::size_t kept_buffer_bytes = 1024;           // Of what is written: larger buffers are given back when nothing waits.
constexpr std::size_t least_reads_for_a_message = 1'000;  // However it is cut into frames and segments.
constexpr std::size_t least_bytes_in_a_read = 256;        // Of a large message, on average.

using stream_type = websocket::stream<client_stream, false>;

/// Whether UTF-8 stops in the middle of a character. The library has checked everything else, but misses this where the last fragment is
/// empty.
bool ends_within_a_character(std::string_view text) {
  for (std::size_t from_end = 1; from_end <= std::min<std::size_t>(text.size(), 3); ++from_end) {
    const auto byte = static_cast<unsigned char>(text[text.size() - from_end]);
    if (byte < 0x80) return false;
    if (byte >= 0xC0) return from_end < (byte >= 0xF0 ? 4U : byte >= 0xE0 ? 3U : 2U);
  }
  return false;
}

/// The socket's side of a session.
class connection final : public transport, public beating, public std::enable_shared_from_this<connection> {
 public:
  connection(client_stream client, asio::ip::address from, hub& the_hub, subprotocol form)
      : stream_(std::move(client)),
        from_(std::move(from)),
        hub_(the_hub),
        session_(std::make_shared<session>(the_hub, *this, form)),
        give_up_(stream_.get_executor()) {
    // Silence is looked after by the heartbeats of all connections, not by a timer of each.
    stream_.set_option(websocket::stream_base::timeout{the_hub.settings().server.handshake_timeout, websocket::stream_base::none(), false});
    stream_.read_message_max(the_hub.settings().server.max_frame_bytes);
    stream_.next_layer().limit_reads(least_reads_for_a_message + the_hub.settings().server.max_frame_bytes / least_bytes_in_a_read);
    stream_.auto_fragment(false);
    stream_.binary(form == subprotocol::proto);
    expects_text_ = form == subprotocol::json;
    stream_.control_callback([this](websocket::frame_type kind, beast::string_view) {
      if (kind != websocket::frame_type::close) limit_control_frames();
    });
  }

  stream_type& stream() { return stream_; }

  /// From the handshake on; the connection lives as long as something is under way on it. `admitted` counts it among its address's.
  void start(std::shared_ptr<void> admitted) {
    admitted_ = std::move(admitted);
    hub_.watch(std::chrono::steady_clock::now() + hub_.settings().server.hello_timeout, session_);
    hub_.beats().watch(weak_from_this());
    read();
  }

  // Asked after the first beat in which nothing came, given up after the second.
  bool on_beat() override {
    const bool heard = std::exchange(reads_at_beat_, stream_.next_layer().reads()) != stream_.next_layer().reads();
    silent_beats_ = heard ? 0 : static_cast<std::uint8_t>(silent_beats_ + 1);
    if (silent_beats_ == 0) return true;
    give_back_memory();
    if (silent_beats_ > 1) {
      error_code ignored;
      stream_.next_layer().close(ignored);
      return false;
    }
    if (!close_code_) stream_.async_ping({}, [self = shared_from_this()](error_code) {});
    return true;
  }

  void output_ready() override {
    if (writing_) {
      asked_meanwhile_ = true;
      return;
    }
    if (!session_->out().take(current_)) {
      keep_little_memory();
      if (close_code_ && !std::exchange(close_sent_, true)) send_close();
      return;
    }
    writing_ = true;
    asked_meanwhile_ = !session_->out().empty();  // The next message, of those that are to go out now.
    hub_.metrics().messages_out.increment();
    stream_.async_write(asio::buffer(current_), [self = shared_from_this()](error_code failed, std::size_t) {
      self->writing_ = false;
      if (failed) return;
      self->session_->on_written();
      // What is still being gathered goes out when the hub says so, not because there happens to be room.
      const bool asked = std::exchange(self->asked_meanwhile_, false);
      if (asked || self->close_code_) {
        self->output_ready();
      } else {
        self->keep_little_memory();
      }
    });
  }

  void close(v1::CloseCode code) override { end(static_cast<std::uint16_t>(code)); }
  void abandon(v1::CloseCode code) override { close(code); }
  const asio::ip::address& peer() const override { return from_; }

 private:
  void end(std::uint16_t close_code) {
    if (close_code_) return;
    close_code_ = close_code;
    closing_ = true;
    hard_stop_later();
    output_ready();
  }

  // Each ping is answered before the next frame is read, so pongs never queue up; but they cost, and are of no use to anybody.
  void limit_control_frames() {
    if (closing_ || control_frames_.take(std::chrono::steady_clock::now(), control_frames_per_second, control_frames_at_once).count() == 0)
      return;
    closing_ = true;
    hub_.metrics().floods.increment();
    // Not from within the read that is under way.
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->session_->end(v1::CLOSE_CODE_TOO_MANY); });
  }

  void read() {
    if (close_sent_) return;  // The closing handshake reads what still comes; beside it Beast's idea of the current frame is not ours.
    // Behind the first bytes of a message as much as is announced.
    const std::size_t at_most = buffer_.size() > 0 ? 0 : few_bytes_expected_ ? least_read_bytes : usual_read_bytes;
    stream_.async_read_some(buffer_, at_most, [self = shared_from_this()](error_code failed, std::size_t) { self->on_read(failed); });
  }

  void on_read(error_code failed) {
    if (failed) return gone();
    if (close_sent_) return;
    if (stream_.is_message_done()) {
      stream_.next_layer().message_complete();
      if (!closing_) on_message({static_cast<const char*>(buffer_.data().data()), buffer_.size()});
      few_bytes_expected_ = !session_->opened() || buffer_.size() <= least_read_bytes;  // Hello is large, and comes once.
      buffer_.clear();
      if (buffer_.capacity() > (few_bytes_expected_ ? least_read_bytes : usual_read_bytes)) buffer_.shrink_to_fit();
      if (const auto rest = session_->take_rest(); rest.count() > 0) {
        read_after(rest);
        return;
      }
    }
    read();
  }

  void gone() {
    if (std::exchange(gone_, true)) return;
    closing_ = true;
    give_up_.cancel();
    session_->on_disconnected();
  }

  /// Until then what the peer sends stays in the kernel's buffers, and in its own.
  void read_after(std::chrono::milliseconds rest) {
    auto pause = std::make_shared<asio::steady_timer>(stream_.get_executor(), rest);
    pause->async_wait([self = shared_from_this(), pause](error_code) { self->read(); });
  }

  void on_message(std::string_view message) {
    if (stream_.got_text() != expects_text_) {
      session_->end(v1::CLOSE_CODE_MALFORMED);
    } else if (expects_text_ && ends_within_a_character(message)) {
      end(websocket::close_code::bad_payload);
      session_->end(v1::CLOSE_CODE_MALFORMED);
    } else {
      session_->on_message(message);
    }
  }

  /// Whoever says nothing keeps no room for messages that do not come.
  void give_back_memory() {
    if (writing_) return;
    std::string().swap(current_);
    session_->out().give_back_memory();
  }

  /// Many connect together: what their Welcomes took, kept until the first beat, would lie between what stays, and the allocator could
  /// give nothing of it back.
  void keep_little_memory() {
    if (current_.capacity() > kept_buffer_bytes) give_back_memory();
  }

  void send_close() {
    stream_.async_close(websocket::close_reason(static_cast<websocket::close_code>(*close_code_)), [self = shared_from_this()](error_code) {
      error_code ignored;
      self->stream_.next_layer().close(ignored);
      self->gone();
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
  asio::ip::address from_;
  hub& hub_;
  std::shared_ptr<session> session_;
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, asio::io_context::executor_type>
      give_up_;
  std::shared_ptr<void> admitted_;
  beast::flat_buffer buffer_;  ///< Of the message that is being read.
  std::string current_;        ///< The message that is being written.
  runtime::token_bucket control_frames_;
  std::uint32_t reads_at_beat_ = 0;
  std::optional<std::uint16_t> close_code_;
  std::uint8_t silent_beats_ = 0;
  bool close_sent_ = false;
  bool writing_ = false;
  bool asked_meanwhile_ = false;  ///< While writing: something may go out as soon as there is room.
  bool closing_ = false;
  bool gone_ = false;
  bool few_bytes_expected_ = false;
  bool expects_text_ = false;
};

asio::awaitable<void> refuse_request(client_stream& client, http::response<http::string_body> answer) {
  answer.keep_alive(false);
  answer.set(http::field::content_type, "text/plain; charset=utf-8");
  answer.set(http::field::cache_control, "no-store");
  answer.prepare_payload();
  co_await http::async_write(client, answer, no_throw);
  client.finish();
}

}  // namespace

asio::awaitable<void> serve_connection(loop_socket accepted, const server_certificate* certificate, hub& the_hub) {
  error_code ignored;
  accepted.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto peer = accepted.remote_endpoint(ignored).address();
  const bool by_proxy = is_among(the_hub.trusted_proxies(), peer);  // Then the request tells whose connection it is.
  auto admitted = by_proxy ? nullptr : the_hub.limits().admit(peer);
  tls_session tls;
  if (certificate) tls = certificate->session_on(accepted.native_handle());
  timed<client_stream> client(client_stream(std::move(accepted), std::move(tls)), the_hub.settings().server.handshake_timeout);
  if (certificate) {
    const auto [insecure, none] = co_await client.get().async_handshake(no_throw);
    if (insecure) {
      the_hub.metrics().refused_handshakes.increment();
      co_return;
    }
  }
  beast::flat_buffer buffer;
  http::request_parser<http::empty_body> parser;
  parser.header_limit(max_header_bytes);
  parser.body_limit(0);
  const auto [failed, size] = co_await http::async_read_header(client.get(), buffer, parser, no_throw);
  if (failed) {
    client.in_time();
    the_hub.metrics().refused_upgrades.increment();
    if (failed == http::error::header_limit || failed == http::error::bad_version ||
        failed.category() == http::make_error_code(http::error::bad_method).category()) {
      auto answer = bad_request_answer(failed == http::error::header_limit);
      co_await refuse_request(client.get(), std::move(answer));
    }
    co_return;
  }
  subprotocol form{};
  auto refusal = check_upgrade(parser.get(), the_hub.settings().server.allowed_origins, buffer.size() > 0, form);
  const auto from = by_proxy ? client_address(peer, parser.get(), the_hub.trusted_proxies()) : peer;
  if (by_proxy) admitted = the_hub.limits().admit(from);
  if (!admitted) refusal = too_many_from_there_answer();
  if (const auto wait = the_hub.limits().token_wait(from); !refusal && wait.count() > 0) {
    the_hub.metrics().floods.increment();
    refusal = too_many_refused_tokens_answer(wait);
  }
  if (!refusal && the_hub.session_count() >= the_hub.settings().server.max_connections) refusal = too_many_answer();
  if (refusal) {
    client.in_time();
    the_hub.metrics().refused_upgrades.increment();
    co_await refuse_request(client.get(), std::move(*refusal));
    co_return;
  }
  client.in_time();
  auto one = std::make_shared<connection>(std::move(client.get()), from, the_hub, form);
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
  one->start(std::move(admitted));
}

}  // namespace careteam::gateway
