// A store for the tests of other rooms.
#pragma once

#include <memory>

#include "fixture.hpp"
#include "store/sqlite_store.hpp"

namespace careteam::store::test {

/// A new store in the folder, on the loop. Whoever opens it closes it.
inline std::unique_ptr<record_store> new_store(event_loop& loop, const scratch_folder& folder) {
  sqlite_options options;
  options.path = folder.file("store.db");
  options.missing = when_missing::create;
  return open_sqlite(loop.context().get_executor(), options);
}

}  // namespace careteam::store::test
