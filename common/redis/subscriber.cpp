#include "redis/subscriber.hpp"

#include <boost/asio/post.hpp>

namespace careteam::redis {
namespace asio = boost::asio;

namespace {
constexpr std::size_t channels_per_batch = 512;  // Answered well within the response timeout, and small against the queue's bounds.
}

subscriber::subscriber(asio::any_io_executor executor, client_options options, std::chrono::milliseconds retry_refused)
    : executor_(executor),
      retry_refused_(retry_refused),
      log_(options.log),
      client_(executor, std::move(options)),
      self_(std::make_shared<subscriber*>(this)),
      retry_timer_(executor) {
  client_.set_push_handler([weak = std::weak_ptr<subscriber*>(self_)](reply& value) {
    const auto here = weak.lock();
    return here && (*here)->on_push(value);
  });
  watching_ = client_.observe([this](const connection_change& change) { on_change(change); });
}

subscriber::~subscriber() {
  self_.reset();
}

void subscriber::stop() {
  retry_timer_.cancel();
  client_.stop();
}

bool subscriber::subscribe(const std::string& channel, channel_handler handler) {
  if (!wanted_.contains(channel) && wanted_.size() >= max_channels) return false;
  wanted_[channel] = {std::make_shared<const channel_handler>(std::move(handler)), false};
  mark(channel);
  return true;
}

void subscriber::unsubscribe(const std::string& channel) {
  if (wanted_.erase(channel) > 0) mark(channel);
}

bool subscriber::confirmed(const std::string& channel) const {
  const auto found = wanted_.find(channel);
  return found != wanted_.end() && found->second.told;
}

void subscriber::mark(const std::string& channel) {
  if (!client_.connected()) return;  // All that is wanted is asked for on the next connection.
  changed_.insert(channel);
  if (pump_posted_) return;
  pump_posted_ = true;
  asio::post(executor_, [weak = std::weak_ptr<subscriber*>(self_)] {
    const auto here = weak.lock();
    if (!here) return;
    (*here)->pump_posted_ = false;
    (*here)->pump();
  });
}

void subscriber::on_change(const connection_change& change) {
  const bool was_subscribed = !at_server_.empty();
  ++connection_number_;
  at_server_.clear();
  changed_.clear();
  batch_under_way_ = false;
  for (auto& [channel, entry] : wanted_) {
    entry.told = false;
    if (change.connected) changed_.insert(channel);
  }
  if (!change.connected && was_subscribed) ++counters_.gaps;
  if (change.connected) pump();
}

/// Brings what Redis sends in line with what is wanted, one batch after the other.
void subscriber::pump() {
  if (batch_under_way_ || !client_.connected()) return;
  std::vector<command> commands;
  std::vector<std::pair<std::string, bool>> batch;
  std::vector<std::shared_ptr<const channel_handler>> tell;
  while (!changed_.empty() && commands.size() < channels_per_batch) {
    std::string channel = std::move(changed_.extract(changed_.begin()).value());
    const auto entry = wanted_.find(channel);
    const auto server = at_server_.find(channel);
    const bool is_wanted = entry != wanted_.end();
    const bool is_there = server != at_server_.end() && server->second != phase::refused;
    if (is_wanted && is_there) {
      // Given up and taken again before we asked: the new handler still has to hear where its messages begin.
      if (server->second == phase::active && !entry->second.told) {
        entry->second.told = true;
        tell.push_back(entry->second.handler);
      }
      continue;
    }
    if (is_wanted == is_there) continue;
    commands.push_back({is_wanted ? "SUBSCRIBE" : "UNSUBSCRIBE", channel});
    if (is_wanted) {
      at_server_[channel] = phase::asked;
    } else {
      at_server_.erase(server);
    }
    batch.emplace_back(std::move(channel), is_wanted);
  }
  if (!commands.empty()) {
    batch_under_way_ = true;
    client_.submit(std::move(commands), [weak = std::weak_ptr<subscriber*>(self_), number = connection_number_,
                                         batch = std::move(batch)](const outcomes& answers) {
      const auto here = weak.lock();
      if (here && (*here)->connection_number_ == number) (*here)->on_batch(batch, answers);
    });
  }
  for (const auto& handler : tell) {
    if (handler->confirmed) handler->confirmed();
  }
}

void subscriber::on_batch(const std::vector<std::pair<std::string, bool>>& batch, const outcomes& answers) {
  batch_under_way_ = false;
  const auto number = connection_number_;
  std::vector<std::shared_ptr<const channel_handler>> tell;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& [channel, subscribed] = batch[i];
    if (!subscribed) continue;
    const auto server = at_server_.find(channel);
    if (server == at_server_.end() || server->second != phase::asked) continue;
    if (answers[i].has_error()) {
      server->second = phase::refused;
      if (counters_.refused++ == 0 && log_) log_(severity::error, "Redis refuses a subscription: " + answers[i].error().message());
      retry_later();
      continue;
    }
    server->second = phase::active;
    const auto entry = wanted_.find(channel);
    if (entry == wanted_.end() || entry->second.told) continue;
    entry->second.told = true;
    tell.push_back(entry->second.handler);
  }
  pump();
  for (const auto& handler : tell) {
    if (connection_number_ != number) return;
    if (handler->confirmed) handler->confirmed();
  }
}

/// An operator may have mended the ACL meanwhile.
void subscriber::retry_later() {
  if (std::exchange(retry_planned_, true)) return;
  retry_timer_.expires_after(retry_refused_);
  retry_timer_.async_wait([weak = std::weak_ptr<subscriber*>(self_)](boost::system::error_code cancelled) {
    const auto here = weak.lock();
    if (!here) return;
    auto& self = **here;
    self.retry_planned_ = false;
    if (cancelled || !self.client_.connected()) return;
    for (const auto& [channel, state] : self.at_server_) {
      if (state == phase::refused) self.changed_.insert(channel);
    }
    self.pump();
  });
}

bool subscriber::on_push(reply& value) {
  const auto& parts = value.elements();
  if (parts.size() != 3 || parts[0].text() != "message") return false;
  ++counters_.messages;
  const auto found = wanted_.find(parts[1].text());
  if (found == wanted_.end() || !found->second.told) return true;  // Before its confirmation a handler knows nothing of the channel.
  const auto handler = found->second.handler;                      // It may unsubscribe itself.
  if (handler->message) handler->message(parts[2].text());
  return true;
}

}  // namespace careteam::redis
