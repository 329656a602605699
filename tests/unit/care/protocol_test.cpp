// Protocols (C8): tasks by cycle day, each made once; they move when the cycle moves, and are cancelled when the regimen stops.
#include "protocol_fixture.hpp"

#include "care/notification.hpp"

namespace careteam::care::fixture {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class protocols : public protocol_ward {};

TEST_F(protocols, each_day_of_each_cycle_has_its_task_once_and_in_order) {
  EXPECT_THAT(does("nina", start(clinical, plan("p1")
                                               .item("cbc", cbc, {1, 15}, {1, 2})
                                               .item("call", task("Call her", v1::TASK_KIND_CALL).to_duty("onc-rn"), {7}, {1})
                                               .item("refill", task("Refill").to("claire"), {-5}, {}, 600, 2))),
              accepted());
  EXPECT_THAT(made(), IsEmpty()) << "nothing is asked for before its time";
  asks_until(utc(2027, 3, 1, 0));
  EXPECT_THAT(made_names(), ElementsAre("cbc 1/1", "call 1/7", "cbc 1/15", "refill 1/-5", "cbc 2/1", "cbc 2/15", "refill 2/-5"));
  // 08:00 in Berlin, a day before.
  EXPECT_EQ(to_instant(made()[0].time()), utc(2026, 11, 30, 7));
  EXPECT_EQ(due("cbc 1/1"), utc(2026, 12, 1, 7));
  EXPECT_EQ(due("call 1/7"), utc(2026, 12, 7, 7));
  EXPECT_EQ(due("refill 1/-5"), utc(2026, 12, 24, 9)) << "5 days before 29 December";
  EXPECT_EQ(due("cbc 2/1"), utc(2026, 12, 29, 7));
  EXPECT_EQ(due("refill 2/-5"), utc(2027, 1, 21, 9)) << "before the day on which cycle 3 would begin";
  EXPECT_THAT(protocol_timers(), IsEmpty());
}

TEST_F(protocols, its_tasks_are_asked_of_their_target_like_any_other) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1})));
  asks_until(utc(2026, 12, 1, 0));
  const auto entry = made().front();
  EXPECT_TRUE(entry.author().person_id().empty()) << "the server asks";
  EXPECT_EQ(entry.task_requested().requester_person_id(), "nina");
  EXPECT_THAT(entry.task_requested().candidate_person_id(), testing::UnorderedElementsAre("nina", "tom"));
  EXPECT_TRUE(entry.task_requested().has_accept_by()) << "the ladder of silence begins when it is made";
  const auto task = task_of("cbc 1/1");
  EXPECT_THAT(does("tom", claim(task)), accepted());
  EXPECT_THAT(does("tom", accept(task)), accepted());
  EXPECT_EQ(answers_for(task), "tom");
}

TEST_F(protocols, daylight_saving_moves_no_time_of_the_day) {
  // Berlin's clock goes from 02:00 to 03:00 on 28 March 2027, and shows 02:00 to 03:00 twice on 31 October.
  ward.says(
      "nina",
      start(clinical,
            plan("spring", "2027-03-27").cycles(3, 1).item("morning", cbc, {1, 2, 3}, {}, 480, 0).item("night", cbc, {2}, {}, 150, 0)));
  ward.says("nina", start(clinical, plan("autumn", "2027-10-30").cycles(2, 1).item("late", cbc, {2}, {}, 150, 0)));
  asks_until(utc(2027, 12, 1, 0));
  ASSERT_THAT(made_names(), ElementsAre("morning 1/1", "night 1/2", "morning 1/2", "morning 1/3", "late 1/2"));
  const auto scheduled = [&](std::size_t i) { return *to_instant(made()[i].task_requested().protocol().scheduled()); };
  EXPECT_EQ(scheduled(0), utc(2027, 3, 27, 7));
  EXPECT_EQ(scheduled(1), utc(2027, 3, 28, 1)) << "02:30 does not exist: the first moment after it";
  EXPECT_EQ(scheduled(2), utc(2027, 3, 28, 6));
  EXPECT_EQ(scheduled(3), utc(2027, 3, 29, 6));
  EXPECT_EQ(scheduled(4), utc(2027, 10, 31, 0, 30)) << "02:30 comes twice: the first";
}

