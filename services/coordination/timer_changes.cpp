#include "coordination/timer_changes.hpp"

#include "store/limits.hpp"

namespace careteam::coordination {

static_assert(care::max_timer_id_bytes <= store::max_id_bytes, "what the domain sets, the store takes");

void add_timer_changes(store::record_append& to, std::vector<care::timer_change> changes) {
  for (auto& change : changes) {
    if (change.now && change.was == change.now->due) continue;  // What is to be done is another thing, which the state knows.
    if (change.now) {
      to.set_timers.push_back({{std::move(change.id), change.now->due}, change.was});
    } else if (change.was) {
      to.cancel_timers.push_back({std::move(change.id), *change.was});
    }
  }
}

}  // namespace careteam::coordination
