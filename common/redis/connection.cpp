#include "redis/connection.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <limits>

namespace careteam::redis {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t read_chunk_bytes = 16 << 10;  // The parser moves its rest for each KiB it consumes: keep that rest small.

/// Appends the command in RESP; false when it is empty or exceeds the limit.
bool append_encoded(const command& words, std::size_t limit, std::string& out) {
  std::vector<const char*> texts;
  std::vector<std::size_t> lengths;
  std::size_t total = 0;
  for (const auto& word : words) {
    texts.push_back(word.data());
    lengths.push_back(word.size());
    total += word.size() + 32;
  }
  if (words.empty() || total > limit || words.size() > std::numeric_limits<int>::max()) return false;
  char* encoded = nullptr;
  const int size = redisFormatCommandArgv(&encoded, static_cast<int>(words.size()), texts.data(), lengths.data());
  if (size < 0) return false;
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owned(encoded, &redisFreeCommand);
  out.append(encoded, static_cast<std::size_t>(size));
  return true;
}

/// Submits and waits. The initiation is a named object, not a capturing lambda.
struct submit_initiation {
  std::shared_ptr<connection> self;
  std::vector<command> commands;
  template <class Handler>
  void operator()(Handler&& handler) {
    auto shared = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
    self->submit(commands, [shared](outcomes answers) { std::move (*shared)(std::move(answers)); });
  }
};

}  // namespace

connection::connection(asio::any_io_executor executor, std::shared_ptr<const client_options> options, hooks callbacks)
    : executor_(std::move(executor)),
      shared_options_(std::move(options)),
      options_(*shared_options_),
      hooks_(std::move(callbacks)),
      socket_(executor_),
      resolver_(executor_),
      opening_timer_(executor_),
      health_timer_(executor_),
      reader_(options_.replies),
      received_(read_chunk_bytes),
      last_heard_(clock::now()) {}

asio::awaitable<error_code> connection::open(std::shared_ptr<connection> self) {
  self->opening_timer_.expires_after(self->options_.connect_timeout);
  self->opening_timer_.async_wait([weak = std::weak_ptr(self)](error_code cancelled) {
    const auto here = weak.lock();
    if (!cancelled && here) here->close(errc::connect_timeout);
  });
  error_code failed = co_await connect(self);
  if (!failed) failed = co_await greet(self);
  self->opening_timer_.cancel();
  co_return failed;
}

asio::awaitable<error_code> connection::connect(std::shared_ptr<connection> self) {
  error_code failed;
  std::vector<stream::endpoint> targets;
  if (const auto* local = std::get_if<unix_address>(&self->options_.where)) {
    constexpr std::size_t longest_path = 107;  // sun_path without its final zero; Asio throws beyond it.
    if (local->path.empty() || local->path.size() > longest_path) co_return error_code(asio::error::invalid_argument);
    targets.emplace_back(asio::local::stream_protocol::endpoint(local->path));
  } else {
    const auto& remote = std::get<tcp_address>(self->options_.where);
    const auto literal = asio::ip::make_address(remote.host, failed);
    if (!failed) {
      targets.emplace_back(asio::ip::tcp::endpoint(literal, remote.port));
    } else {
      failed.clear();
      const std::string port = std::to_string(remote.port);
      const auto found = co_await self->resolver_.async_resolve(remote.host, port, asio::redirect_error(asio::use_awaitable, failed));
      for (const auto& entry : found) targets.emplace_back(entry.endpoint());
      if (!failed && targets.empty()) failed = asio::error::host_not_found;
    }
  }
  // A name may stand for addresses where nobody listens ("localhost" as ::1).
  for (std::size_t i = 0; i < targets.size() && !self->closed_ && (i == 0 || failed); ++i) {
    error_code ignored;
    self->socket_.close(ignored);
    co_await self->socket_.async_connect(targets[i], asio::redirect_error(asio::use_awaitable, failed));
  }
  if (self->closed_) co_return make_error_code(errc::connect_timeout);
  if (!failed && std::holds_alternative<tcp_address>(self->options_.where)) {
    error_code ignored;  // Only speed depends on it.
    self->socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  }
  co_return failed;
}

/// AUTH, CLIENT SETNAME and PING in one piece. A user without permission for the last two can still do its work.
asio::awaitable<error_code> connection::greet(std::shared_ptr<connection> self) {
  self->read();
  self->watch();
  const auto& options = self->options_;
  std::vector<command> commands;
  if (!options.password.empty()) {
    command login{"AUTH"};
    if (!options.user.empty()) login.push_back(options.user);
    login.push_back(options.password);
    commands.push_back(std::move(login));
  }
  if (!options.name.empty()) commands.push_back(command{"CLIENT", "SETNAME", options.name});
  commands.push_back(command{"PING"});
  submit_initiation initiation{self, commands};
  outcomes answers =
      co_await asio::async_initiate<const asio::use_awaitable_t<>, void(outcomes)>(std::move(initiation), asio::use_awaitable);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].has_error()) continue;
    const auto error = answers[i].error();
    const bool login = i == 0 && !options.password.empty();
    // The login is refused with "ERR" when a password is sent to a server that has none.
    if (login && error == errc::server_error) co_return make_error_code(errc::authentication_failed);
    if (login || error != errc::no_permission) co_return error;
  }
  co_return error_code{};
}

