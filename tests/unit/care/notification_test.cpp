// Who is called outside, and until when (G1 to G4, G6, A8).
#include "care/notification.hpp"

#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class notifications : public task_ward {
 protected:
  /// What the entries since this was asked last changed, as "over 2/1/accept", "call nina 2/1/accept", "again nina 2/1/accept".
  std::vector<std::string> changes() {
    record_state state("rosa");
    std::vector<std::string> told;
    const auto& log = ward.record.log();
    for (std::size_t i = 0; i < log.size(); ++i) {
      apply(state, log[i]);
      if (i < seen_) continue;
      const auto changed = calls_after(state, log[i], ward.now_context());
      for (const auto& one : changed.over) told.push_back("over " + obligation_name(one.about, one.what));
      for (const auto& one : changed.calls) {
        told.push_back((one.again ? "again " : "call ") + one.person + " " + obligation_name(one.about.about, one.about.what));
      }
    }
    seen_ = log.size();
    return told;
  }
  /// The same without what ends.
  std::vector<std::string> calls() {
    auto told = changes();
    std::erase_if(told, [](const std::string& one) { return one.starts_with("over"); });
    return told;
  }
  std::string name(place at, called_for what) { return obligation_name(at, what); }

 private:
  std::size_t seen_ = 0;
};

TEST_F(notifications, each_step_of_a_silent_ladder_calls_those_it_adds) {
  const auto anc = asks(clinical, task("ANC 0.72").stat().to("nina").then("claire").then("omar"));
  const auto accept_it = name(anc, called_for::accept);
  EXPECT_THAT(changes(), ElementsAre("call nina " + accept_it));
  passes_until(monday + 5min);
  EXPECT_THAT(changes(), ElementsAre("call claire " + accept_it));
  passes_until(monday + 10min);
  EXPECT_THAT(changes(), ElementsAre("call omar " + accept_it));
  passes_until(monday + 15min);
  const auto next = successor(anc, v1::TASK_RULE_NO_RESPONSE);
  EXPECT_THAT(changes(), ElementsAre("call rao " + name(next, called_for::accept))) << "silence ends at a person, and nobody is let off";
}

TEST_F(notifications, whoever_takes_a_task_lets_everybody_off) {
  const auto anc = asks(clinical, task().stat().to(v1::ROLE_ONCOLOGY_NURSE));
  const auto accept_it = name(anc, called_for::accept);
  EXPECT_THAT(changes(), ElementsAre("call nina " + accept_it, "call tom " + accept_it));
  ASSERT_THAT(does("tom", claim(anc)), accepted());
  EXPECT_THAT(changes(), ElementsAre("over " + accept_it));
  ASSERT_THAT(does("tom", release(anc)), accepted());
  EXPECT_THAT(changes(), ElementsAre("over " + accept_it, "call nina " + accept_it)) << "tom knows";
}

TEST_F(notifications, whoever_declines_is_not_called_again_and_the_others_are_not_called_twice) {
  const auto anc = asks(clinical, task().asap().to(v1::ROLE_ONCOLOGY_NURSE));
  changes();
  ASSERT_THAT(does("tom", decline(anc)), accepted());
  const auto accept_it = name(anc, called_for::accept);
  EXPECT_THAT(changes(), ElementsAre("over " + accept_it, "again nina " + accept_it));
}

TEST_F(notifications, a_deadline_of_an_accepted_task_calls_its_owner_and_the_next_step) {
  const auto anc = asks(clinical, task().stat().to("nina").then("claire"));
  ASSERT_THAT(does("nina", accept(anc)), accepted());
  EXPECT_THAT(calls(), ElementsAre("call nina " + name(anc, called_for::accept)));
  passes_until(monday + 10min);
  const auto act = name(anc, called_for::act);
  EXPECT_THAT(changes(), ElementsAre("over " + act, "call nina " + act, "call claire " + act));
  ASSERT_THAT(does("nina", start(anc)), accepted());
  EXPECT_THAT(changes(), ElementsAre("over " + name(anc, called_for::accept), "over " + act));
}

