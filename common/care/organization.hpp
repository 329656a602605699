// The organisation's people (B10 in part): who has an account, who is suspended, who administers. A record of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "care/command.hpp"
#include "careteam/v1/entries.pb.h"

namespace careteam::care {

struct account {
  std::string name;
  v1::PersonKind kind = v1::PERSON_KIND_UNSPECIFIED;
  bool administrator = false;
  bool suspended = false;
  std::string reach, hours;
  bool operator==(const account&) const = default;
};

struct organization_state {
  std::map<std::string, account, std::less<>> people;
  const account* find(std::string_view person) const;
  /// Has an account that is not suspended.
  bool active(std::string_view person) const;
  bool operator==(const organization_state&) const = default;
};

/// EnrollPerson, SuspendPerson, ReinstatePerson: by administrators and by the system.
outcome<facts> decide_organization(const organization_state& state, const v1::Command& command, const actor& who);
void apply_organization(organization_state& state, const v1::Entry& entry);

}  // namespace careteam::care