void connection::submit(const std::vector<command>& commands, completion done) {
  if (commands.empty()) return refuse(commands, errc::command_too_large, done);
  if (closed_) return refuse(commands, errc::not_connected, done);
  if (commands.size() > options_.max_outstanding - std::min(options_.max_outstanding, pending_.size())) {
    return refuse(commands, errc::queue_full, done);
  }
  const std::size_t start = outgoing_.size();
  std::vector<std::size_t> sizes;
  sizes.reserve(commands.size());
  errc refused{};
  for (const auto& words : commands) {
    const std::size_t before = outgoing_.size();
    if (!append_encoded(words, options_.max_command_bytes, outgoing_))
      refused = errc::command_too_large;
    else if (pending_bytes_ + (outgoing_.size() - start) > options_.max_outstanding_bytes)
      refused = errc::queue_full;
    if (refused != errc{}) {
      outgoing_.resize(start);
      return refuse(commands, refused, done);
    }
    sizes.push_back(outgoing_.size() - before);
  }
  auto owner = std::make_shared<call>();
  owner->missing = commands.size();
  owner->answers.reserve(commands.size());
  owner->done = std::move(done);
  const auto now = clock::now();
  for (const auto size : sizes) {
    pending_.push_back({owner, now, size});
    pending_bytes_ += size;
  }
  flush_later();
}

void connection::refuse(const std::vector<command>& commands, errc reason, const completion& done) {
  if (!done) return;
  asio::post(executor_, [done, answers = outcomes(commands.size(), make_error_code(reason))]() mutable { done(std::move(answers)); });
}

void connection::answer(pending&& request, result<reply> outcome) {
  pending_bytes_ -= request.bytes;
  auto& owner = *request.owner;
  owner.answers.push_back(std::move(outcome));
  if (--owner.missing > 0 || !owner.done) return;
  asio::post(executor_, [owned = std::move(request.owner)] { owned->done(std::move(owned->answers)); });
}

void connection::read() {
  socket_.async_read_some(asio::buffer(received_),
                          [self = shared_from_this()](error_code error, std::size_t count) { self->on_read(error, count); });
}

void connection::on_read(error_code error, std::size_t count) {
  if (closed_) return;
  if (error) return close(errc::connection_lost);
  last_heard_ = clock::now();
  if (const auto failed = reader_.feed({received_.data(), count})) return close(failed);
  while (!closed_) {
    auto next = reader_.next();
    if (next.has_error()) return close(next.error());
    if (!next->has_value()) break;
    reply value = std::move(**next);
    if (hooks_.push && hooks_.push(value)) continue;
    if (pending_.empty()) return close(errc::protocol_violation);  // Nobody asked.
    pending request = std::move(pending_.front());
    pending_.pop_front();
    if (!value.is_error()) {
      answer(std::move(request), std::move(value));
      continue;
    }
    const errc meaning = error_of_reply(value.text());
    answer(std::move(request), make_error_code(meaning));
    // The user was removed or its password changed: what follows would fail as well.
    if (meaning == errc::authentication_failed) return close(meaning);
  }
  late_ = false;
  if (!closed_) read();
}

/// Everything that is submitted in one turn of the loop leaves in one write.
void connection::flush_later() {
  if (flush_posted_ || !writing_.empty()) return;
  flush_posted_ = true;
  asio::post(executor_, [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void connection::flush() {
  if (closed_ || outgoing_.empty() || !writing_.empty()) return;
  writing_.swap(outgoing_);
  asio::async_write(socket_, asio::buffer(writing_), [self = shared_from_this()](error_code error, std::size_t) {
    if (error) return self->close(errc::connection_lost);
    constexpr std::size_t kept_bytes = 256 << 10;
    self->writing_.clear();
    if (self->writing_.capacity() > kept_bytes) self->writing_.shrink_to_fit();
    self->flush();
  });
}

void connection::watch() {
  using std::chrono::milliseconds;
  const auto shortest = std::min(options_.response_timeout, options_.keepalive) / 8;
  health_timer_.expires_after(std::clamp(shortest, milliseconds(5), milliseconds(250)));
  health_timer_.async_wait([weak = weak_from_this()](error_code cancelled) {
    const auto self = weak.lock();
    if (cancelled || !self || self->closed_) return;
    self->check_health();
    if (!self->closed_) self->watch();
  });
}

void connection::check_health() {
  const auto now = clock::now();
  if (pending_.empty()) {
    late_ = false;
    if (now - last_heard_ >= options_.keepalive) submit({command{"PING"}}, {});
    return;
  }
  if (now - pending_.front().since < options_.response_timeout) return;
  // If it was this process that stood still, the answer is already waiting to be read.
  error_code unknown;
  const bool answer_waits = socket_.available(unknown) > 0 && !unknown;
  if (answer_waits && !late_) {
    late_ = true;
    return;
  }
  close(errc::response_timeout);
}

void connection::close(error_code reason) {
  if (closed_) return;
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
  resolver_.cancel();
  opening_timer_.cancel();
  health_timer_.cancel();
  // First the word that it is over: a waiter who gets his error already finds nobody connected.
  if (hooks_.closed) asio::post(executor_, [closed = std::exchange(hooks_.closed, nullptr), reason] { closed(reason); });
  auto abandoned = std::exchange(pending_, {});
  for (auto& request : abandoned) answer(std::move(request), reason);
  outgoing_.clear();
}

}  // namespace careteam::redis
