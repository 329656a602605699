// The clock of everything that is measured: CLOCK_MONOTONIC in nanoseconds, so that stamps of two processes can be compared.
#pragma once

#include <cmath>
#include <cstdint>
#include <ctime>

namespace careteam::bench {

inline std::uint64_t monotonic_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000ULL + static_cast<std::uint64_t>(now.tv_nsec);
}

inline std::uint64_t to_ns(double seconds) noexcept {
  return static_cast<std::uint64_t>(std::llround(seconds * 1e9));
}

inline double to_seconds(std::uint64_t ns) noexcept {
  return static_cast<double>(ns) / 1e9;
}

}  // namespace careteam::bench
