#include "care/organization.hpp"

#include <algorithm>
#include <array>

#include "care/quiet_hours.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {
namespace {

account account_of(const v1::PersonEnrolled& enrolled) {
  account one;
  one.name = enrolled.name();
  one.kind = enrolled.kind();
  for (const int role : enrolled.roles()) one.administrator |= role == v1::ROLE_ADMINISTRATOR;
  one.reach = enrolled.reach();
  one.hours = enrolled.hours();
  for (const auto& contact : enrolled.contacts()) one.contacts.push_back({contact.system(), contact.value()});
  one.quiet_hours = enrolled.quiet_hours();
  one.deceased = enrolled.deceased();
  return one;
}

constexpr std::array<std::pair<std::string_view, v1::ContactSystem>, 5> contact_codes{{{"email", v1::CONTACT_SYSTEM_EMAIL},
                                                                                       {"sms", v1::CONTACT_SYSTEM_SMS},
                                                                                       {"phone", v1::CONTACT_SYSTEM_PHONE},
                                                                                       {"pager", v1::CONTACT_SYSTEM_PAGER},
                                                                                       {"push", v1::CONTACT_SYSTEM_PUSH}}};

outcome<void> check_calling(const v1::EnrollPerson& asked) {
  if (asked.contacts_size() > max_contacts) return refuse(code::invalid_argument, "enrollPerson.contacts", "are more than 8");
  for (int i = 0; i < asked.contacts_size(); ++i) {
    const auto fault = fault_of_contact({asked.contacts(i).system(), asked.contacts(i).value()});
    if (fault) return refuse(code::invalid_argument, "enrollPerson.contacts[" + std::to_string(i) + "]", *fault);
  }
  if (!asked.quiet_hours().empty() && !parse_quiet_hours(asked.quiet_hours())) {
    return refuse(code::invalid_argument, "enrollPerson.quietHours", "must be like 22:00-07:00");
  }
  return {};
}

outcome<facts> enroll(const organization_state& state, const v1::EnrollPerson& asked) {
  if (!is_fhir_id(asked.person_id())) {
    return refuse(code::invalid_argument, "enrollPerson.personId", "must be a FHIR id: 1 to 64 of A-Z a-z 0-9 - .");
  }
  if (auto name = check_text(asked.name(), "enrollPerson.name", max_name_bytes); !name) return name.error();
  if (asked.kind() == v1::PERSON_KIND_UNSPECIFIED) return refuse(code::invalid_argument, "enrollPerson.kind", "must be set");
  if (asked.reach().size() > max_name_bytes) return refuse(code::invalid_argument, "enrollPerson.reach", "is too long");
  if (asked.hours().size() > max_name_bytes) return refuse(code::invalid_argument, "enrollPerson.hours", "is too long");
  if (auto calling = check_calling(asked); !calling) return calling.error();
  for (const int role : asked.roles()) {
    if (role != v1::ROLE_ADMINISTRATOR) {
      return refuse(code::invalid_argument, "enrollPerson.roles", "only ADMINISTRATOR; roles on a team are memberships");
    }
    if (asked.kind() != v1::PERSON_KIND_STAFF) {
      return refuse(code::invalid_argument, "enrollPerson.roles", "only staff can be administrators");
    }
  }
  if (asked.deceased() && asked.kind() != v1::PERSON_KIND_PATIENT) {
    return refuse(code::invalid_argument, "enrollPerson.deceased", "only of patients; of others, suspend the account");
  }
  const account* known = state.find(asked.person_id());
  facts result;
  auto& enrolled = *add_fact(result, v1::STREAM_ORGANIZATION).mutable_person_enrolled();
  enrolled.set_person_id(asked.person_id());
  enrolled.set_name(asked.name());
  enrolled.set_kind(asked.kind());
  if (asked.roles_size() > 0) enrolled.add_roles(v1::ROLE_ADMINISTRATOR);
  enrolled.set_reach(asked.reach());
  enrolled.set_hours(asked.hours());
  *enrolled.mutable_contacts() = asked.contacts();
  enrolled.set_quiet_hours(asked.quiet_hours());
  enrolled.set_deceased(asked.has_deceased() ? asked.deceased() : known && known->deceased);
  if (known) {
    if (known->kind != asked.kind()) {
      return refuse(code::already_exists, "enrollPerson.kind", "this id belongs to a person of another kind");
    }
    account next = account_of(enrolled);
    next.suspended = known->suspended;
    next.revoked = known->revoked;
    if (next == *known) return facts{};
  }
  return result;
}

}  // namespace

std::string_view contact_code(v1::ContactSystem system) {
  const auto at = std::ranges::find(contact_codes, system, &decltype(contact_codes)::value_type::second);
  return at == contact_codes.end() ? std::string_view() : at->first;
}

v1::ContactSystem contact_system(std::string_view code) {
  const auto at = std::ranges::find(contact_codes, code, &decltype(contact_codes)::value_type::first);
  return at == contact_codes.end() ? v1::CONTACT_SYSTEM_UNSPECIFIED : at->second;
}

