// Silence about an asap or stat message climbs until a person has it (A8, G2, G5, G9); and who may know of it (A2, F12).
#include "care/message_escalation.hpp"

#include <sstream>

#include "care/notification.hpp"
#include "care/worklist.hpp"
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class message_escalation : public task_ward {
 protected:
  /// Fires whatever is due until t on the record's own board, as the host does.
  void waits_until(instant t) {
    for (;;) {
      const pending_timer* next = nullptr;
      for (const auto& [id, one] : ward.record.state().timers.pending()) {
        if (!next || one.due < next->due) next = &one;
      }
      if (!next || next->due > t) break;
      ward.now = std::max(ward.now, next->due);
      v1::Command command;
      ASSERT_TRUE(command.ParseFromString(next->command));
      ASSERT_THAT(ward.does(the_system(), command), accepted());
    }
    ward.now = std::max(ward.now, t);
  }
  /// The timer of the only message that has one, as a command.
  v1::Command armed() const {
    for (const auto& [id, one] : ward.record.state().timers.pending()) {
      v1::Command command;
      if (command.ParseFromString(one.command) && command.has_fire_message_timer()) return command;
    }
    ADD_FAILURE() << "no message has a timer";
    return {};
  }
  std::size_t message_timers() const {
    const auto& pending = ward.record.state().timers.pending();
    return static_cast<std::size_t>(
        std::count_if(pending.begin(), pending.end(), [](const auto& one) { return one.first.starts_with("message/"); }));
  }
  /// Each step as "minutes: L1 who,who", from monday on.
  std::vector<std::string> steps(v1::Stream stream) const {
    std::vector<std::string> result;
    for (const auto& entry : ward.record.log()) {
      if (!entry.has_message_escalated() || entry.stream() != stream) continue;
      const auto& fact = entry.message_escalated();
      std::ostringstream line;
      line << std::chrono::floor<std::chrono::minutes>(*to_instant(entry.time()) - monday).count() << ':';
      if (fact.has_step()) line << " L" << fact.step().level();
      if (fact.step().no_response()) line << " no-response";
      for (int i = 0; i < fact.person_id_size(); ++i) line << (i == 0 ? ' ' : ',') << fact.person_id(i);
      result.push_back(line.str());
    }
    return result;
  }
  std::vector<std::string> owing(place at) const {
    std::vector<std::string> people;
    for (const auto* id : {"rosa", "rao", "nina", "tom", "claire", "omar", "sam", "dana", "grace"}) {
      if (owed_by(ward.record.state(), at, {id, ward.people.state().organization, ward.setting, ward.now})) people.push_back(id);
    }
    return people;
  }
  /// Who is called by the last entry of the stream.
  std::vector<std::string> called() const {
    std::vector<std::string> people;
    const auto changed = calls_after(ward.record.state(), last(clinical), ward.now_context());
    EXPECT_THAT(changed.over, IsEmpty());
    for (const auto& one : changed.calls) people.push_back(one.person);
    return people;
  }
  std::vector<v1::Entry> follow_ups() const {
    std::vector<v1::Entry> result;
    for (const auto& entry : ward.record.log()) {
      if (entry.task_requested().origin().rule() == v1::TASK_RULE_UNACKNOWLEDGED) result.push_back(entry);
    }
    return result;
  }
};

TEST_F(message_escalation, stat_climbs_as_stat_tasks_do) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina"));
  waits_until(monday + 60min - 1us);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1 tom", "10: L2 rao", "15: L2 no-response"));
  EXPECT_EQ(message_timers(), 0U);
  ASSERT_EQ(follow_ups().size(), 1U);
  const auto asked = follow_ups().front().task_requested();
  EXPECT_EQ(asked.order().priority(), v1::PRIORITY_STAT);
  EXPECT_EQ(asked.order().target().person_id(), "rao");
  EXPECT_EQ(asked.order().message().seq(), seq);
  EXPECT_EQ(asked.requester_person_id(), "omar");
}

TEST_F(message_escalation, asap_climbs_as_asap_tasks_do) {
  ward.says("omar", post(clinical).asap().to("nina"));
  waits_until(monday + 46min);
  EXPECT_THAT(steps(clinical), ElementsAre("15: L1 tom", "30: L2 rao", "45: L2 no-response"));
}

TEST_F(message_escalation, urgent_and_routine_climb_once_they_are_corrected_after_an_acknowledgement) {
  const std::vector<std::pair<v1::Priority, std::vector<std::string>>> table{
      {v1::PRIORITY_URGENT, {"60: L1 tom", "90: L2 rao", "120: L2 no-response"}},
      {v1::PRIORITY_ROUTINE, {"1440: L1 tom", "1680: L2 rao", "1920: L2 no-response"}}};
  for (const auto& [priority, expected] : table) {
    ward.now = monday;
    const auto seq = ward.says("omar", post(support).priority(priority).to("nina"));
    EXPECT_EQ(message_timers(), 0U) << "nobody owes anything";
    ward.says("nina", acknowledge(support, seq));
    const auto revision = ward.says("omar", correct(support, seq));
    waits_until(monday + 40h);
    auto climbed = steps(support);
    climbed.erase(climbed.begin(), climbed.end() - 3);
    EXPECT_EQ(climbed, expected);
    ward.says("nina", acknowledge(support, seq, revision));
  }
}

