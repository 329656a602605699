#include "admin/fhir_person.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "runtime/hex.hpp"

namespace careteam::admin {
namespace {

using careteam::v1::PersonKind;

constexpr std::size_t max_person_id_bytes = 64;
constexpr std::size_t digest_bytes = 16;  // 128 bits: nobody finds two inputs by chance.

char letter_of(PersonKind kind) {
  switch (kind) {
    case v1::PERSON_KIND_PATIENT:
      return 'p';
    case v1::PERSON_KIND_RELATED:
      return 'r';
    case v1::PERSON_KIND_STAFF:
    case v1::PERSON_KIND_SERVICE:
    case v1::PERSON_KIND_UNSPECIFIED:
    case v1::PersonKind_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::PersonKind_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return 's';
}

std::string short_digest(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return runtime::to_hex(digest.data(), digest_bytes);
}

// "<mark>.<as much of the id as fits>.<digest>". No derived id without a digest starts with these two letters and a dot.
std::string digested(PersonKind kind, char mark, std::string_view id, std::string_view whole) {
  std::string result{letter_of(kind), mark, '.'};
  result += id.substr(0, max_person_id_bytes - result.size() - 1 - 2 * digest_bytes);
  result += '.';
  return result + short_digest(whole);
}

void append_word(std::string& line, std::string_view word) {
  if (word.empty()) return;
  if (!line.empty()) line += ' ';
  line += word;
}

void append_words(std::string& line, const fhir_node& words) {
  for (const auto& word : words.items()) append_word(line, word.text());
}

// Lower is better; old and maiden names are no names to address somebody by.
int rank_of_use(std::string_view use) {
  if (use == "official") return 0;
  if (use == "usual") return 1;
  if (use.empty()) return 2;
  if (use == "temp" || use == "nickname" || use == "anonymous") return 3;
  return 4;
}

std::string words_of(const fhir_node& name) {
  auto text = name["text"].text();
  std::string parts;
  append_words(parts, name["prefix"]);
  append_words(parts, name["given"]);
  append_word(parts, name["family"].text());
  append_words(parts, name["suffix"]);
  return text.empty() ? parts : text;
}

// A FHIR time: hh:mm:ss[.fraction]. Returns hh:mm.
std::string clock_of(const fhir_node& node) {
  const auto text = node.text();
  if (text.empty()) return {};
  if (text.size() < 8 || !parse_fhir_time("2000-01-01T" + text + "Z")) {
    node.fail("must be a FHIR time");
    return {};
  }
  return text.substr(0, 5);
}

}  // namespace

std::optional<PersonKind> person_kind_of(std::string_view resource_type) {
  if (resource_type == "Patient") return v1::PERSON_KIND_PATIENT;
  if (resource_type == "Practitioner") return v1::PERSON_KIND_STAFF;
  if (resource_type == "RelatedPerson") return v1::PERSON_KIND_RELATED;
  return std::nullopt;
}

std::string person_id_of(PersonKind kind, std::string_view id) {
  std::string plain{letter_of(kind), '.'};
  plain += id;
  return plain.size() <= max_person_id_bytes ? plain : digested(kind, 'h', id, plain);
}

std::string contained_person_id_of(PersonKind kind, std::string_view id, std::string_view key) {
  return digested(kind, 'c', id, key);
}

bool is_derived_person_id(std::string_view id) {
  if (id.size() < 2 || (id[0] != 'p' && id[0] != 's' && id[0] != 'r')) return false;
  return id[1] == '.' || (id.size() > 2 && (id[1] == 'h' || id[1] == 'c') && id[2] == '.');
}

std::string chosen_person_id(const fhir_node& body) {
  std::string chosen;
  for (const auto& identifier : body["identifier"].items()) {
    if (identifier["system"].text() != person_id_system) continue;
    const auto value = identifier["value"];
    const auto id = value.text();
    if (!is_fhir_id(id)) {
      value.fail("must be a person id: 1 to 64 of A-Z, a-z, 0-9, '-' and '.'");
    } else if (is_derived_person_id(id)) {
      value.fail("must not start like an id that is derived from FHIR ids (p. s. r. ph. sh. rh. pc. sc. rc.)");
    } else if (!chosen.empty() && chosen != id) {
      value.fail("must be the only person id of the resource");
    }
    chosen = id;
  }
  return chosen;
}

std::string name_of(const fhir_node& names) {
  std::string best;
  int best_rank = 5;
  for (const auto& name : names.items()) {
    const int rank = rank_of_use(name["use"].text());
    auto words = words_of(name);
    if (words.empty() || rank >= best_rank) continue;
    best = std::move(words);
    best_rank = rank;
  }
  // A name is one line wherever it is shown.
  std::replace_if(
      best.begin(), best.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return best;
}

std::string reach_of(const fhir_node& telecoms) {
  std::string phone, email;
  for (const auto& telecom : telecoms.items()) {
    const auto system = telecom["system"].text();
    const auto value = telecom["value"].text();
    if (value.empty() || telecom["use"].text() == "old") continue;
    if (system == "phone" && phone.empty()) phone = value;
    if (system == "email" && email.empty()) email = value;
  }
  return phone.empty() ? email : phone;
}

std::vector<care::contact_point> contacts_of(const fhir_node& telecoms) {
  std::vector<std::pair<std::int64_t, care::contact_point>> ranked;
  for (const auto& telecom : telecoms.items()) {
    const auto rank = telecom["rank"].positive();
    if (!rank || telecom["use"].text() == "old") continue;
    const auto system = telecom["system"].text();
    care::contact_point contact{care::contact_system(system == "other" ? "push" : system), telecom["value"].text()};
    // People write (03) 5555-6473.
    if (contact.system != v1::CONTACT_SYSTEM_EMAIL)
      std::erase_if(contact.value, [](char c) { return c == ' ' || c == '(' || c == ')' || c == '-'; });
    if (!care::fault_of_contact(contact)) ranked.emplace_back(*rank, std::move(contact));
  }
  std::ranges::stable_sort(ranked, {}, &decltype(ranked)::value_type::first);
  std::vector<care::contact_point> contacts;
  for (auto& [rank, contact] : ranked) {
    if (contacts.size() == care::max_contacts) break;
    contacts.push_back(std::move(contact));
  }
  return contacts;
}

std::string hours_of(const fhir_node& available_times) {
  std::string hours;
  for (const auto& slot : available_times.items()) {
    std::string line;
    append_words(line, slot["daysOfWeek"]);
    const auto start = clock_of(slot["availableStartTime"]);
    const auto end = clock_of(slot["availableEndTime"]);
    if (slot["allDay"].flag().value_or(false)) {
      append_word(line, "all day");
    } else if (!start.empty() && !end.empty()) {
      append_word(line, std::string(start).append("-").append(end));
    }
    if (line.empty()) continue;
    if (!hours.empty()) hours += "; ";
    hours += line;
  }
  return hours;
}

}  // namespace careteam::admin
