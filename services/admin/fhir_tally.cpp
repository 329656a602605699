#include <stdexcept>
#include <utility>

#include "admin/fhir_import.hpp"

namespace careteam::admin {

void throw_exception_from_error(const import_problem& problem, const boost::source_location&) {
  throw std::logic_error(problem.message);
}

void import_tally::count(std::map<std::string, std::uint64_t>& counter, const std::string& name, std::uint64_t times) {
  if (const auto known = counter.find(name); known != counter.end()) {
    known->second += times;
  } else {
    counter[counter.size() < max_tally_names ? name : std::string("(other)")] += times;
  }
}

void import_tally::add(import_problem problem) {
  if (problems.size() < max_tally_problems) {
    problems.push_back(std::move(problem));
  } else {
    ++problems_left_out;
  }
}

void import_tally::merge(import_tally other) {
  const auto merge_counter = [](auto& into, const auto& from) {
    for (const auto& [name, times] : from) count(into, name, times);
  };
  merge_counter(used, other.used);
  merge_counter(refused, other.refused);
  merge_counter(unused_types, other.unused_types);
  merge_counter(unused_fields, other.unused_fields);
  merge_counter(notes, other.notes);
  for (auto& problem : other.problems) add(std::move(problem));
  problems_left_out += other.problems_left_out;
  units += other.units;
  failed_units += other.failed_units;
  steps += other.steps;
}

}  // namespace careteam::admin
