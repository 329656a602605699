// FHIR R4's own definitions, as they are published with its examples, held against what an export writes: which elements there are, of
// which type, how often; the codes of required bindings; and that every reference leads to a resource of its type in the same Bundle, or
// names one by an identifier.
#pragma once

#include <boost/json.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace careteam::admin::test {

/// Where `tests/fetch-fhir-examples` puts what it brings.
std::filesystem::path fhir_examples();

/// The resources of one type in a Bundle, in its order.
std::vector<boost::json::object> of_type(const boost::json::object& bundle, std::string_view type);

class r4_checker {
 public:
  /// `folder`: the package hl7.fhir.r4.examples, with its StructureDefinitions, ValueSets and CodeSystems.
  explicit r4_checker(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// What is wrong with a Bundle, "Task/x: status is missing".
  std::vector<std::string> faults(const boost::json::object& bundle);

 private:
  using elements = std::map<std::string, boost::json::object>;  // By path; "x[x]" as it is.

  const elements& definition(const std::string& type);
  const std::vector<std::string>& codes(const std::string& value_set);
  void check_object(const std::string& place, const std::string& path, const elements& known, const boost::json::object& object);
  void check_value(const std::string& place, const std::string& path, const boost::json::object& element, const std::string& type,
                   const elements& known, const boost::json::value& value);
  void check_primitive(const std::string& place, const std::string& type, const boost::json::value& value);
  void check_reference(const std::string& place, const boost::json::object& element, const boost::json::object& reference);
  void check_invariants(const std::string& place, const std::string& path, const boost::json::object& object);
  void fault(const std::string& place, const std::string& what) { faults_.push_back(place + ": " + what); }
  boost::json::object read(const std::string& kind, const std::string& name) const;

  std::filesystem::path folder_;
  std::map<std::string, elements> definitions_;
  std::map<std::string, std::vector<std::string>> codes_;
  std::map<std::string, const boost::json::object*> in_bundle_;  // By "Type/id".
  std::vector<std::string> faults_;
};

}  // namespace careteam::admin::test
