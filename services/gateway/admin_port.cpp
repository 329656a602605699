#include "gateway/admin_port.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace careteam::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
constexpr auto request_deadline = std::chrono::seconds(5);
constexpr std::uint32_t max_admin_header_bytes = 8 * 1024;
constexpr std::uint64_t max_report_bytes = 4 * 1024;
constexpr std::string_view verbose_target = "/readyz?verbose";
constexpr std::string_view callback_target = "/v1/notifier/callbacks";

using request_parser = http::request_parser<http::string_body>;

http::response<http::string_body> answer_to(const http::request<http::string_body>& request, const admin_page& page,
                                            const std::string& details) {
  http::response<http::string_body> answer(http::status::ok, 11);
  answer.set(http::field::content_type, "text/plain; charset=utf-8");
  answer.set(http::field::cache_control, "no-store");
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    answer.result(http::status::method_not_allowed);
    answer.set(http::field::allow, "GET, HEAD");
  } else if (request.target() == "/livez") {
    answer.body() = "live\n";
  } else if (request.target() == "/readyz" || request.target() == verbose_target) {
    const auto state = page.ready();
    answer.result(state.ready ? http::status::ok : http::status::service_unavailable);
    answer.body() = state.text + details;
  } else if (request.target() == "/metrics") {
    answer.set(http::field::content_type, std::string(runtime::metrics_content_type));
    answer.body() = page.metrics.exposition();
  } else {
    answer.result(http::status::not_found);
    answer.body() = "here are /livez, /readyz, /readyz?verbose and /metrics\n";
  }
  answer.keep_alive(false);
  answer.prepare_payload();
  if (request.method() == http::verb::head) answer.body().clear();
  return answer;
}

bool is_report(const request_parser& parser, const admin_page& page) {
  return page.callback && parser.get().method() == http::verb::post && parser.get().target() == callback_target;
}

asio::awaitable<http::response<http::string_body>> answer_report(const http::request<http::string_body>& request, const admin_page& page) {
  callback_request report{std::string(request["CareTeam-Timestamp"]), std::string(request["CareTeam-Signature"]), request.body()};
  auto reply = co_await page.callback(std::move(report));
  http::response<http::string_body> answer(http::int_to_status(reply.status), 11);
  answer.set(http::field::content_type, "text/plain; charset=utf-8");
  answer.body() = std::move(reply.text);
  answer.keep_alive(false);
  answer.prepare_payload();
  co_return answer;
}

}  // namespace

asio::awaitable<void> serve_admin(loop_socket accepted, const admin_page& page) {
  constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
  timed_socket socket(std::move(accepted), request_deadline);
  beast::flat_buffer buffer;
  request_parser parser;
  parser.header_limit(max_admin_header_bytes);
  parser.body_limit(max_report_bytes);
  const auto [failed, size] = co_await http::async_read_header(socket.get(), buffer, parser, no_throw);
  if (!failed && is_report(parser, page)) {
    const auto [cut, read] = co_await http::async_read(socket.get(), buffer, parser, no_throw);
    if (!cut) {
      auto answer = co_await answer_report(parser.get(), page);
      (void)co_await http::async_write(socket.get(), answer, no_throw);
    }
  } else if (!failed) {
    std::string details;
    if (parser.get().target() == verbose_target) details = co_await page.details();
    auto answer = answer_to(parser.get(), page, details);
    (void)co_await http::async_write(socket.get(), answer, no_throw);
  }
  socket.in_time();
  boost::system::error_code ignored;
  socket.get().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

}  // namespace careteam::gateway
