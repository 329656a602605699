// What follows from an attempt to call somebody: pure rules (G3, G4, G6, G9).
//
//   taken                    sent; the person is called again after the usual pause until the obligation is quiet
//   again                    over the same channel, with growing pauses, for a number of attempts; then as refused
//   unknown                  over the same channel, now; it counts among the attempts, so that what kills its sender does not do so for
//   ever refused                  the next channel of the person, now no channel left          a human is told; the person is called again
//   after the usual pause all the same. Not of what is routine: that
//                            waits in the worklist, and a deadline that passes asks others without this
//
// The nth time begins with the nth channel: what did not reach anybody is followed by what is louder.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "care/organization.hpp"
#include "care/quiet_hours.hpp"
#include "careteam/internal/delivery.pb.h"
#include "notifier/channel.hpp"
#include "store/store.hpp"

namespace careteam::notifier {

/// The channels of one person, in the order in which they are tried.
using ladder = std::vector<care::contact_point>;

/// A person's own contacts; for staff without any, the organisation's. Nobody calls a person whose account does not work.
ladder ladder_of(const care::account* person, std::span<const care::contact_point> of_organization, bool staff);

struct retry_rules {
  std::size_t attempts = 4;                   ///< Over one channel.
  std::chrono::milliseconds pause{1'000};     ///< Before the second attempt; doubled for each further one.
  std::chrono::milliseconds longest{60'000};  ///< No pause that we choose is longer.
};

/// What a provider's own wish to be left alone is cut to: nobody waits longer for a channel while there may be another.
std::chrono::seconds longest_wish(v1::Priority priority);

/// The pause after the nth attempt (from 1). `random`: 0 to 1, for the quarter by which pauses are spread.
std::chrono::microseconds retry_pause(std::uint32_t attempts, const retry_rules& rules, double random);

/// What is recorded of an attempt, and whether a human has to be told before it is.
struct delivery_step {
  store::delivery_outcome outcome;
  bool exhausted = false;
};

/// After an attempt over the channel of the delivery's step.
delivery_step after_attempt(const store::stored_delivery& delivery, const internal::DeliveryPayload& payload, attempt how,
                            std::size_t ladder_size, const retry_rules& rules, double random, store::instant now);
/// A person without any channel: nothing follows but the human. A call for a duty goes on, since somebody else may come to have it.
delivery_step after_nobody(const store::stored_delivery& delivery, const internal::DeliveryPayload& payload, store::instant now);

/// Nothing was tried: the delivery waits until an instant.
store::delivery_outcome waits_until(const store::stored_delivery& delivery, store::instant until);
/// The call ends for its person, and goes on with another, from their first channel. Empty: with nobody.
store::delivery_outcome passed_on(const store::stored_delivery& delivery, const internal::DeliveryPayload& payload,
                                  const std::string& person, bool staff, store::instant now);

/// Until when a call has to wait for the end of somebody's quiet hours; nothing: it may go out now. `zone`: an IANA name that is known to
/// this machine; whatever is not counts as UTC.
std::optional<store::instant> quiet_until(const care::quiet_hours& hours, const std::string& zone, v1::Priority priority, bool staff,
                                          store::instant now);

}  // namespace careteam::notifier
