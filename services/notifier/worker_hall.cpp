#include "notifier/worker_hall.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <stdexcept>

#include "runtime/log.hpp"

namespace careteam::notifier {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using steady = std::chrono::steady_clock;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
constexpr auto pause_when_out_of_descriptors = milliseconds(100);
constexpr mode_t for_its_user = S_IRUSR | S_IWUSR;
constexpr mode_t for_everybody = for_its_user | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;  // Whom the kernel names is asked after.

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

struct worker_hall::worker {
  worker(runtime::unix_socket peer, const asio::any_io_executor& executor)
      : connection(std::make_shared<worker_connection>(std::move(peer))), look(executor) {}

  std::size_t capacity() const { return leaving ? 0 : limit; }
  bool has_room() const { return given.size() < capacity(); }
  bool is_done() const { return leaving && given.empty(); }

  std::shared_ptr<worker_connection> connection;
  asio::steady_timer look;
  steady::time_point came = steady::now();
  std::map<std::uint64_t, assignment> given;  ///< By number: in the order in which they were given.
  std::uint64_t last_given = 0;
  std::size_t limit = 0;  ///< 0: it has not said Hello.
  bool leaving = false;
  bool gone = false;
  bool silent = false;
};

worker_hall::worker_hall(asio::any_io_executor executor, worker_hall_options options)
    : executor_(std::move(executor)), options_(std::move(options)), acceptor_(executor_) {
  const auto mode = options_.worker_user ? for_everybody : for_its_user;
  const auto failed = runtime::listen_at(acceptor_, options_.path, mode, static_cast<int>(max_workers));
  if (failed) {
    throw std::runtime_error("cannot listen on the workers' socket " + options_.path.string() + ": " + failed.message() +
                             ": correct the folder or notifier.worker_socket");
  }
}

worker_hall::~worker_hall() {
  stop();
}

void worker_hall::start(std::function<void()> arrived) {
  arrived_ = std::move(arrived);
  asio::co_spawn(executor_, accept(shared_from_this()), rethrow);
}

void worker_hall::stop() {
  if (!acceptor_.is_open()) return;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  std::error_code not_removed;
  std::filesystem::remove(options_.path, not_removed);
}

std::size_t worker_hall::workers() const {
  return static_cast<std::size_t>(std::ranges::count_if(workers_, [](const auto& one) { return one->capacity() > 0; }));
}

std::size_t worker_hall::in_flight() const {
  auto count = waiting_.size();
  for (const auto& one : workers_) count += one->given.size();
  return count;
}

std::size_t worker_hall::capacity() const {
  std::size_t count = 0;
  for (const auto& one : workers_) count += one->capacity();
  return count;
}

// ---- who comes and goes

asio::awaitable<void> worker_hall::accept(std::shared_ptr<worker_hall> self) {
  asio::steady_timer pause(executor_);
  while (self->acceptor_.is_open()) {
    auto [failed, peer] = co_await acceptor_.async_accept(no_throw);
    if (failed == asio::error::operation_aborted) co_return;
    if (failed) {  // Out of descriptors: go on, but never in a tight loop.
      runtime::log_warning("worker_accept_failed", {{"error", failed}});
      pause.expires_after(pause_when_out_of_descriptors);
      (void)co_await pause.async_wait(no_throw);
      continue;
    }
    let_in(std::move(peer));
  }
}

void worker_hall::let_in(runtime::unix_socket peer) {
  const auto user = runtime::user_of(peer);
  const bool is_known = user && (*user == geteuid() || *user == 0 || *user == options_.worker_user);
  if (!is_known) {
    const bool again = std::exchange(turned_away_, user) == user;
    if (!again && user) runtime::log_warning("worker_turned_away", {{"user", *user}});
    return;
  }
  if (workers_.size() >= max_workers) return;
  const auto one = workers_.emplace_back(std::make_shared<worker>(std::move(peer), executor_));
  asio::co_spawn(executor_, serve(shared_from_this(), one), rethrow);
  asio::co_spawn(executor_, watch(shared_from_this(), one), rethrow);
}

asio::awaitable<void> worker_hall::serve(std::shared_ptr<worker_hall> self, std::shared_ptr<worker> one) {
  while (!one->is_done()) {
    const auto frame = co_await one->connection->read();
    if (!frame) break;
    internal::FromWorker said;
    if (!said.ParseFromString(*frame) || !take(*one, said)) {
      runtime::log_warning("worker_not_understood");
      break;
    }
  }
  self->leave(one);
}

asio::awaitable<void> worker_hall::watch(std::shared_ptr<worker_hall> self, std::shared_ptr<worker> one) {
  // Less than twice the timeout, when a claim is over: by then it is known that the attempt has to be made again.
  const auto patience = self->options_.attempt_timeout * 3 / 2;
  while (!one->gone) {
    auto until = steady::time_point::max();
    if (one->limit == 0) until = one->came + self->options_.hello_patience;
    if (!one->given.empty()) until = one->given.begin()->second.since + patience;
    if (until <= steady::now()) {
      one->silent = true;
      one->connection->close();  // Whoever reads from it sees it off.
      co_return;
    }
    one->look.expires_at(until);
    (void)co_await one->look.async_wait(no_throw);
  }
}

void worker_hall::leave(const std::shared_ptr<worker>& one) {
  one->gone = true;
  one->look.cancel();
  one->connection->close();
  std::erase(workers_, one);
  std::vector<assignment> lost;
  for (auto& [number, assigned] : one->given) lost.push_back(std::move(assigned));
  one->given.clear();
  const auto here = workers();
  if (!lost.empty() || one->silent) {
    runtime::log_warning("worker_lost", {{"attempts", lost.size()}, {"silent", one->silent}, {"workers", here}});
  } else if (one->limit > 0) {
    runtime::log_info("worker_left", {{"workers", here}});
  }
  give_up(std::move(lost));
  hand_out();
}

// ---- what they are given, and say

bool worker_hall::take(worker& from, const internal::FromWorker& said) {
  switch (said.what_case()) {
    case internal::FromWorker::kHello: {
      if (from.limit != 0 || said.hello().in_flight() == 0) return false;
      from.limit = std::min<std::size_t>(said.hello().in_flight(), max_worker_attempts);
      from.look.cancel();
      internal::ToWorker welcome;
      welcome.mutable_welcome();
      from.connection->write(welcome);
      runtime::log_info("worker_arrived", {{"in_flight", from.limit}, {"workers", workers()}});
      hand_out();
      arrived_();
      return true;
    }
    case internal::FromWorker::kVerdict:
      return take(from, said.verdict());
    case internal::FromWorker::kLeaving:
      if (from.limit == 0) return false;
      from.leaving = true;
      hand_out();
      return true;
    case internal::FromWorker::WHAT_NOT_SET:
      return false;
  }
  return false;
}

bool worker_hall::take(worker& from, const internal::AttemptVerdict& told) {
  const auto how = from_wire(told);
  auto assigned = from.given.extract(told.number());
  if (!how || assigned.empty()) {
    if (!assigned.empty()) from.given.insert(std::move(assigned));
    return false;
  }
  assigned.mapped().done(*how);
  hand_out();
  return true;
}

void worker_hall::send(message what, answer done) {
  waiting_.push_back({std::move(what), std::move(done)});
  hand_out();
}

void worker_hall::hand_out() {
  while (!waiting_.empty()) {
    auto* to = least_busy();
    if (to == nullptr) break;
    auto one = std::move(waiting_.front());
    waiting_.pop_front();
    give(*to, std::move(one));
  }
  if (waiting_.empty() || capacity() > 0) return;
  std::vector<assignment> left(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  give_up(std::move(left));
}

worker_hall::worker* worker_hall::least_busy() const {
  worker* found = nullptr;
  for (const auto& one : workers_) {
    if (!one->has_room()) continue;
    if (found == nullptr) {
      found = one.get();
      continue;
    }
    const auto busy = one->given.size() * found->limit;
    const auto found_busy = found->given.size() * one->limit;
    // In turn, where both are as busy.
    if (busy < found_busy || (busy == found_busy && one->last_given < found->last_given)) found = one.get();
  }
  return found;
}

void worker_hall::give(worker& to, assignment one) {
  internal::ToWorker frame;
  *frame.mutable_attempt() = to_wire(++last_number_, one.what, options_.attempt_timeout);
  one.since = steady::now();
  to.last_given = last_number_;
  to.given.emplace(last_number_, std::move(one));
  to.connection->write(frame);
  if (to.given.size() == 1) to.look.cancel();
}

void worker_hall::give_up(std::vector<assignment> lost) {
  if (lost.empty()) return;
  asio::post(executor_, [all = std::move(lost)] {
    for (const auto& one : all) one.done({verdict::unknown, std::nullopt});
  });
}

}  // namespace careteam::notifier
