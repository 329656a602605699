#include "coordination/people.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "coordination/record_host.hpp"
#include "runtime/hex.hpp"

namespace careteam::coordination {
namespace {

constexpr std::size_t forget_above = 10'000;  // Senders remembered before the old ones are looked for.

std::string random_token() {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) throw std::runtime_error("no random bytes");
  return runtime::to_hex(bytes, sizeof bytes);
}

bool same_secret(const std::string& one, const std::string& other) {
  return one.size() == other.size() && !one.empty() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace

const care::organization_state& people::accounts() const {
  return organization_->state().organization;
}

std::uint32_t people::stat_in_last_hour(const std::string& person, care::instant now) {
  const auto at = lately_.find(person);
  if (at == lately_.end()) return 0;
  auto& stat = at->second.stat;
  while (!stat.empty() && stat.front() + std::chrono::hours(1) <= now) stat.pop_front();
  return static_cast<std::uint32_t>(stat.size());
}

void people::note_stat(const std::string& person, care::instant now) {
  lately_[person].stat.push_back(now);
}

std::string people::confirmation_needed(const std::string& person, const std::string& patient, const std::string& confirmed_with,
                                        std::chrono::milliseconds window, care::instant now) {
  const auto at = lately_.find(person);
  if (at == lately_.end()) return {};
  auto& last = at->second;
  if (last.patient.empty() || last.patient == patient || last.posted + window <= now) return {};
  if (last.confirm_patient == patient && same_secret(last.confirm_token, confirmed_with)) return {};
  if (last.confirm_patient != patient || last.confirm_token.empty()) {
    last.confirm_patient = patient;
    last.confirm_token = random_token();
  }
  return last.confirm_token;
}

void people::note_post(const std::string& person, const std::string& patient, care::instant now) {
  if (lately_.size() > forget_above) forget_old(now);
  auto& last = lately_[person];
  last.patient = patient;
  last.posted = now;
  last.confirm_patient.clear();
  last.confirm_token.clear();
}

void people::forget_old(care::instant now) {
  std::erase_if(lately_, [&](auto& one) {
    return one.second.posted + std::chrono::hours(1) <= now &&
           (one.second.stat.empty() || one.second.stat.back() + std::chrono::hours(1) <= now);
  });
}

}  // namespace careteam::coordination