TEST_F(notifications, whoever_does_a_cancelled_task_is_called_to_stop) {
  const auto anc = asks(clinical, task().stat().to("nina"));
  ASSERT_THAT(does("nina", accept(anc)), accepted());
  ASSERT_THAT(does("nina", start(anc)), accepted());
  changes();
  ASSERT_THAT(does("rao", cancel(anc)), accepted());
  EXPECT_THAT(calls(), ElementsAre("call nina " + name(anc, called_for::stop)));
  ASSERT_THAT(does("nina", acknowledge_cancel(anc)), accepted());
  EXPECT_THAT(changes(), ::testing::Contains("over " + name(anc, called_for::stop)));
}

TEST_F(notifications, a_task_of_ones_own_calls_nobody) {
  ASSERT_THAT(does("nina", instantiate(clinical, task().stat().to("nina"))), accepted());
  EXPECT_THAT(calls(), IsEmpty());
}

TEST_F(notifications, an_asap_message_calls_whoever_must_answer_until_one_of_each_has) {
  const place at{clinical, ward.says("rao", post(clinical).asap().to(v1::ROLE_ONCOLOGY_NURSE).to("omar"))};
  const auto it = name(at, called_for::acknowledge);
  EXPECT_THAT(changes(), ElementsAre("call nina " + it, "call tom " + it, "call omar " + it));
  ward.says("tom", acknowledge(clinical, at.seq));
  EXPECT_THAT(changes(), ElementsAre("over " + it, "again omar " + it));
  ward.says("omar", acknowledge(clinical, at.seq));
  EXPECT_THAT(changes(), ElementsAre("over " + it));
}

