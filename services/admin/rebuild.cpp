#include "admin/rebuild.hpp"

#include <algorithm>

#include "coordination/record_loading.hpp"

namespace careteam::admin {
namespace {

constexpr std::size_t page = 1000;  // Record keys read at once.
constexpr std::string_view patient_prefix = "patient/";

boost::asio::awaitable<store::result<void>> compare(store::record_store& of, store::record_key key, rebuild_report& report) {
  const std::string patient = key.starts_with(patient_prefix) ? key.substr(patient_prefix.size()) : std::string();
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
  co_return store::result<void>();
}

}  // namespace

boost::asio::awaitable<store::result<rebuild_report>> rebuild(store::record_store& of) {
  rebuild_report report;
  store::record_key after;
  for (;;) {
    auto keys = co_await of.record_keys(after, page);
    if (!keys) co_return keys.error();
    if (keys->empty()) break;
    for (const auto& key : *keys) {
      auto compared = co_await compare(of, key, report);
      if (!compared) co_return compared.error();
    }
    after = keys->back();
  }
  co_return report;
}

}  // namespace careteam::admin
