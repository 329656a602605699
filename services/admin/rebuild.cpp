#include "admin/rebuild.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <tuple>
#include <unordered_map>

#include "coordination/obligation_rows.hpp"
#include "coordination/record_loading.hpp"

namespace careteam::admin {
namespace {

constexpr std::size_t page = 1000;  // Record keys read at once.

/// The rows that should be there and are not, less those that are there and should not be: nothing when they are the same, in whatever
/// order they come.
struct balance {
  std::int64_t count = 0;
  std::size_t digests = 0;
  bool operator==(const balance&) const = default;
  void add(std::size_t digest) {
    ++count;
    digests += digest;
  }
  void take_off(std::size_t digest) {
    --count;
    digests -= digest;
  }
};
using timer_balances = std::unordered_map<store::record_key, balance>;
/// By record, stream and seq.
using obligation_balances = std::map<std::tuple<store::record_key, store::stream_kind, std::uint64_t>, balance>;

struct balances {
  timer_balances timers;
  obligation_balances obligations;
};

std::size_t digest_of(const store::obligation_row& row) {
  std::string text = row.key.owner;
  for (const auto part : {static_cast<std::uint64_t>(row.key.breach.time_since_epoch().count()), std::uint64_t{row.parts},
                          std::uint64_t{row.kind}, std::uint64_t{row.priority}, std::uint64_t{row.status}, row.version}) {
    text += '\0' + std::to_string(part);
  }
  return std::hash<std::string>()(text);
}

std::size_t digest_of(const std::string& id, store::instant due) {
  return std::hash<std::string>()(id + '\0' + std::to_string(due.time_since_epoch().count()));
}

boost::asio::awaitable<store::result<void>> take_off_stored(store::record_store& of, timer_balances& timers_of) {
  std::optional<store::stored_timer> after;
  for (;;) {
    auto timers = co_await of.due_timers(store::instant::max(), after, page);
    if (!timers) co_return timers.error();
    if (timers->empty()) co_return store::result<void>();
    for (const auto& timer : *timers) timers_of[timer.record].take_off(digest_of(timer.key.id, timer.key.due));
    after = std::move(timers->back());
  }
}

boost::asio::awaitable<store::result<void>> take_off_stored(store::record_store& of, obligation_balances& owed) {
  std::optional<store::stored_obligation> after;
  for (;;) {
    auto rows = co_await of.all_obligations(after, page);
    if (!rows) co_return rows.error();
    if (rows->empty()) co_return store::result<void>();
    for (const auto& [record, row] : *rows) owed[{record, row.key.stream, row.key.seq}].take_off(digest_of(row));
    after = std::move(rows->back());
  }
}

std::string not_offered(const store::record_key& key, const std::string& person) {
  return key + ": is not offered to its member " + person;
}

boost::asio::awaitable<store::result<void>> compare(store::record_store& of, store::record_key key, rebuild_report& report,
                                                    balances& expected) {
  auto folded = co_await coordination::load_record(of, key, coordination::snapshot_use::ignore);
  if (!folded) co_return folded.error();
  auto started = co_await coordination::load_record(of, key);
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
  std::vector<std::string> members;
  for (const auto& m : folded->state.team.members) {
    // The index may be behind for memberships that end by themselves: who may read is decided from the roster.
    if (!m.end) members.push_back(care::member_key(m.person_id, m.duty_id));
  }
  for (const auto& m : folded->state.duty.what.members) members.push_back(m.person);
  for (const auto& person : members) {
    ++report.memberships;
    auto offered = co_await of.records_of(person);
    if (!offered) co_return offered.error();
    if (std::find(offered->begin(), offered->end(), key) == offered->end()) {
      report.differences.push_back(not_offered(key, person));
    }
  }
  for (const auto& [id, timer] : folded->state.timers.pending()) {
    ++report.timers;
    expected.timers[key].add(digest_of(id, timer.due));
  }
  for (const auto& row : coordination::stored_rows(folded->state)) {
    ++report.obligations;
    expected.obligations[{key, row.key.stream, row.key.seq}].add(digest_of(row));
  }
  co_return store::result<void>();
}

std::string how_many(const balance& left) {
  if (left.count == 0) return {};
  return " (" + std::to_string(std::abs(left.count)) + (left.count > 0 ? " missing)" : " too many)");
}

void name_differences(const balances& left, rebuild_report& report) {
  for (const auto& [key, timers] : left.timers) {
    if (timers != balance{}) report.differences.push_back(key + ": its timers are not what the entries say" + how_many(timers));
  }
  for (const auto& [where, rows] : left.obligations) {
    if (rows == balance{}) continue;
    const auto& [key, stream, seq] = where;
    report.differences.push_back(key + ": the obligation of entry " + std::to_string(seq) + " of stream " + std::to_string(stream) +
                                 " is not what the entries say" + how_many(rows));
  }
}

}  // namespace

boost::asio::awaitable<store::result<rebuild_report>> rebuild(store::record_store& of) {
  rebuild_report report;
  balances left;
  store::record_key after;
  for (;;) {
    auto keys = co_await of.record_keys(after, page);
    if (!keys) co_return keys.error();
    if (keys->empty()) break;
    for (const auto& key : *keys) {
      auto compared = co_await compare(of, key, report, left);
      if (!compared) co_return compared.error();
    }
    after = keys->back();
  }
  auto timers = co_await take_off_stored(of, left.timers);
  if (!timers) co_return timers.error();
  auto obligations = co_await take_off_stored(of, left.obligations);
  if (!obligations) co_return obligations.error();
  name_differences(left, report);
  co_return report;
}

}  // namespace careteam::admin