TEST_F(protocols, what_is_asked_for_on_its_day_is_due_by_the_end_of_it) {
  ward.says("nina", start(clinical, plan("p1").item("call", cbc, {1}, {1}, 540, 0)));
  asks_until(utc(2026, 12, 5, 0));
  EXPECT_EQ(to_instant(made().front().time()), utc(2026, 12, 1, 8));
  EXPECT_EQ(due("call 1/1"), utc(2026, 12, 1, 23)) << "midnight in Berlin";
}

TEST_F(protocols, days_that_are_over_when_it_starts_are_not_asked_for_and_todays_are_at_once) {
  // It is Monday, 23 November, 11:42 in Berlin.
  ward.says("nina", start(clinical, plan("p1", "2026-11-20").item("cbc", cbc, {1, 3, 4, 8}, {1}, 480, 1)));
  const auto& passed = last(clinical).protocol_started().passed();
  ASSERT_EQ(passed.size(), 2);
  EXPECT_EQ(name_of(passed[0]), "cbc 1/1");
  EXPECT_EQ(name_of(passed[1]), "cbc 1/3");
  asks_until(ward.now);
  EXPECT_THAT(made_names(), ElementsAre("cbc 1/4"));
  EXPECT_EQ(due("cbc 1/4"), utc(2026, 11, 23, 23)) << "8:00 has come: by the end of the day";
  asks_until(utc(2026, 12, 31, 0));
  EXPECT_THAT(made_names(), ElementsAre("cbc 1/4", "cbc 1/8"));
  EXPECT_THAT(does("nina", start(clinical, plan("p2", "2020-01-01").item("cbc", cbc, {1}))),
              refused_with(code::failed_precondition, "startProtocol.plan.day1"));
}

TEST_F(protocols, an_outage_over_several_days_is_caught_up_in_order_and_once) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {15, 1}).item("call", task("Call").to("nina"), {7}, {1})));
  asks_until(utc(2027, 1, 2, 12), true);
  EXPECT_THAT(made_names(), ElementsAre("cbc 1/1", "call 1/7", "cbc 1/15", "cbc 2/1"));
  for (const auto& entry : made()) {
    EXPECT_EQ(to_instant(entry.time()), utc(2027, 1, 2, 12));
    EXPECT_GT(*to_instant(entry.task_requested().order().due()), utc(2027, 1, 2, 12)) << "no task is late when it is made";
  }
  EXPECT_EQ(to_instant(made()[0].task_requested().protocol().scheduled()), utc(2026, 12, 1, 7));
  asks_until(utc(2027, 3, 1, 0));
  EXPECT_THAT(made_names(), SizeIs(5));
}

TEST_F(protocols, a_timer_that_was_overtaken_makes_nothing) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1, 15})));
  v1::Command first;
  ASSERT_TRUE(first.ParseFromString(protocol_timers().front().command));
  EXPECT_THAT(ward.does(the_system(), first), refused_with(code::failed_precondition, "fireProtocolTimer"));
  EXPECT_THAT(does("nina", first), refused_with(code::permission_denied, "action"));
  ward.now = utc(2026, 12, 20, 0);
  ASSERT_THAT(ward.does(the_system(), first), accepted());
  const auto size = ward.record.log().size();
  ASSERT_THAT(ward.does(the_system(), first), accepted());
  EXPECT_EQ(ward.record.log().size(), size) << "its turn has come and gone";
  v1::Command second;
  ASSERT_TRUE(second.ParseFromString(protocol_timers().front().command));
  ward.says("nina", move("p1", 2, "2027-01-10"));
  const auto moved = ward.record.log().size();
  ASSERT_THAT(ward.does(the_system(), second), accepted());
  EXPECT_EQ(ward.record.log().size(), moved) << "set against another schedule";
  ward.says("nina", stop("p1"));
  EXPECT_THAT(protocol_timers(), IsEmpty());
}

