// What the tests of the import share: files of their own, and everything that a reader yields of one.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "admin/fhir_import.hpp"

namespace careteam::admin::test {

// 2026-01-01T00:00:00Z: the present of all these tests.
inline constexpr std::chrono::sys_seconds present{std::chrono::seconds{1'767'225'600}};

struct everything {
  std::vector<import_unit> units;
  std::vector<import_problem> failures;
  import_tally tally;

  // The steps of all units.
  [[nodiscard]] std::vector<import_step> steps() const {
    std::vector<import_step> all;
    for (const auto& unit : units) all.insert(all.end(), unit.steps.begin(), unit.steps.end());
    return all;
  }
  // The step with an identity; fails the test if there is none.
  [[nodiscard]] import_step step(std::string_view identity) const {
    for (const auto& one : steps()) {
      if (one.identity == identity) return one;
    }
    ADD_FAILURE() << "no step " << identity;
    return {};
  }
  [[nodiscard]] bool has(std::string_view identity) const {
    const auto all = steps();
    return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.identity == identity; });
  }
  // Whether a problem names this path, with this in its message.
  [[nodiscard]] bool named(std::string_view path, std::string_view part) const {
    return std::any_of(tally.problems.begin(), tally.problems.end(),
                       [&](const auto& one) { return one.path == path && one.message.find(part) != std::string::npos; });
  }
  [[nodiscard]] std::string problems() const {
    std::string all;
    for (const auto& one : tally.problems) all += one.where + " | " + one.path + " | " + one.message + "\n";
    return all;
  }
};

inline everything read_all(const std::filesystem::path& path) {
  everything result;
  auto reader = fhir_reader::open(path, import_options{present});
  if (!reader) {
    ADD_FAILURE() << path << ": " << reader.error().message();
    return result;
  }
  while (auto unit = reader->next()) {
    if (*unit) {
      result.units.push_back(std::move(**unit));
    } else {
      result.failures.push_back(unit->error());
    }
  }
  result.tally = reader->tally();
  return result;
}

class fhir_files : public testing::Test {
 protected:
  fhir_files() {
    std::string name = (std::filesystem::temp_directory_path() / "careteam-fhir-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
    folder_ = name;
  }
  ~fhir_files() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  [[nodiscard]] std::filesystem::path write(const std::string& name, std::string_view text) const {
    const auto path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  [[nodiscard]] everything json(std::string_view text) const { return read_all(write("unit.json", text)); }
  [[nodiscard]] everything lines(std::string_view text) const { return read_all(write("unit.ndjson", text)); }
  // A collection Bundle of these entries ("resource" objects, comma-separated).
  [[nodiscard]] everything bundle(const std::vector<std::string>& resources) const {
    std::string text = R"({"resourceType":"Bundle","type":"collection","entry":[)";
    for (std::size_t i = 0; i < resources.size(); ++i) text += (i == 0 ? "" : ",") + (R"({"resource":)" + resources[i]) + "}";
    return json(text + "]}");
  }

  std::filesystem::path folder_;
};

}  // namespace careteam::admin::test