TEST_F(notifications, a_routine_or_urgent_message_calls_nobody) {
  ward.says("rao", post(clinical).to("nina"));
  ward.says("rao", post(clinical).urgent().to("nina"));
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(notifications, a_correction_calls_again_and_a_retraction_calls_off) {
  const auto seq = ward.says("rao", post(clinical).stat().to("nina"));
  const auto it = name({clinical, seq}, called_for::acknowledge);
  changes();
  ward.says("nina", acknowledge(clinical, seq));
  EXPECT_THAT(changes(), ElementsAre("over " + it));
  ward.says("rao", correct(clinical, seq));
  EXPECT_THAT(changes(), ElementsAre("over " + it, "call nina " + it));
  const auto other = ward.says("rao", post(clinical).stat().to("nina"));
  changes();
  ward.says("rao", retract(clinical, other));
  EXPECT_THAT(changes(), ElementsAre("over " + name({clinical, other}, called_for::acknowledge)));
}

// ---- a duty that has another holder

TEST_F(notifications, whoever_has_the_duty_now_is_called_in_place_of_who_had_it) {
  const auto anc = asks(clinical, task().stat().to_duty("onc-rn"));
  const place message{clinical, ward.says("rao", post(clinical).stat().to_duty("onc-rn"))};
  const auto instead = [&](place at, called_for what, std::string_view person, std::string_view duty = "onc-rn") {
    return called_instead(ward.record.state(), {at, what}, person, duty, ward.now_context());
  };
  EXPECT_EQ(instead(anc, called_for::accept, "nina"), std::nullopt) << "it is hers";
  duties.held["onc-rn"].holder = "tom";
  EXPECT_EQ(instead(anc, called_for::accept, "nina"), "tom");
  EXPECT_EQ(instead(message, called_for::acknowledge, "nina"), "tom");
  EXPECT_EQ(instead(anc, called_for::accept, "tom"), std::nullopt);
  EXPECT_EQ(instead(anc, called_for::accept, "nina", ""), std::nullopt) << "asked by name, for no duty";
  duties.held["onc-rn"].holder = "";
  EXPECT_EQ(instead(anc, called_for::accept, "nina"), "claire") << "nobody holds it, and its lead answers";
  duties.held["onc-rn"].holder = "tom";
  ASSERT_THAT(does("tom", accept(anc)), accepted());
  duties.held["onc-rn"].holder = "nina";
  EXPECT_EQ(instead(anc, called_for::act, "tom"), "nina") << "and so it is with what was accepted";
  duties.held["onc-rn"].holder = "weiss";
  EXPECT_EQ(instead(anc, called_for::act, "tom"), instead(anc, called_for::act, "nina")) << "who is not on the team cannot have it";
  EXPECT_EQ(instead(anc, called_for::act, "tom"), answers_for(anc));
}

TEST_F(notifications, say_for_which_duty_somebody_is_called) {
  duties.held["onc-md"] = {"claire", "rao", {}};
  asks(clinical, task().stat().to_duty("onc-rn").then("omar").then_duty("onc-md"));
  ward.says("rao", post(clinical).stat().to_duty("onc-rn").to("omar"));
  passes_until(monday + 10min);
  std::vector<std::string> told;
  record_state state("rosa");
  for (const auto& entry : ward.record.log()) {
    apply(state, entry);
    for (const auto& one : calls_after(state, entry, ward.now_context()).calls) {
      if (!entry.has_message_escalated()) told.push_back(one.person + " for " + one.duty);
    }
  }
  EXPECT_THAT(told, ElementsAre("nina for onc-rn", "nina for onc-rn", "omar for ", "omar for ", "claire for onc-md"));
}

TEST(obligation_names, read_back_as_they_were_written) {
  for (const auto what : {called_for::accept, called_for::act, called_for::stop, called_for::take_over, called_for::acknowledge}) {
    const obligation_key key{{clinical, 17}, what};
    EXPECT_EQ(parse_obligation(obligation_name(key.about, what)), key);
  }
  for (const auto* wrong : {"", "2", "2/", "2/17", "2/17/", "2/17/x", "99/17/act", "2/x/act", "x/17/act", "2/17/act/"}) {
    EXPECT_FALSE(parse_obligation(wrong)) << wrong;
  }
}

TEST(nagging, follows_the_table_of_priorities) {
  EXPECT_EQ(pause_after(v1::PRIORITY_STAT, 1), 60s);
  EXPECT_EQ(pause_after(v1::PRIORITY_STAT, 1000), 60s) << "until it is answered";
  EXPECT_EQ(pause_after(v1::PRIORITY_ASAP, 7), 2min);
  EXPECT_EQ(pause_after(v1::PRIORITY_URGENT, 10), 5min);
  EXPECT_EQ(pause_after(v1::PRIORITY_URGENT, 11), 1h);
  EXPECT_EQ(pause_after(v1::PRIORITY_ROUTINE, 1), std::nullopt);
}

TEST(quiet_hours_of_a_person, may_go_over_midnight) {
  const auto night = parse_quiet_hours("22:00-07:30").value();
  EXPECT_TRUE(is_quiet(night, 22h));
  EXPECT_TRUE(is_quiet(night, 0h));
  EXPECT_TRUE(is_quiet(night, 7h + 29min));
  EXPECT_FALSE(is_quiet(night, 7h + 30min));
  EXPECT_FALSE(is_quiet(night, 21h + 59min));
  const auto noon = parse_quiet_hours("12:00-13:00").value();
  EXPECT_TRUE(is_quiet(noon, 12h));
  EXPECT_FALSE(is_quiet(noon, 13h));
  EXPECT_FALSE(is_quiet(quiet_hours{}, 0h)) << "the same twice is never";
  for (const auto* wrong : {"", "22:00", "22:00-7:00", "24:00-07:00", "22:60-07:00", "22:00+07:00", "ab:cd-ef:gh", "22:00-07:000"}) {
    EXPECT_FALSE(parse_quiet_hours(wrong)) << wrong;
  }
}

TEST(quiet_hours_of_a_person, have_a_floor) {
  EXPECT_TRUE(rings_in_quiet_hours(v1::PRIORITY_STAT, true));
  EXPECT_TRUE(rings_in_quiet_hours(v1::PRIORITY_STAT, false));
  EXPECT_TRUE(rings_in_quiet_hours(v1::PRIORITY_ASAP, true));
  EXPECT_FALSE(rings_in_quiet_hours(v1::PRIORITY_ASAP, false)) << "a patient sleeps";
  EXPECT_FALSE(rings_in_quiet_hours(v1::PRIORITY_URGENT, true));
  EXPECT_FALSE(rings_in_quiet_hours(v1::PRIORITY_ROUTINE, true));
}

/// What an entry of a duty's record changes, in the words of `notifications`.
std::vector<std::string> of_duty(const v1::Entry& entry) {
  const auto duty = new_record("duty/onc-rn").value();
  const organization_state people;
  const auto changed = calls_after(duty, entry, {monday, people});
  std::vector<std::string> told;
  for (const auto& one : changed.over) told.push_back("over " + obligation_name(one.about, one.what));
  for (const auto& one : changed.calls) told.push_back("call " + one.person + " " + obligation_name(one.about.about, one.about.what));
  return told;
}

v1::Entry duty_entry(v1::Stream stream, std::uint64_t seq) {
  v1::Entry entry;
  entry.set_stream(stream);
  entry.set_seq(seq);
  return entry;
}

TEST(duty_calls, a_late_handoff_rings_until_somebody_goes_on_with_it) {
  auto late = duty_entry(v1::STREAM_DUTY, 9);
  auto& reminded = *late.mutable_duty_reminded();
  reminded.set_timer(v1::DUTY_TIMER_MANAGER);
  reminded.set_priority(v1::PRIORITY_STAT);
  reminded.add_person_id("maya");
  reminded.add_person_id("grace");
  EXPECT_THAT(of_duty(late), ElementsAre("call maya 6/1/hand-over", "call grace 6/1/hand-over"));
  EXPECT_TRUE(parse_obligation("6/1/hand-over"));
  late.mutable_author()->set_person_id("grace");
  EXPECT_THAT(of_duty(late), ElementsAre("call maya 6/1/hand-over")) << "nobody is called for what they do themselves";

  auto taken = duty_entry(v1::STREAM_CLINICAL, 4);
  taken.mutable_handoff_taken()->set_seq(1);
  EXPECT_THAT(of_duty(taken), ElementsAre("over 6/1/hand-over"));
  auto changed = duty_entry(v1::STREAM_DUTY, 10);
  changed.mutable_duty_holder_changed()->set_person_id("tom");
  EXPECT_THAT(of_duty(changed), ElementsAre("over 6/1/hand-over", "over 6/1/take-over"));
  auto prepared = duty_entry(v1::STREAM_CLINICAL, 1);
  prepared.mutable_handoff_prepared()->set_from_person_id("nina");
  EXPECT_THAT(of_duty(prepared), IsEmpty()) << "a draft helps nobody yet";
}

TEST(duty_calls, that_reach_nobody_go_on_with_the_next) {
  auto failed = duty_entry(v1::STREAM_DUTY, 11);
  auto& told = *failed.mutable_duty_call_undelivered();
  told.set_person_id("grace");
  told.set_next_person_id("maya");
  told.set_call(v1::DUTY_CALL_FIND_COVER);
  told.set_priority(v1::PRIORITY_ASAP);
  EXPECT_THAT(of_duty(failed), ElementsAre("call maya 6/1/find-cover"));
  told.set_call(v1::DUTY_CALL_HAND_OVER);
  EXPECT_THAT(of_duty(failed), ElementsAre("call maya 6/1/hand-over"));
  told.clear_next_person_id();
  EXPECT_THAT(of_duty(failed), IsEmpty()) << "nobody is left";
}

TEST(duty_calls, the_lead_is_called_for_a_declined_patient_until_it_is_settled_who_has_them) {
  auto declined = duty_entry(v1::STREAM_CLINICAL, 5);
  declined.mutable_handoff_patient_declined()->set_seq(1);
  declined.mutable_handoff_patient_declined()->set_person_id("grace");
  EXPECT_THAT(of_duty(declined), ElementsAre("call grace 6/1/take-over"));
  auto ended = duty_entry(v1::STREAM_CLINICAL, 6);
  ended.mutable_handoff_ended()->set_seq(1);
  EXPECT_THAT(of_duty(ended), ElementsAre("over 6/1/hand-over", "over 6/1/take-over"));
}

TEST(duty_calls, a_gap_calls_its_lead_until_the_roster_is_another) {
  auto near = duty_entry(v1::STREAM_DUTY, 9);
  near.mutable_coverage_gap_near()->set_person_id("grace");
  near.mutable_coverage_gap_near()->set_hours_left(24);
  EXPECT_THAT(of_duty(near), ElementsAre("call grace 6/1/find-cover"));
  auto forecast = duty_entry(v1::STREAM_DUTY, 10);
  forecast.mutable_coverage_forecast();
  EXPECT_THAT(of_duty(forecast), ElementsAre("over 6/1/find-cover"));
}

}  // namespace
}  // namespace careteam::care::fixture
