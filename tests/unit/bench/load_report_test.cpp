#include "bench/load_report.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <sstream>

#include "bench/test_rooms.hpp"

namespace careteam::bench {
namespace {

std::string text_of(const load_options& options, const load_result& result) {
  std::ostringstream out;
  print_text(options, result, out);
  return out.str();
}

boost::json::object json_of(const load_options& options, const load_result& result) {
  std::ostringstream out;
  print_json(options, result, out);
  return boost::json::parse(out.str()).as_object();
}

TEST(load_report, a_good_run_says_so_in_every_mode) {
  for (const auto mode : {load_mode::closed, load_mode::open, load_mode::fill, load_mode::welcome, load_mode::idle, load_mode::reconnect}) {
    load_options options;
    options.mode = mode;
    EXPECT_TRUE(all_checks_hold({}));
    EXPECT_NE(text_of(options, {}).find("everything arrived once and in order"), std::string::npos);
    EXPECT_TRUE(json_of(options, {}).at("checks_hold").as_bool());
  }
}

TEST(load_report, every_fault_fails_the_run_and_is_named) {
  for (const auto counter : {&load_faults::gaps, &load_faults::duplicates, &load_faults::strangers, &load_faults::unknown_answers,
                             &load_faults::unanswered, &load_faults::missing, &load_faults::uncommanded, &load_faults::wrong_seqs,
                             &load_faults::malformed, &load_faults::closed, &load_faults::overrun}) {
    load_result result;
    result.faults.*counter = 1'234'567;
    result.first_fault = "u-000-0: this one";
    EXPECT_FALSE(all_checks_hold(result));
    const auto text = text_of({}, result);
    EXPECT_NE(text.find("NOT everything"), std::string::npos);
    EXPECT_NE(text.find("1,234,567 "), std::string::npos);
    EXPECT_NE(text.find("u-000-0: this one"), std::string::npos);
    EXPECT_FALSE(json_of({}, result).at("checks_hold").as_bool());
  }
}

TEST(load_report, refusals_fail_the_run) {
  load_result result;
  result.refusals["8 "] = 3;
  EXPECT_FALSE(all_checks_hold(result));
  EXPECT_NE(text_of({}, result).find("limits.commands_per_minute"), std::string::npos);
}

TEST(load_report, says_when_the_generator_is_the_limit) {
  load_result result;
  result.counts.seconds = 10;
  result.counts.generator_cpu_seconds = 8.9;
  EXPECT_FALSE(json_of({}, result).at("generator_bound").as_bool());
  EXPECT_EQ(text_of({}, result).find("GENERATOR-BOUND"), std::string::npos);
  result.counts.generator_cpu_seconds = 9.1;
  EXPECT_TRUE(json_of({}, result).at("generator_bound").as_bool());
  EXPECT_NE(text_of({}, result).find("GENERATOR-BOUND"), std::string::npos);
}

TEST(load_report, memory_of_a_connection_is_the_growth_by_their_number) {
  load_options options;
  options.mode = load_mode::idle;
  options.server_pid = 1;
  load_result result;
  result.connections = 1'000;
  result.server_before.resident_bytes = 10'000'000;
  result.server_after.resident_bytes = 15'000'000;
  EXPECT_EQ(json_of(options, result).at("server_rss_per_connection_bytes").to_number<double>(), 5'000);
  EXPECT_NE(text_of(options, result).find("5,000 bytes a connection"), std::string::npos);
}

TEST(test_rooms, are_patients_nurses_and_teams_one_a_line) {
  std::ostringstream resources, people;
  write_test_rooms(2, 3, resources, people);
  EXPECT_EQ(people.str(), "u-000-0\nu-000-1\nu-000-2\nu-001-0\nu-001-1\nu-001-2\n");
  std::istringstream lines(resources.str());
  std::vector<std::string> types;
  for (std::string line; std::getline(lines, line);) types.emplace_back(boost::json::parse(line).at("resourceType").as_string().c_str());
  EXPECT_EQ(types, (std::vector<std::string>{"Patient", "Practitioner", "Practitioner", "Practitioner", "CareTeam", "Patient",
                                             "Practitioner", "Practitioner", "Practitioner", "CareTeam"}));
}

}  // namespace
}  // namespace careteam::bench
