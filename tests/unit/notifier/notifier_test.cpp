// Calls on a real store, with a clock that moves only when told to and providers that keep what they get.
#include "notifier/notifier.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <mutex>
#include <set>

#include "../store/forwarding_store.hpp"
#include "../store/new_store.hpp"
#include "coordination/digest.hpp"
#include "coordination/people.hpp"
#include "notifier/curl_sender.hpp"
#include "runtime/uuid.hpp"

namespace careteam::notifier {
namespace {

using namespace std::chrono_literals;
using store::test::event_loop;
using store::test::scratch_folder;
using testing::ElementsAre;
using testing::SizeIs;

constexpr store::instant morning{std::chrono::sys_days{std::chrono::year{2026} / 3 / 2} + 6h};

/// What providers were given. They answer by what is at an address: a file is taken, none is refused, no known way is tried again.
class providers : public channel {
 public:
  void prepare(transfer& to, const message& what) const override {
    const std::lock_guard lock(mutex_);
    got_.push_back(what);
    to.address = trouble_.contains(what.to.system) ? trouble_.at(what.to.system) : "file:///dev/null";
    curl_easy_setopt(to.easy, CURLOPT_URL, to.address.c_str());
  }
  attempt judge(CURLcode ended, long, std::chrono::seconds) const override {
    if (ended == CURLE_OK) return {verdict::taken, std::nullopt};
    return {ended == CURLE_UNSUPPORTED_PROTOCOL ? verdict::again : verdict::refused, std::nullopt};
  }
  void refuse(v1::ContactSystem over) { plan(over, "file:///dev/null/nothing"); }
  void fail_for_now(v1::ContactSystem over) { plan(over, "nothing://nowhere"); }
  void work(v1::ContactSystem over) {
    const std::lock_guard lock(mutex_);
    trouble_.erase(over);
  }
  std::vector<message> got() const {
    const std::lock_guard lock(mutex_);
    return got_;
  }

 private:
  void plan(v1::ContactSystem over, const char* url) {
    const std::lock_guard lock(mutex_);
    trouble_[over] = url;
  }
  mutable std::mutex mutex_;
  mutable std::vector<message> got_;
  std::map<v1::ContactSystem, std::string> trouble_;
};

/// The sender owns its channel; the test keeps looking at it.
class lent : public channel {
 public:
  explicit lent(const providers& to) : to_(to) {}
  void prepare(transfer& to, const message& what) const override { to_.prepare(to, what); }
  attempt judge(CURLcode ended, long status, std::chrono::seconds after) const override { return to_.judge(ended, status, after); }

 private:
  const providers& to_;
};

/// A store whose receipts cannot be read, or whose outcomes cannot be written, for a while.
class failing_store : public store::test::forwarding_store {
 public:
  using forwarding_store::forwarding_store;
  boost::asio::awaitable<store::result<std::uint64_t>> received_by(store::record_key record, store::stream_kind stream,
                                                                   std::string person) override {
    return unreadable ? refused<std::uint64_t>() : forwarding_store::received_by(std::move(record), stream, std::move(person));
  }
  boost::asio::awaitable<store::result<std::vector<bool>>> record_outcomes(std::vector<store::delivery_outcome> outcomes) override {
    return unwritable ? refused<std::vector<bool>>() : forwarding_store::record_outcomes(std::move(outcomes));
  }
  bool unreadable = false;
  bool unwritable = false;

 private:
  template <class T>
  static boost::asio::awaitable<store::result<T>> refused() {
    co_return store::make_error_code(store::errc::unavailable);
  }
};

class calling : public testing::Test {
 protected:
  static constexpr std::chrono::seconds lease{10};

  calling() : store_(store::test::new_store(loop_, folder_)), lent_(*store_) {
    hosts_.emplace(coordination::host_environment{loop_.context().get_executor(), *store_, clock_, people_,
                                                  coordination::host_metrics::in(metrics_), 256, 5, 0ms, nullptr});
    people_.set_organization(hosts_->find_or_make(care::record_key({})));
    hosts_->environment().deliveries_added = [this](const auto& added) {
      if (notifier_) notifier_->added(added);
    };
    for (const auto* person : {"pat", "rao", "nina", "noah"}) enroll(person);
    open("pat");
  }
  ~calling() override {
    end_notifier();
    hosts_.reset();
    loop_.run(store_->close());
  }

