// The rows that the product writes for a batch of messages or of commands about tasks, through bare SQLite: no threads, no domain, no
// encoding.
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
  /// Creates the file. `entries`: what is stored and hashed; one for each message, or one for each step of a task, and then `owners` is how
  /// many people's worklists a task is in. Throws std::runtime_error.
  floor_store(const std::string& path, std::uint32_t rooms, std::uint32_t members, std::vector<std::string> entries, std::uint32_t owners);
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

  /// What a member is doing.
  struct task_state {
    std::size_t step = 0;
    std::int64_t seq = 0;
    std::int64_t due = 0;
    std::int64_t timer = 0;   // When the step's deadline is; 0: it has none.
    std::int64_t breach = 0;  // Where its rows of worklists are.
  };

  void execute(const char* sql);
  sqlite3_stmt* prepare(const char* sql);
  void step(sqlite3_stmt* statement);
  void append_entry(const floor_message& message);
  void append_task_rows(const floor_message& message);
  void change_timer(sqlite3_stmt* statement, std::int64_t due, const task_state& task, std::uint32_t room, std::size_t kind);
  void change_worklists(sqlite3_stmt* statement, const task_state& task, const floor_message& message);
  void append_command(const floor_message& message, std::uint64_t seq);
  void update_room(std::uint32_t room);

  sqlite3* db_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  sqlite3_stmt* insert_entry_ = nullptr;
  sqlite3_stmt* insert_position_ = nullptr;
  sqlite3_stmt* insert_about_ = nullptr;
  sqlite3_stmt* put_timer_ = nullptr;
  sqlite3_stmt* delete_timer_ = nullptr;
  sqlite3_stmt* put_obligation_ = nullptr;
  sqlite3_stmt* delete_obligation_ = nullptr;
  sqlite3_stmt* insert_command_ = nullptr;
  sqlite3_stmt* update_stream_ = nullptr;
  sqlite3_stmt* update_record_ = nullptr;
  evp_md_st* sha256_;  // Fetched once: looking it up costs more than hashing an entry.
  evp_md_ctx_st* digest_;
  std::vector<room_state> rooms_;
  std::vector<std::uint32_t> touched_;
  std::uint32_t members_;
  std::uint32_t owners_;
  std::vector<std::string> kinds_;
  std::vector<task_state> tasks_;  // By room and member.
  std::uint64_t entries_ = 0;
  std::uint64_t commands_ = 0;
};

}  // namespace careteam::bench
