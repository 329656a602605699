#include "redis/client.hpp"

#include <algorithm>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "redis/connection.hpp"

namespace careteam::redis {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// A coroutine that waits for a batch. Whoever comes first, the answers or the cancellation, takes the handler.
template <class Handler>
struct waiter {
  explicit waiter(Handler&& h) : handler(std::move(h)) {}
  std::optional<Handler> handler;

  void finish(error_code error, outcomes answers) {
    if (!handler) return;
    auto taken = std::move(*handler);
    handler.reset();
    const auto executor = asio::get_associated_executor(taken);
    asio::dispatch(
        executor, [owned = std::move(taken), error, result = std::move(answers)]() mutable { std::move(owned)(error, std::move(result)); });
  }
};

/// A named object instead of a capturing lambda beside co_await.
struct execute_initiation {
  client* self;
  std::vector<command> commands;

  template <class Handler>
  void operator()(Handler&& handler) {
    using waiter_type = waiter<std::decay_t<Handler>>;
    auto slot = asio::get_associated_cancellation_slot(handler);
    auto shared = std::make_shared<waiter_type>(std::forward<Handler>(handler));
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr<waiter_type>(shared)](asio::cancellation_type type) {
        if (type == asio::cancellation_type::none) return;
        if (const auto here = weak.lock()) here->finish(asio::error::operation_aborted, {});
      });
    }
    self->submit(std::move(commands), [shared, slot](outcomes answers) mutable {
      if (!shared->handler) return;  // Cancelled: the slot may belong to another wait by now.
      slot.clear();
      shared->finish({}, std::move(answers));
    });
  }
};

}  // namespace

client::client(asio::any_io_executor executor, client_options options)
    : executor_(std::move(executor)),
      options_(std::make_shared<const client_options>(std::move(options))),
      self_(std::make_shared<client*>(this)),
      wake_(executor_),
      random_(std::random_device{}()) {}

client::~client() {
  self_.reset();
  if (connection_) connection_->close(errc::stopped);
}

asio::awaitable<void> client::run() {
  using clock = std::chrono::steady_clock;
  while (!stopping_) {
    connection::hooks hooks;
    hooks.push = push_;
    hooks.closed = [weak = std::weak_ptr<client*>(self_)](error_code reason) {
      if (const auto here = weak.lock()) (*here)->on_closed(reason);
    };
    const auto current = std::make_shared<connection>(executor_, options_, std::move(hooks));
    connection_ = current;
    open_ = true;
    const error_code failed = co_await connection::open(current);
    if (failed) current->close(failed);
    const auto since = clock::now();
    // It may have ended again before anybody heard of it.
    if (!failed && !current->closed()) {
      connected_ = true;
      ++counters_.connects;
      log(severity::info, "connected to Redis");
      announce({true, {}});
    }
    while (open_) co_await pause(this, std::chrono::hours(24));
    // A server that greets and hangs up is treated as one that is away.
    if (!failed && clock::now() - since >= options_->response_timeout) failures_ = 0;
    if (!stopping_) co_await pause(this, next_backoff());
  }
}

void client::on_closed(error_code reason) {
  open_ = false;
  const bool was_connected = std::exchange(connected_, false);
  was_connected ? ++counters_.connections_lost : ++counters_.connect_failures;
  if (was_connected || reason != last_reason_) {  // Say a lasting trouble once.
    log(severity::warning, (was_connected ? "lost the connection to Redis: " : "cannot connect to Redis: ") + reason.message());
  }
  last_reason_ = was_connected ? error_code{} : reason;
  announce({false, reason});
  wake_.cancel();
}

void client::stop() {
  if (std::exchange(stopping_, true)) return;
  if (connection_) connection_->close(errc::stopped);
  wake_.cancel();
}

asio::awaitable<void> client::pause(client* self, std::chrono::milliseconds delay) {
  self->wake_.expires_after(delay);
  error_code cancelled;
  co_await self->wake_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

std::chrono::milliseconds client::next_backoff() {
  const auto ceiling = std::min(options_->backoff_cap, options_->backoff_base * (1 << std::min(failures_, 20U)));
  ++failures_;
  std::uniform_int_distribution<std::chrono::milliseconds::rep> jitter(0, ceiling.count());
  return std::chrono::milliseconds(jitter(random_));
}

void client::submit(std::vector<command> commands, completion done) {
  if (connected_) return connection_->submit(commands, std::move(done));
  if (!done) return;
  const auto reason = stopping_ ? errc::stopped : errc::not_connected;
  asio::post(executor_, [done = std::move(done), answers = outcomes(commands.size(), make_error_code(reason))]() mutable {
    done(std::move(answers));
  });
}

asio::awaitable<outcomes> client::execute_many(std::vector<command> commands) {
  execute_initiation initiation{this, std::move(commands)};
  auto answers =
      co_await asio::async_initiate<const asio::use_awaitable_t<>, void(error_code, outcomes)>(std::move(initiation), asio::use_awaitable);
  co_return answers;
}

asio::awaitable<result<reply>> client::execute(command words) {
  std::vector<command> one;
  one.push_back(std::move(words));
  auto answers = co_await execute_many(std::move(one));
  co_return std::move(answers.front());
}

asio::awaitable<result<std::vector<reply>>> client::execute_transaction(std::vector<command> commands) {
  commands.insert(commands.begin(), command{"MULTI"});
  commands.push_back(command{"EXEC"});
  auto answers = co_await execute_many(std::move(commands));
  for (const auto& answer : answers) {
    if (answer.has_error()) co_return answer.error();
  }
  const std::size_t expected = answers.size() - 2;
  auto& values = answers.back()->mutable_elements();
  if (values.size() != expected) co_return make_error_code(errc::protocol_violation);
  for (const auto& value : values) {
    if (value.is_error()) co_return make_error_code(error_of_reply(value.text()));
  }
  co_return std::move(values);
}

observation client::observe(std::function<void(const connection_change&)> observer) {
  auto owned = std::make_shared<std::function<void(const connection_change&)>>(std::move(observer));
  observers_.push_back(owned);
  return owned;
}

void client::announce(const connection_change& change) {
  std::erase_if(observers_, [](const auto& weak) { return weak.expired(); });
  const auto now = observers_;  // An observer may add another one.
  for (const auto& weak : now) {
    if (const auto observer = weak.lock()) (*observer)(change);
  }
}

void client::log(severity level, std::string_view text) const {
  if (options_->log) options_->log(level, text);
}

}  // namespace careteam::redis
