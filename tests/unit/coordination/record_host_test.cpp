// A record's host on a real store: two of them stand for two processes that share it.
#include "coordination/record_host.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "../store/new_store.hpp"
#include "coordination/delivery_changes.hpp"
#include "coordination/digest.hpp"
#include "coordination/people.hpp"
#include "coordination/record_hosts.hpp"
#include "coordination/record_loading.hpp"
#include "runtime/uuid.hpp"

namespace careteam::coordination {
namespace {

using store::test::event_loop;
using store::test::scratch_folder;
using testing::SizeIs;

/// Keeps what it is told, as a client would.
class listening : public commit_listener {
 public:
  void committed(record_host&, const std::vector<shared_batch>& batches) override {
    changes_before_last_entries = audience_changes;
    for (const auto& batch : batches) {
      auto& head = heads[batch->stream()];
      EXPECT_TRUE(head == 0 || batch->first_seq() == head + 1) << "a gap or a repetition";
      head = batch->last_seq();
      for (std::size_t i = 0; i < batch->size(); ++i) heard[batch->stream()].emplace_back(batch->entry(i));
    }
  }
  void audience_changed(record_host&) override { ++audience_changes; }
  void obligations_changed(record_host&, const std::vector<care::place>& places) override {
    obligations.insert(obligations.end(), places.begin(), places.end());
  }

  std::map<v1::Stream, std::uint64_t> heads;
  std::map<v1::Stream, std::vector<std::string>> heard;
  std::vector<care::place> obligations;
  int audience_changes = 0;
  int changes_before_last_entries = 0;
};

/// One process of several on the same store.
class process {
 public:
  process(event_loop& loop, store::record_store& on, const runtime::clock& clock)
      : hosts_({loop.context().get_executor(), on, clock, people_, host_metrics::in(metrics_), 256, 5, std::chrono::milliseconds(0),
                nullptr}) {
    people_.set_organization(hosts_.find_or_make(care::record_key({})));
    hosts_.set_listener(&listener);
  }
  record_host& host(const std::string& patient) { return *hosts_.find_or_make(care::record_key(patient)); }
  record_hosts& hosts() { return hosts_; }

  listening listener;

 private:
  runtime::metrics_registry metrics_;
  people people_;
  record_hosts hosts_;
};

class record_host_on_a_store : public testing::Test {
 protected:
  record_host_on_a_store() {
    store_ = store::test::new_store(loop_, folder_);
    one_.emplace(loop_, *store_, clock_);
    other_.emplace(loop_, *store_, clock_);
    for (const auto* person : {"pat", "nina", "rao"}) {
      v1::Command command;
      command.mutable_enroll_person()->set_person_id(person);
      command.mutable_enroll_person()->set_name("Name");
      command.mutable_enroll_person()->set_kind(std::string(person) == "pat" ? v1::PERSON_KIND_PATIENT : v1::PERSON_KIND_STAFF);
      give(*one_, command);
    }
    v1::Command opened;
    opened.set_patient_id("pat");
    opened.mutable_open_record();
    give(*one_, opened);
    for (const auto* person : {"nina", "rao"}) {
      v1::Command joined;
      joined.set_patient_id("pat");
      joined.mutable_add_member()->set_person_id(person);
      joined.mutable_add_member()->set_role(v1::ROLE_ONCOLOGY_NURSE);
      joined.mutable_add_member()->set_expected_roster_version(one_->host("pat").state().team.version);
      give(*one_, joined);
    }
    run();
    other_->host({}).when_settled([](auto) {});
    other_->host("pat").when_settled([](auto) {});
    run();
    one_->listener.heard.clear();
    other_->listener.heard.clear();
    answers_.clear();
    offset_ = one_->host("pat").durable(v1::STREAM_CLINICAL).head;
  }
  ~record_host_on_a_store() override {
    one_.reset();
    other_.reset();
    loop_.run(store_->close());
  }

