#include "runtime/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>

namespace careteam::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(metrics, are_exposed_as_prometheus_text_in_the_order_of_names) {
  metrics_registry metrics;
  counter& committed = metrics.add_counter("careteam_commands_total", "Commands carried out.", {{"outcome", "committed"}});
  counter& refused = metrics.add_counter("careteam_commands_total", "Commands carried out.", {{"outcome", "refused"}});
  gauge& open = metrics.add_gauge("careteam_a_connections", "Open connections.");
  atomic_counter& written = metrics.add_atomic_counter("careteam_store_bytes_total", "Bytes written.");
  metrics.add_callback_gauge("careteam_queue_ratio", "How full.", [] { return 0.25; });
  metrics.add_callback_counter("careteam_lost_total", "Lost.", [] { return std::uint64_t{7}; });
  committed.increment();
  committed.increment(4);
  refused.increment();
  open.set(3);
  open.add(-5);
  written.increment(1024);
  EXPECT_EQ(metrics.exposition(),
            "# HELP careteam_a_connections Open connections.\n"
            "# TYPE careteam_a_connections gauge\n"
            "careteam_a_connections -2\n"
            "# HELP careteam_commands_total Commands carried out.\n"
            "# TYPE careteam_commands_total counter\n"
            "careteam_commands_total{outcome=\"committed\"} 5\n"
            "careteam_commands_total{outcome=\"refused\"} 1\n"
            "# HELP careteam_lost_total Lost.\n"
            "# TYPE careteam_lost_total counter\n"
            "careteam_lost_total 7\n"
            "# HELP careteam_queue_ratio How full.\n"
            "# TYPE careteam_queue_ratio gauge\n"
            "careteam_queue_ratio 0.25\n"
            "# HELP careteam_store_bytes_total Bytes written.\n"
            "# TYPE careteam_store_bytes_total counter\n"
            "careteam_store_bytes_total 1024\n");
}

TEST(metrics, histograms_are_cumulative_and_bounds_are_inclusive) {
  metrics_registry metrics;
  histogram& took = metrics.add_histogram("careteam_took_seconds", "How long.", {0.1, 1, 10}, {{"op", "read"}});
  took.observe(0.1);
  took.observe(0.5);
  took.observe(500ms);
  took.observe(10.0);
  took.observe(11.0);
  took.observe(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(took.buckets(), ::testing::ElementsAre(1, 2, 1, 1));
  EXPECT_EQ(metrics.exposition(),
            "# HELP careteam_took_seconds How long.\n"
            "# TYPE careteam_took_seconds histogram\n"
            "careteam_took_seconds_bucket{op=\"read\",le=\"0.1\"} 1\n"
            "careteam_took_seconds_bucket{op=\"read\",le=\"1\"} 3\n"
            "careteam_took_seconds_bucket{op=\"read\",le=\"10\"} 4\n"
            "careteam_took_seconds_bucket{op=\"read\",le=\"+Inf\"} 5\n"
            "careteam_took_seconds_sum{op=\"read\"} 22.1\n"
            "careteam_took_seconds_count{op=\"read\"} 5\n");
}

TEST(metrics, help_and_labels_are_escaped) {
  metrics_registry metrics;
  metrics.add_counter("a_total", "A \\ and\na \"line\".", {{"path", "C:\\x\n\"y\""}});
  EXPECT_EQ(metrics.exposition(),
            "# HELP a_total A \\\\ and\\na \"line\".\n"
            "# TYPE a_total counter\n"
            "a_total{path=\"C:\\\\x\\n\\\"y\\\"\"} 0\n");
}

TEST(metrics, numbers_that_are_none_have_names) {
  metrics_registry metrics;
  metrics.add_callback_gauge("a", "A.", [] { return std::numeric_limits<double>::infinity(); });
  metrics.add_callback_gauge("b", "B.", [] { return -std::numeric_limits<double>::infinity(); });
  metrics.add_callback_gauge("c", "C.", [] { return std::nan(""); });
  EXPECT_THAT(metrics.exposition(), HasSubstr("\na +Inf\n"));
  EXPECT_THAT(metrics.exposition(), HasSubstr("\nb -Inf\n"));
  EXPECT_THAT(metrics.exposition(), HasSubstr("\nc NaN\n"));
}

TEST(metrics, bad_registrations_are_bugs_and_leave_no_trace) {
  metrics_registry metrics;
  metrics.add_counter("a_total", "A.", {{"x", "1"}, {"y", "2"}});
  const std::string before = metrics.exposition();
  for (const char* name : {"", "1a", "a-b", "a b", "a{", "\xC3\xA9", "a:b"}) {
    EXPECT_THROW(metrics.add_counter(name, "A."), std::invalid_argument) << name;
  }
  for (const char* label : {"", "1a", "a-b", "__name", "le"}) {
    EXPECT_THROW(metrics.add_counter("b_total", "B.", {{label, "v"}}), std::invalid_argument) << label;
  }
  EXPECT_THROW(metrics.add_counter("b_total", "B.", {{"x", "1"}, {"x", "2"}}), std::invalid_argument);
  EXPECT_THROW(metrics.add_gauge("a_total", "A.", {{"x", "2"}}), std::invalid_argument);
  EXPECT_THROW(metrics.add_counter("a_total", "Another.", {{"x", "2"}}), std::invalid_argument);
  EXPECT_THROW(metrics.add_counter("a_total", "A.", {{"y", "2"}, {"x", "1"}}), std::invalid_argument);
  using bounds = std::vector<double>;
  for (const bounds& bad : {bounds{}, bounds{1, 1}, bounds{2, 1}, bounds{1, std::numeric_limits<double>::infinity()}, bounds{std::nan("")},
                            bounds(max_histogram_buckets + 1, 1.0)}) {
    EXPECT_THROW(metrics.add_histogram("h", "H.", bad), std::invalid_argument);
  }
  EXPECT_EQ(metrics.exposition(), before);
}

TEST(metrics, series_are_bounded) {
  metrics_registry metrics;
  for (std::size_t i = 0; i < max_metric_series; ++i) metrics.add_counter("a_total", "A.", {{"i", std::to_string(i)}});
  EXPECT_THROW(metrics.add_counter("b_total", "B."), std::invalid_argument);
}

TEST(metrics, references_stay_valid_while_more_are_registered) {
  metrics_registry metrics;
  counter& first = metrics.add_counter("first_total", "F.");
  for (int i = 0; i < 500; ++i) metrics.add_counter("a_total", "A.", {{"i", std::to_string(i)}});
  first.increment();
  EXPECT_THAT(metrics.exposition(), HasSubstr("\nfirst_total 1\n"));
}

TEST(metrics, atomic_counters_lose_nothing) {
  atomic_counter counted;
  auto count = [&] {
    for (int i = 0; i < 10'000; ++i) counted.increment();
  };
  std::thread one(count);
  std::thread other(count);
  one.join();
  other.join();
  EXPECT_EQ(counted.value(), 20'000U);
}

TEST(metrics, latency_buckets_are_good_bounds) {
  EXPECT_NO_THROW(histogram{latency_buckets()});
}

}  // namespace
}  // namespace careteam::runtime
