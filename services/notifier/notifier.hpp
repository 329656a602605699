// Calls people outside (G1 to G6, G9): takes the deliveries that are due from the store, hands each to the sender, and records what came
// of it.
//
//   rows of a commit ──► queue in Redis ──► claim in the store ──► sender ──► outcome in the store
//                └─────────── a sweep of the store ────┘
//
// The store is what is true: a claim with a lease decides who sends, a sweep finds what the queue lost, and a quiet obligation has nothing
// left to claim. Redis only tells sooner. An attempt that nobody recorded (a crash) is made again under the same id when its lease has
// ended. A call that no channel takes ends at a human: a command on the record, by the server itself, which is carried out once however
// often it is sent, before the failure is recorded.
//
// Runs on the event loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "coordination/record_hosts.hpp"
#include "notifier/callback.hpp"
#include "notifier/daily_digest.hpp"
#include "notifier/delivery_plan.hpp"
#include "notifier/sender.hpp"
#include "redis/work_queue.hpp"
#include "runtime/clock.hpp"
#include "runtime/metrics.hpp"
#include "store/store.hpp"

namespace careteam::notifier {

struct notifier_metrics {
  runtime::counter& sent;
  runtime::counter& retried;
  runtime::counter& lost;         ///< Whoever was to make them has gone: made again.
  runtime::counter& failed;       ///< Over one channel; the next one follows, where there is one.
  runtime::counter& postponed;    ///< To the end of quiet hours.
  runtime::counter& undelivered;  ///< Over every channel: ended at a human.
  runtime::counter& callbacks;
  runtime::histogram& lateness_seconds;  ///< Of the first attempt.
  static notifier_metrics in(runtime::metrics_registry& registry);
};

struct notifier_options {
  std::string worker;      ///< Of this process alone, and of this start of it.
  ladder of_organization;  ///< For staff without contacts.
  std::optional<care::quiet_hours> quiet;
  std::optional<std::chrono::minutes> digest;  ///< Of the day; none: what is routine rings once.
  std::string time_zone = "UTC";
  retry_rules retries;
  std::chrono::milliseconds longest_look{1'000};     ///< Between two looks at the clock, which may be set, and at what others added.
  std::chrono::milliseconds grace{250};              ///< For the queue, before the sweep takes what it was given.
  std::chrono::milliseconds abandoned_look{30'000};  ///< Between two looks for what a dead worker was given by the queue.
  std::chrono::hours kept{24 * 30};                  ///< Deliveries that are done; a provider may report on them.
  std::chrono::hours cleaning{1};
};

class notifier : public std::enable_shared_from_this<notifier> {
 public:
  /// Everything that is named here must live until the service has ended. `queue`: none without Redis.
  notifier(boost::asio::any_io_executor executor, store::record_store& from, const runtime::clock& clock, coordination::record_hosts& hosts,
           sender& to, redis::work_queue* queue, notifier_metrics metrics, notifier_options options);

  /// Calls from now on. Once.
  void start();
  /// Takes nothing more; what is with the sender goes on until its outcome is recorded.
  void stop();
  /// Started, and not at its end.
  bool running() const { return running_ > 0 || recording_ || !in_hand_.empty(); }

  /// These were committed.
  void added(const std::vector<store::new_delivery>& deliveries);
  /// These people have come to answer for a duty, or do no longer: what they are called for is looked at now.
  void answering_changed(const std::set<std::string>& people);
  /// There is somebody to send again: what waits is claimed now.
  void sender_arrived();
  /// A provider's word about a delivery that it had taken.
  boost::asio::awaitable<callback_answer> report(provider_report what);

  /// How long the delivery that waits longest has been due; zero: none is.
  std::chrono::microseconds overdue() const;

 private:
  using steady = std::chrono::steady_clock;
  /// Many deliveries share a transaction: a few free places are used after this time only.
  static constexpr std::chrono::milliseconds claim_pause{20};
  struct in_hand {
    store::stored_delivery delivery;
    internal::DeliveryPayload payload;
  };

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> listen();
  boost::asio::awaitable<void> clean();
  boost::asio::awaitable<void> wait(steady::duration longest);
  /// Nobody is there to send: all that is due waits, and for how long is known.
  boost::asio::awaitable<void> wait_for_sender();
  boost::asio::awaitable<void> claim(std::vector<redis::queued_work> named);
  /// Whether there may be more that is due.
  boost::asio::awaitable<bool> sweep(std::size_t limit);
  boost::asio::awaitable<void> record_all();
  boost::asio::awaitable<void> end_at_human(in_hand one, delivery_step step);
  /// Time has passed since the record was asked: whoever has left the team meanwhile is not called, and whoever has the duty now is called
  /// in the place of who had it.
  boost::asio::awaitable<void> call_reader(in_hand one);
  /// What the person's devices have received decides whether their time has come, and over which channel.
  boost::asio::awaitable<void> call_by_receipt(in_hand one);
  /// Passes on what is for somebody else now; the rest waits on as it did.
  boost::asio::awaitable<void> look_over(std::string person);
  boost::asio::awaitable<void> pass_on(in_hand one, std::string person);
  struct standing {
    bool reads = false;
    std::optional<std::string> instead;  ///< Who is to be called in their place; empty: nobody.
  };
  /// Nothing: the record cannot be read now.
  boost::asio::awaitable<std::optional<standing>> standing_of(in_hand one);
  /// False: the record could not take it now.
  boost::asio::awaitable<bool> tell_human(in_hand one);

  void take(std::vector<redis::queued_work> work);
  void call(store::stored_delivery delivery);
  void begin(in_hand one);
  void begin_digest(in_hand one);
  void finish_digest(const std::string& person, attempt how, std::size_t ladder_size);
  digest_rules digest_of(const std::string& person) const;
  /// What is routine and open after this step has a row for the digests of its person.
  void add_digest(delivery_step& step, const in_hand& one) const;
  void hand_over(const std::vector<std::string>& ids);
  /// A person's own quiet hours, or the organisation's.
  std::optional<care::quiet_hours> quiet_hours_of(const care::account* person) const;
  void finish(const std::string& id, attempt how, std::size_t ladder_size);
  void conclude(in_hand one, delivery_step step);
  void record(store::delivery_outcome outcome);
  void count(store::delivery_state over_channel, verdict how);
  double random();
  /// Its entry in the queue, when it came from there.
  std::string forget(const std::string& id);
  void spawn(boost::asio::awaitable<void> part);
  void look();
  std::size_t room() const;
  store::instant now() const { return std::chrono::floor<std::chrono::microseconds>(clock_.now()); }
  const care::account* account_of(const std::string& person) const;

  boost::asio::any_io_executor executor_;
  store::record_store& store_;
  const runtime::clock& clock_;
  coordination::record_hosts& hosts_;
  sender& sender_;
  redis::work_queue* queue_;
  notifier_metrics metrics_;
  notifier_options options_;

  std::deque<redis::queued_work> handed_;                  ///< By the queue, not claimed yet.
  std::unordered_map<std::string, in_hand> in_hand_;       ///< Claimed, and its outcome not yet recorded; by delivery.
  std::unordered_map<std::string, std::string> of_queue_;  ///< The queue's entries of those in hand.
  std::vector<store::delivery_outcome> outcomes_;
  digest_calls digests_;
  std::minstd_rand random_;
  store::instant next_due_ = store::instant::max();
  store::instant first_added_ = store::instant::max();  ///< Since the store was asked what is due next: it may not have shown them.
  store::instant sweep_at_{};
  steady::time_point swept_at_, claimed_at_;

  boost::asio::steady_timer sleep_;
  boost::asio::steady_timer cleaning_;
  bool woken_ = false;
  bool queue_fails_ = false;
  bool stopping_ = false;
  bool recording_ = false;
  int running_ = 0;  ///< Coroutines.
};

}  // namespace careteam::notifier