  void start(std::optional<std::chrono::minutes> digest = std::nullopt, std::size_t in_flight = 8) {
    channels ways;
    ways.gateway = std::make_unique<lent>(providers_);
    sender_.emplace(loop_.context().get_executor(), std::move(ways), curl_sender_options{in_flight, lease / 2, {}});
    notifier_options options;
    options.worker = "worker-" + std::to_string(++starts_);
    options.digest = digest;
    options.longest_look = 2ms;
    options.retries.attempts = 2;
    notifier_ = std::make_shared<notifier>(loop_.context().get_executor(), lent_, clock_, *hosts_, *sender_, nullptr,
                                           notifier_metrics::in(metrics_of_.emplace_back()), std::move(options));
    notifier_->start();
  }
  void end_notifier() {
    if (!notifier_) return;
    notifier_->stop();
    until([&] { return !notifier_->running(); });
    notifier_.reset();
    sender_.reset();
  }

  /// Runs the loop until something has come about.
  template <class Condition>
  void until(Condition reached) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!reached()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "it did not come about";
      loop_.context().restart();  // It stops where nothing but the sender's thread has something to do.
      loop_.context().run_one_for(100ms);
    }
  }
  template <class T>
  T ask(boost::asio::awaitable<store::result<T>> what) {
    std::optional<store::result<T>> answer;
    boost::asio::co_spawn(loop_.context(), std::move(what), store::test::keep_answer<store::result<T>>{&answer});
    until([&] { return answer.has_value(); });
    return std::move(answer->value());
  }

  void give(v1::Command command, const std::string& person = {}) {
    coordination::submission what;
    what.command = std::move(command);
    what.who = person.empty() ? care::actor{{}, v1::ROLE_UNSPECIFIED, true} : care::actor{person, v1::ROLE_ONCOLOGY_NURSE, false};
    what.id = runtime::generate_uuid7(clock_.now());
    what.digest = coordination::digest_of(what.command);
    std::optional<std::string> answered;
    what.answer = [&](const coordination::submission&, const coordination::command_answer& given) {
      answered = given.result.has_value() ? "" : given.result.error().field + " " + given.result.error().message;
      if (given.result) last_ = given.result->seq;
    };
    hosts_->find_or_make(care::record_named_by(what.command))->submit(std::move(what));
    until([&] { return answered.has_value(); });
    ASSERT_EQ(*answered, "");
  }

