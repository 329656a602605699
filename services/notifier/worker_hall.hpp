// Where the processes that make the attempts (`careteam notifier`) come to the server and are given them, over a Unix socket.
//
// An attempt goes to the worker that is least busy. What a worker had when it went, or said nothing about for too long, is answered with
// verdict::unknown: the notifier claims it again, under the same id. Without a worker `capacity` is zero, and all waits in the store.
// The kernel tells who is at the other end: this server's user, root, or the one user who is named. Whoever says something that makes no
// sense, or answers for what it was not given, is closed, and nobody else notices. Runs on the event loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "notifier/sender.hpp"
#include "notifier/worker_wire.hpp"

namespace careteam::notifier {

inline constexpr std::size_t max_workers = 16;

struct worker_hall_options {
  std::filesystem::path path;        ///< Of the socket.
  std::optional<uid_t> worker_user;  ///< Beside this process's user and root. Then the socket's mode lets everybody ask to come in.
  std::chrono::milliseconds attempt_timeout{5'000};
  std::chrono::milliseconds hello_patience{5'000};
};

class worker_hall final : public sender, public std::enable_shared_from_this<worker_hall> {
 public:
  /// Listens. A file that a server which was killed has left at the path is replaced. Throws std::runtime_error that names the path
  /// (start-up).
  worker_hall(boost::asio::any_io_executor executor, worker_hall_options options);
  ~worker_hall() override;
  worker_hall(const worker_hall&) = delete;
  worker_hall& operator=(const worker_hall&) = delete;

  /// Lets workers in from now on. `arrived`: called whenever one can be given attempts.
  void start(std::function<void()> arrived);
  /// No new workers; those that are here go on. Removes the socket.
  void stop();
  std::size_t workers() const;

  void send(message what, answer done) override;
  std::size_t in_flight() const override;
  std::size_t capacity() const override;
  std::chrono::milliseconds attempt_timeout() const override { return options_.attempt_timeout; }

 private:
  struct assignment {
    message what;
    answer done;
    std::chrono::steady_clock::time_point since{};  ///< Given to a worker.
  };
  struct worker;

  boost::asio::awaitable<void> accept(std::shared_ptr<worker_hall> self);
  boost::asio::awaitable<void> serve(std::shared_ptr<worker_hall> self, std::shared_ptr<worker> one);
  boost::asio::awaitable<void> watch(std::shared_ptr<worker_hall> self, std::shared_ptr<worker> one);
  /// False: it makes no sense.
  bool take(worker& from, const internal::FromWorker& said);
  bool take(worker& from, const internal::AttemptVerdict& told);
  void let_in(runtime::unix_socket peer);
  void hand_out();
  void give(worker& to, assignment one);
  worker* least_busy() const;
  void leave(const std::shared_ptr<worker>& one);
  void give_up(std::vector<assignment> lost);

  boost::asio::any_io_executor executor_;
  worker_hall_options options_;
  runtime::unix_acceptor acceptor_;
  std::function<void()> arrived_;
  std::vector<std::shared_ptr<worker>> workers_;
  std::deque<assignment> waiting_;  ///< Until a worker has room.
  std::uint64_t last_number_ = 0;
  std::optional<uid_t> turned_away_;  ///< Last, so that one who comes again and again is told of once.
};

}  // namespace careteam::notifier
