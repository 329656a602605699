// The organisation's people (B10 in part): who has an account, who is suspended, who administers. A record of its own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "care/command.hpp"
#include "care/time.hpp"
#include "careteam/v1/entries.pb.h"

namespace careteam::care {

inline constexpr int max_contacts = 8;
inline constexpr std::size_t max_contact_bytes = 200;

/// How a person is called outside the product (FHIR ContactPoint).
struct contact_point {
  v1::ContactSystem system = v1::CONTACT_SYSTEM_UNSPECIFIED;
  std::string value;
  bool operator==(const contact_point&) const = default;
};

/// FHIR's code of a kind of contact, for example "sms"; push: "push". Empty for what is none; and back.
std::string_view contact_code(v1::ContactSystem system);
v1::ContactSystem contact_system(std::string_view code);
/// Why this is no contact; nothing: it is one. Visible ASCII alone, so that it can stand in a header of a mail; an e-mail address has one
/// @.
std::optional<std::string> fault_of_contact(const contact_point& contact);
/// "sms +15550100"; nothing when it is something else.
std::optional<contact_point> parse_contact(std::string_view text);

struct account {
  std::string name;
  v1::PersonKind kind = v1::PERSON_KIND_UNSPECIFIED;
  bool administrator = false;
  bool suspended = false;
  bool deceased = false;  ///< A patient who has died.
  instant revoked{};      ///< Tokens that were issued until then are void.
  std::string reach, hours;
  std::vector<contact_point> contacts;  ///< In the order in which they are tried (G3).
  std::string quiet_hours;              ///< As parse_quiet_hours takes it; empty: the organisation's.
  /// Has access, and can be asked and called.
  bool works() const { return !suspended && !deceased; }
  bool operator==(const account&) const = default;
};

struct organization_state {
  std::map<std::string, account, std::less<>> people;
  const account* find(std::string_view person) const;
  /// Has an account that works.
  bool active(std::string_view person) const;
  bool deceased(std::string_view person) const;
  /// Whether a token that was issued at `t` is void. `skew`: how far the issuer's clock may be ahead of ours.
  bool revoked(std::string_view person, std::chrono::system_clock::time_point t, std::chrono::milliseconds skew) const;
  bool operator==(const organization_state&) const = default;
};

/// EnrollPerson, SuspendPerson, ReinstatePerson, RevokeSessions: by administrators and by the system.
outcome<facts> decide_organization(const organization_state& state, const v1::Command& command, const actor& who);
void apply_organization(organization_state& state, const v1::Entry& entry);

}  // namespace careteam::care
