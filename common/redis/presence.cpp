#include "redis/presence.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <stdexcept>

#include "runtime/hex.hpp"

namespace careteam::redis {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t people_per_command = 500;
constexpr std::size_t commands_per_batch = 4;

std::string random_id() {
  std::string bytes(16, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1) {
    throw std::runtime_error("no randomness for the gateway's id");
  }
  return runtime::to_hex(bytes);
}

std::int64_t number_in(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

error_code first_error(const outcomes& answers) {
  for (const auto& answer : answers) {
    if (answer.has_error()) return answer.error();
  }
  return {};
}

/// Too much at once is no reason to doubt what is known: the next tick tries again.
bool only_busy(error_code error) {
  return error == errc::queue_full;
}

}  // namespace

presence::presence(asio::any_io_executor executor, client& redis, subscriber& channels, presence_options options,
                   presence_observer observer)
    : redis_(redis),
      channels_(channels),
      options_(std::move(options)),
      observer_(std::move(observer)),
      id_(random_id()),
      channel_(options_.key_prefix + "presence"),
      gateways_key_(options_.key_prefix + "gateways"),
      lease_key_(options_.key_prefix + "gw:" + id_),
      people_key_(lease_key_ + ":people"),
      view_(options_.lease, [this](const std::string& person) { changed(person); }),
      wake_(executor),
      self_(std::make_shared<presence*>(this)) {
  watching_.push_back(redis_.observe([this](const connection_change&) { on_link_change(); }));
  watching_.push_back(channels_.observe([this](const connection_change&) { on_link_change(); }));
  const std::weak_ptr<presence*> weak = self_;
  channel_handler handler;
  handler.message = [weak](std::string_view payload) {
    if (const auto here = weak.lock()) (*here)->on_message(payload);
  };
  handler.confirmed = [weak] {
    if (const auto here = weak.lock()) (*here)->wake_.cancel();
  };
  if (!channels_.subscribe(channel_, std::move(handler))) throw std::runtime_error("no room for the presence channel");
}

presence::~presence() {
  self_.reset();
  channels_.unsubscribe(channel_);
}

bool presence::reachable() const {
  return redis_.connected() && channels_.confirmed(channel_);
}

asio::awaitable<void> presence::run() {
  while (!stopping_) {
    finish_lingering(clock::now());
    if (!reachable()) {
      const auto next = lingering_.empty() ? clock::time_point::max() : lingering_.front().first;
      co_await wait_until(next);
      continue;
    }
    const auto round = round_;
    const error_code failed = co_await synchronise();
    if (stopping_) break;
    if (!failed && round == round_) {
      become_known();
      complained_ = false;
      co_await serve(round);
    }
    become_unknown();
    if (round != round_ || stopping_) continue;
    if (failed && !std::exchange(complained_, true)) log(severity::warning, "presence cannot be announced: " + failed.message());
    const auto again = clock::now() + options_.retry;
    while (!stopping_ && round == round_ && clock::now() < again) co_await wait_until(again);
  }
  co_await deregister();
}

/// Whatever is due, until an error or the loss of a connection.
asio::awaitable<void> presence::serve(std::uint64_t round) {
  while (!stopping_ && round == round_) {
    const auto now = clock::now();
    finish_lingering(now);
    if (view_.expire(now) && observer_.all_known) observer_.all_known();
    error_code failed;
    if (now >= next_refresh_) {
      failed = co_await refresh();
    } else if (!unpublished_.empty() && now >= next_publish_) {
      failed = co_await publish_changes();
    } else if (!to_read_.empty()) {
      const std::string id = *to_read_.begin();
      to_read_.erase(to_read_.begin());
      failed = co_await read_gateway(id, clock::now() + options_.lease);
      if (only_busy(failed)) to_read_.insert(id);
    } else {
      auto next = std::min(next_refresh_, view_.next_expiry());
      if (!unpublished_.empty()) next = std::min(next, next_publish_);
      if (!lingering_.empty()) next = std::min(next, lingering_.front().first);
      co_await wait_until(next);
      // This process stood still. Heartbeats wait unread in the socket, so the silence of the others means nothing.
      if (clock::now() - next > options_.refresh) co_return;
    }
    if (only_busy(failed)) {
      next_refresh_ = std::max(next_refresh_, clock::now() + options_.coalesce);
      next_publish_ = next_refresh_;
      co_await wait_until(next_publish_);
    } else if (failed) {
      if (round == round_) log(severity::warning, "presence lost Redis: " + failed.message());
      co_return;
    }
  }
}

presence::step presence::synchronise() {
  view_.lose_others();
  error_code failed = co_await announce();
  if (!failed) failed = co_await read_all();
  co_return failed;
}

presence::step presence::read_redis_time() {
  command time{"TIME"};
  const auto answer = co_await redis_.execute(std::move(time));
  if (answer.has_error()) co_return answer.error();
  if (answer->elements().size() != 2) co_return make_error_code(errc::protocol_violation);
  redis_time_ms_ = number_in(answer->elements()[0].text()) * 1000 + number_in(answer->elements()[1].text()) / 1000;
  co_return error_code{};
}

/// Writes this gateway anew. The lease comes last: who reads before that does not take a part for the whole.
presence::step presence::announce() {
  ++counters_.announcements;
  if (const auto failed = co_await read_redis_time()) co_return failed;
  const std::string born_key = options_.key_prefix + "presence:born";
  std::vector<command> commands{
      {"DEL", lease_key_, people_key_}, {"SET", born_key, std::to_string(redis_time_ms_), "NX"}, {"GET", born_key}};
  const auto start = co_await redis_.execute_many(std::move(commands));
  if (const auto failed = first_error(start)) co_return failed;
  const auto age = std::chrono::milliseconds(std::max<std::int64_t>(0, redis_time_ms_ - number_in(start[2]->text())));
  // While we have been listening, a wipe took nothing from us; and only then are we "known" here.
  if (!known_ && age < options_.settle) view_.unsettled_until(clock::now() + (options_.settle - age));

  published_ = view_.local();
  unpublished_.clear();
  std::vector<command> batch;
  command chunk;
  // A copy, because people come and go while we wait.
  const std::vector<std::string> everybody(published_.begin(), published_.end());
  for (std::size_t i = 0; i < everybody.size(); ++i) {
    if (chunk.empty()) chunk = {"SADD", people_key_};
    chunk.push_back(everybody[i]);
    const bool last = i + 1 == everybody.size();
    if (chunk.size() < people_per_command && !last) continue;
    batch.push_back(std::exchange(chunk, {}));
    if (batch.size() < commands_per_batch && !last) continue;
    batch.push_back({"PEXPIRE", people_key_, lease_ms()});  // So that dying half-way leaves nothing behind for ever.
    std::vector<command> ready;
    ready.swap(batch);
    const auto answers = co_await redis_.execute_many(std::move(ready));
    if (const auto failed = first_error(answers)) co_return failed;
  }

  std::vector<command> finish{{"PEXPIRE", people_key_, lease_ms()},
                              {"ZADD", gateways_key_, std::to_string(redis_time_ms_ + options_.lease.count()), id_},
                              {"SET", lease_key_, std::to_string(sequence_), "PX", lease_ms()},
                              {"PUBLISH", channel_, message(presence_kind::announced)}};
  const auto done = co_await redis_.execute_transaction(std::move(finish));
  if (done.has_error()) co_return done.error();
  const auto now = clock::now();
  next_refresh_ = now + options_.refresh;
  next_publish_ = now + options_.coalesce;
  co_return error_code{};
}

presence::step presence::read_all() {
  command list{"ZRANGEBYSCORE",
               gateways_key_,
               std::to_string(redis_time_ms_),
               "+inf",
               "WITHSCORES",
               "LIMIT",
               "0",
               std::to_string(presence_view::max_gateways)};
  const auto answer = co_await redis_.execute(std::move(list));
  if (answer.has_error()) co_return answer.error();
  const auto& found = answer->elements();
  for (std::size_t i = 0; i + 1 < found.size(); i += 2) {
    const auto& id = found[i].text();
    if (id == id_ || id.empty() || id.size() > max_gateway_bytes) continue;
    const auto left = std::chrono::milliseconds(number_in(found[i + 1].text()) - redis_time_ms_);
    const auto alive_until = clock::now() + std::clamp(left, std::chrono::milliseconds(0), options_.lease);
    if (const auto failed = co_await read_gateway(id, alive_until)) co_return failed;
  }
  co_return error_code{};
}

presence::step presence::read_gateway(std::string id, clock::time_point alive_until) {
  ++counters_.gateways_read;
  view_.reading(id);
  const std::string lease = options_.key_prefix + "gw:" + id;
  std::vector<command> commands{{"GET", lease}, {"PTTL", lease}, {"SMEMBERS", lease + ":people"}};
  const auto round = round_;
  const auto answer = co_await redis_.execute_transaction(std::move(commands));
  if (round != round_) co_return make_error_code(errc::connection_lost);
  // Keys of another type there are not our trouble: that gateway is simply not readable.
  const bool unreadable = answer.has_error() && answer.error() == errc::server_error;
  if (answer.has_error() && !unreadable) co_return answer.error();
  if (unreadable || (*answer)[0].is_nil()) {
    view_.not_found(id, alive_until);
    co_return error_code{};
  }
  const auto now = clock::now();
  const auto& values = *answer;
  const auto left = std::clamp(std::chrono::milliseconds(values[1].integer()), std::chrono::milliseconds(0), options_.lease);
  presence_view::people people;
  for (const auto& person : values[2].elements()) {
    if (!person.text().empty() && person.text().size() <= max_person_bytes) people.insert(person.text());
  }
  const auto sequence = static_cast<std::uint64_t>(std::max<std::int64_t>(0, number_in(values[0].text())));
  if (view_.loaded(id, sequence, std::move(people), now + left)) to_read_.insert(id);
  co_return error_code{};
}

presence::step presence::refresh() {
  if (const auto failed = co_await read_redis_time()) co_return failed;
  const std::string forgotten = std::to_string(redis_time_ms_ - 10 * options_.lease.count());
  std::vector<command> commands{{"SET", lease_key_, std::to_string(sequence_), "XX", "PX", lease_ms()},
                                {"PEXPIRE", people_key_, lease_ms()},
                                {"ZADD", gateways_key_, std::to_string(redis_time_ms_ + options_.lease.count()), id_},
                                {"ZREMRANGEBYSCORE", gateways_key_, "-inf", forgotten},
                                {"PUBLISH", channel_, message(presence_kind::heartbeat)}};
  const auto answer = co_await redis_.execute_transaction(std::move(commands));
  if (answer.has_error()) co_return answer.error();
  ++counters_.messages_sent;
  next_refresh_ = clock::now() + options_.refresh;
  const bool lease_gone = (*answer)[0].is_nil();
  const bool people_gone = !published_.empty() && (*answer)[1].integer() == 0;
  if (!lease_gone && !people_gone) co_return error_code{};
  const error_code failed = co_await announce_after_wipe();
  co_return failed;
}

presence::step presence::publish_changes() {
  std::vector<presence_change> changes;
  command add{"SADD", people_key_};
  command remove{"SREM", people_key_};
  while (!unpublished_.empty() && changes.size() < max_changes_per_message) {
    std::string person = std::move(unpublished_.extract(unpublished_.begin()).value());
    const bool online = view_.is_local(person);
    if (online == published_.contains(person)) continue;  // Came and went, or the other way round.
    if (online) {
      published_.insert(person);
    } else {
      published_.erase(person);
    }
    (online ? add : remove).push_back(person);
    changes.push_back({std::move(person), online});
  }
  next_publish_ = clock::now() + options_.coalesce;
  if (changes.empty()) co_return error_code{};
  ++sequence_;
  std::vector<command> commands{{"SET", lease_key_, std::to_string(sequence_), "XX", "PX", lease_ms()}};
  if (remove.size() > 2) commands.push_back(std::move(remove));
  if (add.size() > 2) commands.push_back(std::move(add));
  commands.push_back({"PEXPIRE", people_key_, lease_ms()});
  std::vector<std::string> again;  // Only needed when Redis is too busy to take it.
  again.reserve(changes.size());
  for (const auto& change : changes) again.push_back(change.person);
  commands.push_back({"PUBLISH", channel_, message(presence_kind::changes, std::move(changes))});
  const auto answer = co_await redis_.execute_transaction(std::move(commands));
  if (answer.has_error()) {
    if (only_busy(answer.error())) {
      --sequence_;
      for (auto& person : again) {
        if (published_.erase(person) == 0) published_.insert(person);
        unpublished_.insert(std::move(person));
      }
    }
    co_return answer.error();
  }
  ++counters_.messages_sent;
  if (!answer->front().is_nil()) co_return error_code{};
  const error_code failed = co_await announce_after_wipe();  // What was just added is not the whole.
  co_return failed;
}

presence::step presence::announce_after_wipe() {
  log(severity::warning, "presence was wiped in Redis; announcing anew");
  const error_code failed = co_await announce();
  co_return failed;
}

asio::awaitable<void> presence::deregister() {
  become_unknown();
  if (!redis_.connected()) co_return;  // The lease ends by itself.
  std::vector<command> commands{
      {"DEL", lease_key_, people_key_}, {"ZREM", gateways_key_, id_}, {"PUBLISH", channel_, message(presence_kind::gone)}};
  const auto answer = co_await redis_.execute_transaction(std::move(commands));
  if (answer.has_error()) log(severity::info, "presence could not be withdrawn; the lease will end by itself");
}

void presence::stop() {
  stopping_ = true;
  wake_.cancel();
}

asio::awaitable<void> presence::wait_until(clock::time_point when) {
  wake_.expires_at(when);
  error_code cancelled;
  co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

bool presence::arrived(const std::string& person) {
  if (person.empty() || person.size() > max_person_bytes) return false;
  const auto found = local_.find(person);
  if (found != local_.end()) {
    ++found->second.connections;
    return true;
  }
  if (local_.size() >= presence_view::max_people_per_gateway) return false;
  local_.emplace(person, local_person{1, {}});
  view_.set_local(person, true);
  note_unpublished(person);
  return true;
}

void presence::left(const std::string& person) {
  const auto found = local_.find(person);
  if (found == local_.end() || found->second.connections == 0) return;
  if (--found->second.connections > 0) return;
  found->second.offline_at = clock::now() + options_.linger;
  lingering_.emplace_back(found->second.offline_at, person);
  if (lingering_.size() == 1) wake_.cancel();
}

void presence::finish_lingering(clock::time_point now) {
  while (!lingering_.empty() && lingering_.front().first <= now) {
    const std::string person = std::move(lingering_.front().second);
    lingering_.pop_front();
    const auto found = local_.find(person);
    // Came back, or came back and left again: then a later line speaks of it.
    if (found == local_.end() || found->second.connections > 0 || found->second.offline_at > now) continue;
    local_.erase(found);
    view_.set_local(person, false);
    note_unpublished(person);
  }
}

/// Without Redis there is nothing to note: the next announcement tells everything.
void presence::note_unpublished(const std::string& person) {
  if (!reachable()) return;
  unpublished_.insert(person);
  if (unpublished_.size() == 1) wake_.cancel();
}

presence_state presence::state(std::string_view person) const {
  return known_ ? view_.state(person, clock::now()) : presence_state::unknown;
}

void presence::changed(const std::string& person) {
  if (known_ && observer_.changed) observer_.changed(person, state(person));
}

void presence::on_message(std::string_view payload) {
  ++counters_.messages_received;
  auto message = decode_presence(payload);
  if (!message) {
    ++counters_.messages_malformed;
    return;
  }
  if (message->gateway == id_) return;
  const std::string id = message->gateway;
  if (!view_.apply(std::move(*message), clock::now())) return;
  to_read_.insert(id);
  wake_.cancel();
}

void presence::on_link_change() {
  if (!reachable()) {
    ++round_;
    become_unknown();
  }
  wake_.cancel();
}

void presence::become_unknown() {
  if (!std::exchange(known_, false)) return;
  view_.lose_others();
  if (observer_.all_unknown) observer_.all_unknown();
}

void presence::become_known() {
  finish_lingering(clock::now());
  known_ = true;
  view_.expire(clock::now());
  if (observer_.all_known) observer_.all_known();
}

std::string presence::message(presence_kind kind, std::vector<presence_change> changes) const {
  return encode({kind, id_, sequence_, std::move(changes)});
}

void presence::log(severity level, std::string_view text) const {
  if (options_.log) options_.log(level, text);
}

}  // namespace careteam::redis
