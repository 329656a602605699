// The daily digest (G4, table 3.1): what is routine rings once, and while it is open once more on each day, at a time that the clinic sets.
// Everything that is routine for one person rings as one call.
//
// Each thing that is open keeps one row of the outbox, which waits for the person's next digest, rings with their others and waits on. When
// the thing is answered its row is quiet like any other, so that whoever has nothing open gets no digest. A row that comes while its
// person's call is under way is a part of it, and one that comes later on the same day was rung with it; what the call met counts for all.
//
// The call has a key of (person, day): a process that dies between the call and its rows makes it again under the same key. It has no row
// of its own, so that what a provider reports of it later is of no delivery that is known.
#pragma once

#include <absl/time/civil_time.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "care/quiet_hours.hpp"
#include "notifier/delivery_plan.hpp"

namespace careteam::notifier {

/// When a person gets their digests.
struct digest_rules {
  std::chrono::minutes at{0};              ///< Of the day.
  std::string time_zone;                   ///< As for quiet_until.
  std::optional<care::quiet_hours> quiet;  ///< The person's; when they end later on, the digest is then.
};

/// One digest. `day`: whose it is, also when quiet hours hold it until the next one.
struct digest_time {
  absl::CivilDay day;
  store::instant at{};
};

/// The digest of a day. Where the clocks leave its hour out it is when they are set, and where they repeat it the first time. People get
/// theirs spread over a second, so that the rows of each are due together and before the next one's.
digest_time digest_of_day(const digest_rules& rules, std::string_view person, absl::CivilDay day);
/// The last digest that was due by an instant, and the first one after it.
digest_time last_digest(const digest_rules& rules, std::string_view person, store::instant now);
digest_time next_digest(const digest_rules& rules, std::string_view person, store::instant now);

/// The id under which a digest is sent over the nth channel (from 0). `secret`: as for delivery ids.
std::string digest_id(std::string_view secret, std::string_view person, absl::CivilDay day, std::uint32_t step);

/// The row that waits for digests after a call about something routine.
store::following_delivery digest_after(const internal::DeliveryPayload& payload, const digest_time& next, store::instant now);

/// The digests that are under way or were made today, by person. One entry for each person who gets one, until the next day's.
class digest_calls {
 public:
  enum class share : std::uint8_t {
    first,  ///< The call is to be made now, over the channel that it has come to.
    along,  ///< It is under way.
    later,  ///< It was tried, and is again at an instant.
    made    ///< It was made, or no channel was left.
  };
  struct joined {
    share how = share::first;
    std::uint32_t step = 0;  ///< With `first`: the channel, from 0.
    store::instant again{};  ///< With `later`.
  };
  /// A delivery that is due takes part in the person's digest.
  joined join(const std::string& person, absl::CivilDay day, const std::string& delivery, store::instant now);

  struct ended {
    std::vector<std::string> deliveries;                                  ///< For which it counts.
    store::delivery_state over_channel = store::delivery_state::waiting;  ///< As for a delivery of its own.
    std::optional<store::instant> again;                                  ///< Nothing: the digest of this day is over.
  };
  /// The attempt has ended that the last `first` began. `random`: as for retry_pause.
  ended end(const std::string& person, attempt how, std::size_t ladder_size, const retry_rules& rules, double random, store::instant now);
  std::size_t people() const { return calls_.size(); }

 private:
  struct call {
    absl::CivilDay day;
    bool under_way = false;
    bool over = false;
    std::uint32_t step = 0;
    std::uint32_t attempts = 0;  ///< Over this channel.
    store::instant again{};
    std::vector<std::string> deliveries{};
  };
  void forget_before(absl::CivilDay day);

  std::unordered_map<std::string, call> calls_;
  absl::CivilDay newest_ = absl::CivilDay::min();
};

}  // namespace careteam::notifier
