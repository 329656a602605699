#include "notifier/notifier.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "care/notification.hpp"
#include "coordination/digest.hpp"
#include "coordination/people.hpp"
#include "runtime/log.hpp"
#include "store/limits.hpp"

namespace careteam::notifier {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr std::size_t max_handed = 10'000;     // Beyond, the sweep finds them.
constexpr milliseconds queue_patience{1'000};  // Below the response timeout of the client.
constexpr milliseconds after_failure{500};     // Of Redis or the store.
constexpr std::chrono::minutes record_wait{1};
constexpr std::chrono::seconds fresh_for{10};  // Since a call was due: what the record said then is good for so long.

/// Whoever waits for this goes on, and whoever comes to wait does not.
void happen(asio::steady_timer& event) {
  event.expires_at(asio::steady_timer::time_point::min());
}

store::instant due_of(const internal::DeliveryPayload& payload) {
  return store::instant(std::chrono::microseconds(payload.due_us()));
}

std::optional<internal::DeliveryPayload> payload_of(const store::stored_delivery& delivery) {
  internal::DeliveryPayload payload;
  if (!payload.ParseFromString(delivery.what.payload) || payload.effect().empty() || payload.times() == 0) return std::nullopt;
  return payload;
}

/// Of a row that waits for a digest time and again nobody knows since when it has been due.
store::instant planned_for(const store::stored_delivery& delivery, store::instant now) {
  const auto payload = payload_of(delivery);
  return payload && !payload->digest() ? due_of(*payload) : now;
}

/// What somebody is called for about a duty, in the words of its record.
v1::DutyCall duty_call_of(care::called_for what) {
  switch (what) {
    case care::called_for::hand_over:
      return v1::DUTY_CALL_HAND_OVER;
    case care::called_for::find_cover:
      return v1::DUTY_CALL_FIND_COVER;
    case care::called_for::take_over:
      return v1::DUTY_CALL_TAKE_OVER;
    case care::called_for::accept:
    case care::called_for::act:
    case care::called_for::stop:
    case care::called_for::acknowledge:
      break;
  }
  return v1::DUTY_CALL_UNSPECIFIED;
}

/// What tells the record that a call was not delivered; nothing: the row names no such thing.
std::optional<coordination::submission> report_of(const store::stored_delivery& delivery, const internal::DeliveryPayload& payload) {
  const auto patient = care::patient_of_key(delivery.record);
  const auto duty = care::duty_of_key(delivery.record);
  const auto about = care::parse_obligation(delivery.what.obligation);
  if ((!patient && !duty) || !about) return std::nullopt;
  coordination::submission what;
  if (duty) {
    what.command.set_duty_id(*duty);
    auto& report = *what.command.mutable_report_duty_call();
    report.set_person_id(delivery.what.recipient);
    report.set_call(duty_call_of(about->what));
    report.set_priority(static_cast<v1::Priority>(delivery.what.priority));
  } else {
    what.command.set_patient_id(*patient);
    auto& report = *what.command.mutable_report_undelivered();
    report.set_stream(about->about.stream);
    report.set_seq(about->about.seq);
    report.set_person_id(delivery.what.recipient);
  }
  what.who.system = true;
  // Once for all attempts, channels and times of a call to one person.
  what.id = coordination::digest_of(payload.effect() + '/' + delivery.what.recipient);
  what.digest = coordination::digest_of(what.command);
  return what;
}

}  // namespace

notifier_metrics notifier_metrics::in(runtime::metrics_registry& registry) {
  const auto attempts = [&](const char* outcome) -> runtime::counter& {
    return registry.add_counter("careteam_notifier_attempts_total", "Attempts to call somebody outside.", {{"outcome", outcome}});
  };
  return {attempts("sent"),
          attempts("retried"),
          attempts("lost"),
          attempts("failed"),
          attempts("postponed"),
          registry.add_counter("careteam_notifier_undelivered_total", "Calls that no channel took, and a human was told."),
          registry.add_counter("careteam_notifier_callbacks_total", "Reports of providers that were taken."),
          registry.add_histogram("careteam_notifier_lateness_seconds", "From a call's due time to the end of its first attempt.",
                                 runtime::latency_buckets())};
}

notifier::notifier(asio::any_io_executor executor, store::record_store& from, const runtime::clock& clock,
                   coordination::record_hosts& hosts, sender& to, redis::work_queue* queue, notifier_metrics metrics,
                   notifier_options options)
    : executor_(std::move(executor)),
      store_(from),
      clock_(clock),
      hosts_(hosts),
      sender_(to),
      queue_(queue),
      metrics_(metrics),
      options_(std::move(options)),
      random_(std::random_device{}()),
      sleep_(executor_),
      cleaning_(executor_) {}

void notifier::spawn(asio::awaitable<void> part) {
  ++running_;
  asio::co_spawn(executor_, std::move(part), [self = shared_from_this()](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);  // A bug: the process stops.
    --self->running_;
  });
}

