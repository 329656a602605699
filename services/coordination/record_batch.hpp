// One batch of a record host between decision and commit, and what its commands hear when there is none. Only the host's files include it.
#pragma once

#include <set>

#include "care/worklist.hpp"
#include "coordination/delivery_changes.hpp"
#include "coordination/record_host.hpp"

namespace careteam::coordination {

struct record_host::batch {
  struct refused {
    std::size_t command = 0;
    care::refusal why;
  };
  struct accepted {
    std::size_t command = 0;
    care::place where;
    care::facts entries;
    bool remembered_here = false;  ///< The answer was at hand: the store knows the command already.
  };
  std::vector<submission> commands;
  std::vector<noted> notes;
  std::vector<fired> timers;
  std::vector<char> answered;  ///< By command: it has its answer already.
  std::vector<refused> refusals;
  std::vector<accepted> acceptances;
  std::vector<std::pair<std::size_t, std::size_t>> twins;  ///< The same command sent twice in one batch: (second, first).
  std::array<std::shared_ptr<stream_batch>, care::stream_count> streams;
  std::vector<shared_batch> order;
  std::vector<v1::Entry> audience_changes;
  std::uint64_t expected_version = 0;
  std::size_t entry_count = 0;
  std::set<std::string> members_touched;
  care::obligation_changes obligations;
  std::vector<care::place> obligations_touched;
  delivery_changes deliveries;
  std::vector<care::owed_item> owed;  ///< What the duty owes, where the record is one.
  care::instant now;

  batch(const store::record_key& record, const std::string& epoch) : deliveries(record, epoch) {}
  void start_over(std::uint64_t version, care::instant at) {
    refusals.clear();
    acceptances.clear();
    twins.clear();
    streams = {};
    order.clear();
    audience_changes.clear();
    members_touched.clear();
    obligations.clear();
    deliveries.clear();
    expected_version = version;
    entry_count = 0;
    now = at;
  }
};

care::refusal try_later();
/// What a command hears when the store failed.
care::refusal refusal_of(boost::system::error_code failed);
care::refusal other_command();

}  // namespace careteam::coordination
