// What the tests of the SQLite store share.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "fixture.hpp"
#include "store/sqlite_store.hpp"

namespace careteam::store::test {

inline sqlite_options options_for(const std::string& path) {
  sqlite_options options;
  options.path = path;
  options.missing = when_missing::create;
  options.cache_bytes = 1 << 20;
  return options;
}

/// Runs SQL behind the store's back; the store must be closed.
inline void tamper(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
  char* message = nullptr;
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
  sqlite3_free(message);
  sqlite3_close(db);
}

}  // namespace careteam::store::test