  void enroll(const std::string& person, const std::string& quiet = {}) {
    v1::Command command;
    auto& account = *command.mutable_enroll_person();
    account.set_person_id(person);
    account.set_name("Name");
    account.set_kind(person == "pat" ? v1::PERSON_KIND_PATIENT : v1::PERSON_KIND_STAFF);
    account.set_quiet_hours(quiet);
    for (const auto system : {v1::CONTACT_SYSTEM_PUSH, v1::CONTACT_SYSTEM_SMS, v1::CONTACT_SYSTEM_PHONE}) {
      auto& contact = *account.add_contacts();
      contact.set_system(system);
      contact.set_value(person);  // So that what came tells whom it was for.
    }
    give(std::move(command));
  }
  void open(const std::string& patient) {
    v1::Command opened;
    opened.set_patient_id(patient);
    opened.mutable_open_record();
    give(std::move(opened));
    for (const auto* person : {"rao", "nina", "noah"}) {
      v1::Command joined;
      joined.set_patient_id(patient);
      joined.mutable_add_member()->set_person_id(person);
      joined.mutable_add_member()->set_role(v1::ROLE_ONCOLOGY_NURSE);
      joined.mutable_add_member()->set_expected_roster_version(hosts_->find_or_make(care::record_key(patient))->state().team.version);
      give(std::move(joined));
    }
  }
  std::uint64_t ask_to_acknowledge(v1::Priority priority) {
    v1::Command command;
    command.set_patient_id("pat");
    auto& post = *command.mutable_post_message();
    post.set_stream(v1::STREAM_CLINICAL);
    post.mutable_content()->set_text("Her temperature is 39.2");
    post.set_priority(priority);
    post.add_mentions()->set_person_id("nina");
    give(std::move(command), "rao");
    return last_;
  }
  /// Empty: every nurse of the team.
  std::uint64_t ask_routine(const std::string& person) {
    v1::Command command;
    command.set_patient_id("pat");
    auto& task = *command.mutable_request_task();
    task.set_stream(v1::STREAM_CLINICAL);
    task.mutable_order()->set_kind(v1::TASK_KIND_CARE);
    task.mutable_order()->set_title("Call her back");
    auto& target = *task.mutable_order()->mutable_target();
    person.empty() ? target.set_role(v1::ROLE_ONCOLOGY_NURSE) : target.set_person_id(person);
    give(std::move(command), "rao");
    return last_;
  }
  void cancel(std::uint64_t task) {
    v1::Command command;
    command.set_patient_id("pat");
    command.mutable_cancel_task()->mutable_task()->set_stream(v1::STREAM_CLINICAL);
    command.mutable_cancel_task()->mutable_task()->set_seq(task);
    command.mutable_cancel_task()->set_reason("not needed any more");
    give(std::move(command), "rao");
  }
  void received(const std::string& device, std::uint64_t seq) {
    store::cursor_move move{"patient/pat", v1::STREAM_CLINICAL, "nina", device, seq, 0, 0};
    std::vector<store::cursor_move> moves;
    moves.push_back(std::move(move));
    (void)ask(store_->move_cursors(std::move(moves)));
  }

  /// Sets the clock to whatever is due next, each time, and at last to an instant: nothing is left then that was due by it.
  void go_to(store::instant t) {
    set_clock(std::chrono::time_point_cast<std::chrono::microseconds>(clock_.now()));
    while (true) {
      const auto next = ask(store_->next_delivery());
      if (!next) break;
      if (*next <= clock_.now() || leases_.contains(*next)) continue;  // It is under way.
      if (t < *next) break;
      set_clock(*next);
    }
    clock_.set(t);
  }
  void set_clock(store::instant t) {
    clock_.set(t);
    leases_.insert(t + lease);
  }

  /// "06:00:00 push", "06:02:00 push", "06:03:00 sms": what came, in order.
  std::vector<std::string> came(const std::string& person = "nina") const {
    static const std::map<v1::ContactSystem, const char*> names{
        {v1::CONTACT_SYSTEM_PUSH, " push"}, {v1::CONTACT_SYSTEM_SMS, " sms"}, {v1::CONTACT_SYSTEM_PHONE, " phone"}};
    std::vector<std::string> told;
    for (const auto& one : providers_.got()) {
      if (one.to.value == person)
        told.push_back(absl::FormatTime("%H:%M:%S", absl::FromChrono(one.time), absl::UTCTimeZone()) + names.at(one.to.system));
    }
    return told;
  }
  void expect_no_id_twice() const {
    std::set<std::string> ids;
    for (const auto& one : providers_.got()) EXPECT_TRUE(ids.insert(one.id).second) << one.id;
  }
  store::instant today(std::chrono::seconds of_day) const { return std::chrono::floor<std::chrono::days>(morning) + of_day; }

  event_loop loop_;
  scratch_folder folder_;
  runtime::manual_clock clock_{morning};
  runtime::metrics_registry metrics_;
  std::deque<runtime::metrics_registry> metrics_of_;
  std::unique_ptr<store::record_store> store_;
  failing_store lent_;
  coordination::people people_;
  std::optional<coordination::record_hosts> hosts_;
  providers providers_;
  std::optional<curl_sender> sender_;
  std::shared_ptr<notifier> notifier_;
  int starts_ = 0;
  std::uint64_t last_ = 0;
  std::set<store::instant> leases_;  ///< What was claimed is due again at one of these.
};

// ---- device receipts

