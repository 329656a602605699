#include "coordination/timer_changes.hpp"

#include "store/limits.hpp"

namespace careteam::coordination {

static_assert(care::max_timer_id_bytes <= store::max_id_bytes && care::max_timer_command_bytes <= store::max_timer_payload_bytes,
              "what the domain sets, the store takes");

void add_timer_changes(store::record_append& to, std::vector<care::timer_change> changes) {
  for (auto& change : changes) {
    if (change.now) {
      to.set_timers.push_back({{std::move(change.id), change.now->due}, change.was, change.now->version, std::move(change.now->command)});
    } else if (change.was) {
      to.cancel_timers.push_back({std::move(change.id), *change.was});
    }
  }
}

}  // namespace careteam::coordination
