#include "notifier/delivery_plan.hpp"

#include <algorithm>

#include "care/notification.hpp"
#include "coordination/delivery_changes.hpp"

namespace careteam::notifier {
namespace {

constexpr std::uint32_t most_doublings = 20;
constexpr double spread = 0.25;
constexpr std::uint32_t repeats_per_channel = 3;  // G9: slower than while nothing was received, and louder with age all the same.

std::int64_t micros(store::instant t) {
  return t.time_since_epoch().count();
}
store::instant from_micros(std::int64_t us) {
  return store::instant(std::chrono::microseconds(us));
}

store::following_delivery following(internal::DeliveryPayload payload, std::uint32_t times, std::uint32_t step, store::instant due) {
  payload.set_times(times);
  payload.set_step(step);
  if (!payload.digest()) payload.set_due_us(micros(due));
  return {coordination::delivery_id(payload.effect(), times, step), std::string(coordination::by_contact), payload.SerializeAsString(),
          due};
}

/// The next time that the person is called about the same, which a channel took now; nothing: once is enough.
std::optional<store::following_delivery> next_time(v1::Priority priority, const internal::DeliveryPayload& payload, std::size_t ladder_size,
                                                   store::instant now) {
  const auto pause = care::pause_after(priority, payload.times());
  if (!pause) return std::nullopt;
  auto next = payload;
  const auto taken_by = channel_of(payload, ladder_size);
  const bool same_channel = payload.step() == 0 && payload.channel_us() != 0;
  const auto since = same_channel ? from_micros(payload.channel_us()) : now;
  const bool may_climb = taken_by + 1 < ladder_size;
  auto due = now + *pause;
  next.set_if_received_us(0);
  if (payload.repeats() > 0) {
    next.set_repeats(payload.repeats() + 1);
    next.set_climbed(may_climb && next.repeats() % repeats_per_channel == 0);
  } else {
    next.set_if_received_us(micros(due));
    const auto fallback = care::fallback_after(priority);
    const auto climb = since + fallback.value_or(*pause);
    next.set_climbed(may_climb && fallback && climb <= due);
    if (next.climbed()) due = std::max(climb, now);
  }
  next.set_channel(static_cast<std::uint32_t>(taken_by + (next.climbed() ? 1 : 0)));
  next.set_channel_us(next.climbed() ? 0 : micros(since));
  return following(std::move(next), payload.times() + 1, 0, due);
}

/// The same after a time that no channel took: any of them may do so the next time.
std::optional<store::following_delivery> time_after_none(v1::Priority priority, const internal::DeliveryPayload& payload,
                                                         store::instant now) {
  const auto pause = care::pause_after(priority, payload.times());
  if (!pause) return std::nullopt;
  auto next = payload;
  const auto due = now + *pause;
  next.set_channel(0);
  next.set_channel_us(0);
  next.set_climbed(false);
  next.set_if_received_us(payload.repeats() == 0 ? micros(due) : 0);
  return following(std::move(next), payload.times() + 1, 0, due);
}

store::delivery_outcome outcome_of(const store::stored_delivery& delivery, store::delivery_state state, store::instant next) {
  return {delivery.what.id, delivery.worker, delivery.attempts, state, next, std::nullopt};
}

}  // namespace

ladder ladder_of(const care::account* person, std::span<const care::contact_point> of_organization, bool staff) {
  if (person == nullptr || !person->works()) return {};
  if (!person->contacts.empty()) return person->contacts;
  return staff ? ladder(of_organization.begin(), of_organization.end()) : ladder();
}

std::chrono::seconds longest_wish(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_STAT:
      return std::chrono::seconds(15);
    case v1::PRIORITY_ASAP:
      return std::chrono::seconds(45);
    case v1::PRIORITY_URGENT:
      return std::chrono::seconds(75);
    default:
      return std::chrono::minutes(15);
  }
}

std::chrono::microseconds retry_pause(std::uint32_t attempts, const retry_rules& rules, double random) {
  const auto doublings = std::min(attempts == 0 ? 0 : attempts - 1, most_doublings);
  const std::chrono::microseconds plain = std::min<std::chrono::microseconds>(rules.pause * (std::int64_t{1} << doublings), rules.longest);
  return plain + std::chrono::microseconds(static_cast<std::int64_t>(static_cast<double>(plain.count()) * spread * random));
}

std::chrono::microseconds pause_before_next(std::uint32_t attempts, const attempt& how, v1::Priority priority, const retry_rules& rules,
                                            double random) {
  const auto pause = retry_pause(attempts, rules, random);
  return how.not_before ? std::max<std::chrono::microseconds>(pause, std::min(*how.not_before, longest_wish(priority))) : pause;
}

