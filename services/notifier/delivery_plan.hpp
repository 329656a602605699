// What follows from an attempt to call somebody: pure rules (G3, G4, G6, G9).
//
//   taken                    sent; the person is called again until the obligation is quiet
//   again                    over the same channel, with growing pauses, for a number of attempts; then as refused
//   unknown                  over the same channel, now; it counts among the attempts, so that what kills its sender does not do so for
//                            ever
//   refused                  the next channel of the person, now
//   no channel left          a human is told; the person is called again after the usual pause all the same, from their first channel. Not
//                            of what is routine: that waits in the worklist, and a deadline that passes asks others without this
//
// When they are called again, and over which channel, hangs on whether a device of theirs has received the entry that led to the call, or
// a later one of its stream (F4). This is asked when the time has come.
//
//   none has received it     the next channel whenever that has been so for 1 minute (stat), 3 (asap) or 5 (urgent) since the last one was
//                            taken; between, and over the last channel, again after each pause: 1 minute (stat), 2 (asap), 5 (urgent;
//                            after ten times an hour). Asap over three channels: 0:00 the first, 2:00 again, 3:00 the second, 5:00 again,
//                            6:00 the third, 8:00 again …
//   one has received it      after each pause over the channel of the last call, which had reached them; with every third call that they
//                            still do not answer over one channel further up
//   nobody can tell          as if none had: louder is safer
//
// Somebody to whom a call was passed on is called over their first channel at once, whatever their devices hold. A call that waits for the
// end of quiet hours is looked at in this way when they have ended.
#pragma once

#include <absl/time/time.h>

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

/// The pause after an attempt that is to be made again: our own, or the provider's wish within the patience of the priority.
std::chrono::microseconds pause_before_next(std::uint32_t attempts, const attempt& how, v1::Priority priority, const retry_rules& rules,
                                            double random);

/// Whether a time that has come hangs on what the person's devices have received.
bool asks_for_receipt(const internal::DeliveryPayload& payload);
/// They have received it: makes the time one of those that follow a receipt. Answers until when it waits; nothing: it has come.
std::optional<store::instant> after_receipt(internal::DeliveryPayload& payload, store::instant now);
/// The channel of the ladder for this step of this time. `ladder_size`: not 0.
std::size_t channel_of(const internal::DeliveryPayload& payload, std::size_t ladder_size);

/// A call that reached nobody is a human's to see to (G9), but for what is routine (G3).
bool is_pressing(v1::Priority priority);

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

/// A time zone by its IANA name; one that this machine does not know counts as UTC.
absl::TimeZone zone_named(const std::string& zone);

/// Until when a call has to wait for the end of somebody's quiet hours; nothing: it may go out now. `zone`: as for zone_named.
std::optional<store::instant> quiet_until(const care::quiet_hours& hours, const std::string& zone, v1::Priority priority, bool staff,
                                          store::instant now);

}  // namespace careteam::notifier
