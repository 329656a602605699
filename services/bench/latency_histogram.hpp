// A histogram of durations with a relative error below 1.6 %: 64 linear steps to each power of two. Recording is a few instructions.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace careteam::bench {

class latency_histogram {
 public:
  /// Counts one duration in nanoseconds.
  void record(std::uint64_t ns) noexcept {
    ++counts_[slot(ns)];
    ++total_;
    max_ = std::max(max_, ns);
  }

  std::uint64_t count() const noexcept { return total_; }
  std::uint64_t max_ns() const noexcept { return max_; }

  /// The smallest recorded duration (upper edge of its step) that at least `fraction` (0 … 1) of all do not exceed; 0 when empty.
  std::uint64_t quantile_ns(double fraction) const noexcept {
    if (total_ == 0) return 0;
    const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(total_))));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= rank) return std::min(upper_edge(i), max_);
    }
    return max_;
  }

 private:
  static constexpr unsigned step_bits = 6;
  static constexpr std::size_t steps = std::size_t{1} << step_bits;

  static std::size_t slot(std::uint64_t ns) noexcept {
    if (ns < steps) return static_cast<std::size_t>(ns);
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - step_bits;
    return (std::size_t{shift} + 1) * steps + static_cast<std::size_t>((ns >> shift) - steps);
  }

  static std::uint64_t upper_edge(std::size_t i) noexcept {
    if (i < steps) return i;
    const auto shift = static_cast<unsigned>(i / steps - 1);
    return ((std::uint64_t{steps} + i % steps + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (64 - step_bits + 1) * steps> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace careteam::bench