TEST_F(protocols, a_moved_cycle_takes_the_later_ones_with_it_and_doubles_nothing) {
  ward.says("nina", start(clinical, plan("p1").cycles(28, 3).item("cbc", cbc, {1, 15}).item("refill", cbc, {-5}, {}, 480, 1)));
  asks_until(utc(2026, 12, 28, 12));
  ASSERT_THAT(made_names(), ElementsAre("cbc 1/1", "cbc 1/15", "refill 1/-5", "cbc 2/1"));
  // A week later: the refill before it and day 1 are open, what comes later is not yet made.
  ward.says("nina", move("p1", 2, "2027-01-05", 1));
  EXPECT_EQ(running("p1").version, 2u);
  EXPECT_EQ(due("cbc 2/1"), utc(2027, 1, 5, 7));
  EXPECT_EQ(due("refill 1/-5"), utc(2026, 12, 31, 7)) << "days before the next cycle move with it";
  EXPECT_EQ(due("cbc 1/15"), utc(2026, 12, 15, 7)) << "what lies before the cycle stays";
  asks_until(utc(2027, 6, 1, 0));
  EXPECT_THAT(made_names(), ElementsAre("cbc 1/1", "cbc 1/15", "refill 1/-5", "cbc 2/1", "cbc 2/15", "refill 2/-5", "cbc 3/1", "cbc 3/15",
                                        "refill 3/-5"));
  EXPECT_EQ(due("cbc 2/15"), utc(2027, 1, 19, 7));
  EXPECT_EQ(due("cbc 3/1"), utc(2027, 2, 2, 7));
}

TEST_F(protocols, a_move_tells_the_old_and_the_new_deadline_of_what_nobody_has_begun) {
  ward.says("nina", start(clinical, plan("p1")
                                        .item("a", task("A").urgent().to("tom"), {1}, {1})
                                        .item("b", task("B").to("tom"), {1}, {1})
                                        .item("c", task("C").to("tom"), {1}, {1})
                                        .item("d", task("D").to("tom"), {2}, {1})));
  asks_until(utc(2026, 11, 30, 8));
  const auto accepted_one = task_of("a 1/1"), begun = task_of("b 1/1"), done = task_of("c 1/1");
  for (const auto task : {accepted_one, begun, done}) {
    ward.says("tom", claim(task));
    ward.says("tom", accept(task));
  }
  for (const auto task : {begun, done}) ward.says("tom", fixture::start(task));
  ward.says("tom", complete(done));
  const auto start_by = task_ward::at(accepted_one).timers.at(v1::TASK_TIMER_START).at;
  ward.says("rao", move("p1", 1, "2026-12-03"));
  std::vector<v1::Entry> moved;
  for (const auto& entry : ward.record.log()) {
    if (entry.has_task_rescheduled()) moved.push_back(entry);
  }
  ASSERT_THAT(moved, SizeIs(1));
  const auto& fact = moved.front().task_rescheduled();
  EXPECT_EQ(fact.seq(), accepted_one.seq);
  EXPECT_EQ(to_instant(fact.was_due()), utc(2026, 12, 1, 7));
  EXPECT_EQ(to_instant(fact.due()), utc(2026, 12, 3, 7));
  EXPECT_EQ(fact.reason(), "low counts");
  const auto calls = calls_after(ward.record.state(), moved.front(), ward.now_context());
  EXPECT_THAT(calls.over, ElementsAre(obligation_key{accepted_one, called_for::act})) << "nobody is called any more about the old deadline";
  const auto& task = task_ward::at(accepted_one);
  EXPECT_EQ(task.status, v1::TASK_STATUS_ACCEPTED) << "whoever accepted it keeps it";
  EXPECT_EQ(task.timers.at(v1::TASK_TIMER_DUE).at, utc(2026, 12, 3, 7));
  EXPECT_EQ(task.timers.at(v1::TASK_TIMER_START).at, start_by + std::chrono::hours{48});
  EXPECT_EQ(task_ward::at(begun).order.due, utc(2026, 12, 1, 7)) << "what is being done stays";
  EXPECT_EQ(status(done), v1::TASK_STATUS_COMPLETED);
  asks_until(utc(2027, 2, 1, 0));
  EXPECT_THAT(made_names(), ElementsAre("a 1/1", "b 1/1", "c 1/1", "d 1/2")) << "what was done is not asked for again";
}