  void run() {
    loop_.context().restart();
    loop_.context().run();
  }

  /// As the system: sets the scene.
  void give(process& to, const v1::Command& command) {
    answers_.clear(), submit(to, command, {{}, v1::ROLE_UNSPECIFIED, true}), run(), good();
  }
  void good() {
    for (const auto& one : answers_) ASSERT_TRUE(one.good) << one.why.field << " " << one.why.message;
  }

  void submit(process& to, const v1::Command& command, care::actor who) {
    submission what;
    what.command = command;
    what.who = std::move(who);
    what.id = runtime::generate_uuid7(clock_.now());
    if (!command.command_id().empty()) what.id = *runtime::parse_uuid7(command.command_id());
    what.digest = digest_of(command);
    what.answer = [this](const submission&, command_answer given) {
      const bool good = given.result.has_value();
      answers_.push_back({good, good ? *given.result : care::place{}, good ? care::refusal{} : given.result.error()});
    };
    to.host(command.patient_id()).submit(std::move(what));
  }

  static v1::Command message(const std::string& text) {
    v1::Command command;
    command.set_patient_id("pat");
    command.mutable_post_message()->set_stream(v1::STREAM_CLINICAL);
    command.mutable_post_message()->mutable_content()->set_text(text);
    return command;
  }
  static care::actor nurse(const char* person = "nina") { return {person, v1::ROLE_ONCOLOGY_NURSE, false}; }

  /// What the store has of the record's clinical stream.
  std::vector<std::string> stored() {
    std::vector<std::string> texts;
    for (auto& one : loop_.run(store_->read_stream("patient/pat", v1::STREAM_CLINICAL, 1, 1'000'000, store::test::unlimited)).value()) {
      texts.push_back(std::move(one.bytes));
    }
    return texts;
  }

  static v1::Command task_for_rao() {
    v1::Command asking;
    asking.set_patient_id("pat");
    asking.mutable_request_task()->set_stream(v1::STREAM_CLINICAL);
    auto& order = *asking.mutable_request_task()->mutable_order();
    order.set_kind(v1::TASK_KIND_CARE);
    order.set_title("Call her back");
    order.mutable_target()->set_person_id("rao");
    return asking;
  }
  /// one_ is asked for a task, and its first deadline passes.
  store::stored_timer passed_deadline() {
    submit(*one_, task_for_rao(), nurse("nina"));
    run();
    good();
    answers_.clear();
    const auto first = loop_.run(store_->due_timers(store::instant::max(), std::nullopt, 1)).value().at(0);
    clock_.advance(first.key.due - clock_.now());
    return first;
  }
  /// The entries of the clinical stream that a deadline has led to.
  std::size_t escalations() {
    std::size_t count = 0;
    for (const auto& bytes : stored()) {
      v1::Entry entry;
      EXPECT_TRUE(entry.ParseFromString(bytes));
      if (!entry.has_task_escalated()) continue;
      EXPECT_EQ(entry.author().person_id(), "") << "nobody did it";
      ++count;
    }
    return count;
  }
  /// In the record that one_ knows. A look at that end is waited for from then on: run() would wait, too.
  void nina_stays_for(std::chrono::microseconds time) {
    v1::Command command;
    command.set_patient_id("pat");
    auto& ends = *command.mutable_end_member();
    ends.set_person_id("nina");
    ends.set_role(v1::ROLE_ONCOLOGY_NURSE);
    ends.set_reason("the shift is over");
    ends.set_expected_roster_version(roster_version());
    care::set_timestamp(*ends.mutable_end(), std::chrono::floor<std::chrono::microseconds>(clock_.now()) + time);
    submit(*one_, command, {{}, v1::ROLE_UNSPECIFIED, true});
    until_answered();
    good();
  }
  void until_answered() {
    answers_.clear();
    loop_.context().restart();
    while (answers_.empty() && loop_.context().run_one() > 0) {
    }
  }
  std::uint64_t roster_version() { return one_->host("pat").state().team.version; }
  bool is_stored(const store::stored_timer& timer) {
    const auto all = loop_.run(store_->due_timers(store::instant::max(), std::nullopt, 100)).value();
    return std::ranges::any_of(all, [&](const auto& one) { return one.key == timer.key; });
  }
  timer_done counted() {
    return [this](boost::system::error_code failed) { (failed ? timers_failed_ : timers_done_) += 1; };
  }