TEST_F(message_escalation, with_working_hours_a_routine_ladder_waits_for_them) {
  ward.setting.policy.business = [](instant t, std::chrono::microseconds for_) { return t + for_ + 48h; };
  const auto seq = ward.says("omar", post(clinical).to("nina"));
  ward.says("nina", acknowledge(clinical, seq));
  ward.says("omar", correct(clinical, seq));
  EXPECT_EQ(*ward.chat().open_messages.at({clinical, seq}).ladder.due, monday + 72h);
}

TEST_F(message_escalation, whoever_was_asked_before_stays_asked_and_who_is_asked_too_is_called) {
  const place at{clinical, ward.says("omar", post(clinical).stat().to("nina"))};
  EXPECT_THAT(owing(at), ElementsAre("nina"));
  waits_until(monday + 5min);
  EXPECT_THAT(called(), ElementsAre("tom"));
  EXPECT_THAT(owing(at), ElementsAre("nina", "tom"));
  waits_until(monday + 10min);
  EXPECT_THAT(called(), ElementsAre("rao"));
  EXPECT_THAT(owing(at), ElementsAre("rao", "nina", "tom"));
  ASSERT_EQ(ward.owed().size(), 1U);
  EXPECT_EQ(ward.owed().front().accountable, "nina") << "asking others takes nothing from whom was asked first";
}

TEST_F(message_escalation, who_is_asked_in_addition_may_answer_and_nobody_else) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina"));
  waits_until(monday + 5min);
  ward.says("claire", acknowledge(clinical, seq));
  EXPECT_EQ(ward.owed().size(), 1U) << "claire was not asked";
  ward.says("tom", acknowledge(clinical, seq));
  EXPECT_THAT(ward.owed(), IsEmpty());
  EXPECT_EQ(message_timers(), 0U);
  waits_until(monday + 1h);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1 tom"));
}

TEST_F(message_escalation, one_of_two_who_answers_does_not_stop_it_for_the_other) {
  const auto seq = ward.says("claire", post(clinical).stat().to("nina").to("omar"));
  ward.says("nina", acknowledge(clinical, seq));
  waits_until(monday + 1h);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1 rao", "10: L2", "15: L2 no-response")) << "the pharmacist has no colleague here";
  ward.says("omar", acknowledge(clinical, seq));
  EXPECT_THAT(ward.owed(), IsEmpty());
}

TEST_F(message_escalation, those_asked_are_who_hold_the_role_when_it_fires) {
  ward.says("omar", post(clinical).stat().to(v1::ROLE_ONCOLOGY_NURSE));
  ward.now += 1min;
  ward.join("kim", v1::ROLE_ONCOLOGY_NURSE);
  waits_until(monday + 5min);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1 kim")) << "nina and tom were addressed";
}

TEST_F(message_escalation, only_those_who_read_the_stream_and_have_access_are_asked) {
  ward.setting.safety_person = "weiss";
  ASSERT_THAT(ward.organization_does("alex", suspend("tom")), accepted());
  ward.says("rao", post(clinical).stat().to("nina"));
  waits_until(monday + 1h);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1", "10: L2", "15: L2 no-response"))
      << "tom is suspended, rao wrote it, weiss reads nothing";
}

TEST_F(message_escalation, when_the_attending_is_silent_the_safety_person_has_the_task) {
  ward.join("grace", v1::ROLE_NURSE_PRACTITIONER);
  ward.says("nina", post(clinical).stat().to("rao"));
  waits_until(monday + 16min);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1 grace", "10: L2", "15: L2 no-response"));
  ASSERT_EQ(follow_ups().size(), 1U);
  EXPECT_EQ(follow_ups().front().task_requested().order().target().person_id(), "grace");
  EXPECT_EQ(follow_ups().front().task_requested().order().ladder(0).person_id(), "rao");
}

TEST_F(message_escalation, an_acknowledgement_before_the_timer_makes_it_stale) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina"));
  const auto firing = armed();
  ward.now = monday + 5min;
  ward.says("nina", acknowledge(clinical, seq));
  const auto before = ward.record.log().size();
  const auto fired = ward.does(the_system(), firing);
  ASSERT_THAT(fired, accepted());
  EXPECT_THAT(*fired, IsEmpty());
  EXPECT_EQ(ward.record.log().size(), before);
}