TEST_F(protocols, a_move_into_the_past_asks_for_what_is_left_and_back_again_for_all) {
  ward.says("nina", start(clinical, plan("p1").cycles(28, 1).item("cbc", cbc, {1, 15})));
  ward.says("nina", move("p1", 1, "2026-11-16"));
  ASSERT_EQ(last(clinical).protocol_cycle_moved().passed_size(), 1);
  EXPECT_EQ(last(clinical).protocol_cycle_moved().was_day1(), "2026-12-01");
  ward.says("nina", move("p1", 1, "2026-12-02"));
  EXPECT_EQ(last(clinical).protocol_cycle_moved().passed_size(), 0);
  asks_until(utc(2027, 2, 1, 0));
  EXPECT_THAT(made_names(), ElementsAre("cbc 1/1", "cbc 1/15"));
  EXPECT_EQ(due("cbc 1/1"), utc(2026, 12, 2, 7));
}

TEST_F(protocols, a_move_to_the_same_day_changes_nothing) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1})));
  const auto size = ward.record.log().size();
  EXPECT_THAT(does("nina", move("p1", 2, "2026-12-29")), accepted());
  EXPECT_EQ(ward.record.log().size(), size);
}

TEST_F(protocols, a_stop_cancels_what_is_open_and_whoever_is_doing_it_says_that_they_stopped) {
  ward.says("nina",
            start(clinical, plan("p1").item("a", cbc, {1}).item("b", task("B").to("tom"), {1}).item("c", task("C").to("tom"), {1})));
  const auto other = asks(clinical, task("Something else").to("tom"));
  asks_until(utc(2026, 11, 30, 8));
  const auto open = task_of("a 1/1"), begun = task_of("b 1/1"), done = task_of("c 1/1");
  for (const auto task : {begun, done}) {
    ward.says("tom", claim(task));
    ward.says("tom", accept(task));
    ward.says("tom", fixture::start(task));
  }
  ward.says("tom", complete(done));
  ward.says("rao", stop("p1", 1));
  EXPECT_EQ(status(open), v1::TASK_STATUS_CANCELLED);
  EXPECT_EQ(status(begun), v1::TASK_STATUS_CANCELLED);
  EXPECT_TRUE(task_ward::at(begun).stopping);
  EXPECT_EQ(answers_for(begun), "tom");
  EXPECT_EQ(status(done), v1::TASK_STATUS_COMPLETED);
  EXPECT_EQ(status(other), v1::TASK_STATUS_REQUESTED) << "is not the protocol's";
  EXPECT_THAT(does("tom", acknowledge_cancel(begun)), accepted());
  EXPECT_THAT(protocol_timers(), IsEmpty());
  asks_until(utc(2027, 6, 1, 0));
  EXPECT_THAT(made(), SizeIs(3));
  EXPECT_THAT(does("nina", stop("p1")), refused_with(code::failed_precondition, "stopProtocol.protocol.protocolId"));
  EXPECT_THAT(does("nina", move("p1", 1, "2027-01-01")), refused_with(code::failed_precondition, "moveCycle.protocol.protocolId"));
  EXPECT_THAT(does("nina", start(clinical, plan("p1", "2027-07-01").item("cbc", cbc, {1}))),
              refused_with(code::already_exists, "startProtocol.plan.protocolId"));
}