TEST_F(calling, climbs_while_no_device_has_received_it) {
  start();
  ask_to_acknowledge(v1::PRIORITY_ASAP);
  go_to(morning + 9min);
  EXPECT_THAT(came(), ElementsAre("06:00:00 push", "06:02:00 push", "06:03:00 sms", "06:05:00 sms", "06:06:00 phone", "06:08:00 phone"));
  expect_no_id_twice();
}

TEST_F(calling, stays_with_the_channel_that_reached_a_device_and_gets_louder_with_age) {
  start();
  const auto seq = ask_to_acknowledge(v1::PRIORITY_ASAP);
  received("phone", seq - 1);
  go_to(morning + 150s);
  EXPECT_THAT(came(), ElementsAre("06:00:00 push", "06:02:00 push")) << "what was before is not it";
  received("tablet", seq);
  go_to(morning + 12min + 1s);
  EXPECT_THAT(came(), ElementsAre("06:00:00 push", "06:02:00 push", "06:04:00 push", "06:06:00 push", "06:08:00 sms", "06:10:00 sms",
                                  "06:12:00 sms"));
  expect_no_id_twice();
}

TEST_F(calling, stops_to_climb_when_a_device_comes_to_it_later) {
  start();
  const auto seq = ask_to_acknowledge(v1::PRIORITY_STAT);
  go_to(morning + 90s);
  received("phone", seq);
  go_to(morning + 4min);
  EXPECT_THAT(came(), ElementsAre("06:00:00 push", "06:01:00 sms", "06:02:00 sms", "06:03:00 sms", "06:04:00 phone"));
  expect_no_id_twice();
}

TEST_F(calling, a_receipt_that_cannot_be_read_is_none) {
  start();
  const auto seq = ask_to_acknowledge(v1::PRIORITY_STAT);
  received("phone", seq);
  lent_.unreadable = true;
  go_to(morning + 1min);
  lent_.unreadable = false;
  EXPECT_THAT(came(), ElementsAre("06:00:00 push", "06:01:00 sms"));
}

TEST_F(calling, goes_on_in_another_process_where_it_was) {
  start();
  const auto seq = ask_to_acknowledge(v1::PRIORITY_ASAP);
  go_to(morning + 2min + 30s);
  end_notifier();
  received("phone", seq);
  start();
  go_to(morning + 9min);
  EXPECT_THAT(came(), ElementsAre("06:00:00 push", "06:02:00 push", "06:04:00 push", "06:06:00 push", "06:08:00 sms"));
  expect_no_id_twice();
}

// ---- the daily digest

TEST_F(calling, rings_once_a_day_for_all_that_is_routine_and_open) {
  start(8h);
  std::vector<std::uint64_t> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(ask_routine("nina"));
  ask_routine("noah");
  go_to(today(7h));
  EXPECT_THAT(came(), SizeIs(5)) << "each rings once";
  go_to(today(9h));
  ASSERT_THAT(came(), SizeIs(6));
  EXPECT_EQ(came().back(), "08:00:00 push");
  EXPECT_THAT(came("noah"), ElementsAre("06:00:00 push", "08:00:00 push"));
  for (std::size_t i = 0; i < 4; ++i) cancel(tasks[i]);
  go_to(today(33h));
  EXPECT_THAT(came(), SizeIs(7)) << "what is left rings on";
  cancel(tasks[4]);
  go_to(today(24h * 7));
  EXPECT_THAT(came(), SizeIs(7)) << "nothing is open: no digest";
  EXPECT_THAT(came("noah"), SizeIs(8));
  expect_no_id_twice();
}

TEST_F(calling, of_a_digest_is_one_however_many_pages_the_claims_have) {
  start(8h, 1);
  for (int i = 0; i < 30; ++i) {
    for (const auto* person : {"nina", "noah"}) ask_routine(person);
  }
  go_to(today(7h));
  go_to(today(9h));
  EXPECT_THAT(came(), SizeIs(31));
  EXPECT_THAT(came("noah"), SizeIs(31));
  expect_no_id_twice();
}

