#include "redis/work_queue.hpp"

namespace careteam::redis {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// Entries as XREADGROUP and XAUTOCLAIM give them: [[entry, [field, value, …]], …]. One that was deleted meanwhile is nil.
void append_work(std::vector<queued_work>& to, const reply& entries) {
  for (const auto& one : entries.elements()) {
    const auto& parts = one.elements();
    if (parts.size() != 2 || parts[0].text().empty()) continue;
    const auto& fields = parts[1].elements();
    to.push_back({parts[0].text(), fields.size() == 2 ? fields[1].text() : std::string()});
  }
}

}  // namespace

work_queue::work_queue(client& commands, client& waiting, work_queue_options options)
    : commands_(commands), waiting_(waiting), options_(std::move(options)) {}

void work_queue::add(const std::vector<std::string>& ids, std::function<void(error_code)> done) {
  std::vector<command> commands;
  commands.reserve(ids.size());
  for (const auto& id : ids) {
    commands.push_back({"XADD", options_.key, "MAXLEN", "~", std::to_string(options_.longest), "*", "id", id});
  }
  commands_.submit(std::move(commands), [done = std::move(done)](const outcomes& answers) {
    error_code failed;
    for (const auto& answer : answers) {
      if (answer.has_error()) failed = answer.error();
    }
    done(failed);
  });
}

asio::awaitable<result<std::vector<queued_work>>> work_queue::take(std::size_t count, std::chrono::milliseconds patience) {
  command reading{"XREADGROUP", "GROUP", options_.group, options_.consumer, "COUNT", std::to_string(count), "BLOCK"};
  reading.push_back(std::to_string(patience.count()));
  for (const char* word : {"STREAMS", options_.key.c_str(), ">"}) reading.emplace_back(word);
  auto answer = co_await waiting_.execute(reading);
  if (answer.has_error() && answer.error() == errc::server_error) {
    // There is no such group: Redis is new, or was emptied.
    const bool made = co_await make_group();
    if (made) answer = co_await waiting_.execute(std::move(reading));
  }
  if (answer.has_error()) co_return answer.error();
  std::vector<queued_work> work;
  for (const auto& stream : answer->elements()) {
    if (stream.elements().size() == 2) append_work(work, stream.elements()[1]);
  }
  co_return work;
}

asio::awaitable<result<std::vector<queued_work>>> work_queue::take_abandoned(std::chrono::milliseconds idle, std::size_t count) {
  command claiming{"XAUTOCLAIM", options_.key, options_.group, options_.consumer, std::to_string(idle.count()), "0-0", "COUNT"};
  claiming.push_back(std::to_string(count));
  auto answer = co_await commands_.execute(std::move(claiming));
  if (answer.has_error()) co_return answer.error();
  std::vector<queued_work> work;
  if (answer->elements().size() >= 2) append_work(work, answer->elements()[1]);
  co_return work;
}

void work_queue::finish(const std::vector<std::string>& entries) {
  if (entries.empty()) return;
  command acknowledge{"XACK", options_.key, options_.group};
  command remove{"XDEL", options_.key};
  acknowledge.insert(acknowledge.end(), entries.begin(), entries.end());
  remove.insert(remove.end(), entries.begin(), entries.end());
  commands_.submit({std::move(acknowledge), std::move(remove)}, {});
}

asio::awaitable<bool> work_queue::make_group() {
  command creating{"XGROUP", "CREATE", options_.key, options_.group, "0", "MKSTREAM"};
  const auto made = co_await commands_.execute(std::move(creating));
  co_return made.has_value();
}

}  // namespace careteam::redis