void notifier::start() {
  spawn(run());
  spawn(clean());
  if (queue_ != nullptr) spawn(listen());
}

void notifier::stop() {
  stopping_ = true;
  cleaning_.cancel();
  look();
}

void notifier::look() {
  woken_ = true;
  sleep_.cancel();
}

const care::account* notifier::account_of(const std::string& person) const {
  return hosts_.environment().directory.accounts().find(person);
}

std::size_t notifier::room() const {
  const auto most = 2 * sender_.capacity();
  return std::min({sender_.room(), most - std::min(most, in_hand_.size()), store::max_deliveries_at_once});
}

std::chrono::microseconds notifier::overdue() const {
  if (next_due_ == store::instant::max()) return {};
  return std::max<std::chrono::microseconds>(now() - next_due_, {});
}

// ---- what is to be sent

void notifier::added(const std::vector<store::new_delivery>& deliveries) {
  std::vector<std::string> ready;
  for (const auto& one : deliveries) {
    if (one.not_before <= now()) {
      ready.push_back(one.id);
    } else {
      first_added_ = std::min(first_added_, one.not_before);
    }
  }
  sweep_at_ = std::min(sweep_at_, first_added_);
  look();
  if (ready.empty()) return;
  if (queue_ == nullptr || !queue_->connected()) return hand_over(ready);
  queue_->add(ready, [weak = weak_from_this(), ready](error_code failed) {
    const auto self = weak.lock();
    if (failed && self) self->hand_over(ready);
  });
}

void notifier::hand_over(const std::vector<std::string>& ids) {
  std::vector<redis::queued_work> work;
  work.reserve(ids.size());
  for (const auto& id : ids) work.push_back({{}, id});
  take(std::move(work));
}

void notifier::take(std::vector<redis::queued_work> work) {
  for (auto& one : work) {
    if (handed_.size() >= max_handed) break;
    handed_.push_back(std::move(one));
  }
  look();
}