TEST_F(protocols, a_reopened_task_is_the_protocols_too) {
  ward.says("nina", start(clinical, plan("p1").item("a", task("A").to("tom"), {1})));
  asks_until(utc(2026, 11, 30, 8));
  const auto first = task_of("a 1/1");
  ward.says("tom", claim(first));
  ward.says("tom", accept(first));
  ward.says("tom", complete(first));
  ward.says("nina", reopen(first));
  const auto again = successor(first, v1::TASK_RULE_REOPENED);
  ASSERT_EQ(status(again), v1::TASK_STATUS_REQUESTED);
  ward.says("nina", stop("p1"));
  EXPECT_EQ(status(again), v1::TASK_STATUS_CANCELLED);
}

TEST_F(protocols, it_ends_by_itself_with_the_last_of_its_tasks) {
  ward.says("nina", start(clinical, plan("p1").cycles(7, 1).item("a", task("A").to("tom"), {1}).item("b", task("B").to("tom"), {2})));
  asks_until(utc(2026, 12, 31, 0));
  ward.says("nina", cancel(task_of("b 1/2")));
  EXPECT_TRUE(ward.record.state().protocols.running.contains({clinical, "p1"}));
  ward.says("nina", cancel(task_of("a 1/1")));
  EXPECT_FALSE(ward.record.state().protocols.running.contains({clinical, "p1"}));
  EXPECT_TRUE(ward.record.state().protocols.ended.contains({clinical, "p1"}));
}

TEST_F(protocols, a_task_is_made_also_when_nobody_is_there_to_ask) {
  ward.says("nina", start(clinical, plan("p1").item("pharm", task("Review", v1::TASK_KIND_REVIEW).to("omar"), {1}, {1})));
  ward.leave("omar", v1::ROLE_PHARMACIST);
  asks_until(utc(2026, 11, 30, 8));
  const auto task = task_of("pharm 1/1");
  EXPECT_THAT(made().front().task_requested().candidate_person_id(), IsEmpty());
  EXPECT_EQ(answers_for(task), "rao") << "the attending answers for it";
}

TEST_F(protocols, who_is_on_leave_when_it_is_made_is_not_asked_by_name) {
  ward.says("rao", start(clinical, plan("p1").item("a", task("A").to("tom"), {1}, {1})));
  duties.away["tom"] = {"onc-rn", "nina", utc(2026, 12, 20, 0)};
  asks_until(utc(2026, 11, 30, 8));
  EXPECT_EQ(made().front().task_requested().order().target().duty_id(), "onc-rn");
  EXPECT_EQ(answers_for(task_of("a 1/1")), "nina");
}

TEST_F(protocols, only_staff_who_may_ask_for_such_tasks_start_move_and_stop_it) {
  const auto starting = start(clinical, plan("p1").item("cbc", cbc, {1}));
  for (const auto* outsider : {"rosa", "dana"}) {
    EXPECT_EQ(told(does(outsider, starting)), told(no_such_stream("startProtocol.stream")));
    EXPECT_EQ(told(does(outsider, move("p1", 1, "2027-01-01"))), told(no_such_stream("moveCycle.protocol.stream")));
  }
  EXPECT_THAT(does("rosa", start(shared, plan("p1").item("r", task("Report", v1::TASK_KIND_REPORT).to("rosa"), {1}))),
              refused_with(code::invalid_argument, "startProtocol.stream"));
  ward.join("mia", v1::ROLE_MEDICAL_ASSISTANT);
  EXPECT_EQ(told(does("mia", starting)), told(no_such_stream("startProtocol.stream")));
  const auto for_support = [](const task& order) { return start(support, plan("s1").item("x", order, {1})); };
  EXPECT_THAT(does("mia", for_support(task("Weigh").urgent().to("tom"))),
              refused_with(code::permission_denied, "startProtocol.plan.items[0].order.kind"));
  EXPECT_THAT(does("mia", for_support(task("Weigh").to("tom"))), accepted());
  EXPECT_THAT(does("nina", start(support, plan("s2").item("x", task("Weigh").urgent().to("tom"), {1}))), accepted());
  EXPECT_THAT(does("mia", stop("s2", 0, support)), refused_with(code::permission_denied, "stopProtocol.protocol.protocolId"));
  EXPECT_THAT(does("mia", stop("s1", 0, support)), accepted());
  EXPECT_THAT(does("nina", stop("s1")), refused_with(code::not_found, "stopProtocol.protocol.protocolId")) << "ids are a stream's";
}

