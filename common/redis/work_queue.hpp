// Work for whichever process takes it first: a stream of ids with one consumer group.
//
// It only makes work known sooner: whoever takes an id asks the store whether it is still to be done, and a sweep of the store finds what
// was lost here. So nothing is repeated, and nothing is kept for a Redis that is away. An id tells nothing. Runs on the executor.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "redis/client.hpp"

namespace careteam::redis {

struct work_queue_options {
  std::string key = "ct:deliveries";
  std::string group = "notifiers";
  std::string consumer;           ///< Of this process alone.
  std::size_t longest = 100'000;  ///< More ids are not kept, about: the oldest go.
};

/// One piece of work as it was taken.
struct queued_work {
  std::string entry;  ///< The queue's name for it; empty: it did not come from the queue.
  std::string id;
  bool operator==(const queued_work&) const = default;
};

class work_queue {
 public:
  /// Both clients must outlive this object. `waiting` is used by take() alone: whatever else it sent would wait too.
  work_queue(client& commands, client& waiting, work_queue_options options);

  bool connected() const noexcept { return commands_.connected() && waiting_.connected(); }

  /// Makes work known. `done` is called later, with an error when Redis did not take all of it.
  void add(const std::vector<std::string>& ids, std::function<void(boost::system::error_code)> done);
  /// Waits for work, for so long, and takes at most `count`. Less than the client's response timeout, or that ends the connection.
  boost::asio::awaitable<result<std::vector<queued_work>>> take(std::size_t count, std::chrono::milliseconds patience);
  /// Takes what others took so long ago and have not finished: they may be dead.
  boost::asio::awaitable<result<std::vector<queued_work>>> take_abandoned(std::chrono::milliseconds idle, std::size_t count);
  /// Forgets work that is done.
  void finish(const std::vector<std::string>& entries);

 private:
  boost::asio::awaitable<bool> make_group();

  client& commands_;
  client& waiting_;
  work_queue_options options_;
};

}  // namespace careteam::redis
