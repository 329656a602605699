// Applies what the FHIR reader yields: each unit as one commit, or not at all. Works on the store alone, as another writer beside the
// record hosts; whoever runs hosts tells them to refresh what was touched.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <set>
#include <string>

#include "admin/unit_sink.hpp"
#include "care/record.hpp"
#include "runtime/clock.hpp"

namespace careteam::admin {

class importer final : public unit_sink {
 public:
  /// `snapshot_every`: entries between a record's snapshots, as the record hosts have it. `tasks`: the deadlines of tasks, as the hosts
  /// have them; must outlive this.
  importer(store::record_store& into, const runtime::clock& clock, std::uint64_t snapshot_every,
           const care::task_setting& tasks = care::usual_task_setting())
      : store_(into), clock_(clock), snapshot_every_(snapshot_every), tasks_(tasks) {}

  /// An error: the store cannot be written, and nothing of this unit was applied.
  boost::asio::awaitable<store::result<unit_outcome>> apply(import_unit unit) override;

  /// The record stands at this version now: what is remembered of another one is forgotten.
  void forget_unless(const std::string& patient_id, std::uint64_t version);

 private:
  struct working_record {
    care::record_state state;
    std::uint64_t snapshot_version = 0;
  };
  struct draft;
  /// How far the tasks of a unit have come.
  struct task_progress {
    std::map<std::string, care::place> begun;  ///< Where those began that this unit began.
    std::set<std::string> passed_over;         ///< Refused, or this store's own: their further steps are not taken.
  };
  enum class preparation { ready, nothing_to_do };
  /// Finds the task that the step acts on and reads what the decision needs.
  boost::asio::awaitable<store::result<preparation>> prepare_task_step(const import_step& step, care::record_state& state,
                                                                       v1::Command& command, task_progress& progress);
  /// Where an earlier import began it; seq 0: none did.
  boost::asio::awaitable<store::result<care::place>> find_task(std::string task);
  boost::asio::awaitable<store::result<void>> page_in(care::record_state& state, care::place at);
  boost::asio::awaitable<store::result<working_record*>> record(std::string patient_id);
  boost::asio::awaitable<store::result<std::optional<unit_outcome>>> attempt(const import_unit& unit);

  store::record_store& store_;
  const runtime::clock& clock_;
  std::uint64_t snapshot_every_;
  const care::task_setting& tasks_;
  std::map<std::string, working_record> records_;
};

}  // namespace careteam::admin