TEST_F(protocols, whoever_was_invited_from_now_is_told_nothing_of_what_is_there) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1})));
  v1::Command inviting;
  auto& asked = *inviting.mutable_invite_consultant();
  asked.set_expected_roster_version(ward.roster_version());
  ward.enrolled("gene", v1::PERSON_KIND_STAFF);
  asked.set_person_id("gene");
  asked.set_role(v1::ROLE_SURGEON);
  asked.add_streams(clinical);
  asked.set_reason("second opinion");
  ASSERT_THAT(does("rao", inviting), accepted());
  EXPECT_EQ(told(does("gene", stop("p1"))), told(does("gene", stop("p2")))) << "hidden and absent are one answer";
  EXPECT_EQ(told(does("gene", start(clinical, plan("p1").item("cbc", cbc, {1})))),
            told(does("gene", start(clinical, plan("p2").item("cbc", cbc, {1})))));
  EXPECT_THAT(does("gene", stop("p1")), refused_with(code::permission_denied, "stopProtocol.protocol.stream"));
}

TEST_F(protocols, what_is_no_plan_is_refused_and_told_why) {
  const auto refused = [&](std::string_view field, const std::function<void(v1::ProtocolPlan&)>& spoil) {
    plan what("p1");
    what.item("cbc", cbc, {1}).item("call", cbc, {7});
    spoil(what.raw());
    const auto path = "startProtocol.plan." + std::string(field);
    EXPECT_THAT(does("nina", start(clinical, what)), refused_with(code::invalid_argument, path)) << field;
  };
  refused("protocolId", [](auto& p) { p.set_protocol_id("not an id"); });
  refused("name", [](auto& p) { p.set_name(" "); });
  refused("timeZone", [](auto& p) { p.set_time_zone("Europe/Atlantis"); });
  refused("timeZone", [](auto& p) { p.set_time_zone("../etc/passwd"); });
  refused("day1", [](auto& p) { p.set_day1("2027-02-30"); });
  refused("day1", [](auto& p) { p.set_day1("tomorrow"); });
  refused("day1", [](auto& p) { p.set_day1("2199-12-20"); });
  refused("cycleDays", [](auto& p) { p.set_cycle_days(0); });
  refused("cycleDays", [](auto& p) { p.set_cycle_days(366); });
  refused("cycles", [](auto& p) { p.set_cycles(0); });
  refused("cycles", [](auto& p) { p.set_cycles(61); });
  refused("items", [](auto& p) { p.clear_items(); });
  refused("items", [](auto& p) {
    for (int i = 0; i < max_protocol_items; ++i) *p.add_items() = p.items(0);
  });
  refused("items", [](auto& p) {
    p.set_cycles(60);
    for (int day = 2; day < 10; ++day) p.mutable_items(0)->add_days(day);
  });
  refused("items[1].itemId", [](auto& p) { p.mutable_items(1)->set_item_id(""); });
  refused("items[0].itemId", [](auto& p) { p.mutable_items(1)->set_item_id("cbc"); });
  refused("items[1].days", [](auto& p) { p.mutable_items(1)->clear_days(); });
  for (const int day : {0, 29, -29, 7, std::numeric_limits<int>::min()}) {
    refused("items[1].days", [&](auto& p) { p.mutable_items(1)->add_days(day); });
  }
  for (const unsigned cycle : {0u, 3u}) {
    refused("items[1].cycles", [&](auto& p) { p.mutable_items(1)->add_cycles(cycle); });
  }
  refused("items[1].cycles", [](auto& p) {
    p.mutable_items(1)->add_cycles(1);
    p.mutable_items(1)->add_cycles(1);
  });
  refused("items[1].at", [](auto& p) { p.mutable_items(1)->set_at(1440); });
  refused("items[1].leadDays", [](auto& p) { p.mutable_items(1)->set_lead_days(61); });
  refused("items[1].order.due", [](auto& p) { set_timestamp(*p.mutable_items(1)->mutable_order()->mutable_due(), utc(2027, 1, 1, 0)); });
  refused("items[1].order.message", [](auto& p) { p.mutable_items(1)->mutable_order()->mutable_message()->set_seq(1); });
  refused("items[1].order.title", [](auto& p) { p.mutable_items(1)->mutable_order()->clear_title(); });
  refused("items[1].order.target", [](auto& p) { p.mutable_items(1)->mutable_order()->clear_target(); });
  EXPECT_THAT(does("nina", start(clinical, plan("p1").item("x", task().to("nobody"), {1}))),
              refused_with(code::not_found, "startProtocol.plan.items[0].order.target"));
}

