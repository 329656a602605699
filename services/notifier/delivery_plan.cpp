#include "notifier/delivery_plan.hpp"

#include <absl/time/time.h>

#include <algorithm>

#include "care/notification.hpp"
#include "coordination/delivery_changes.hpp"

namespace careteam::notifier {
namespace {

constexpr std::uint32_t most_doublings = 20;
constexpr double spread = 0.25;

store::following_delivery following(const internal::DeliveryPayload& of, std::uint32_t times, std::uint32_t step, store::instant due) {
  internal::DeliveryPayload payload = of;
  payload.set_times(times);
  payload.set_step(step);
  payload.set_due_us(due.time_since_epoch().count());
  return {coordination::delivery_id(of.effect(), times, step), std::string(coordination::by_contact), payload.SerializeAsString(), due};
}

/// The next time that the person is called about the same; nothing: once is enough.
std::optional<store::following_delivery> next_time(v1::Priority priority, const internal::DeliveryPayload& payload, std::size_t ladder_size,
                                                   store::instant now) {
  const auto pause = care::pause_after(priority, payload.times());
  if (!pause) return std::nullopt;
  const auto times = payload.times() + 1;
  const auto step = std::min<std::size_t>(times - 1, ladder_size - 1);
  return following(payload, times, static_cast<std::uint32_t>(step), now + *pause);
}

/// A call that reached nobody is a human's to see to (G9), but for what is routine (G3).
bool is_pressing(v1::Priority priority) {
  return priority == v1::PRIORITY_STAT || priority == v1::PRIORITY_ASAP || priority == v1::PRIORITY_URGENT;
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

delivery_step after_attempt(const store::stored_delivery& delivery, const internal::DeliveryPayload& payload, attempt how,
                            std::size_t ladder_size, const retry_rules& rules, double random, store::instant now) {
  const auto priority = static_cast<v1::Priority>(delivery.what.priority);
  if (how.result == verdict::taken) {
    delivery_step sent{outcome_of(delivery, store::delivery_state::sent, now)};
    sent.outcome.then = next_time(priority, payload, ladder_size, now);
    return sent;
  }
  if (how.result == verdict::again && delivery.attempts < rules.attempts) {
    std::chrono::microseconds pause = retry_pause(delivery.attempts, rules, random);
    if (how.not_before) pause = std::max<std::chrono::microseconds>(pause, std::min(*how.not_before, longest_wish(priority)));
    return {outcome_of(delivery, store::delivery_state::waiting, now + pause)};
  }
  if (how.result == verdict::unknown && delivery.attempts < rules.attempts) {
    return {outcome_of(delivery, store::delivery_state::waiting, now)};
  }
  delivery_step failed{outcome_of(delivery, store::delivery_state::failed, now)};
  if (payload.step() + 1 < ladder_size) {
    failed.outcome.then = following(payload, payload.times(), payload.step() + 1, now);
    return failed;
  }
  failed.exhausted = is_pressing(priority);
  failed.outcome.then = next_time(priority, payload, ladder_size, now);
  return failed;
}

delivery_step after_nobody(const store::stored_delivery& delivery, const internal::DeliveryPayload& payload, store::instant now) {
  const auto priority = static_cast<v1::Priority>(delivery.what.priority);
  delivery_step step{outcome_of(delivery, store::delivery_state::failed, now), is_pressing(priority)};
  if (!payload.duty().empty()) step.outcome.then = next_time(priority, payload, 1, now);
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
  outcome.then = following(next, payload.times() + 1, 0, now);
  outcome.then->recipient = person;
  return outcome;
}

std::optional<store::instant> quiet_until(const care::quiet_hours& hours, const std::string& zone, v1::Priority priority, bool staff,
                                          store::instant now) {
  if (care::rings_in_quiet_hours(priority, staff)) return std::nullopt;
  absl::TimeZone place;
  if (!absl::LoadTimeZone(zone, &place)) place = absl::UTCTimeZone();
  const auto here = place.At(absl::FromChrono(now)).cs;
  const auto of_day = std::chrono::hours(here.hour()) + std::chrono::minutes(here.minute());
  if (!care::is_quiet(hours, of_day)) return std::nullopt;
  auto day = absl::CivilDay(here);
  if (hours.until <= of_day) ++day;
  const auto end = absl::CivilSecond(day) + hours.until.count() * 60;
  return std::chrono::time_point_cast<std::chrono::microseconds>(absl::ToChronoTime(absl::FromCivil(end, place)));
}

}  // namespace careteam::notifier
