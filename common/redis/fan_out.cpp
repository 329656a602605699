#include "redis/fan_out.hpp"

#include <algorithm>
#include <stdexcept>

#include "runtime/hex.hpp"

namespace careteam::redis {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {
constexpr std::size_t notices_per_turn = 256;  // Small against the client's queue: what is live goes first.
}

fan_out::fan_out(asio::any_io_executor executor, client& redis, subscriber& channels, const secret_key& cluster, fan_out_options options,
                 fan_out_observer observer)
    : redis_(redis),
      channels_(channels),
      options_(std::move(options)),
      observer_(std::move(observer)),
      channel_key_(cluster.derive("careteam fan-out channel name 1")),
      sealer_(cluster),
      opener_(cluster, sealer_.sender()),
      common_channel_(options_.key_prefix + "rec:all"),
      self_(std::make_shared<fan_out*>(this)),
      retry_timer_(executor) {
  watching_ = redis_.observe([this](const connection_change& change) {
    if (change.connected) make_up();
  });
  if (!channels_.subscribe(common_channel_, handler_of(common_channel_))) throw std::runtime_error("no room for the common channel");
}

fan_out::~fan_out() {
  self_.reset();
  channels_.unsubscribe(common_channel_);
  for (const auto& [channel, record] : watched_) channels_.unsubscribe(channel);
}

std::string fan_out::channel_of(const std::string& record) const {
  const secret_key name = channel_key_.derive("record", record);
  constexpr std::size_t name_bytes = 16;
  return options_.key_prefix + "rec:" + runtime::to_hex({reinterpret_cast<const char*>(name.value().data()), name_bytes});
}

void fan_out::publish(const std::string& record, std::uint64_t from, std::uint64_t to, std::string_view payload) {
  if (from == 0 || from > to) throw std::invalid_argument("a publication needs 0 < from <= to");
  const std::string channel = channel_of(record);
  const auto found = watched_.find(channel);
  if (found != watched_.end()) found->second.version = std::max(found->second.version, to);
  sealed_letter letter{from, to, sealed_content::notice, {}};
  if (payload.size() <= options_.max_payload_bytes) {
    letter.content = sealed_content::entries;
    letter.payload = payload;
  }
  send(channel, record, letter);
}

void fan_out::send(std::string channel, std::string record, const sealed_letter& letter) {
  if (!redis_.connected()) return remember(record, letter.from, letter.to);  // Spares the sealing.
  std::vector<command> commands;
  std::string envelope = sealer_.seal(channel, letter);
  commands.push_back({"PUBLISH", std::move(channel), std::move(envelope)});
  redis_.submit(std::move(commands), [weak = std::weak_ptr<fan_out*>(self_), record = std::move(record), from = letter.from,
                                      to = letter.to](const outcomes& answers) {
    const auto here = weak.lock();
    if (here) (*here)->on_published(record, from, to, answers.front().has_error() ? answers.front().error() : error_code{});
  });
}

void fan_out::on_published(const std::string& record, std::uint64_t from, std::uint64_t to, error_code failed) {
  if (!failed) {
    ++counters_.published;
    return;
  }
  if (counters_.publish_failures++ == 0 && options_.log) options_.log(severity::warning, "cannot publish commits: " + failed.message());
  remember(record, from, to);
  make_up_later();
}

void fan_out::remember(const std::string& record, std::uint64_t from, std::uint64_t to) {
  if (record.empty()) {  // It was the word for all.
    unpublished_overflowed_ = true;
    return;
  }
  const auto found = unpublished_.find(record);
  if (found != unpublished_.end()) {
    found->second = {std::min(found->second.from, from), std::max(found->second.to, to)};
  } else if (unpublished_.size() < options_.max_unpublished_records) {
    unpublished_[record] = {from, to};
  } else {
    unpublished_overflowed_ = true;
  }
}

/// What could not be published goes out as notices: the others read it from the store.
void fan_out::make_up() {
  if (!redis_.connected()) return;
  if (std::exchange(unpublished_overflowed_, false)) {
    unpublished_.clear();
    send(common_channel_, {}, {0, 0, sealed_content::missed, {}});
    return;
  }
  for (std::size_t i = 0; i < notices_per_turn && !unpublished_.empty(); ++i) {
    const auto next = unpublished_.extract(unpublished_.begin());
    send(channel_of(next.key()), next.key(), {next.mapped().from, next.mapped().to, sealed_content::notice, {}});
  }
  if (!unpublished_.empty()) make_up_later();
}

void fan_out::make_up_later() {
  if (std::exchange(retry_planned_, true)) return;
  retry_timer_.expires_after(options_.retry);
  retry_timer_.async_wait([weak = std::weak_ptr<fan_out*>(self_)](error_code) {
    const auto here = weak.lock();
    if (!here) return;
    (*here)->retry_planned_ = false;
    (*here)->make_up();
  });
}

channel_handler fan_out::handler_of(const std::string& channel) {
  const std::weak_ptr<fan_out*> weak = self_;
  channel_handler handler;
  handler.message = [weak, channel](std::string_view payload) {
    if (const auto here = weak.lock()) (*here)->on_message(channel, payload);
  };
  handler.confirmed = [weak, channel] {
    const auto here = weak.lock();
    if (!here) return;
    const auto found = (*here)->watched_.find(channel);
    if (found != (*here)->watched_.end()) (*here)->tell_missed(found->second.record, 0);
  };
  return handler;
}

bool fan_out::subscribe(const std::string& record, std::uint64_t known_version) {
  const std::string channel = channel_of(record);
  if (!channels_.subscribe(channel, handler_of(channel))) return false;
  watched_[channel] = {record, known_version};
  return true;
}

void fan_out::unsubscribe(const std::string& record) {
  const std::string channel = channel_of(record);
  if (watched_.erase(channel) > 0) channels_.unsubscribe(channel);
}

void fan_out::advance(const std::string& record, std::uint64_t version) {
  const auto found = watched_.find(channel_of(record));
  if (found != watched_.end()) found->second.version = std::max(found->second.version, version);
}

void fan_out::on_message(const std::string& channel, std::string_view payload) {
  sealed_letter letter;
  switch (opener_.open(channel, payload, letter)) {
    case unsealed::own:
      ++counters_.own;
      return;
    case unsealed::malformed:
      ++counters_.malformed;
      return;
    case unsealed::forged:
      ++counters_.forged;
      return;
    case unsealed::replayed:
      ++counters_.replayed;
      return;
    case unsealed::letter:
      break;
  }
  if (channel == common_channel_) {
    if (letter.content == sealed_content::missed) everything_missed();
    return;
  }
  const auto found = watched_.find(channel);
  if (found != watched_.end()) on_letter(found->second, letter);
}

void fan_out::on_letter(watched& watched_record, const sealed_letter& letter) {
  if (letter.to <= watched_record.version) {
    ++counters_.stale;
    return;
  }
  const std::string record = watched_record.record;  // The observer may unsubscribe.
  const bool connects = letter.from == watched_record.version + 1;
  watched_record.version = letter.to;
  if (!connects || letter.content != sealed_content::entries) return tell_missed(record, letter.to);
  ++counters_.delivered;
  if (observer_.entries) observer_.entries(record, letter.from, letter.to, letter.payload);
}

void fan_out::tell_missed(const std::string& record, std::uint64_t at_least) {
  ++counters_.missed;
  if (observer_.missed) observer_.missed(record, at_least);
}

void fan_out::everything_missed() {
  std::vector<std::string> records;
  records.reserve(watched_.size());
  for (const auto& [channel, record] : watched_) records.push_back(record.record);
  for (const auto& record : records) tell_missed(record, 0);
}

}  // namespace careteam::redis
