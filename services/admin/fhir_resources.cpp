#include "admin/fhir_resources.hpp"

namespace careteam::admin {
namespace {

constexpr std::string_view uuid_prefix = "urn:uuid:";
// A logical identifier is an index key and nothing else; longer ones are nobody's.
constexpr std::size_t max_identifier_bytes = 512;

bool is_http(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("https://");
}

// "Type/id" at the end of a RESTful URL, and the base before it; an empty key for any other text.
struct restful_parts {
  std::string_view base, type, id;
};

restful_parts split_restful(std::string_view url) {
  if (const auto history = url.find("/_history/"); history != std::string_view::npos) url = url.substr(0, history);
  const auto slash = url.rfind('/');
  if (slash == std::string_view::npos) return {};
  const auto id = url.substr(slash + 1);
  const auto before = url.substr(0, slash);
  const auto type_at = before.rfind('/');
  const auto type = type_at == std::string_view::npos ? before : before.substr(type_at + 1);
  if (!is_type_name(type) || !is_fhir_id(id)) return {};
  return {type_at == std::string_view::npos ? std::string_view{} : before.substr(0, type_at), type, id};
}

std::string key_of(std::string_view type, std::string_view id) {
  std::string key(type);
  key += '/';
  key += id;
  return key;
}

// The resource's id: its own, or what its fullUrl says.
std::string id_of(const fhir_node& body, const std::string& type, const std::string& full_url) {
  const auto own = body["id"];
  if (own.present()) {
    auto id = own.text();
    if (!is_fhir_id(id)) own.fail("must be a FHIR id: 1 to 64 of A-Z, a-z, 0-9, '-' and '.'");
    return id;
  }
  if (full_url.starts_with(uuid_prefix) && is_fhir_id(std::string_view(full_url).substr(uuid_prefix.size()))) {
    return full_url.substr(uuid_prefix.size());
  }
  const auto parts = split_restful(full_url);
  if (parts.type == type) return std::string(parts.id);
  body.fail("has no id, and no fullUrl that gives one");
  return {};
}

}  // namespace

void fhir_resources::add(const fhir_node& body, const std::string& full_url) {
  auto type = body["resourceType"].text();
  if (!is_type_name(type)) {
    body.fail("must be a FHIR resource with a resourceType");
    return;
  }
  const bool used = is_used_type(type);
  auto id = !used && !body["id"].present() ? std::string("(none)") : id_of(body, type, full_url);
  if (id.empty()) return;
  auto key = key_of(type, id);
  const auto& resource = all_.emplace_back(fhir_resource{std::move(type), std::move(id), key, full_url, body.called(key), nullptr});
  // Of what is only counted, two may have the same id; a person, a team or a message may not be two.
  if (!by_key_.emplace(key, &resource).second && used) body.fail("is " + key + ", which the unit has already: their ids collide");
  if (!full_url.empty() && !by_full_url_.emplace(full_url, &resource).second && used) body.fail("has a fullUrl that the unit has already");
  top_.push_back(&resource);
  index_identifiers(resource);
  add_contained(resource);
}

void fhir_resources::add_contained(const fhir_resource& container) {
  for (const auto& body : container.body["contained"].items()) {
    auto type = body["resourceType"].text();
    auto id = body["id"].text();
    if (!body.present() || !is_type_name(type) || !is_fhir_id(id)) {
      body.fail("must be a FHIR resource with a resourceType and an id");
      return;
    }
    auto key = container.key + '#' + id;
    const auto& resource = all_.emplace_back(fhir_resource{std::move(type), std::move(id), key, {}, body.called(key), &container});
    if (!by_key_.emplace(key, &resource).second) body.fail("has an id that another contained resource has already");
    contained_.push_back(&resource);
  }
}

void fhir_resources::index_identifiers(const fhir_resource& resource) {
  // An identifier may be one element or many, by type; other shapes are for their own reader to refuse.
  const auto* fields = resource.body.object();
  const auto* value = fields == nullptr ? nullptr : fields->if_contains("identifier");
  if (value == nullptr) return;
  const auto index = [&](const boost::json::value& one) {
    const auto* identifier = one.if_object();
    if (identifier == nullptr) return;
    const auto* system = identifier->if_contains("system");
    const auto* text = identifier->if_contains("value");
    if (system == nullptr || text == nullptr || !system->is_string() || !text->is_string()) return;
    auto key = std::string(system->get_string()) + '|' + std::string(text->get_string());
    if (key.size() > max_identifier_bytes) return;
    const auto [known, added] = by_identifier_.emplace(std::move(key), &resource);
    if (!added && known->second != &resource) known->second = nullptr;
  };
  if (const auto* many = value->if_array()) {
    for (const auto& one : *many) index(one);
  } else {
    index(*value);
  }
}

const fhir_resource* fhir_resources::find_relative(const std::string& key, const fhir_resource& from) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  // "A/1" in a resource of one server is not "A/1" of another one (R4 Bundle, resolving references).
  const auto& base_from = from.container == nullptr ? from.full_url : from.container->full_url;
  const auto& base_to = found->second->full_url;
  if (is_http(base_from) && is_http(base_to) && split_restful(base_from).base != split_restful(base_to).base) return nullptr;
  return found->second;
}