TEST_F(protocols, a_move_that_is_none_is_refused_and_told_why) {
  ward.says("nina", start(clinical, plan("p1").item("cbc", cbc, {1})));
  EXPECT_THAT(does("nina", move("p9", 1, "2027-01-01")), refused_with(code::not_found, "moveCycle.protocol.protocolId"));
  EXPECT_THAT(does("nina", move("p1", 1, "2027-01-01", 7)), refused_with(code::aborted, "moveCycle.protocol.expectedVersion"));
  EXPECT_THAT(does("nina", move("p1", 0, "2027-01-01")), refused_with(code::invalid_argument, "moveCycle.cycle"));
  EXPECT_THAT(does("nina", move("p1", 3, "2027-01-01")), refused_with(code::invalid_argument, "moveCycle.cycle"));
  EXPECT_THAT(does("nina", move("p1", 2, "2027-02-29")), refused_with(code::invalid_argument, "moveCycle.day1"));
  EXPECT_THAT(does("nina", move("p1", 2, "2199-12-31")), refused_with(code::invalid_argument, "moveCycle.day1"));
  EXPECT_THAT(does("nina", move("p1", 2, "2026-12-01")), refused_with(code::failed_precondition, "moveCycle.day1"));
  auto silent = move("p1", 2, "2027-01-01");
  silent.mutable_move_cycle()->clear_reason();
  EXPECT_THAT(does("nina", silent), refused_with(code::invalid_argument, "moveCycle.reason"));
  auto unexplained = stop("p1");
  unexplained.mutable_stop_protocol()->set_reason(std::string(max_reason_bytes + 1, 'x'));
  EXPECT_THAT(does("nina", unexplained), refused_with(code::invalid_argument, "stopProtocol.reason"));
  EXPECT_THAT(does("nina", stop("p1", 3)), refused_with(code::aborted, "stopProtocol.protocol.expectedVersion"));
}

TEST_F(protocols, a_stream_has_so_many_protocols_at_a_time) {
  for (std::size_t i = 0; i < max_protocols; ++i) {
    ward.says("nina", start(clinical, plan("p" + std::to_string(i)).item("cbc", cbc, {1})));
  }
  EXPECT_THAT(does("nina", start(clinical, plan("more").item("cbc", cbc, {1}))), refused_with(code::resource_exhausted, "startProtocol"));
  EXPECT_THAT(does("nina", start(support, plan("more").item("x", task().to("tom"), {1}))), accepted()) << "each stream has its own";
  ward.says("nina", stop("p0"));
  EXPECT_THAT(does("nina", start(clinical, plan("more").item("cbc", cbc, {1}))), accepted());
}

}  // namespace
}  // namespace careteam::care::fixture
