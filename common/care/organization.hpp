// The organisation's people (B10 in part): who has an account, who is suspended, who administers. A record of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "care/command.hpp"
#include "care/time.hpp"
#include "careteam/v1/entries.pb.h"

namespace careteam::care {

struct account {
  std::string name;
  v1::PersonKind kind = v1::PERSON_KIND_UNSPECIFIED;
  bool administrator = false;
  bool suspended = false;
  instant revoked{};  ///< Tokens that were issued until then are void.
  std::string reach, hours;
  bool operator==(const account&) const = default;
};

struct organization_state {
  std::map<std::string, account, std::less<>> people;
  const account* find(std::string_view person) const;
  /// Has an account that is not suspended.
  bool active(std::string_view person) const;
  /// Whether a token that was issued at `t` is void. `skew`: how far the issuer's clock may be ahead of ours.
  bool revoked(std::string_view person, std::chrono::system_clock::time_point t, std::chrono::milliseconds skew) const;
  bool operator==(const organization_state&) const = default;
};

/// EnrollPerson, SuspendPerson, ReinstatePerson, RevokeSessions: by administrators and by the system.
outcome<facts> decide_organization(const organization_state& state, const v1::Command& command, const actor& who);
void apply_organization(organization_state& state, const v1::Entry& entry);

}  // namespace careteam::care
