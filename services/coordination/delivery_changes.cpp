#include "coordination/delivery_changes.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "careteam/internal/delivery.pb.h"
#include "runtime/hex.hpp"
#include "store/limits.hpp"

namespace careteam::coordination {
namespace {

constexpr std::size_t effect_bytes = 16;  // Of 32: enough that no two of a store are ever the same.

bool is_staff(const care::organization_state& people, std::string_view person) {
  const auto* account = people.find(person);
  return account && account->kind == v1::PERSON_KIND_STAFF;
}

}  // namespace

std::string delivery_id(std::string_view effect, std::uint32_t times, std::uint32_t step) {
  return std::string(effect) + '-' + std::to_string(times) + '-' + std::to_string(step);
}

std::string effect_of(std::string_view text, std::string_view secret) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       digest.data(), &size);
  return runtime::to_hex(digest.data(), effect_bytes);
}

void delivery_changes::add(const care::call_changes& changes, const care::organization_state& people, care::instant now) {
  for (const auto& over : changes.over) {
    std::erase_if(added_, [&](const addition& one) { return one.what.about == over; });
    if (std::find(quiet_.begin(), quiet_.end(), over) == quiet_.end()) quiet_.push_back(over);
  }
  for (const auto& one : changes.calls) {
    const auto pause = care::pause_after(one.priority, 1);
    const store::instant first = one.again && pause ? now + *pause : now;
    added_.push_back({one, is_staff(people, one.person), first, one.again && !pause});
  }
}

store::new_delivery delivery_changes::delivery_of(const addition& one) const {
  const auto place = [](care::place at) { return std::to_string(at.stream) + '/' + std::to_string(at.seq); };
  const std::string told = record_ + '\n' + care::obligation_name(one.what.about.about, one.what.about.what) + '\n' +
                           place(one.what.cause) + '\n' + one.what.person;
  internal::DeliveryPayload payload;
  payload.set_effect(effect_of(told, secret_));
  payload.set_times(1);
  payload.set_staff(one.staff);
  payload.set_due_us(one.first.time_since_epoch().count());
  payload.set_duty(one.what.duty);
  payload.set_cause_stream(static_cast<std::uint32_t>(one.what.cause.stream));
  payload.set_cause_seq(one.what.cause.seq);
  payload.set_digest(one.digest);
  const auto& about = one.what.about;
  return {delivery_id(payload.effect(), 1, 0),
          care::obligation_name(about.about, about.what),
          std::string(by_contact),
          one.what.person,
          static_cast<std::uint32_t>(one.what.priority),
          payload.SerializeAsString(),
          one.first};
}

void delivery_changes::move_to(store::record_append& append, calls which) {
  for (const auto& over : quiet_) append.quiet_obligations.push_back(care::obligation_name(over.about, over.what));
  if (which == calls::keep) {
    for (const auto& one : added_) append.add_deliveries.push_back(delivery_of(one));
  }
  clear();
}

void delivery_changes::clear() {
  quiet_.clear();
  added_.clear();
}

}  // namespace careteam::coordination
