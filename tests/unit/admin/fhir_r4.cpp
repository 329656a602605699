#include "fhir_r4.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "admin/fhir_time.hpp"

namespace careteam::admin::test {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view field) {
  const auto* value = object.if_contains(field);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

/// "http://hl7.org/fhir/ValueSet/task-status|4.0.1": "task-status".
std::string last_of(const std::string& url) {
  const auto bare = url.substr(0, url.find('|'));
  return bare.substr(bare.rfind('/') + 1);
}

std::string capital(std::string text) {
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

void gather_concepts(const json::array& concepts, std::vector<std::string>& to) {
  for (const auto& one : concepts) {
    to.emplace_back(one.at("code").as_string());
    if (const auto* below = one.as_object().if_contains("concept")) gather_concepts(below->as_array(), to);
  }
}

bool is_primitive(const std::string& type) {
  return std::islower(static_cast<unsigned char>(type[0])) != 0 && type != "xhtml";
}

}  // namespace

std::filesystem::path fhir_examples() {
  if (const char* folder = std::getenv("CARETEAM_FHIR_EXAMPLES"); folder != nullptr && *folder != '\0') return folder;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::filesystem::path(cache) / "careteam/fhir";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : "/nonexistent") / ".cache/careteam/fhir";
}

json::object r4_checker::read(const std::string& kind, const std::string& name) const {
  const auto file = folder_ / (kind + '-' + name + ".json");
  std::ifstream input(file, std::ios::binary);
  if (!input) throw std::runtime_error(file.string() + " is not there: run tests/fetch-fhir-examples first");
  std::ostringstream text;
  text << input.rdbuf();
  return json::parse(text.str()).as_object();
}

const r4_checker::elements& r4_checker::definition(const std::string& type) {
  const auto known = definitions_.find(type);
  if (known != definitions_.end()) return known->second;
  auto& made = definitions_[type];
  const auto published = read("StructureDefinition", type);
  for (const auto& element : published.at("snapshot").at("element").as_array()) {
    made[text_of(element.as_object(), "path")] = element.as_object();
  }
  return made;
}

const std::vector<std::string>& r4_checker::codes(const std::string& value_set) {
  const auto known = codes_.find(value_set);
  if (known != codes_.end()) return known->second;
  auto& made = codes_[value_set];
  const auto published = read("ValueSet", last_of(value_set));
  for (const auto& part : published.at("compose").at("include").as_array()) {
    if (const auto* concepts = part.as_object().if_contains("concept")) {
      gather_concepts(concepts->as_array(), made);
    } else {
      gather_concepts(read("CodeSystem", last_of(text_of(part.as_object(), "system"))).at("concept").as_array(), made);
    }
  }
  return made;
}

std::vector<boost::json::object> of_type(const boost::json::object& bundle, std::string_view type) {
  std::vector<boost::json::object> result;
  for (const auto& entry : bundle.at("entry").as_array()) {
    if (entry.at("resource").at("resourceType").as_string() == type) result.push_back(entry.at("resource").as_object());
  }
  return result;
}

std::vector<std::string> r4_checker::faults(const json::object& bundle) {
  faults_.clear();
  in_bundle_.clear();
  for (const auto& entry : bundle.at("entry").as_array()) {
    const auto& resource = entry.at("resource").as_object();
    const auto key = text_of(resource, "resourceType") + '/' + text_of(resource, "id");
    if (!in_bundle_.emplace(key, &resource).second) fault(key, "is there twice");
  }
  for (const auto& [key, resource] : in_bundle_) {
    const auto type = text_of(*resource, "resourceType");
    check_object(key, type, definition(type), *resource);
  }
  return faults_;
}

void r4_checker::check_object(const std::string& place, const std::string& path, const elements& known, const json::object& object) {
  std::map<std::string, std::size_t> seen;
  for (const auto& [key, value] : object) {
    const std::string name(key);
    if (name == "resourceType") continue;
    auto at = known.find(path + '.' + name);
    std::string type;
    if (at == known.end()) {
      // value[x]: the type is a part of the name.
      at = std::ranges::find_if(known, [&](const auto& one) {
        const auto& choice = one.first;
        if (!choice.ends_with("[x]") || !(path + '.' + name).starts_with(choice.substr(0, choice.size() - 3))) return false;
        return std::ranges::any_of(one.second.at("type").as_array(), [&](const json::value& of) {
          type = text_of(of.as_object(), "code");
          return choice.substr(0, choice.size() - 3) + capital(type) == path + '.' + name;
        });
      });
      if (at == known.end()) {
        fault(place, path + '.' + name + " is no element of R4");
        continue;
      }
    } else if (const auto* types = at->second.if_contains("type")) {
      type = text_of(types->at(0).as_object(), "code");
    }
    const auto& element = at->second;
    const bool many = text_of(element, "max") != "1";
    if (many != value.is_array()) fault(place, at->first + (many ? " must be a list" : " must not be a list"));
    if (value.is_array()) {
      if (value.as_array().empty()) fault(place, at->first + " is an empty list");
      for (const auto& one : value.as_array()) check_value(place, at->first, element, type, known, one);
    } else {
      check_value(place, at->first, element, type, known, value);
    }
    ++seen[at->first];
  }
  for (const auto& [child, element] : known) {
    const bool direct = child.starts_with(path + '.') && child.find('.', path.size() + 1) == std::string::npos;
    if (direct && element.at("min").to_number<int>() > 0 && !seen.contains(child)) fault(place, child + " is missing");
    if (direct && seen.contains(child) && seen[child] > 1) fault(place, child + " is there twice");
  }
  check_invariants(place, path, object);
}

