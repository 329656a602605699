#include "coordination/duties.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "coordination/record_hosts.hpp"
#include "runtime/log.hpp"

namespace careteam::coordination {
namespace {

constexpr std::size_t page_of_keys = 500;

/// Answers when the record is loaded, or cannot be.
boost::asio::awaitable<boost::system::error_code> settled(std::shared_ptr<record_host> host, boost::asio::any_io_executor executor) {
  auto done = std::make_shared<boost::asio::steady_timer>(executor, boost::asio::steady_timer::time_point::max());
  auto result = std::make_shared<boost::system::error_code>();
  host->when_settled([done, result](boost::system::error_code failed) {
    *result = failed;
    done->expires_at(boost::asio::steady_timer::time_point::min());
  });
  (void)co_await done->async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  co_return *result;
}

}  // namespace

boost::asio::awaitable<boost::system::error_code> duties::load(store::record_store& store, record_hosts& hosts) {
  boost::system::error_code failed;
  store::record_key after = care::duty_record_key("");
  for (;;) {
    auto keys = co_await store.record_keys(after, page_of_keys);
    if (!keys) co_return keys.error();
    for (const auto& key : *keys) {
      if (!care::duty_of_key(key)) co_return failed;  // Behind the last of them.
      const auto host = hosts.find_or_make(key);
      if (const auto unread = co_await settled(host, hosts.environment().executor)) {
        runtime::log_error("duty_not_read", {{"record", key}, {"error", unread}});
        failed = unread;
      }
    }
    if (keys->size() < page_of_keys) co_return failed;
    after = std::move(keys->back());
  }
}

duty_change duties::take(const std::shared_ptr<record_host>& host, care::instant now) {
  duty_change result;
  auto& affected = result.answering;
  const auto& changed = host->state().duty;
  if (!changed.defined()) return result;
  hosts_.insert_or_assign(host->key(), host);
  result.reading = index_.put(changed);
  // A duty may answer for others, so that all of them are asked.
  for (const auto& [key, other] : hosts_) {
    const auto& id = other->state().duty.id;
    std::set<std::string> answers;
    if (const auto seen = index_.find(id, {}, now)) answers = {seen->holder, seen->fallback};
    auto apart = index_.apart(id);
    for (const auto& [patient, person] : apart) answers.insert(person);
    auto& told = answering_[id];
    if (told.people == answers && told.apart == apart) continue;
    affected.insert(told.people.begin(), told.people.end());
    affected.insert(answers.begin(), answers.end());
    told = {std::move(answers), std::move(apart)};
  }
  affected.erase(std::string());
  return result;
}

bool duties::is_member(const std::string& duty_id, std::string_view person) const {
  const auto at = hosts_.find(care::duty_record_key(duty_id));
  return at != hosts_.end() && at->second->state().duty.what.member(person) != nullptr;
}

std::vector<store::record_key> duties::keys() const {
  std::vector<store::record_key> result;
  for (const auto& [key, host] : hosts_) result.push_back(key);
  return result;
}

}  // namespace careteam::coordination
