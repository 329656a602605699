// The resources of one unit and the references between them. Nothing is ever fetched.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "admin/fhir_node.hpp"

namespace careteam::admin {

/// The identifier system whose value is a person's id in this system, exactly.
inline constexpr std::string_view person_id_system = "urn:careteam:person-id";

/// One resource of the unit: an entry of the Bundle, the single resource, or one contained in another.
struct fhir_resource {
  std::string type;                          ///< "Practitioner".
  std::string id;                            ///< Its id, or the UUID of its urn:uuid fullUrl.
  std::string key;                           ///< "Practitioner/f201"; contained: "CareTeam/example#pr1".
  std::string full_url;                      ///< Of its Bundle entry; may be empty.
  fhir_node body;                            ///< Its JSON.
  const fhir_resource* container = nullptr;  ///< The resource that contains it; null for all others.
};

/// Where a reference leads.
struct fhir_target {
  const fhir_resource* resource = nullptr;  ///< The resource in the unit, if it is there.
  std::string type;                         ///< Its type, or the type that the reference names; empty if unknown.
  std::string id;                           ///< Of a relative reference that leads out of the unit ("Practitioner/f201"): its id.
  std::string person_id;                    ///< The reference's own identifier in person_id_system.
  std::string display;                      ///< The reference's display.
  std::string trouble;                      ///< Why there is neither a resource nor an id.
};

/// All resources of a unit, by key, fullUrl and identifier. Refers to the JSON, which must outlive it.
class fhir_resources {
 public:
  /// Adds a resource and what it contains. Fails the unit if it is not a resource, has no usable id, or is there already.
  void add(const fhir_node& body, const std::string& full_url);

  /// The resources that no other one contains, in the order of the input.
  [[nodiscard]] const std::vector<const fhir_resource*>& top() const { return top_; }
  /// The contained resources.
  [[nodiscard]] const std::vector<const fhir_resource*>& contained() const { return contained_; }

  /// Follows a FHIR Reference that stands in `from`.
  [[nodiscard]] fhir_target follow(const fhir_node& reference, const fhir_resource& from) const;

 private:
  void add_contained(const fhir_resource& container);
  void index_identifiers(const fhir_resource& resource);
  [[nodiscard]] const fhir_resource* find_relative(const std::string& key, const fhir_resource& from) const;
  void follow_literal(const std::string& text, const fhir_resource& from, fhir_target& target) const;
  void follow_identifier(const std::string& type, const std::string& identifier, fhir_target& target) const;

  std::deque<fhir_resource> all_;  // A deque: pointers into it stay.
  std::vector<const fhir_resource*> top_, contained_;
  std::unordered_map<std::string, const fhir_resource*> by_key_, by_full_url_;
  std::unordered_map<std::string, const fhir_resource*> by_identifier_;  // "system|value"; null: several have it.
};

}  // namespace careteam::admin
