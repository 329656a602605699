#include "notifier/daily_digest.hpp"

#include <absl/time/time.h>

#include <utility>

#include "coordination/delivery_changes.hpp"

namespace careteam::notifier {
namespace {

/// The same for the same person in every process (FNV-1a).
std::chrono::microseconds place_in_second(std::string_view person) {
  std::uint64_t sum = 14'695'981'039'346'656'037U;
  for (const char each : person) sum = (sum ^ static_cast<unsigned char>(each)) * 1'099'511'628'211U;
  return std::chrono::microseconds(sum % 1'000'000);
}

absl::CivilDay day_of(store::instant t, const std::string& zone) {
  return absl::CivilDay(zone_named(zone).At(absl::FromChrono(t)).cs);
}

}  // namespace

digest_time digest_of_day(const digest_rules& rules, std::string_view person, absl::CivilDay day) {
  const auto time = zone_named(rules.time_zone).At(absl::CivilSecond(day) + rules.at.count() * 60);
  const bool left_out = time.kind == absl::TimeZone::TimeInfo::SKIPPED;
  auto at = std::chrono::time_point_cast<std::chrono::microseconds>(absl::ToChronoTime(left_out ? time.trans : time.pre));
  if (rules.quiet) at = quiet_until(*rules.quiet, rules.time_zone, v1::PRIORITY_ROUTINE, false, at).value_or(at);
  return {day, at + place_in_second(person)};
}

digest_time last_digest(const digest_rules& rules, std::string_view person, store::instant now) {
  auto found = digest_of_day(rules, person, day_of(now, rules.time_zone));
  while (now < found.at) found = digest_of_day(rules, person, found.day - 1);
  return found;
}

digest_time next_digest(const digest_rules& rules, std::string_view person, store::instant now) {
  return digest_of_day(rules, person, last_digest(rules, person, now).day + 1);
}

std::string digest_id(std::string_view secret, std::string_view person, absl::CivilDay day, std::uint32_t step) {
  const auto text = "digest\n" + absl::FormatCivilTime(day) + '\n' + std::string(person);
  return coordination::delivery_id(coordination::effect_of(text, secret), 1, step);
}

store::following_delivery digest_after(const internal::DeliveryPayload& payload, const digest_time& next, store::instant now) {
  auto open = payload;
  open.set_times(payload.times() + 1);
  open.set_step(0);
  open.set_digest(true);
  open.set_due_us(now.time_since_epoch().count());
  return {coordination::delivery_id(open.effect(), open.times(), 0), std::string(coordination::by_contact), open.SerializeAsString(),
          next.at};
}

digest_calls::joined digest_calls::join(const std::string& person, absl::CivilDay day, const std::string& delivery, store::instant now) {
  if (newest_ < day) forget_before(day);
  auto& one = calls_[person];
  if (one.under_way) {
    one.deliveries.push_back(delivery);
    return {share::along};
  }
  if (one.day < day) one = {day};
  if (one.over) return {share::made};
  if (now < one.again) return {share::later, 0, one.again};
  one.under_way = true;
  ++one.attempts;
  one.deliveries = {delivery};
  return {share::first, one.step};
}

digest_calls::ended digest_calls::end(const std::string& person, attempt how, std::size_t ladder_size, const retry_rules& rules,
                                      double random, store::instant now) {
  const auto at = calls_.find(person);
  if (at == calls_.end()) return {};
  auto& one = at->second;
  one.under_way = false;
  ended what{std::exchange(one.deliveries, {}), store::delivery_state::failed, std::nullopt};
  const bool anew = how.result == verdict::again || how.result == verdict::unknown;
  if (anew && one.attempts < rules.attempts) {
    what.over_channel = store::delivery_state::waiting;
    one.again = now;
    if (how.result == verdict::again) one.again += pause_before_next(one.attempts, how, v1::PRIORITY_ROUTINE, rules, random);
    what.again = one.again;
  } else if (how.result != verdict::taken && one.step + 1 < ladder_size) {
    ++one.step;
    one.attempts = 0;
    what.again = one.again = now;
  } else {
    if (how.result == verdict::taken) what.over_channel = store::delivery_state::sent;
    one.over = true;
  }
  return what;
}

void digest_calls::forget_before(absl::CivilDay day) {
  std::erase_if(calls_, [&](const auto& one) { return one.second.day < day && !one.second.under_way; });
  newest_ = day;
}

}  // namespace careteam::notifier