TEST_F(message_escalation, an_acknowledgement_after_the_timer_ends_the_ladder) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina"));
  waits_until(monday + 5min);
  ward.says("nina", acknowledge(clinical, seq));
  waits_until(monday + 1h);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1 tom"));
  EXPECT_THAT(follow_ups(), IsEmpty());
}

TEST_F(message_escalation, a_timer_that_fires_again_or_too_early_changes_nothing) {
  ward.says("omar", post(clinical).stat().to("nina"));
  const auto firing = armed();
  EXPECT_THAT(ward.does(the_system(), firing), refused_with(code::failed_precondition, "fireMessageTimer"));
  waits_until(monday + 20min);
  const auto before = ward.record.log().size();
  for (auto level = 0U; level < 4; ++level) {
    auto again = firing;
    again.mutable_fire_message_timer()->set_level(level);
    ASSERT_THAT(ward.does(the_system(), again), accepted());
  }
  EXPECT_EQ(ward.record.log().size(), before);
  EXPECT_EQ(follow_ups().size(), 1U);
}

TEST_F(message_escalation, a_night_without_the_server_does_not_stretch_the_ladder) {
  ward.says("omar", post(clinical).stat().to("nina"));
  ward.now = monday + 8h;
  waits_until(monday + 8h);
  std::vector<instant> until;
  for (const auto& entry : ward.record.log()) {
    if (entry.message_escalated().step().has_next_by()) until.push_back(*to_instant(entry.message_escalated().step().next_by()));
  }
  EXPECT_THAT(until, ElementsAre(monday + 10min, monday + 15min));
  EXPECT_EQ(follow_ups().size(), 1U);
}

TEST_F(message_escalation, a_retraction_ends_it) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina"));
  waits_until(monday + 5min);
  ward.says("omar", retract(clinical, seq));
  EXPECT_EQ(message_timers(), 0U);
}

TEST_F(message_escalation, an_edit_moves_no_deadline) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina"));
  ward.now += 3min;
  ward.says("omar", edit(clinical, seq));
  waits_until(monday + 5min);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1 tom"));
}

TEST_F(message_escalation, a_correction_asks_again_from_the_first_step) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina"));
  waits_until(monday + 5min);
  const auto stale = armed();
  ward.says("tom", acknowledge(clinical, seq));
  const auto revision = ward.says("omar", correct(clinical, seq));
  EXPECT_THAT(owing({clinical, seq}), ElementsAre("nina", "tom")) << "tom acknowledged what was wrong";
  waits_until(monday + 10min);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1 tom", "10: L1 rao"));
  waits_until(monday + 21min);
  ASSERT_THAT(ward.does(the_system(), stale), accepted());
  ASSERT_EQ(follow_ups().size(), 1U);
  EXPECT_EQ(follow_ups().front().task_requested().origin().seq(), revision) << "each time it is asked for has one task at most";
}

TEST_F(message_escalation, two_silences_about_one_message_make_two_tasks_with_origins_of_their_own) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina").to("claire"));
  ward.says("claire", acknowledge(clinical, seq));
  waits_until(monday + 15min);
  const auto revision = ward.says("omar", correct(clinical, seq));
  waits_until(monday + 30min);
  ASSERT_EQ(follow_ups().size(), 2U);
  EXPECT_EQ(follow_ups()[0].task_requested().origin().seq(), seq);
  EXPECT_EQ(follow_ups()[1].task_requested().origin().seq(), revision);
}

TEST_F(message_escalation, a_restart_goes_on_where_it_was) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina"));
  waits_until(monday + 5min);
  auto back = from_snapshot(to_snapshot(ward.record.state()));
  ASSERT_TRUE(back);
  EXPECT_TRUE(*back == ward.record.state());
  ward.record = driven_record(*back, ward.record.log());
  waits_until(monday + 10min);
  EXPECT_THAT(steps(clinical), ElementsAre("5: L1 tom", "10: L2 rao"));
  ward.says("tom", acknowledge(clinical, seq));
  EXPECT_THAT(ward.owed(), IsEmpty());
}

TEST_F(message_escalation, what_a_stand_in_answered_stays_answered_when_it_is_read_from_the_store) {
  const auto seq = ward.says("omar", post(shared).stat().to("nina"));
  waits_until(monday + 5min);
  ward.says("tom", acknowledge(shared, seq));
  ward.says("nina", acknowledge(shared, seq));
  EXPECT_THAT(calls_after(ward.record.state(), ward.record.last(shared), ward.now_context()).calls, IsEmpty());
  EXPECT_THAT(ward.chat().open_messages, IsEmpty());
}