asio::awaitable<void> notifier::listen() {
  asio::steady_timer pause(executor_);
  auto look_for_abandoned = steady::now() + options_.abandoned_look;
  while (!stopping_) {
    if (!queue_->connected() || handed_.size() >= max_handed) {
      pause.expires_after(after_failure);
      (void)co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    if (look_for_abandoned <= steady::now()) {
      look_for_abandoned = steady::now() + options_.abandoned_look;
      auto left = co_await queue_->take_abandoned(options_.abandoned_look, store::max_deliveries_at_once);
      if (left) take(std::move(*left));
    }
    auto work = co_await queue_->take(std::max<std::size_t>(sender_.capacity(), 1), queue_patience);
    if (work) {
      queue_fails_ = false;
      if (!work->empty()) take(std::move(*work));
      continue;
    }
    // A Redis that is away is told of elsewhere; one that does not let us is for the operator (common/redis/README.md names the rights).
    const bool refused = queue_->connected() && !stopping_;
    if (refused && !std::exchange(queue_fails_, true)) runtime::log_warning("call_queue_refused", {{"error", work.error()}});
    pause.expires_after(after_failure);
    (void)co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

asio::awaitable<void> notifier::run() {
  while (!stopping_) {
    if (sender_.capacity() == 0) {
      co_await wait_for_sender();
      continue;
    }
    const auto free = room();
    const bool worth_it = free >= std::max<std::size_t>(sender_.capacity() / 4, 1) || claimed_at_ + claim_pause <= steady::now();
    if (free == 0 || !worth_it) {
      co_await wait(claim_pause);
      continue;
    }
    bool more = true;
    if (!handed_.empty()) {
      const auto count = static_cast<std::ptrdiff_t>(std::min(free, handed_.size()));
      std::vector<redis::queued_work> named(handed_.begin(), handed_.begin() + count);
      handed_.erase(handed_.begin(), handed_.begin() + count);
      co_await claim(std::move(named));
    } else if (sweep_at_ <= now() || swept_at_ + options_.longest_look <= steady::now()) {
      more = co_await sweep(free);
    } else {
      more = false;
    }
    if (!more && handed_.empty() && !stopping_) co_await wait(options_.longest_look);
  }
}

asio::awaitable<void> notifier::wait_for_sender() {
  if (swept_at_ + options_.longest_look <= steady::now()) {
    swept_at_ = steady::now();
    const auto next = co_await store_.next_delivery();
    if (next) next_due_ = next->value_or(store::instant::max());
  }
  sweep_at_ = store::instant::max();
  co_await wait(options_.longest_look);
}

void notifier::sender_arrived() {
  sweep_at_ = {};
  look();
}

asio::awaitable<void> notifier::claim(std::vector<redis::queued_work> named) {
  claimed_at_ = steady::now();
  store::delivery_claim claim{options_.worker, now(), now() + 2 * sender_.attempt_timeout(), {}, named.size()};
  for (const auto& one : named) claim.ids.push_back(one.id);
  auto claimed = co_await store_.claim_deliveries(std::move(claim));
  if (!claimed) {
    runtime::log_error("deliveries_not_claimed", {{"error", claimed.error()}});
    co_await wait(after_failure);
    co_return;  // The sweep finds them.
  }
  std::vector<std::string> over;
  for (auto& one : named) {
    const bool ours = std::ranges::any_of(*claimed, [&](const auto& row) { return row.what.id == one.id; });
    if (one.entry.empty()) continue;
    if (ours) {
      of_queue_[one.id] = std::move(one.entry);
    } else {
      over.push_back(std::move(one.entry));
    }
  }
  if (queue_ != nullptr) queue_->finish(over);
  for (auto& delivery : *claimed) call(std::move(delivery));
}

asio::awaitable<bool> notifier::sweep(std::size_t limit) {
  claimed_at_ = swept_at_ = steady::now();
  const bool queued = queue_ != nullptr && queue_->connected();
  const auto t = now();
  // What was just added is the queue's to hand out.
  const auto until = queued ? t - options_.grace : t;
  store::delivery_claim claim{options_.worker, until, t + 2 * sender_.attempt_timeout(), {}, limit};
  auto claimed = co_await store_.claim_deliveries(std::move(claim));
  if (!claimed) {
    runtime::log_error("deliveries_not_claimed", {{"error", claimed.error()}});
    co_await wait(after_failure);
    co_return false;
  }
  const bool more = claimed->size() == limit;
  for (auto& delivery : *claimed) {
    if (more) next_due_ = std::min(t, planned_for(delivery, t));
    call(std::move(delivery));
  }
  if (more) co_return true;
  first_added_ = store::instant::max();
  const auto next = co_await store_.next_delivery();
  next_due_ = next && *next ? **next : store::instant::max();
  sweep_at_ = std::min(next_due_, first_added_);
  if (queued && sweep_at_ != store::instant::max()) sweep_at_ += options_.grace;
  co_return false;
}

asio::awaitable<void> notifier::wait(steady::duration longest) {
  if (!std::exchange(woken_, false)) {
    auto pause = longest;
    if (sweep_at_ != store::instant::max()) {
      pause = std::clamp<steady::duration>(sweep_at_ - now(), milliseconds(1), longest);
    }
    sleep_.expires_after(pause);
    (void)co_await sleep_.async_wait(asio::as_tuple(asio::use_awaitable));
    woken_ = false;
  }
}

// ---- an attempt and its outcome

void notifier::call(store::stored_delivery delivery) {
  const auto id = delivery.what.id;
  auto payload = payload_of(delivery);
  if (!payload) {
    runtime::log_error("delivery_not_readable", {{"delivery", id}});
    return record({id, delivery.worker, delivery.attempts, store::delivery_state::failed, now(), std::nullopt});
  }
  const bool fresh = payload->times() == 1 && now() - due_of(*payload) < fresh_for;
  in_hand one{std::move(delivery), std::move(*payload)};
  if (fresh) return begin(std::move(one));
  in_hand_.insert_or_assign(id, one);
  spawn(call_reader(std::move(one)));
}

asio::awaitable<void> notifier::call_reader(in_hand one) {
  auto found = co_await standing_of(one);
  const auto& row = one.delivery;
  if (!found) {
    forget(row.what.id);  // Its lease ends, and it is looked at again.
  } else if (found->instead) {
    co_await pass_on(std::move(one), std::move(*found->instead));
  } else if (found->reads && asks_for_receipt(one.payload)) {
    co_await call_by_receipt(std::move(one));
  } else if (found->reads) {
    begin(std::move(one));
  } else {
    record({row.what.id, row.worker, row.attempts, store::delivery_state::failed, now(), std::nullopt});
  }
}

asio::awaitable<void> notifier::call_by_receipt(in_hand one) {
  const auto received = co_await store_.received_by(one.delivery.record, one.payload.cause_stream(), one.delivery.what.recipient);
  if (!received) runtime::log_warning("receipt_not_read", {{"delivery", one.delivery.what.id}, {"error", received.error()}});
  if (received && *received >= one.payload.cause_seq()) {
    if (const auto until = after_receipt(one.payload, now())) co_return record(waits_until(one.delivery, *until));
  }
  begin(std::move(one));
}

asio::awaitable<std::optional<notifier::standing>> notifier::standing_of(in_hand one) {
  const auto about = care::parse_obligation(one.delivery.what.obligation);
  if (!care::is_record_key(one.delivery.record) || !about) co_return standing{};
  const auto host = hosts_.find_or_make(one.delivery.record);
  auto found = std::make_shared<std::optional<standing>>();
  auto event = std::make_shared<asio::steady_timer>(executor_, record_wait);
  // Inside, all of the state is on disk.
  auto look = [this, found, event, of = host.get(), about = *about, person = one.delivery.what.recipient, duty = one.payload.duty(),
               t = now()](error_code failed) {
    if (!failed) {
      const auto& accounts = hosts_.environment().directory.accounts();
      const auto& tasks = *hosts_.environment().tasks;
      const auto streams = care::readable_streams(of->state(), accounts, person, t);
      // The last one who is called about a duty need not be of it.
      const bool last = of->state().is_duty() && person == tasks.safety_person && accounts.active(person);
      const bool reads = last || std::ranges::find(streams, about.about.stream) != streams.end();
      *found = standing{reads, care::called_instead(of->state(), about, person, duty, {t, accounts, 0, 0, tasks})};
    }
    happen(*event);
  };
  host->when_settled(std::move(look));
  (void)co_await event->async_wait(asio::as_tuple(asio::use_awaitable));
  co_return *found;
}

asio::awaitable<void> notifier::pass_on(in_hand one, std::string person) {
  const auto id = one.delivery.what.id;
  auto to_them = co_await store_.deliveries_to(person, store::max_deliveries_at_once);
  if (!to_them) {
    forget(id);  // Its lease ends, and it is looked at again.
    co_return;
  }
  // One person has at most one call about the same.
  const bool called = std::ranges::any_of(*to_them, [&](const store::stored_delivery& other) {
    return other.record == one.delivery.record && other.what.obligation == one.delivery.what.obligation;
  });
  const auto* account = account_of(person);
  const bool staff = account != nullptr && account->kind == v1::PERSON_KIND_STAFF;
  record(passed_on(one.delivery, one.payload, called ? std::string() : person, staff, now()));
}

void notifier::answering_changed(const std::set<std::string>& people) {
  if (stopping_ || running_ == 0) return;
  for (const auto& person : people) spawn(look_over(person));
}

asio::awaitable<void> notifier::look_over(std::string person) {
  auto rows = co_await store_.deliveries_to(person, store::max_deliveries_at_once);
  if (!rows || stopping_) co_return;  // The next time that they are called about it tells as well.
  store::delivery_claim claim{options_.worker, now(), now() + 2 * sender_.attempt_timeout(), {}, store::max_deliveries_at_once, true};
  std::unordered_map<std::string, store::instant> planned;
  for (const auto& row : *rows) {
    const auto payload = payload_of(row);
    const bool waits = row.attempts == 0 && row.what.not_before > now();
    if (!payload || payload->duty().empty() || !waits) continue;
    if (payload->digest()) continue;  // Whoever has the duty then is told with their own.
    claim.ids.push_back(row.what.id);
    planned.emplace(row.what.id, row.what.not_before);
  }
  if (claim.ids.empty()) co_return;
  auto claimed = co_await store_.claim_deliveries(std::move(claim));
  if (!claimed) co_return;
  for (auto& delivery : *claimed) {
    auto payload = payload_of(delivery);
    const auto at = planned.find(delivery.what.id);
    if (!payload || at == planned.end()) continue;
    in_hand one{std::move(delivery), std::move(*payload)};
    in_hand_.insert_or_assign(one.delivery.what.id, one);
    auto found = co_await standing_of(one);
    if (found && found->instead) {
      co_await pass_on(std::move(one), std::move(*found->instead));
    } else {
      record(waits_until(one.delivery, at->second));
    }
  }
}

void notifier::begin(in_hand one) {
  const auto id = one.delivery.what.id;
  const auto* person = account_of(one.delivery.what.recipient);
  const auto priority = static_cast<v1::Priority>(one.delivery.what.priority);
  const bool staff = one.payload.staff();
  const auto hours = quiet_hours_of(person);
  if (const auto until = hours ? quiet_until(*hours, options_.time_zone, priority, staff, now()) : std::nullopt) {
    metrics_.postponed.increment();
    return record(waits_until(one.delivery, *until));
  }
  if (one.payload.digest()) return begin_digest(std::move(one));
  const auto steps = ladder_of(person, options_.of_organization, staff);
  if (steps.empty()) {
    auto nobody = after_nobody(one.delivery, one.payload, now());
    return conclude(std::move(one), std::move(nobody));
  }
  message what{id, steps[channel_of(one.payload, steps.size())], priority, clock_.now()};
  in_hand_.insert_or_assign(id, std::move(one));
  sender_.send(std::move(what), [weak = weak_from_this(), id, count = steps.size()](attempt how) {
    if (const auto self = weak.lock()) self->finish(id, how, count);
  });
}

std::optional<care::quiet_hours> notifier::quiet_hours_of(const care::account* person) const {
  const bool own = person != nullptr && !person->quiet_hours.empty();
  return own ? care::parse_quiet_hours(person->quiet_hours) : options_.quiet;
}

double notifier::random() {
  return static_cast<double>(random_() - std::minstd_rand::min()) / static_cast<double>(std::minstd_rand::max());
}

void notifier::count(store::delivery_state over_channel, verdict how) {
  if (over_channel == store::delivery_state::sent) metrics_.sent.increment();
  if (over_channel == store::delivery_state::waiting) (how == verdict::unknown ? metrics_.lost : metrics_.retried).increment();
  if (over_channel == store::delivery_state::failed) metrics_.failed.increment();
}

void notifier::finish(const std::string& id, attempt how, std::size_t ladder_size) {
  const auto at = in_hand_.find(id);
  if (at == in_hand_.end()) return;
  const auto& [delivery, payload] = at->second;
  if (delivery.attempts == 1) metrics_.lateness_seconds.observe(std::max<std::chrono::nanoseconds>(now() - due_of(payload), {}));
  auto step = after_attempt(delivery, payload, how, ladder_size, options_.retries, random(), now());
  count(step.outcome.state, how.result);
  conclude(at->second, std::move(step));
}

void notifier::conclude(in_hand one, delivery_step step) {
  add_digest(step, one);
  if (!step.exhausted) return record(std::move(step.outcome));
  in_hand_.insert_or_assign(one.delivery.what.id, one);
  spawn(end_at_human(std::move(one), std::move(step)));
}

// ---- what is routine, once a day

digest_rules notifier::digest_of(const std::string& person) const {
  return {options_.digest.value(), options_.time_zone, quiet_hours_of(account_of(person))};
}

void notifier::add_digest(delivery_step& step, const in_hand& one) const {
  const bool over = step.outcome.state != store::delivery_state::waiting && !step.outcome.then;
  const bool routine = !is_pressing(static_cast<v1::Priority>(one.delivery.what.priority));
  if (!over || !routine || !options_.digest) return;
  const auto& person = one.delivery.what.recipient;
  step.outcome.then = digest_after(one.payload, next_digest(digest_of(person), person, now()), now());
}

void notifier::begin_digest(in_hand one) {
  const auto id = one.delivery.what.id;
  const auto person = one.delivery.what.recipient;
  if (!options_.digest) return record({id, one.delivery.worker, one.delivery.attempts, store::delivery_state::failed, now(), std::nullopt});
  const auto rules = digest_of(person);
  const auto last = last_digest(rules, person, now());
  const auto next = next_digest(rules, person, now()).at;
  const auto steps = ladder_of(account_of(person), options_.of_organization, one.payload.staff());
  const bool too_new = last.at < due_of(one.payload);
  if (too_new || steps.empty()) return record(waits_until(one.delivery, next));
  const auto part = digests_.join(person, last.day, id, now());
  if (part.how == digest_calls::share::made) return record(waits_until(one.delivery, next));
  if (part.how == digest_calls::share::later) return record(waits_until(one.delivery, part.again));
  in_hand_.insert_or_assign(id, std::move(one));
  if (part.how == digest_calls::share::along) return;
  const auto& channel = steps[std::min<std::size_t>(part.step, steps.size() - 1)];
  message what{digest_id(store_.epoch(), person, last.day, part.step), channel, v1::PRIORITY_ROUTINE, clock_.now()};
  sender_.send(std::move(what), [weak = weak_from_this(), person, count = steps.size()](attempt how) {
    if (const auto self = weak.lock()) self->finish_digest(person, how, count);
  });
}

void notifier::finish_digest(const std::string& person, attempt how, std::size_t ladder_size) {
  const auto ended = digests_.end(person, how, ladder_size, options_.retries, random(), now());
  count(ended.over_channel, how.result);
  const auto until = ended.again ? *ended.again : next_digest(digest_of(person), person, now()).at;
  for (const auto& id : ended.deliveries) {
    const auto at = in_hand_.find(id);
    if (at != in_hand_.end()) record(waits_until(at->second.delivery, until));
  }
}

// ---- at the end a human

asio::awaitable<void> notifier::end_at_human(in_hand one, delivery_step step) {
  const bool told = co_await tell_human(one);
  if (told) {
    record(std::move(step.outcome));
  } else {
    forget(one.delivery.what.id);  // Its lease ends, and it is tried again.
  }
}

asio::awaitable<bool> notifier::tell_human(in_hand one) {
  const auto now_stored = co_await store_.find_delivery(one.delivery.what.id);
  if (!now_stored) co_return false;
  // Somebody answered while it was on its way: there is nothing to see to.
  const bool quiet = !*now_stored || (*now_stored)->state == store::delivery_state::acknowledged;
  if (quiet) co_return true;
  auto report = report_of(one.delivery, one.payload);
  if (!report) {
    runtime::log_error("delivery_of_nothing", {{"delivery", one.delivery.what.id}});
    co_return true;
  }
  auto answered = std::make_shared<std::optional<care::outcome<care::place>>>();
  auto event = std::make_shared<asio::steady_timer>(executor_, record_wait);
  report->answer = [answered, event](const coordination::submission&, coordination::command_answer given) {
    *answered = std::move(given.result);
    happen(*event);
  };
  const auto host = hosts_.find_or_make(care::record_named_by(report->command));
  host->submit(std::move(*report));
  (void)co_await event->async_wait(asio::as_tuple(asio::use_awaitable));
  if (!*answered) co_return false;
  if (**answered) {
    metrics_.undelivered.increment();
    runtime::log_warning("call_undelivered", {{"delivery", one.delivery.what.id}});
    co_return true;
  }
  const auto& why = (*answered)->error();
  const bool passing = why.code == care::code::unavailable || why.code == care::code::resource_exhausted;
  runtime::log_error("call_undelivered_not_told", {{"delivery", one.delivery.what.id}, {"text", why.message}});
  co_return !passing;
}

void notifier::record(store::delivery_outcome outcome) {
  outcomes_.push_back(std::move(outcome));
  if (recording_) return;
  recording_ = true;
  spawn(record_all());
}

asio::awaitable<void> notifier::record_all() {
  asio::steady_timer pause(executor_);
  while (!outcomes_.empty()) {
    const auto count = std::min(outcomes_.size(), store::max_deliveries_at_once);
    std::vector<store::delivery_outcome> some(outcomes_.begin(), outcomes_.begin() + static_cast<std::ptrdiff_t>(count));
    const auto recorded = co_await store_.record_outcomes(some);
    if (!recorded) {
      runtime::log_error("outcomes_not_recorded", {{"error", recorded.error()}});
      if (stopping_) break;  // Their leases end, and the attempts are made again under the same ids.
      pause.expires_after(after_failure);
      (void)co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    outcomes_.erase(outcomes_.begin(), outcomes_.begin() + static_cast<std::ptrdiff_t>(count));
    std::vector<std::string> over;
    for (const auto& one : some) {
      auto next = one.state == store::delivery_state::waiting ? one.next : store::instant::max();
      if (one.then) next = std::min(next, one.then->not_before);
      first_added_ = std::min(first_added_, next);
      if (auto entry = forget(one.id); !entry.empty()) over.push_back(std::move(entry));
    }
    sweep_at_ = std::min(sweep_at_, first_added_);
    if (queue_ != nullptr) queue_->finish(over);
    look();
  }
  for (const auto& one : outcomes_) (void)forget(one.id);
  outcomes_.clear();
  recording_ = false;
}

std::string notifier::forget(const std::string& id) {
  in_hand_.erase(id);
  const auto entry = of_queue_.extract(id);
  return entry.empty() ? std::string() : entry.mapped();
}

// ---- what comes back later

asio::awaitable<callback_answer> notifier::report(provider_report what) {
  auto found = co_await store_.find_delivery(what.id);
  if (!found) co_return callback_answer{503, "try again\n"};
  if (!*found) co_return callback_answer{404, "there is no such delivery\n"};
  const auto& delivery = **found;
  auto payload = payload_of(delivery);
  metrics_.callbacks.increment();
  const bool settled = delivery.state == store::delivery_state::acknowledged || delivery.state == store::delivery_state::failed;
  if (!what.failed || settled || !payload || payload->digest()) co_return callback_answer{200, "noted\n"};
  const auto steps = ladder_of(account_of(delivery.what.recipient), options_.of_organization, payload->staff());
  auto step = after_attempt(delivery, *payload, {verdict::refused, std::nullopt}, std::max<std::size_t>(steps.size(), 1), options_.retries,
                            0, now());
  in_hand one{delivery, *payload};
  add_digest(step, one);
  if (step.exhausted) {
    const bool told = co_await tell_human(std::move(one));
    if (!told) co_return callback_answer{503, "try again\n"};
  }
  std::vector<store::delivery_outcome> outcomes;
  outcomes.push_back(step.outcome);
  const auto recorded = co_await store_.record_outcomes(std::move(outcomes));
  if (!recorded) co_return callback_answer{503, "try again\n"};
  if (step.outcome.then) sweep_at_ = first_added_ = std::min({first_added_, sweep_at_, step.outcome.then->not_before});
  look();
  co_return callback_answer{200, "noted\n"};
}

asio::awaitable<void> notifier::clean() {
  while (!stopping_) {
    store::delivery_cleaning step{now() - options_.kept, 0};
    do {
      const auto cleaned = co_await store_.clean_deliveries(step);
      step.after = cleaned ? cleaned->after : 0;
    } while (step.after != 0 && !stopping_);
    if (stopping_) break;
    cleaning_.expires_after(options_.cleaning);
    (void)co_await cleaning_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

}  // namespace careteam::notifier
