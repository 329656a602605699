// `careteam rebuild`: makes everything that is derived from the entries anew, and compares it with what is stored.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace careteam::admin {

struct rebuild_report {
  std::uint64_t records = 0;
  std::uint64_t entries = 0;
  std::uint64_t snapshots = 0;           ///< Snapshots that were compared.
  std::uint64_t memberships = 0;         ///< Members whose index was compared.
  std::uint64_t timers = 0;              ///< Timers that the entries lead to.
  std::uint64_t obligations = 0;         ///< Rows of obligations that the entries lead to.
  std::vector<std::string> differences;  ///< What is stored differs from what the entries say. Records and people by id.
};

/// Folds every entry of every record and compares. Changes nothing. Memory: one record's state, and
/// some bytes for each record with timers and each open obligation.
boost::asio::awaitable<store::result<rebuild_report>> rebuild(store::record_store& of);

}  // namespace careteam::admin