void fhir_resources::follow_literal(const std::string& text, const fhir_resource& from, fhir_target& target) const {
  if (text.starts_with('#')) {
    const auto& container = from.container == nullptr ? from : *from.container;
    const auto found = text.size() == 1 ? by_key_.find(container.key) : by_key_.find(container.key + text);
    if (found == by_key_.end()) {
      target.trouble = "refers to a contained resource that is not there";
    } else {
      target.resource = found->second;
    }
    return;
  }
  if (const auto found = by_full_url_.find(text); found != by_full_url_.end()) {
    target.resource = found->second;
    return;
  }
  if (text.starts_with("urn:")) {
    target.trouble = "refers to a fullUrl that the unit does not have";
    return;
  }
  constexpr std::string_view by_identifier = "?identifier=";
  if (const auto query = text.find(by_identifier); query != std::string::npos) {
    follow_identifier(text.substr(0, query), text.substr(query + by_identifier.size()), target);
    return;
  }
  const auto parts = split_restful(text);
  if (parts.type.empty()) {
    target.trouble = "is not a reference of the form Type/id, urn:uuid:…, URL or #id";
    return;
  }
  target.type = std::string(parts.type);
  if (!parts.base.empty()) {
    if (const auto found = by_full_url_.find(std::string(parts.base) + '/' + key_of(parts.type, parts.id)); found != by_full_url_.end()) {
      target.resource = found->second;
    } else {
      // The id of another server's resource says nothing here: "Practitioner/5" may be somebody else.
      target.trouble = "refers to another server, which is never asked";
    }
    return;
  }
  const auto key = key_of(parts.type, parts.id);
  target.resource = find_relative(key, from);
  if (target.resource != nullptr) return;
  if (by_key_.contains(key)) {
    target.trouble = "refers to a resource of its own server, and the one of that id in the unit is of another";
  } else {
    target.id = std::string(parts.id);
  }
}

void fhir_resources::follow_identifier(const std::string& type, const std::string& identifier, fhir_target& target) const {
  if (is_type_name(type)) target.type = type;
  const auto found = by_identifier_.find(identifier);
  if (found == by_identifier_.end()) {
    target.trouble = "refers to an identifier that no resource of the unit has";
  } else if (found->second == nullptr) {
    target.trouble = "refers to an identifier that several resources of the unit have";
  } else if (!target.type.empty() && found->second->type != target.type) {
    target.trouble = "refers to an identifier that a resource of another type has";
  } else {
    target.resource = found->second;
  }
}

fhir_target fhir_resources::follow(const fhir_node& reference, const fhir_resource& from) const {
  fhir_target target;
  target.display = reference["display"].text();
  const auto type = reference["type"].text();
  const auto literal = reference["reference"].text();
  const auto identifier = reference["identifier"];
  const auto system = identifier["system"].text();
  const auto value = identifier["value"].text();
  if (system == person_id_system) target.person_id = value;

  if (!literal.empty()) {
    follow_literal(literal, from, target);
  } else if (!value.empty()) {
    follow_identifier(type, system + '|' + value, target);
  } else {
    target.trouble = target.display.empty() ? "is empty" : "has a display only";
  }
  if (target.resource == nullptr && !target.person_id.empty()) {
    const auto known = by_identifier_.find(std::string(person_id_system) + '|' + target.person_id);
    if (known != by_identifier_.end()) target.resource = known->second;
  }
  if (target.resource != nullptr) target.type = target.resource->type;
  if (target.type.empty() && is_type_name(type)) target.type = type;
  if (target.resource != nullptr && !type.empty() && type != target.resource->type) {
    reference.fail("names another type than the resource has");
  }
  if (target.resource != nullptr || !target.id.empty() || !target.person_id.empty()) target.trouble.clear();
  return target;
}

}  // namespace careteam::admin
