// A typed, checked way through parsed FHIR JSON. Every wrong type is an error that names its path.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/fhir_import.hpp"
#include "admin/fhir_time.hpp"

namespace careteam::admin {

/// The first structural error of a unit: it fails the unit as a whole. Reading goes on harmlessly after it, with absent values.
class unit_failure {
 public:
  /// Remembers the first error only: later ones mostly follow from it.
  void set(std::string path, std::string message) {
    if (!problem_) problem_ = import_problem{{}, std::move(path), std::move(message), true};
  }
  [[nodiscard]] const std::optional<import_problem>& problem() const { return problem_; }

 private:
  std::optional<import_problem> problem_;
};

/// A place in the JSON, present or not. What is asked of an absent node is absent. Refers to the parsed value and the failure, which must
/// outlive it.
class fhir_node {
 public:
  fhir_node() = default;
  fhir_node(const boost::json::value* value, std::string path, unit_failure* failure)
      : value_(value), path_(std::move(path)), failure_(failure) {}

  [[nodiscard]] bool present() const { return value_ != nullptr; }
  [[nodiscard]] const std::string& path() const { return path_; }

  /// A field of this object; fails unless this is an object, or if the field is null.
  [[nodiscard]] fhir_node operator[](std::string_view field) const;
  /// The elements of this array; fails unless this is an array. A null element (FHIR's place for an extension) is an absent node.
  [[nodiscard]] std::vector<fhir_node> items() const;
  /// This object; null if absent; fails unless it is an object.
  [[nodiscard]] const boost::json::object* object() const;
  /// This string; empty if absent; fails unless it is a string that is not empty and without control characters but tab and line ends.
  [[nodiscard]] std::string text() const;
  /// This boolean; fails unless it is one.
  [[nodiscard]] std::optional<bool> flag() const;
  /// This whole number; fails unless it is one from 1 to 2,147,483,647 (positiveInt).
  [[nodiscard]] std::optional<std::int64_t> positive() const;
  /// This date; fails unless it is one.
  [[nodiscard]] std::optional<fhir_interval> time() const;

  /// The same place under another name in problems.
  [[nodiscard]] fhir_node called(std::string path) const { return {value_, std::move(path), failure_}; }

  void fail(std::string message) const {
    if (failure_ != nullptr) failure_->set(path_, std::move(message));
  }

 private:
  const boost::json::value* value_ = nullptr;
  std::string path_;
  unit_failure* failure_ = nullptr;
};

/// Counts the fields of an object that are not among the used ones, as "<name>.<field>".
void count_unused(const fhir_node& node, std::string_view name, std::initializer_list<std::string_view> used, import_tally& tally);

/// A FHIR id: [A-Za-z0-9-.]{1,64}.
[[nodiscard]] bool is_fhir_id(std::string_view text);

/// A resource type as it may appear in problems: one to 64 letters.
[[nodiscard]] bool is_type_name(std::string_view text);

/// Whether an import makes something of resources of this type.
[[nodiscard]] bool is_used_type(std::string_view type);

}  // namespace careteam::admin