TEST_F(message_escalation, patients_learn_who_is_asked_too_and_nothing_of_levels_or_tasks) {
  const place at{shared, ward.says("rosa", post(shared).stat().to("nina"))};
  waits_until(monday + 20min);
  EXPECT_THAT(steps(shared), ElementsAre("5: tom", "10: rao"));
  for (const auto& entry : ward.record.stream(shared)) {
    EXPECT_FALSE(entry.has_task_requested()) << "the follow-up is the staff's own";
    EXPECT_FALSE(entry.message_escalated().has_step());
  }
  std::vector<std::uint32_t> levels;
  for (const auto& entry : ward.record.stream(audit)) {
    if (entry.has_message_escalation_detailed()) levels.push_back(entry.message_escalation_detailed().step().level());
  }
  EXPECT_THAT(levels, ElementsAre(1, 2, 2));
  ASSERT_EQ(follow_ups().size(), 1U);
  EXPECT_EQ(follow_ups().front().stream(), clinical);
  EXPECT_EQ(follow_ups().front().task_requested().order().message().seq(), at.seq);
  EXPECT_EQ(follow_ups().front().task_requested().origin().seq(), 0U);
  EXPECT_EQ(follow_ups().front().task_requested().requester_person_id(), "") << "the patient does not read it";
  EXPECT_EQ(ward.record.last(audit).message_escalation_detailed().follow_up().seq(), follow_ups().front().seq());
  EXPECT_THAT(owing(at), UnorderedElementsAre("rao", "nina", "tom"));
  ward.says("tom", acknowledge(shared, at.seq));
  EXPECT_THAT(ward.owed(), IsEmpty());
}

TEST_F(message_escalation, a_follow_up_tells_those_who_read_clinical_only_nothing_of_shared) {
  ward.join("lang", v1::ROLE_PATHOLOGIST, {v1::SCOPE_READ_CLINICAL});
  ward.says("nina", post(shared).stat().to("omar"));
  waits_until(monday + 20min);
  ASSERT_EQ(follow_ups().size(), 1U);
  EXPECT_FALSE(follow_ups().front().task_requested().order().has_message());
  EXPECT_EQ(follow_ups().front().task_requested().origin().seq(), 0U);
}

TEST_F(message_escalation, nobody_acknowledges_in_place_of_a_patient_or_a_caregiver) {
  ward.enrolled("eva", v1::PERSON_KIND_RELATED);
  ward.join("eva", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED, v1::SCOPE_ACKNOWLEDGE});
  for (const auto* guest : {"rosa", "eva"}) {
    const place at{shared, ward.says("nina", post(shared).stat().to(guest))};
    waits_until(ward.now + 5min);
    EXPECT_EQ(ward.record.last(shared).message_escalated().person_id(0), "rao") << "other caregivers are not told";
    ward.says("rao", acknowledge(shared, at.seq));
    ASSERT_EQ(ward.owed().size(), 1U) << guest;
    EXPECT_EQ(ward.owed().front().accountable, guest);
    EXPECT_THAT(owing(at), ::testing::Not(::testing::Contains("rao"))) << "he has said that he knows";
    waits_until(ward.now + 10min);
    ward.says(guest, acknowledge(shared, at.seq));
    EXPECT_THAT(ward.owed(), IsEmpty());
  }
  EXPECT_EQ(follow_ups().size(), 2U) << "somebody has to reach them";
}

TEST_F(message_escalation, the_timer_is_for_the_server_only) {
  const auto seq = ward.says("omar", post(clinical).stat().to("nina"));
  auto firing = armed();
  ward.now += 5min;
  const auto existing = told(ward.does("rosa", firing));
  firing.mutable_fire_message_timer()->set_seq(seq + 100);
  EXPECT_EQ(told(ward.does("rosa", firing)), existing) << "the same answer for what is there and what is not";
  EXPECT_EQ(ward.does("nina", armed()).error().code, code::permission_denied);
}

TEST_F(message_escalation, a_message_from_before_there_were_ladders_stays_as_it_was) {
  ward.says("omar", post(clinical).stat().to("nina"));
  auto old = ward.record.log();
  old.back().mutable_message_posted()->clear_acknowledge_by();
  const auto state = folded("rosa", old);
  EXPECT_EQ(obligations(state.chat, {ward.now, state.team}).size(), 1U);
  EXPECT_TRUE(state.timers.pending().empty());
}

TEST_F(message_escalation, a_worklist_sorts_it_by_its_deadline_and_it_is_late_when_all_are_silent) {
  const place at{clinical, ward.says("omar", post(clinical).stat().to("nina"))};
  const auto breach = [&] { return obligation_rows(ward.record.state(), at).front().breach; };
  EXPECT_EQ(breach(), monday + 5min);
  waits_until(monday + 5min);
  EXPECT_EQ(breach(), monday + 10min);
  waits_until(monday + 1h);
  EXPECT_EQ(breach(), monday + 15min);
}

}  // namespace
}  // namespace careteam::care::fixture
