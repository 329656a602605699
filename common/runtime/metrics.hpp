// Metrics: registered once at the start, counted by a plain increment, read as Prometheus text (exposition format 0.0.4).
//
//   metrics_registry metrics;
//   counter& commands = metrics.add_counter("careteam_commands_total", "Commands carried out.", {{"outcome", "committed"}});
//   commands.increment();
//
// Everything here belongs to the event loop's thread, except atomic_counter, which any thread may increment.
// A label's value is a constant of ours, fixed at registration, or the id of something that the clinic defines, a duty, where the caller
// bounds their number: no id of a person, no patient's text.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace careteam::runtime {

/// Counts up. Event loop only.
class counter {
 public:
  void increment(std::uint64_t by = 1) noexcept { value_ += by; }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 0;
};

/// Counts up from any thread.
class atomic_counter {
 public:
  void increment(std::uint64_t by = 1) noexcept { value_.fetch_add(by, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Goes up and down. Event loop only.
class gauge {
 public:
  void set(std::int64_t value) noexcept { value_ = value; }
  void add(std::int64_t by) noexcept { value_ += by; }
  [[nodiscard]] std::int64_t value() const noexcept { return value_; }

 private:
  std::int64_t value_ = 0;
};

/// Counts observations in fixed buckets; a value that equals a bound belongs to that bucket. Event loop only.
class histogram {
 public:
  /// Upper bounds: finite, rising, at most max_histogram_buckets. Throws std::invalid_argument otherwise.
  explicit histogram(std::vector<double> upper_bounds);

  /// NaN is not counted: it would spoil the sum for good.
  void observe(double value) noexcept;
  /// A duration is observed in seconds.
  void observe(std::chrono::nanoseconds value) noexcept { observe(std::chrono::duration<double>(value).count()); }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] double sum() const noexcept { return sum_; }
  [[nodiscard]] const std::vector<double>& upper_bounds() const noexcept { return upper_bounds_; }
  /// Observations in each bucket by itself (not cumulative); the last one is above all bounds.
  [[nodiscard]] const std::vector<std::uint64_t>& buckets() const noexcept { return buckets_; }

 private:
  std::vector<double> upper_bounds_;
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

inline constexpr std::size_t max_histogram_buckets = 64;
/// Series of one process: a bug that registers per person or record shows at once.
inline constexpr std::size_t max_metric_series = 1000;

/// Bounds for the time that something took, in seconds: 100 µs to 10 s.
[[nodiscard]] std::vector<double> latency_buckets();

/// Constant labels: name and value.
using metric_labels = std::vector<std::pair<std::string, std::string>>;

/// Owns all metrics of a process; references stay valid as long as it lives.
/// add_… throws std::invalid_argument for a name or label that Prometheus does not allow, a name that is in use with another type or help,
/// a repeated series, and beyond max_metric_series: these are bugs that show at the start.
class metrics_registry {
 public:
  counter& add_counter(std::string name, std::string help, metric_labels labels = {});
  atomic_counter& add_atomic_counter(std::string name, std::string help, metric_labels labels = {});
  gauge& add_gauge(std::string name, std::string help, metric_labels labels = {});
  histogram& add_histogram(std::string name, std::string help, std::vector<double> upper_bounds, metric_labels labels = {});
  /// Asked on each exposition; it must not throw, block, or outlive what it refers to.
  void add_callback_gauge(std::string name, std::string help, std::function<double()> value, metric_labels labels = {});
  void add_callback_counter(std::string name, std::string help, std::function<std::uint64_t()> value, metric_labels labels = {});

  /// All metrics as text, families in the order of their names. Serve it as metrics_content_type.
  [[nodiscard]] std::string exposition() const;

 private:
  enum class family_type { counter, gauge, histogram };
  using source = std::variant<const counter*, const atomic_counter*, const gauge*, const histogram*, std::function<double()>,
                              std::function<std::uint64_t()>>;
  struct series {
    metric_labels labels;
    source value;
  };
  struct family {
    family_type type;
    std::string help;
    std::vector<series> members;
  };

  void add(std::string name, std::string help, family_type type, metric_labels labels, source value);
  static std::string_view name_of(family_type type) noexcept;

  std::map<std::string, family> families_;
  std::size_t series_count_ = 0;
  std::deque<counter> counters_;
  std::deque<atomic_counter> atomic_counters_;
  std::deque<gauge> gauges_;
  std::deque<histogram> histograms_;
};

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace careteam::runtime
