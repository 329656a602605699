// The rows that the product writes for a batch of messages, through bare SQLite: no threads, no domain, no encoding.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;
struct evp_md_st;
struct evp_md_ctx_st;

namespace careteam::bench {

/// One message of a batch.
struct floor_message {
  std::uint32_t room = 0;
  std::uint32_t member = 0;
};

class floor_store {
 public:
  /// Creates the file. `entry_bytes`: what is stored and hashed for each message. Throws std::runtime_error.
  floor_store(const std::string& path, std::uint32_t rooms, std::uint32_t members, std::string entry_bytes);
  ~floor_store();
  floor_store(const floor_store&) = delete;
  floor_store& operator=(const floor_store&) = delete;

  /// Appends the batch in one transaction, on disk when it returns. Throws std::runtime_error.
  void append(const std::vector<floor_message>& batch);

 private:
  using chain_value = std::array<unsigned char, 32>;
  struct room_state {
    std::uint64_t seq = 0;
    chain_value chain{};
    bool touched = false;
  };

  void execute(const char* sql);
  sqlite3_stmt* prepare(const char* sql);
  void step(sqlite3_stmt* statement);
  void append_entry(const floor_message& message);
  void append_command(const floor_message& message, std::uint64_t seq);
  void update_room(std::uint32_t room);

  sqlite3* db_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  sqlite3_stmt* insert_entry_ = nullptr;
  sqlite3_stmt* insert_position_ = nullptr;
  sqlite3_stmt* insert_command_ = nullptr;
  sqlite3_stmt* update_stream_ = nullptr;
  sqlite3_stmt* update_record_ = nullptr;
  evp_md_st* sha256_;  // Fetched once: looking it up costs more than hashing an entry.
  evp_md_ctx_st* digest_;
  std::vector<room_state> rooms_;
  std::vector<std::uint32_t> touched_;
  std::uint32_t members_;
  std::string bytes_;
  std::uint64_t entries_ = 0;
  std::uint64_t commands_ = 0;
};

}  // namespace careteam::bench