  scratch_folder folder_;
  event_loop loop_;
  runtime::manual_clock clock_{std::chrono::sys_days{std::chrono::year{2026} / 11 / 23}};
  std::unique_ptr<store::record_store> store_;
  std::optional<process> one_, other_;
  struct given_answer {
    bool good;
    care::place where;
    care::refusal why;
  };
  std::vector<given_answer> answers_;
  std::uint64_t offset_ = 0;
  int timers_done_ = 0;
  int timers_failed_ = 0;
};

TEST_F(record_host_on_a_store, two_processes_write_one_record_and_every_message_is_there_once) {
  for (int i = 0; i < 50; ++i) {
    submit(*one_, message("one " + std::to_string(i)), nurse());
    submit(*other_, message("other " + std::to_string(i)), nurse("rao"));
    if (i % 7 == 0) run();
  }
  run();
  ASSERT_EQ(answers_.size(), std::size_t(100));
  std::set<std::uint64_t> places;
  for (const auto& answer : answers_) {
    ASSERT_TRUE(answer.good) << answer.why.message;
    EXPECT_EQ(answer.where.stream, v1::STREAM_CLINICAL);
    places.insert(answer.where.seq);
  }
  EXPECT_THAT(places, SizeIs(100)) << "two commands were told the same place";
  // Each hears of its own commits at once, and of the other's when it is told that there are some.
  one_->host("pat").refresh();
  other_->host("pat").refresh();
  run();
  EXPECT_THAT(one_->listener.heard[v1::STREAM_CLINICAL], testing::ElementsAreArray(stored()));
  EXPECT_THAT(other_->listener.heard[v1::STREAM_CLINICAL], testing::ElementsAreArray(stored()));
  EXPECT_EQ(one_->host("pat").durable(v1::STREAM_CLINICAL).chain, other_->host("pat").durable(v1::STREAM_CLINICAL).chain);
}

TEST_F(record_host_on_a_store, the_same_command_to_two_processes_has_one_effect_and_one_answer) {
  auto command = message("take one tablet, not two");
  command.set_command_id(runtime::uuid_text(runtime::generate_uuid7(clock_.now())));
  for (int i = 0; i < 20; ++i) submit(i % 2 == 0 ? *one_ : *other_, command, nurse());
  run();
  ASSERT_EQ(answers_.size(), std::size_t(20));
  for (const auto& answer : answers_) {
    ASSERT_TRUE(answer.good);
    EXPECT_EQ(answer.where.seq, offset_ + 1);
  }
  EXPECT_THAT(stored(), SizeIs(offset_ + 1));
}

TEST_F(record_host_on_a_store, another_command_with_a_used_id_is_refused_in_every_process) {
  auto command = message("the first");
  command.set_command_id(runtime::uuid_text(runtime::generate_uuid7(clock_.now())));
  submit(*one_, command, nurse());
  run();
  command.mutable_post_message()->mutable_content()->set_text("the second");
  submit(*one_, command, nurse());
  submit(*other_, command, nurse());
  run();
  ASSERT_EQ(answers_.size(), std::size_t(3));
  for (const auto i : {1U, 2U}) {
    ASSERT_FALSE(answers_[i].good);
    EXPECT_EQ(answers_[i].why.code, care::code::already_exists);
  }
  EXPECT_THAT(stored(), SizeIs(offset_ + 1));
}

TEST_F(record_host_on_a_store, a_member_who_was_ended_elsewhere_cannot_post_here) {
  v1::Command ended;
  ended.set_patient_id("pat");
  ended.mutable_end_member()->set_person_id("rao");
  ended.mutable_end_member()->set_role(v1::ROLE_ONCOLOGY_NURSE);
  ended.mutable_end_member()->set_reason("the end of the rotation");
  ended.mutable_end_member()->set_expected_roster_version(one_->host("pat").state().team.version);
  give(*one_, ended);
  // This process has not been told; the version that it expects no longer fits, so it reads on and decides again.
  answers_.clear();
  submit(*other_, message("may I"), nurse("rao"));
  run();
  ASSERT_EQ(answers_.size(), std::size_t(1));
  EXPECT_FALSE(answers_[0].good);
  EXPECT_GT(other_->listener.audience_changes, 0);
}

TEST_F(record_host_on_a_store, stands_still_while_another_writer_works) {
  boost::asio::co_spawn(
      loop_.context(),
      [this]() -> boost::asio::awaitable<void> {
        submit(*one_, message("before"), nurse());
        auto still = co_await one_->host("pat").hold();
        EXPECT_EQ(answers_.size(), 1U) << "what came before is done";
        const auto version = one_->host("pat").state().version;
        for (int i = 0; i < 5; ++i) submit(*one_, message("meanwhile"), nurse());
        // The other writer commits at its leisure, and nobody is ahead of it.
        submit(*other_, message("another writer's"), nurse("rao"));
        while (answers_.size() < 2) co_await boost::asio::post(boost::asio::use_awaitable);
        EXPECT_EQ(one_->host("pat").state().version, version);
        still.reset();
        one_->host("pat").refresh();
      },
      store::test::rethrow());
  run();
  ASSERT_EQ(answers_.size(), 7U);
  for (const auto& answer : answers_) EXPECT_TRUE(answer.good) << answer.why.message;
  EXPECT_THAT(stored(), SizeIs(offset_ + 7));
  const auto& heard = one_->listener.heard[v1::STREAM_CLINICAL];
  EXPECT_EQ(heard, stored());
}

TEST_F(record_host_on_a_store, a_refresh_reaches_a_record_that_nobody_looks_at) {
  const int before = other_->listener.audience_changes;
  other_->hosts().refresh(care::record_key("pat"));
  run();
  EXPECT_EQ(other_->listener.audience_changes, before) << "nothing is new";
  process late(loop_, *store_, clock_);
  late.hosts().refresh(care::record_key("pat"));
  run();
  EXPECT_EQ(late.listener.audience_changes, 1) << "somebody who is connected may be on the team";
}

TEST_F(record_host_on_a_store, the_server_s_own_entries_are_answered_when_they_are_on_disk) {
  std::vector<boost::system::error_code> done;
  care::facts opened;
  care::add_fact(opened, v1::STREAM_AUDIT).mutable_session_opened()->set_session_id("s");
  v1::Author author;
  author.set_person_id("nina");
  one_->host("pat").note(opened, author, [&](auto failed) { done.push_back(failed); });
  one_->host("nobody").note(opened, author, [&](auto failed) { done.push_back(failed); });
  run();
  ASSERT_THAT(done, SizeIs(2));
  EXPECT_EQ(std::count(done.begin(), done.end(), boost::system::error_code()), 1) << "a record that is not there takes no entry";
  EXPECT_THAT(one_->listener.heard[v1::STREAM_AUDIT], SizeIs(1));
}

TEST_F(record_host_on_a_store, a_host_that_loads_anew_stands_where_the_first_one_stands) {
  for (int i = 0; i < 600; ++i) submit(*one_, message("message " + std::to_string(i)), nurse());  // Past two snapshots.
  run();
  process late(loop_, *store_, clock_);
  late.host("pat").when_settled([](auto) {});
  run();
  EXPECT_EQ(late.host("pat").state(), one_->host("pat").state());
  for (const auto stream : {v1::STREAM_SHARED, v1::STREAM_CLINICAL, v1::STREAM_SUPPORT, v1::STREAM_AUDIT}) {
    EXPECT_EQ(late.host("pat").durable(stream).head, one_->host("pat").durable(stream).head);
    EXPECT_EQ(late.host("pat").durable(stream).chain, one_->host("pat").durable(stream).chain);
    EXPECT_EQ(late.host("pat").durable(stream).authored, one_->host("pat").durable(stream).authored);
  }
}

TEST_F(record_host_on_a_store, more_than_may_wait_is_refused_with_a_time_to_come_back) {
  for (std::size_t i = 0; i < max_waiting_per_record + 10; ++i) submit(*one_, message("flood"), nurse());
  const auto refused = std::count_if(answers_.begin(), answers_.end(), [](const auto& one) { return !one.good; });
  EXPECT_GT(refused, 0);
  for (const auto& one : answers_) {
    if (one.good) continue;
    EXPECT_EQ(one.why.code, care::code::resource_exhausted);
    EXPECT_GT(one.why.retry_after_ms, 0U);
  }
  run();
  EXPECT_EQ(answers_.size(), std::size_t(max_waiting_per_record + 10));
  EXPECT_EQ(one_->host("pat").durable(v1::STREAM_CLINICAL).head, offset_ + answers_.size() - static_cast<std::size_t>(refused));
}

TEST_F(record_host_on_a_store, a_clock_that_is_set_past_a_membership_s_end_is_noticed_within_seconds) {
  nina_stays_for(std::chrono::hours(1));
  one_->hosts().watch_clock();
  const int before = one_->listener.audience_changes;
  clock_.advance(std::chrono::hours(2));
  loop_.context().restart();
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (one_->listener.audience_changes == before && std::chrono::steady_clock::now() < patience) {
    loop_.context().run_one_for(std::chrono::seconds(1));
  }
  EXPECT_EQ(one_->listener.audience_changes, before + 1);
}

TEST_F(record_host_on_a_store, what_is_said_after_a_membership_s_end_is_told_after_the_end) {
  nina_stays_for(std::chrono::hours(1));
  const int before = one_->listener.audience_changes;
  clock_.advance(std::chrono::hours(1));
  submit(*one_, message("she has just left"), nurse("rao"));
  until_answered();
  good();
  EXPECT_EQ(one_->listener.changes_before_last_entries, before + 1) << "nobody is handed what was decided after they had left";
}

TEST_F(record_host_on_a_store, a_timer_that_fires_is_a_command_of_the_system_and_is_taken_off_with_its_effect) {
  const auto timer = passed_deadline();
  one_->hosts().fire(timer, counted());
  run();
  EXPECT_EQ(timers_done_, 1);
  EXPECT_EQ(escalations(), 1u);
  EXPECT_FALSE(is_stored(timer));
}

TEST_F(record_host_on_a_store, a_timer_that_two_processes_fire_has_one_effect) {
  const auto timer = passed_deadline();
  for (auto* process : {&*one_, &*other_, &*one_}) process->hosts().fire(timer, counted());
  run();
  EXPECT_EQ(timers_done_, 3) << "nobody has to fire it again";
  one_->host("pat").refresh();
  other_->host("pat").refresh();
  run();
  EXPECT_EQ(escalations(), 1u);
  EXPECT_EQ(other_->host("pat").state(), one_->host("pat").state());
  EXPECT_FALSE(is_stored(timer));
}

TEST_F(record_host_on_a_store, a_timer_that_another_process_has_set_fires_here) {
  submit(*other_, message("this process knows the record"), nurse());
  run();
  good();
  answers_.clear();
  one_->host("pat").refresh();
  run();
  const auto timer = passed_deadline();
  other_->hosts().fire(timer, counted());
  run();
  EXPECT_EQ(timers_done_, 1);
  EXPECT_EQ(escalations(), 1u) << "though its state had no such timer";
  EXPECT_FALSE(is_stored(timer));
}

TEST_F(record_host_on_a_store, a_timer_that_is_gone_does_nothing) {
  const store::stored_timer gone{"patient/pat", {"task/2/1/accept", std::chrono::floor<std::chrono::microseconds>(clock_.now())}};
  submit(*one_, message("meanwhile"), nurse());
  one_->hosts().fire(gone, counted());
  run();
  EXPECT_EQ(timers_done_, 1);
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_TRUE(answers_[0].good) << "what came with it is not held up";
  EXPECT_THAT(stored(), SizeIs(offset_ + 1));
}

TEST_F(record_host_on_a_store, a_timer_that_follows_from_no_entry_is_taken_off_and_nothing_comes_of_it) {
  const store::stored_timer stray{"patient/pat", {"stray", std::chrono::floor<std::chrono::microseconds>(clock_.now())}};
  store::record_append append;
  append.record = "patient/pat";
  append.expected_version = loop_.run(store_->head("patient/pat")).value().version;
  append.set_timers.push_back({stray.key, std::nullopt});
  ASSERT_TRUE(std::holds_alternative<store::committed>(loop_.run(store_->append({append})).value()));
  ASSERT_TRUE(is_stored(stray));
  one_->hosts().fire(stray, counted());
  run();
  EXPECT_EQ(timers_done_, 1);
  EXPECT_THAT(stored(), SizeIs(offset_));
  EXPECT_FALSE(is_stored(stray));
}

TEST_F(record_host_on_a_store, a_deadline_that_has_passed_comes_before_what_is_asked_now) {
  const auto timer = passed_deadline();
  submit(*one_, message("too late"), nurse());
  one_->hosts().fire(timer, counted());
  run();
  ASSERT_THAT(answers_, SizeIs(1));
  ASSERT_TRUE(answers_[0].good);
  const auto entries = stored();
  v1::Entry before;
  ASSERT_TRUE(before.ParseFromString(entries.at(answers_[0].where.seq - 2)));
  EXPECT_TRUE(before.has_task_escalated());
}

TEST_F(record_host_on_a_store, what_is_owed_is_in_the_store_with_its_entry_and_the_listener_hears_where) {
  submit(*one_, task_for_rao(), nurse("nina"));
  run();
  good();
  const auto rows = [&](const char* owner) { return loop_.run(store_->obligations_of(owner, std::nullopt, 10)).value(); };
  ASSERT_THAT(rows("person/rao"), SizeIs(1));
  ASSERT_THAT(rows("person/nina"), SizeIs(1)) << "who asked";
  const care::place task{v1::STREAM_CLINICAL, rows("person/rao")[0].row.key.seq};
  EXPECT_THAT(one_->listener.obligations, testing::ElementsAre(task));
  EXPECT_EQ(rows("person/rao")[0].row.version, 1u);

  v1::Command accepting;
  accepting.set_patient_id("pat");
  accepting.mutable_accept_task()->mutable_task()->set_stream(task.stream);
  accepting.mutable_accept_task()->mutable_task()->set_seq(task.seq);
  other_->host("pat").refresh();
  run();
  answers_.clear();
  submit(*other_, accepting, nurse("rao"));
  run();
  good();
  ASSERT_THAT(rows("person/rao"), SizeIs(1)) << "moved, not doubled";
  EXPECT_EQ(rows("person/rao")[0].row.version, 2u);
  EXPECT_EQ(rows("person/rao")[0].row.status, v1::TASK_STATUS_ACCEPTED);
}

TEST_F(record_host_on_a_store, a_timer_of_no_record_is_not_fired) {
  one_->hosts().fire({"nobody's", {"t", {}}}, counted());
  run();
  EXPECT_EQ(timers_failed_, 1);
}

// ---- who is called outside

class calls_of_a_record : public record_host_on_a_store {
 protected:
  calls_of_a_record() {
    one_->hosts().environment().deliveries_added = [this](const auto& added) { told_.insert(told_.end(), added.begin(), added.end()); };
  }
  static v1::Command asap_to_rao() {
    auto command = message("call me");
    command.mutable_post_message()->set_priority(v1::PRIORITY_ASAP);
    command.mutable_post_message()->add_mentions()->set_person_id("rao");
    return command;
  }
  static v1::Command acknowledgement(std::uint64_t seq) {
    v1::Command command;
    command.set_patient_id("pat");
    command.mutable_acknowledge_message()->set_stream(v1::STREAM_CLINICAL);
    command.mutable_acknowledge_message()->set_seq(seq);
    return command;
  }
  store::delivery_state state_of(const std::string& id) { return loop_.run(store_->find_delivery(id)).value().value().state; }

