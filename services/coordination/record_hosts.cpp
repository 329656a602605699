#include "coordination/record_hosts.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "coordination/digest.hpp"
#include "coordination/duties.hpp"
#include "runtime/log.hpp"

namespace careteam::coordination {

namespace {

constexpr std::chrono::seconds between_looks_at_the_clock{1};
constexpr std::chrono::milliseconds clock_was_set{500};  // What it drifts in a second is less.

}  // namespace

record_hosts::record_hosts(host_environment environment) : environment_(std::move(environment)), clock_watch_(environment_.executor) {
  environment_.duty_readers_changed = [this](const std::string& duty_id) { appoint_anew(duty_id); };
  environment_.accounts_changed = [this](const care::organization_state& accounts) { look_for_deaths(accounts); };
}

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
  tell_audience(find_or_make(key));
}

void record_hosts::tell_audience(const std::shared_ptr<record_host>& host) {
  host->when_settled([this, host](boost::system::error_code failed) {
    if (!failed && environment_.listener) environment_.listener->audience_changed(*host);
  });
}

// Decisions stand on the new holder from here on. What a record is just writing was decided before, and is handed out before its people
// are looked at.
void record_hosts::appoint_anew(const std::string& duty_id) {
  std::vector<std::shared_ptr<record_host>> changed;
  for (const auto& [key, host] : hosts_) {
    if (host->appoint()) changed.push_back(host);
  }
  for (const auto& host : changed) tell_audience(host);
  boost::asio::co_spawn(environment_.executor, offer(duty_id), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

// Nobody looks at the other records, but whoever has the duty now may be there.
boost::asio::awaitable<void> record_hosts::offer(std::string duty_id) {
  const auto records = co_await environment_.store.records_of(care::member_key({}, duty_id));
  if (!records) {
    runtime::log_error("records_of_duty_not_read", {{"duty", duty_id}, {"error", records.error()}});
    co_return;
  }
  for (const auto& key : *records) {
    const auto patient = care::patient_of_key(key);
    if (!patient || find(key)) continue;
    const auto now = environment_.all_duties->directory().appointment(duty_id, *patient);
    if (now && environment_.listener && environment_.listener->listens(now->person)) tell_audience(find_or_make(key));
  }
}

// A server that ends before the protocols have stopped leaves that to their own timers.
void record_hosts::look_for_deaths(const care::organization_state& accounts) {
  std::set<std::string, std::less<>> deceased;
  for (const auto& [person, account] : accounts.people) {
    if (!account.deceased) continue;
    deceased.insert(person);
    if (deceased_ && !deceased_->contains(person)) stop_protocols(person);
  }
  deceased_ = std::move(deceased);
}

void record_hosts::stop_protocols(const std::string& patient) {
  const auto host = find_or_make(care::record_key(patient));
  host->when_settled([host, patient](boost::system::error_code failed) {
    if (failed) return;
    for (const auto& [protocol, state] : host->state().protocols.running) {
      submission stop;
      stop.command.set_patient_id(patient);
      auto& asked = *stop.command.mutable_stop_protocol();
      asked.mutable_protocol()->set_stream(protocol.stream);
      asked.mutable_protocol()->set_protocol_id(protocol.id);
      asked.set_reason(std::string(care::deceased_reason));
      stop.who.system = true;
      // An id is a protocol's once in its stream.
      stop.digest = stop.id = digest_of(stop.command);
      stop.answer = [](const submission&, const command_answer& given) {
        if (!given.result) runtime::log_error("protocol_not_stopped", {{"text", given.result.error().message}});
      };
      host->submit(std::move(stop));
    }
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

void record_hosts::watch_clock() {
  const std::chrono::nanoseconds offset = environment_.clock.now().time_since_epoch() - std::chrono::steady_clock::now().time_since_epoch();
  if (std::chrono::abs(offset - clock_offset_) > clock_was_set) {
    auto hosts = hosts_;  // Whoever is told may ask for others.
    for (const auto& [key, host] : hosts) host->look_at_boundary();
  }
  clock_offset_ = offset;
  clock_watch_.expires_after(between_looks_at_the_clock);
  clock_watch_.async_wait([this](boost::system::error_code failed) {
    if (!failed) watch_clock();
  });
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
