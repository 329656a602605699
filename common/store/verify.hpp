// Whether a stored file still says what was stored: recomputes every chain and follows every reference. Stands alone: it needs no
// running server and shares only the schema with what wrote the file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "store/sqlite_schema.hpp"
#include "store/store.hpp"

namespace careteam::store {

/// A place where stored data contradicts itself. Never holds stored bytes.
struct finding {
  record_key record;       ///< Empty: not known, or the whole file.
  stream_kind stream = 0;  ///< 0: no particular stream.
  std::uint64_t seq = 0;   ///< 0: no particular entry.
  std::string what;
};

struct verify_report {
  std::uint64_t records = 0;
  std::uint64_t streams = 0;
  std::uint64_t entries = 0;
  std::uint64_t commands = 0;
  std::uint64_t timers = 0;
  std::uint64_t deliveries = 0;
  std::uint64_t obligations = 0;
  std::vector<finding> findings;
  bool stopped = false;  ///< There were more findings than are worth listing, so not everything was looked at.
  bool sound() const noexcept { return findings.empty() && !stopped; }
};

/// Called every few thousand entries, and after the last one, with the number checked and the number there are.
using verify_progress = std::function<void(std::uint64_t checked, std::uint64_t total)>;

/// A report lists at most this many findings.
inline constexpr std::size_t max_findings = 1000;

/// Checks a store, also one that is being served: it sees one moment, and the WAL grows while it looks. Read-only; blocks;
/// memory does not grow with the number of entries but for 1 bit per version of the record in hand. Throws open_error when the file is
/// not there or is no store of such a schema.
verify_report verify_sqlite(const std::string& path, const verify_progress& progress, accepted_schema accepted = accepted_schema::current);

}  // namespace careteam::store
