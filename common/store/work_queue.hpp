// How work goes from the event loop to a thread of the store and how its answer comes back.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "store/store.hpp"

namespace careteam::store {

/// Whoever waits for a job.
class waiter {
 public:
  virtual ~waiter() = default;
  /// Goes on with what waited, on the event loop. Consumes the waiter.
  static void resume(std::unique_ptr<waiter> self) {
    waiter& ref = *self;
    ref.resume_and_free(std::move(self));
  }

 private:
  virtual void resume_and_free(std::unique_ptr<waiter> self) = 0;
};

template <class Handler>
class handler_waiter final : public waiter {
 public:
  explicit handler_waiter(Handler handler) : handler_(std::move(handler)) {}

 private:
  void resume_and_free(std::unique_ptr<waiter> self) override {
    Handler handler = std::move(handler_);
    self.reset();
    std::move(handler)();
  }
  Handler handler_;
};

/// A request under way. Filled by the loop, worked on by a thread, read by the loop again: never by both at once.
class job {
 public:
  virtual ~job() = default;
  /// Answers with an error; replaces an answer that was given before.
  virtual void refuse(errc reason) = 0;

  std::unique_ptr<waiter> waiting;
};

/// Answered jobs on their way back to the loop: one post for all of them.
class completions {
 public:
  template <class Jobs>
  completions(boost::asio::any_io_executor executor, const Jobs& jobs) : executor_(std::move(executor)) {
    waiting_.reserve(jobs.size());
    for (const auto& job : jobs) waiting_.push_back(std::move(job->waiting));
  }
  completions(completions&&) = default;

  void operator()() {
    try {
      while (next_ < waiting_.size()) waiter::resume(std::move(waiting_[next_++]));
    } catch (...) {
      // What one waiter throws is the loop's to see, and no reason to forget the others.
      auto executor = executor_;
      boost::asio::post(executor, std::move(*this));
      throw;
    }
  }

 private:
  boost::asio::any_io_executor executor_;
  std::vector<std::unique_ptr<waiter>> waiting_;
  std::size_t next_ = 0;
};

/// Jobs between the loop and one thread.
template <class Job>
class work_queue {
 public:
  using jobs = std::vector<std::shared_ptr<Job>>;

  enum class state { work, idle, finished, aborted };

  /// From the loop. After finish() nothing may come.
  void push(jobs&& more) {
    {
      const std::lock_guard lock(mutex_);
      for (auto& job : more) waiting_.push_back(std::move(job));
    }
    changed_.notify_one();
  }
  /// The thread ends when it has done everything.
  void finish() { set(finishing_); }
  /// The thread ends after what it is doing.
  void abort() { set(aborting_); }

  /// For the thread: waits for jobs and takes those for which `fits` says yes, at least one. `idle` after the given time.
  template <class Fits>
  std::pair<state, jobs> take(std::optional<std::chrono::milliseconds> patience, Fits fits) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return !waiting_.empty() || finishing_ || aborting_; };
    if (!patience) {
      changed_.wait(lock, ready);
    } else if (!changed_.wait_for(lock, *patience, ready)) {
      return {state::idle, {}};
    }
    if (aborting_) return {state::aborted, rest()};
    if (waiting_.empty()) return {state::finished, {}};
    jobs taken;
    while (!waiting_.empty() && (fits(*waiting_.front()) || taken.empty())) {
      taken.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    return {state::work, std::move(taken)};
  }

 private:
  void set(bool& flag) {
    {
      const std::lock_guard lock(mutex_);
      flag = true;
    }
    changed_.notify_one();
  }
  jobs rest() {
    jobs all(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
    waiting_.clear();
    return all;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> waiting_;
  bool finishing_ = false;
  bool aborting_ = false;
};

}  // namespace careteam::store