  std::vector<store::new_delivery> told_;
};

TEST_F(calls_of_a_record, are_rows_of_the_commit_and_quiet_with_the_acknowledgement_s) {
  submit(*one_, asap_to_rao(), nurse());
  run();
  good();
  ASSERT_THAT(told_, SizeIs(1));
  const auto stored = loop_.run(store_->find_delivery(told_[0].id)).value().value();
  EXPECT_EQ(stored.record, "patient/pat");
  EXPECT_EQ(stored.what.recipient, "rao");
  EXPECT_EQ(stored.state, store::delivery_state::waiting);
  EXPECT_EQ(stored.what.id.find("pat"), std::string::npos) << "an id tells nobody which patient it is";
  EXPECT_EQ(stored.what.payload.find("call me"), std::string::npos);
  submit(*one_, acknowledgement(answers_.front().where.seq), nurse("rao"));
  run();
  good();
  EXPECT_EQ(state_of(told_[0].id), store::delivery_state::acknowledged);
}

TEST_F(calls_of_a_record, that_end_in_the_same_commit_never_were) {
  submit(*one_, asap_to_rao(), nurse());
  submit(*one_, acknowledgement(offset_ + 1), nurse("rao"));
  run();
  good();
  EXPECT_THAT(told_, SizeIs(0));
  EXPECT_FALSE(loop_.run(store_->next_delivery()).value());
}

TEST_F(calls_of_a_record, have_one_identity_however_often_a_batch_is_decided) {
  submit(*other_, message("the other process was first"), nurse());
  run();
  submit(*one_, asap_to_rao(), nurse());
  run();
  good();
  EXPECT_THAT(told_, SizeIs(1)) << "the batch met a conflict and was decided again";
}

TEST_F(calls_of_a_record, are_not_kept_where_nobody_sends_them) {
  submit(*other_, asap_to_rao(), nurse());
  run();
  good();
  EXPECT_FALSE(loop_.run(store_->next_delivery()).value());
}

TEST(a_delivery_of_the_same_call, has_another_id_in_another_store_only) {
  const care::call one{{{v1::STREAM_CLINICAL, 17}, care::called_for::accept}, "rao", v1::PRIORITY_STAT, {v1::STREAM_CLINICAL, 17}, false};
  const auto id_in = [&](const std::string& epoch, const std::string& record) {
    delivery_changes changes(record, epoch);
    changes.add({{}, {one}}, {}, {});
    store::record_append append;
    changes.move_to(append, delivery_changes::calls::keep);
    return append.add_deliveries.at(0).id;
  };
  EXPECT_EQ(id_in("e", "patient/pat"), id_in("e", "patient/pat"));
  EXPECT_NE(id_in("e", "patient/pat"), id_in("e", "patient/rosa"));
  EXPECT_NE(id_in("e", "patient/pat"), id_in("f", "patient/pat"));
  EXPECT_EQ(id_in("e", "patient/pat").size(), 32u + 4u);
}

}  // namespace
}  // namespace careteam::coordination
