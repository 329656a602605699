#include "admin/fhir_node.hpp"

#include <limits>

#include <algorithm>

namespace careteam::admin {
namespace {

constexpr std::size_t max_id_bytes = 64;

bool is_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

}  // namespace

fhir_node fhir_node::operator[](std::string_view field) const {
  std::string path = path_;
  if (!path.empty()) path += '.';
  path += field;
  fhir_node absent{nullptr, std::move(path), failure_};
  const auto* fields = object();
  if (fields == nullptr) return absent;
  const auto* value = fields->if_contains(field);
  if (value == nullptr) return absent;
  if (value->is_null()) {
    absent.fail("must not be null");
    return absent;
  }
  return {value, std::move(absent.path_), failure_};
}

std::vector<fhir_node> fhir_node::items() const {
  std::vector<fhir_node> nodes;
  if (!present()) return nodes;
  const auto* elements = value_->if_array();
  if (elements == nullptr) {
    fail("must be an array");
    return nodes;
  }
  nodes.reserve(elements->size());
  for (const auto& element : *elements) {
    nodes.push_back({element.is_null() ? nullptr : &element, path_ + '[' + std::to_string(nodes.size()) + ']', failure_});
  }
  return nodes;
}

const boost::json::object* fhir_node::object() const {
  if (!present()) return nullptr;
  const auto* fields = value_->if_object();
  if (fields == nullptr) fail("must be an object");
  return fields;
}

std::string fhir_node::text() const {
  if (!present()) return {};
  const auto* text = value_->if_string();
  if (text == nullptr) {
    fail("must be a string");
    return {};
  }
  if (text->empty()) fail("must not be an empty string");
  if (std::any_of(text->begin(), text->end(), is_control)) {
    fail("must not have control characters");
    return {};
  }
  return std::string(text->data(), text->size());
}

std::optional<bool> fhir_node::flag() const {
  if (!present()) return std::nullopt;
  const auto* flag = value_->if_bool();
  if (flag == nullptr) {
    fail("must be true or false");
    return std::nullopt;
  }
  return *flag;
}

std::optional<std::int64_t> fhir_node::positive() const {
  if (!present()) return std::nullopt;
  const auto* number = value_->if_int64();
  if (number == nullptr || *number < 1 || *number > std::numeric_limits<std::int32_t>::max()) {
    fail("must be a whole number from 1");
    return std::nullopt;
  }
  return *number;
}

std::optional<fhir_interval> fhir_node::time() const {
  if (!present()) return std::nullopt;
  auto interval = parse_fhir_time(text());
  if (!interval) fail("must be a FHIR date or dateTime between 1900 and 2200");
  return interval;
}

void count_unused(const fhir_node& node, std::string_view name, std::initializer_list<std::string_view> used, import_tally& tally) {
  const auto* fields = node.object();
  if (fields == nullptr) return;
  for (const auto& field : *fields) {
    const std::string_view key(field.key().data(), field.key().size());
    if (std::find(used.begin(), used.end(), key) != used.end()) continue;
    // A key is free text until it looks like a name: nothing of the input goes into the report unseen.
    const auto bare = key.starts_with('_') ? key.substr(1) : key;
    std::string full(name);
    full += '.';
    full += is_type_name(bare) ? key : std::string_view("(other)");
    import_tally::count(tally.unused_fields, full);
  }
}

bool is_fhir_id(std::string_view text) {
  return !text.empty() && text.size() <= max_id_bytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; });
}

bool is_type_name(std::string_view text) {
  return !text.empty() && text.size() <= max_id_bytes && std::all_of(text.begin(), text.end(), is_letter);
}

bool is_used_type(std::string_view type) {
  return type == "Patient" || type == "Practitioner" || type == "PractitionerRole" || type == "RelatedPerson" || type == "CareTeam" ||
         type == "Communication" || type == "Task";
}

}  // namespace careteam::admin
