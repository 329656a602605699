// Frames in their two encodings: binary protobuf and protobuf's JSON mapping. No I/O.
#pragma once

#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "care/refusal.hpp"
#include "careteam/v1/wire.pb.h"
#include "coordination/stream_batch.hpp"

namespace careteam::gateway {

enum class subprotocol { proto, json };
inline constexpr std::string_view proto_name = "careteam.v1.proto";
inline constexpr std::string_view json_name = "careteam.v1.json";

/// What is wrong with a frame, and the command or request that it belongs to where that could be read.
struct bad_frame {
  std::string id;
  care::refusal why;
};

/// All elements of a frame's lists together. The longest honest list names a position for each stream of a person.
inline constexpr std::size_t max_frame_elements = 10'000;

/// Reads a client's frame. Unknown fields and enum values are refused; nothing of the text is repeated in the answer.
/// True and `frame` filled, or false and `bad` filled.
bool decode(subprotocol form, std::string_view bytes, v1::ClientFrame& frame, bad_frame& bad);

/// Prepares protobuf's logging and the like once per process: a library must not print parts of a frame.
void quiet_protobuf();

/// What a connection is owed, as complete WebSocket messages. Everything added between two takes becomes one message, up to
/// `max_message_bytes` and the cuts.
class outbox {
 public:
  static constexpr std::size_t max_message_bytes = 256 * 1024;  ///< A message is closed above this: a client can take it in steps.

  explicit outbox(subprotocol form) : form_(form), sections_(form == subprotocol::json ? field_count : 0) {}

  /// A field of ServerFrame, by its number.
  void add(int field, const google::protobuf::Message& value);
  void add(const coordination::stream_batch& entries);
  /// What follows starts a new message: a client applies what came before first.
  void cut();

  bool empty() const { return ready_.empty() && open_empty(); }
  std::size_t bytes() const { return ready_bytes_ + open_bytes_; }
  /// Puts the next complete message into `into`, whose memory is used again for what comes; false when nothing is owed.
  bool take(std::string& into);
  void clear();
  /// Keeps no memory for what may come.
  void give_back_memory();

 private:
  bool open_empty() const { return open_bytes_ == 0; }
  static constexpr std::size_t field_count = 20;
  subprotocol form_;
  std::string wire_;                   // proto: the open message
  std::vector<std::string> sections_;  // JSON: the open message's fields
  std::size_t open_bytes_ = 0;
  std::list<std::string> ready_;  // Mostly empty, and then without memory of its own.
  std::size_t ready_bytes_ = 0;
};

}  // namespace careteam::gateway
