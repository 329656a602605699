#include "admin/rebuild.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <unordered_map>

#include "coordination/record_loading.hpp"

namespace careteam::admin {
namespace {

constexpr std::size_t page = 1000;  // Record keys read at once.

/// The timers that a record should have and has not, less those that it has and should not have: nothing when they are the same, in
/// whatever order they come.
struct timer_balance {
  std::int64_t count = 0;
  std::size_t digests = 0;
  bool operator==(const timer_balance&) const = default;
};
using timer_balances = std::unordered_map<store::record_key, timer_balance>;

std::size_t digest_of(const std::string& id, store::instant due, std::uint64_t version, const std::string& command) {
  return std::hash<std::string>()(id + '\0' + std::to_string(due.time_since_epoch().count()) + '\0' + std::to_string(version) + '\0' +
                                  command);
}

boost::asio::awaitable<store::result<void>> take_off_stored(store::record_store& of, timer_balances& balances) {
  std::optional<store::timer_place> after;
  for (;;) {
    auto timers = co_await of.due_timers(store::instant::max(), after, page);
    if (!timers) co_return timers.error();
    if (timers->empty()) co_return store::result<void>();
    for (const auto& timer : *timers) {
      auto& balance = balances[timer.record];
      --balance.count;
      balance.digests -= digest_of(timer.key.id, timer.key.due, timer.version, timer.payload);
    }
    after = store::timer_place{timers->back().record, timers->back().key};
  }
}

boost::asio::awaitable<store::result<void>> compare(store::record_store& of, store::record_key key, rebuild_report& report,
                                                    timer_balances& balances) {
  const std::string patient = care::patient_of_key(key).value_or(std::string());
  auto folded = co_await coordination::load_record(of, patient, coordination::snapshot_use::ignore);
  if (!folded) co_return folded.error();
  auto started = co_await coordination::load_record(of, patient);
  if (!started) co_return started.error();
  ++report.records;
  report.entries += folded->state.version;
  if (started->snapshot_version > 0) {
    ++report.snapshots;
    if (folded->state.version == started->state.version && care::to_snapshot(folded->state) != care::to_snapshot(started->state)) {
      report.differences.push_back(key + ": the snapshot of version " + std::to_string(started->snapshot_version) +
                                   " is not what the entries say");
    }
  }
  for (const auto& head : folded->streams) {
    if (head.stream >= care::stream_count || folded->state.streams[head.stream].head != head.head) {
      report.differences.push_back(key + ": the head of stream " + std::to_string(head.stream) + " is not what the entries say");
    }
  }
  for (const auto& m : folded->state.team.members) {
    if (m.end) continue;  // The index may be behind for memberships that end by themselves: who may read is decided from the roster.
    ++report.memberships;
    auto offered = co_await of.records_of(m.person_id);
    if (!offered) co_return offered.error();
    if (std::find(offered->begin(), offered->end(), key) == offered->end()) {
      report.differences.push_back(key + ": is not offered to its member " + m.person_id);
    }
  }
  for (const auto& [id, timer] : folded->state.timers.pending()) {
    auto& balance = balances[key];
    ++report.timers;
    ++balance.count;
    balance.digests += digest_of(id, timer.due, timer.version, timer.command);
  }
  co_return store::result<void>();
}

}  // namespace

boost::asio::awaitable<store::result<rebuild_report>> rebuild(store::record_store& of) {
  rebuild_report report;
  timer_balances balances;
  store::record_key after;
  for (;;) {
    auto keys = co_await of.record_keys(after, page);
    if (!keys) co_return keys.error();
    if (keys->empty()) break;
    for (const auto& key : *keys) {
      auto compared = co_await compare(of, key, report, balances);
      if (!compared) co_return compared.error();
    }
    after = keys->back();
  }
  auto walked = co_await take_off_stored(of, balances);
  if (!walked) co_return walked.error();
  for (const auto& [key, balance] : balances) {
    if (balance == timer_balance{}) continue;
    report.differences.push_back(key + ": its timers are not what the entries say" +
                                 (balance.count == 0
                                      ? std::string()
                                      : " (" + std::to_string(std::abs(balance.count)) + (balance.count > 0 ? " missing)" : " too many)")));
  }
  co_return report;
}

}  // namespace careteam::admin
