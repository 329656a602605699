// What a decision is made of: who asks, when, and what comes out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "care/refusal.hpp"
#include "care/time.hpp"
#include "careteam/v1/entries.pb.h"

namespace careteam::care {

inline constexpr std::size_t max_reason_bytes = 1000;
inline constexpr std::size_t max_name_bytes = 200;

/// Who asks. Comes from the session, never from the command.
struct actor {
  std::string person_id;                        ///< Empty: the system itself.
  v1::Role chosen_role = v1::ROLE_UNSPECIFIED;  ///< Chosen at Hello by people with several roles.
  bool system = false;                          ///< An import or the server itself: rights are not asked, rules are.
};

/// Entries that a command leads to. A decider sets `stream` and the fact; the record stamps the rest.
using facts = std::vector<v1::Entry>;

inline v1::Entry& add_fact(facts& to, v1::Stream stream) {
  auto& entry = to.emplace_back();
  entry.set_stream(stream);
  return entry;
}

/// A text that must be there, within a length.
inline outcome<void> check_text(std::string_view value, std::string_view field, std::size_t max_bytes) {
  if (value.find_first_not_of(" \t\r\n") == std::string_view::npos) return refuse(code::invalid_argument, field, "must not be empty");
  if (value.size() > max_bytes) return refuse(code::invalid_argument, field, "is too long");
  return {};
}

}  // namespace careteam::care