TEST_F(calling, a_digest_waits_for_the_end_of_quiet_hours) {
  enroll("nina", "22:00-09:30");
  start(8h);
  set_clock(today(10h));
  ask_routine("nina");
  go_to(today(24h + 10h));
  EXPECT_THAT(came(), ElementsAre("10:00:00 push", "09:30:00 push"));
  // They move: what waits follows.
  enroll("nina", "22:00-11:00");
  go_to(today(48h + 12h));
  EXPECT_THAT(came(), ElementsAre("10:00:00 push", "09:30:00 push", "11:00:00 push"));
}

TEST_F(calling, a_digest_that_a_channel_refuses_goes_over_the_next_and_over_none_to_nobody) {
  start(8h);
  ask_routine("nina");
  ask_routine("nina");
  go_to(today(7h));
  providers_.refuse(v1::CONTACT_SYSTEM_PUSH);
  go_to(today(9h));
  EXPECT_THAT(came(), ElementsAre("06:00:00 push", "06:00:00 push", "08:00:00 push", "08:00:00 sms"));
  providers_.refuse(v1::CONTACT_SYSTEM_SMS);
  providers_.fail_for_now(v1::CONTACT_SYSTEM_PHONE);
  go_to(today(33h));
  ASSERT_THAT(came(), SizeIs(8)) << "push, sms, and twice the phone";
  EXPECT_EQ(came().back(), "08:00:01 phone");
  const auto host = hosts_->find_or_make("patient/pat");
  EXPECT_EQ(host->durable(v1::STREAM_CLINICAL).head, last_) << "no human is told: it waits in the worklist";
  providers_.work(v1::CONTACT_SYSTEM_PUSH);
  go_to(today(57h));
  ASSERT_THAT(came(), SizeIs(9));
  EXPECT_EQ(came().back(), "08:00:00 push") << "and the next day from the first channel";
}

TEST_F(calling, about_what_is_routine_is_made_once_without_a_digest) {
  start();
  ask_routine("nina");
  go_to(today(24h * 3));
  EXPECT_THAT(came(), ElementsAre("06:00:00 push"));
  EXPECT_FALSE(ask(store_->next_delivery()));
}

TEST_F(calling, a_digest_ends_where_the_clinic_has_none_any_more) {
  start(8h);
  ask_routine("nina");
  go_to(today(7h));
  end_notifier();
  start();
  go_to(today(9h));
  EXPECT_THAT(came(), SizeIs(1));
  EXPECT_FALSE(ask(store_->next_delivery()));
}

TEST_F(calling, a_digest_that_nobody_recorded_comes_again_under_the_same_key) {
  start(8h);
  for (int i = 0; i < 3; ++i) ask_routine("nina");
  go_to(today(7h));
  lent_.unwritable = true;
  set_clock(today(8h + 1s));
  until([&] { return providers_.got().size() == 4; });
  end_notifier();
  lent_.unwritable = false;
  start(8h);
  set_clock(today(8h + 1s) + lease);
  until([&] { return providers_.got().size() == 5; });
  go_to(today(10h));
  const auto got = providers_.got();
  ASSERT_THAT(got, SizeIs(5)) << "as one call again";
  EXPECT_EQ(got[3].id, digest_id(store_->epoch(), "nina", absl::CivilDay(2026, 3, 2), 0));
  EXPECT_EQ(got[4].id, got[3].id);
}

TEST_F(calling, a_digest_has_what_somebody_else_declined) {
  start(8h);
  const auto task = ask_routine("");
  go_to(today(7h));
  EXPECT_THAT(came(), ElementsAre("06:00:00 push"));
  EXPECT_THAT(came("noah"), ElementsAre("06:00:00 push"));
  v1::Command declined;
  declined.set_patient_id("pat");
  declined.mutable_decline_task()->mutable_task()->set_stream(v1::STREAM_CLINICAL);
  declined.mutable_decline_task()->mutable_task()->set_seq(task);
  declined.mutable_decline_task()->set_reason("in the theatre all day");
  give(std::move(declined), "noah");
  go_to(today(9h));
  EXPECT_THAT(came(), ElementsAre("06:00:00 push", "08:00:00 push")) << "not at once: it rang already";
  EXPECT_THAT(came("noah"), SizeIs(1));
  expect_no_id_twice();
}

}  // namespace
}  // namespace careteam::notifier