bool asks_for_receipt(const internal::DeliveryPayload& payload) {
  return payload.step() == 0 && payload.if_received_us() != 0 && payload.cause_seq() != 0;
}

std::optional<store::instant> after_receipt(internal::DeliveryPayload& payload, store::instant now) {
  const auto due = from_micros(payload.if_received_us());
  if (now < due) return due;
  if (payload.climbed()) payload.set_channel(payload.channel() - 1);
  payload.set_climbed(false);
  payload.set_if_received_us(0);
  payload.set_repeats(1);
  return std::nullopt;
}

std::size_t channel_of(const internal::DeliveryPayload& payload, std::size_t ladder_size) {
  return std::min<std::size_t>(std::size_t{payload.channel()} + payload.step(), ladder_size - 1);
}

bool is_pressing(v1::Priority priority) {
  return priority == v1::PRIORITY_STAT || priority == v1::PRIORITY_ASAP || priority == v1::PRIORITY_URGENT;
}

delivery_step after_attempt(const store::stored_delivery& delivery, const internal::DeliveryPayload& payload, attempt how,
                            std::size_t ladder_size, const retry_rules& rules, double random, store::instant now) {
  const auto priority = static_cast<v1::Priority>(delivery.what.priority);
  if (how.result == verdict::taken) {
    delivery_step sent{outcome_of(delivery, store::delivery_state::sent, now)};
    sent.outcome.then = next_time(priority, payload, ladder_size, now);
    return sent;
  }
  if (how.result == verdict::again && delivery.attempts < rules.attempts) {
    return {outcome_of(delivery, store::delivery_state::waiting, now + pause_before_next(delivery.attempts, how, priority, rules, random))};
  }
  if (how.result == verdict::unknown && delivery.attempts < rules.attempts) {
    return {outcome_of(delivery, store::delivery_state::waiting, now)};
  }
  delivery_step failed{outcome_of(delivery, store::delivery_state::failed, now)};
  if (channel_of(payload, ladder_size) + 1 < ladder_size) {
    failed.outcome.then = following(payload, payload.times(), payload.step() + 1, now);
    return failed;
  }
  failed.exhausted = is_pressing(priority);
  failed.outcome.then = time_after_none(priority, payload, now);
  return failed;
}

delivery_step after_nobody(const store::stored_delivery& delivery, const internal::DeliveryPayload& payload, store::instant now) {
  const auto priority = static_cast<v1::Priority>(delivery.what.priority);
  delivery_step step{outcome_of(delivery, store::delivery_state::failed, now), is_pressing(priority)};
  if (!payload.duty().empty()) step.outcome.then = time_after_none(priority, payload, now);
  return step;
}

store::delivery_outcome waits_until(const store::stored_delivery& delivery, store::instant until) {
  auto outcome = outcome_of(delivery, store::delivery_state::waiting, until);
  outcome.attempted = false;
  return outcome;
}

store::delivery_outcome passed_on(const store::stored_delivery& delivery, const internal::DeliveryPayload& payload,
                                  const std::string& person, bool staff, store::instant now) {
  auto outcome = outcome_of(delivery, store::delivery_state::failed, now);
  if (person.empty()) return outcome;
  auto next = payload;
  next.set_staff(staff);
  next.set_channel(0);
  next.set_channel_us(0);
  next.set_climbed(false);
  next.set_if_received_us(0);
  next.set_repeats(0);
  outcome.then = following(next, payload.times() + 1, 0, now);
  outcome.then->recipient = person;
  return outcome;
}

absl::TimeZone zone_named(const std::string& zone) {
  absl::TimeZone place;
  return absl::LoadTimeZone(zone, &place) ? place : absl::UTCTimeZone();
}

std::optional<store::instant> quiet_until(const care::quiet_hours& hours, const std::string& zone, v1::Priority priority, bool staff,
                                          store::instant now) {
  if (care::rings_in_quiet_hours(priority, staff)) return std::nullopt;
  const auto place = zone_named(zone);
  const auto here = place.At(absl::FromChrono(now)).cs;
  const auto of_day = std::chrono::hours(here.hour()) + std::chrono::minutes(here.minute());
  if (!care::is_quiet(hours, of_day)) return std::nullopt;
  auto day = absl::CivilDay(here);
  if (hours.until <= of_day) ++day;
  const auto end = absl::CivilSecond(day) + hours.until.count() * 60;
  return std::chrono::time_point_cast<std::chrono::microseconds>(absl::ToChronoTime(absl::FromCivil(end, place)));
}

}  // namespace careteam::notifier
