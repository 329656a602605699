#include "coordination/record_hosts.hpp"

#include <algorithm>

#include "runtime/log.hpp"

namespace careteam::coordination {

std::shared_ptr<record_host> record_hosts::find_or_make(const store::record_key& key) {
  if (const auto at = hosts_.find(key); at != hosts_.end()) return at->second;
  unload_some();
  auto host = std::make_shared<record_host>(environment_, key);
  hosts_.emplace(key, host);
  return host;
}

std::shared_ptr<record_host> record_hosts::find(const store::record_key& key) const {
  const auto at = hosts_.find(key);
  return at == hosts_.end() ? nullptr : at->second;
}

void record_hosts::refresh(const store::record_key& key) {
  if (const auto at_work = find(key)) {
    at_work->refresh();
    return;
  }
  const auto host = find_or_make(key);
  host->when_settled([this, host](boost::system::error_code failed) {
    if (!failed && environment_.listener) environment_.listener->audience_changed(*host);
  });
}

void record_hosts::fire(store::stored_timer timer, timer_done done) {
  if (!care::new_record(timer.record)) {
    runtime::log_error("timer_of_no_record", {{"record", timer.record}, {"timer", timer.key.id}});
    return done(make_error_code(store::errc::corrupt));
  }
  const auto host = find_or_make(timer.record);
  host->fire(std::move(timer), std::move(done));
}

std::size_t record_hosts::quarantined() const {
  return static_cast<std::size_t>(std::count_if(hosts_.begin(), hosts_.end(), [](const auto& one) { return one.second->quarantined(); }));
}

bool record_hosts::idle() const {
  return std::all_of(hosts_.begin(), hosts_.end(), [](const auto& one) { return one.second->idle(); });
}

void record_hosts::unload_some() {
  // Amortised: looked for only each time another thousand was loaded.
  const auto unread = [](const auto& one) { return one.second->readers == 0 && one.second->idle() && one.second.use_count() == 1; };
  if (hosts_.size() < max_unread_hosts || hosts_.size() % max_unread_hosts != 0) return;
  std::erase_if(hosts_, [&](const auto& one) { return !one.second->state().is_organization() && unread(one); });
}

}  // namespace careteam::coordination