void r4_checker::check_value(const std::string& place, const std::string& path, const json::object& element, const std::string& type,
                             const elements& known, const json::value& value) {
  if (const auto same = text_of(element, "contentReference"); !same.empty()) {
    return check_object(place, same.substr(1), known, value.as_object());
  }
  if (const auto* binding = element.if_contains("binding");
      binding && text_of(binding->as_object(), "strength") == "required" && value.is_string()) {
    const auto& allowed = codes(text_of(binding->as_object(), "valueSet"));
    if (std::ranges::find(allowed, std::string(value.as_string())) == allowed.end()) {
      fault(place, path + " is " + json::serialize(value) + ", which its value set does not have");
    }
  }
  if (type == "BackboneElement" || type == "Element") return check_object(place, path, known, value.as_object());
  if (type.starts_with("http://hl7.org/fhirpath/") || is_primitive(type)) return check_primitive(place + ' ' + path, type, value);
  if (type == "xhtml") {
    if (!text_of({{"div", value}}, "div").starts_with(R"(<div xmlns="http://www.w3.org/1999/xhtml">)")) fault(place, path + " is no XHTML");
    return;
  }
  if (type == "Reference") check_reference(place + ' ' + path, element, value.as_object());
  check_object(place, type, definition(type), value.as_object());
}

void r4_checker::check_primitive(const std::string& place, const std::string& type, const json::value& value) {
  if (type == "boolean") {
    if (!value.is_bool()) fault(place, "is no boolean");
    return;
  }
  if (type == "integer" || type == "positiveInt" || type == "unsignedInt") {
    const bool good = value.is_int64() || value.is_uint64();
    if (!good || (type == "positiveInt" && value.to_number<std::int64_t>() < 1)) fault(place, "is no " + type);
    return;
  }
  if (!value.is_string()) return fault(place, "is no text");
  const std::string text(value.as_string());
  if (text.empty()) return fault(place, "is empty");
  const auto id = type == "id" || place.ends_with(".id");
  static const std::regex ids("[A-Za-z0-9\\-\\.]{1,64}");
  static const std::regex one_code("[^\\s]+(\\s[^\\s]+)*");
  static const std::regex instants(R"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))");
  if (id && !std::regex_match(text, ids)) fault(place, "is no id");
  if (type == "code" && !std::regex_match(text, one_code)) fault(place, "is no code");
  if (type == "instant" && !std::regex_match(text, instants)) fault(place, "is no instant");
  if ((type == "dateTime" || type == "date") && !parse_fhir_time(text)) fault(place, "is no " + type);
}

void r4_checker::check_reference(const std::string& place, const json::object& element, const json::object& reference) {
  const auto literal = text_of(reference, "reference");
  auto type = text_of(reference, "type");
  if (literal.empty()) {
    const auto* identifier = reference.if_contains("identifier");
    if (!identifier || text_of(identifier->as_object(), "system").empty() || text_of(identifier->as_object(), "value").empty()) {
      fault(place, "leads nowhere");
    }
  } else {
    if (!in_bundle_.contains(literal)) fault(place, literal + " is not in the Bundle");
    const auto named = literal.substr(0, literal.find('/'));
    if (!type.empty() && type != named) fault(place, literal + " is no " + type);
    type = named;
  }
  const auto* targets = element.at("type").at(0).as_object().if_contains("targetProfile");
  if (type.empty() || !targets) return;
  const bool allowed = std::ranges::any_of(targets->as_array(), [&](const json::value& one) {
    const auto target = last_of(std::string(one.as_string()));
    return target == type || target == "Resource";
  });
  if (!allowed) fault(place, "may not be a " + type);
}

// The rules of R4 that no table of elements tells, for what an export writes.
void r4_checker::check_invariants(const std::string& place, const std::string& path, const json::object& object) {
  const auto has = [&](const char* field) { return object.contains(field); };
  if (path == "Composition.section" && !has("text") && !has("entry") && !has("section")) fault(place, "cmp-1: a section without anything");
  if (path == "Composition.section" && has("emptyReason") && has("entry")) fault(place, "cmp-2: an empty section with entries");
  if (path == "List" && has("emptyReason") && has("entry")) fault(place, "lst-2: an empty list with entries");
  if (path == "CarePlan.activity" && has("reference") == has("detail")) fault(place, "cpl-3: a detail or a reference");
  if (path == "Extension" &&
      has("extension") == std::ranges::any_of(object, [](const auto& one) { return one.key().starts_with("value"); })) {
    fault(place, "ext-1: a value or extensions");
  }
  if (path == "Period" && has("start") && has("end")) {
    const auto start = parse_fhir_time(text_of(object, "start")), end = parse_fhir_time(text_of(object, "end"));
    if (start && end && ends_before_start(*start, *end)) fault(place, "per-1: it ends before it starts");
  }
}

}  // namespace careteam::admin::test