std::optional<std::string> fault_of_contact(const contact_point& contact) {
  if (contact_code(contact.system).empty()) return "must have a system: email, sms, phone, pager or push";
  if (contact.value.empty() || contact.value.size() > max_contact_bytes) return "must have a value of 1 to 200 characters";
  const auto is_visible = [](char c) { return c > 0x20 && c < 0x7F && c != '<' && c != '>' && c != '"' && c != '\\' && c != ','; };
  if (!std::ranges::all_of(contact.value, is_visible)) return "must be visible ASCII characters, without spaces and none of < > \" \\ ,";
  const auto at = contact.value.find('@');
  const bool is_address =
      at != std::string::npos && at > 0 && at + 1 < contact.value.size() && contact.value.find('@', at + 1) == std::string::npos;
  if (contact.system == v1::CONTACT_SYSTEM_EMAIL && !is_address) return "must be an e-mail address";
  return std::nullopt;
}

std::optional<contact_point> parse_contact(std::string_view text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  contact_point contact{contact_system(text.substr(0, space)), std::string(text.substr(space + 1))};
  if (fault_of_contact(contact)) return std::nullopt;
  return contact;
}

const account* organization_state::find(std::string_view person) const {
  const auto at = people.find(person);
  return at == people.end() ? nullptr : &at->second;
}

bool organization_state::active(std::string_view person) const {
  const account* one = find(person);
  return one && one->works();
}

bool organization_state::deceased(std::string_view person) const {
  const account* one = find(person);
  return one && one->deceased;
}

bool organization_state::revoked(std::string_view person, std::chrono::system_clock::time_point t, std::chrono::milliseconds skew) const {
  const account* one = find(person);
  // A token tells whole seconds: one of the same second may be from before.
  return one && one->revoked != instant{} && t <= one->revoked + skew;
}

outcome<facts> decide_organization(const organization_state& state, const v1::Command& command, const actor& who) {
  if (!who.system) {
    const account* asking = state.find(who.person_id);
    if (!asking || asking->suspended || !asking->administrator) return refuse(code::not_found, "patientId", "no such record");
  }
  facts result;
  switch (command.action_case()) {
    case v1::Command::kEnrollPerson:
      return enroll(state, command.enroll_person());
    case v1::Command::kSuspendPerson: {
      const auto& asked = command.suspend_person();
      const account* known = state.find(asked.person_id());
      if (!known) return refuse(code::not_found, "suspendPerson.personId", "no such person");
      if (auto reason = check_text(asked.reason(), "suspendPerson.reason", max_reason_bytes); !reason) return reason.error();
      if (known->suspended) return refuse(code::failed_precondition, "suspendPerson.personId", "is suspended already");
      if (asked.person_id() == who.person_id)
        return refuse(code::failed_precondition, "suspendPerson.personId", "nobody suspends themselves");
      auto& suspended = *add_fact(result, v1::STREAM_ORGANIZATION).mutable_person_suspended();
      suspended.set_person_id(asked.person_id());
      suspended.set_reason(asked.reason());
      return result;
    }
    case v1::Command::kReinstatePerson: {
      const auto& asked = command.reinstate_person();
      const account* known = state.find(asked.person_id());
      if (!known) return refuse(code::not_found, "reinstatePerson.personId", "no such person");
      if (auto reason = check_text(asked.reason(), "reinstatePerson.reason", max_reason_bytes); !reason) return reason.error();
      if (!known->suspended) return refuse(code::failed_precondition, "reinstatePerson.personId", "is not suspended");
      auto& reinstated = *add_fact(result, v1::STREAM_ORGANIZATION).mutable_person_reinstated();
      reinstated.set_person_id(asked.person_id());
      reinstated.set_reason(asked.reason());
      return result;
    }
    case v1::Command::kRevokeSessions: {
      const auto& asked = command.revoke_sessions();
      if (!state.find(asked.person_id())) return refuse(code::not_found, "revokeSessions.personId", "no such person");
      if (auto reason = check_text(asked.reason(), "revokeSessions.reason", max_reason_bytes); !reason) return reason.error();
      auto& revoked = *add_fact(result, v1::STREAM_ORGANIZATION).mutable_sessions_revoked();
      revoked.set_person_id(asked.person_id());
      revoked.set_reason(asked.reason());
      return result;
    }
    default:
      return refuse(code::invalid_argument, "action", "is not a command on the organisation");
  }
}

void apply_organization(organization_state& state, const v1::Entry& entry) {
  switch (entry.fact_case()) {
    case v1::Entry::kPersonEnrolled: {
      account next = account_of(entry.person_enrolled());
      auto& slot = state.people[entry.person_enrolled().person_id()];
      next.suspended = slot.suspended;
      next.revoked = slot.revoked;
      slot = std::move(next);
      break;
    }
    case v1::Entry::kPersonSuspended:
      state.people[entry.person_suspended().person_id()].suspended = true;
      break;
    case v1::Entry::kPersonReinstated:
      state.people[entry.person_reinstated().person_id()].suspended = false;
      break;
    case v1::Entry::kSessionsRevoked:
      if (const auto when = to_instant(entry.time())) state.people[entry.sessions_revoked().person_id()].revoked = *when;
      break;
    default:
      break;
  }
}

}  // namespace careteam::care
