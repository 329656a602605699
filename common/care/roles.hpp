// The vocabulary of roles (B1) and the one table of rights (`domain.md` section 4). Default deny: what is not in the table is not allowed.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "careteam/v1/model.pb.h"

namespace careteam::care {

/// A role's names: our code, the standard codes where one says the same, and plain words for the patient.
struct role_row {
  v1::Role role;
  std::string_view code;    ///< In system "urn:careteam:role".
  std::string_view snomed;  ///< SNOMED CT concepts, separated by spaces, the best one first; empty: none says the same.
  std::string_view nucc;    ///< NUCC health care provider taxonomy, in the same way.
  std::string_view plain;   ///< What the patient reads in the roster (B3).
};

/// All roles, in the order of the enumeration.
std::span<const role_row> role_vocabulary();

/// The row of a role; nothing for unspecified and unknown values.
const role_row* find_role(v1::Role role);

/// A role from a coding: system urn:careteam:role, http://snomed.info/sct or http://nucc.org/provider-taxonomy. Unknown means none (deny).
std::optional<v1::Role> role_from_coding(std::string_view system, std::string_view code);

/// One cell of the table of rights.
enum class right {
  no,       ///< Never.
  yes,      ///< On the own team's patients.
  scoped,   ///< "T": only with a grant in the membership's scopes (an invitation).
  by_grant  ///< A caregiver: only what the patient granted.
};

/// Whose roster entries a role may change.
enum class team_right { no, delegated, caregivers, yes };

/// The rights of one role.
struct rights_row {
  v1::Role role;
  right read_clinical, read_support, read_shared;
  right post_clinical, post_support, post_shared;
  team_right manage_team;
  bool read_audit;
  bool staff;  ///< Works for the organisation: may mention roles, sees presence and receipts.
};

/// The rights of a role; every right of an unknown role is `no`.
const rights_row& rights_of(v1::Role role);

}  // namespace careteam::care
