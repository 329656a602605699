// The history of what is owed, in plain words: duties that change hands, leaves, messages, and who answered at a moment.
#include "admin/obligation_history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <map>
#include <optional>

namespace careteam::admin::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr care::instant morning{std::chrono::sys_days{std::chrono::year{2026} / 11 / 23} + 8h};

/// Rosa's record, the organisation and a duty, told as they go on. Nina holds onc-rn, grace leads it; rao is the attending, ines the
/// organisation's safety person.
class clinic {
 public:
  explicit clinic(told_texts texts = told_texts::none) : texts_(texts) {
    for (const auto* id : {"nina", "tom", "grace", "rao", "ines"}) {
      auto& account = *organization().mutable_person_enrolled();
      account.set_person_id(id);
      account.set_kind(v1::PERSON_KIND_STAFF);
    }
    rosas(v1::STREAM_SHARED).mutable_record_opened()->set_name("Rosa");
    for (const auto* id : {"nina", "tom", "grace"}) member(id, v1::ROLE_ONCOLOGY_NURSE);
    member("rao", v1::ROLE_MEDICAL_ONCOLOGIST);
    rosas(v1::STREAM_SHARED).mutable_attending_assigned()->set_person_id("rao");
    auto& defined = *of_duty("alex").mutable_duty_defined();
    defined.set_roster_version(1);
    auto& duty = *defined.mutable_duty();
    duty.set_name("Oncology nurse");
    duty.set_time_zone("America/Chicago");
    duty.set_lead_person_id("grace");
    for (const auto* id : {"nina", "tom", "grace"}) {
      auto& one = *duty.add_members();
      one.set_person_id(id);
      one.set_role(v1::ROLE_ONCOLOGY_NURSE);
    }
    holder("nina", "", v1::HOLDER_REASON_ROSTER);
  }

  void member(const std::string& id, v1::Role role, std::optional<care::instant> end = {}) {
    auto& added = *rosas(v1::STREAM_SHARED).mutable_member_added();
    added.set_person_id(id);
    added.set_role(role);
    care::set_timestamp(*added.mutable_period()->mutable_start(), now);
    if (end) care::set_timestamp(*added.mutable_period()->mutable_end(), *end);
  }
  v1::DutyHolderChanged& holder(const std::string& person, const std::string& before, v1::HolderReason reason,
                                const std::string& author = {}) {
    auto& changed = *of_duty(author).mutable_duty_holder_changed();
    changed.set_person_id(person);
    changed.set_previous_person_id(before);
    changed.set_reason(reason);
    return changed;
  }
  v1::TaskOrder& asks() {
    auto& asked = *rosas(v1::STREAM_CLINICAL, "rao").mutable_task_requested();
    asked.set_requester_person_id("rao");
    auto& order = *asked.mutable_order();
    order.set_kind(v1::TASK_KIND_CARE);
    order.set_title("Call about the fever");
    order.set_priority(v1::PRIORITY_ASAP);
    return order;
  }
  v1::MessagePosted& says(v1::Stream stream = v1::STREAM_CLINICAL) {
    auto& said = *rosas(stream, "rao").mutable_message_posted();
    said.set_priority(v1::PRIORITY_STAT);
    said.mutable_content()->set_text("ANC 0.72");
    care::set_timestamp(*said.mutable_acknowledge_by(), now + 5min);
    auto& mention = *said.add_mentions();
    mention.set_duty_id("onc-rn");
    mention.add_person_id("nina");
    return said;
  }

  v1::Entry& organization() { return add("", v1::STREAM_ORGANIZATION, {}); }
  v1::Entry& of_duty(const std::string& author = {}) {
    auto& entry = add("duty", v1::STREAM_DUTY, author);
    entry.set_duty_id("onc-rn");
    return entry;
  }
  v1::Entry& rosas(v1::Stream stream, const std::string& author = {}) {
    auto& entry = add("rosa", stream, author);
    entry.set_patient_id("rosa");
    return entry;
  }

  /// As "accountable: what".
  std::vector<std::string> history(care::place at = {v1::STREAM_CLINICAL, 1}) {
    std::vector<std::string> lines;
    tell(at, [&](const obligation_step& step) { lines.push_back(step.accountable + ": " + step.what); });
    return lines;
  }
  obligation_step standing(care::instant t, care::place at = {v1::STREAM_CLINICAL, 1}) {
    return tell(
        at, [](const obligation_step&) {}, t);
  }

  care::instant now = morning;

 private:
  v1::Entry& add(const std::string& record, v1::Stream stream, const std::string& author) {
    now += 1min;
    auto& entry = entries_.emplace_back();
    entry.set_stream(stream);
    entry.set_seq(++heads_[{record, stream}]);
    care::set_timestamp(*entry.mutable_time(), now);
    if (!author.empty()) {
      entry.mutable_author()->set_person_id(author);
      entry.mutable_author()->set_role(author == "rao" ? v1::ROLE_MEDICAL_ONCOLOGIST : v1::ROLE_ONCOLOGY_NURSE);
    }
    return entry;
  }
  obligation_step tell(care::place at, const obligation_history::listener& listen, care::instant until = care::instant::max()) {
    care::task_setting setting;
    setting.safety_person = "ines";
    obligation_history told("rosa", at, texts_, setting, listen);
    for (const auto& entry : entries_) {
      if (care::to_instant(entry.time()).value() > until) break;
      entry.patient_id().empty() ? told.take_organization(entry) : told.take(entry);
    }
    return told.found() ? told.standing(std::min(until, now)) : obligation_step{};
  }

  told_texts texts_;
  std::deque<v1::Entry> entries_;
  std::map<std::pair<std::string, v1::Stream>, std::uint64_t> heads_;
};

TEST(obligation_histories, a_duty_that_is_handed_over_takes_its_task_along) {
  clinic told;
  told.asks().mutable_target()->set_duty_id("onc-rn");
  const auto asked = told.now;
  told.holder("tom", "nina", v1::HOLDER_REASON_HANDOFF, "nina");
  const auto handed_over = told.now;
  const auto lines = told.history();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], StartsWith("nina: asked for by rao (medical-oncologist): asap care task for the duty onc-rn"));
  EXPECT_EQ(lines[1], "tom: nina handed the duty onc-rn over to tom");

  EXPECT_EQ(told.standing(asked - 1s).accountable, "") << "it had not begun";
  const auto before = told.standing(handed_over - 1s);
  EXPECT_EQ(before.accountable, "nina");
  EXPECT_EQ(before.time, asked);
  const auto after = told.standing(handed_over);
  EXPECT_EQ(after.accountable, "tom");
  EXPECT_EQ(after.time, handed_over);
  EXPECT_EQ(after.what, "nina handed the duty onc-rn over to tom");
}

TEST(obligation_histories, every_way_in_which_a_duty_changes_hands_has_its_words) {
  clinic told;
  told.asks().mutable_target()->set_duty_id("onc-rn");
  told.holder("tom", "nina", v1::HOLDER_REASON_LEAVE);
  told.holder("nina", "tom", v1::HOLDER_REASON_HANDED_BACK, "tom");
  told.holder("grace", "nina", v1::HOLDER_REASON_FORCED, "grace").set_text("Nina was called away");
  told.holder("tom", "grace", v1::HOLDER_REASON_HANDOFF, "grace").set_unwitnessed_by_sender(true);
  told.holder("", "tom", v1::HOLDER_REASON_COVER_ENDED);
  told.holder("nina", "", v1::HOLDER_REASON_ROSTER);
  auto lines = told.history();
  lines.erase(lines.begin());
  EXPECT_THAT(lines, ElementsAre("tom: nina is on leave: tom covers the duty onc-rn",
                                 "nina: tom gave the duty onc-rn back to nina, whose leave is over",
                                 "grace: grace took the duty onc-rn as its lead: nina held it",
                                 "tom: grace handed the duty onc-rn over to tom, confirmed by grace (oncology-nurse) as witness",
                                 "grace: nobody covers a leave: nobody holds the duty onc-rn, which tom held",
                                 "nina: the roster gave the duty onc-rn to nina: nobody held it"));
}

TEST(obligation_histories, the_lead_s_reason_is_told_only_where_texts_are_asked_for) {
  for (const auto texts : {told_texts::none, told_texts::all}) {
    clinic told(texts);
    told.asks().mutable_target()->set_duty_id("onc-rn");
    told.holder("grace", "nina", v1::HOLDER_REASON_FORCED, "grace").set_text("Nina was called away");
    const auto said = HasSubstr("Nina was called away");
    if (texts == told_texts::all) {
      EXPECT_THAT(told.history().back(), said);
    } else {
      EXPECT_THAT(told.history().back(), Not(said));
    }
  }
}

TEST(obligation_histories, a_duty_that_has_nothing_to_do_with_it_is_not_told) {
  clinic told;
  told.asks().mutable_target()->set_person_id("nina");
  told.holder("tom", "nina", v1::HOLDER_REASON_HANDOFF, "nina");
  EXPECT_EQ(told.history().size(), 1u);
}

TEST(obligation_histories, a_shift_on_the_roster_of_a_duty_that_nobody_holds_is_told_as_the_roster_s) {
  clinic told;
  told.holder("", "nina", v1::HOLDER_REASON_COVER_ENDED);
  told.asks().mutable_target()->set_duty_id("onc-rn");
  auto& shift = *told.of_duty("grace").mutable_shift_scheduled();
  shift.set_shift_id("late");
  shift.set_person_id("tom");
  shift.set_roster_version(2);
  care::set_timestamp(*shift.mutable_period()->mutable_start(), told.now - 1h);
  care::set_timestamp(*shift.mutable_period()->mutable_end(), told.now + 8h);
  const auto lines = told.history();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], StartsWith("grace: asked for")) << "the duty's lead, while nobody holds it";
  EXPECT_EQ(lines[1], "tom: grace (oncology-nurse) changed the roster of the duty onc-rn");
}

TEST(obligation_histories, that_a_duty_was_addressed_which_nobody_held_and_that_nobody_could_be_called_is_told) {
  clinic told;
  told.holder("", "nina", v1::HOLDER_REASON_COVER_ENDED);
  told.asks().mutable_target()->set_duty_id("onc-rn");
  auto& uncovered = *told.rosas(v1::STREAM_AUDIT).mutable_duty_uncovered();
  uncovered.set_duty_id("onc-rn");
  uncovered.mutable_entry()->set_patient_id("rosa");
  uncovered.mutable_entry()->set_stream(v1::STREAM_CLINICAL);
  uncovered.mutable_entry()->set_seq(1);
  auto& call = *told.rosas(v1::STREAM_CLINICAL).mutable_call_undelivered();
  call.set_seq(1);
  call.set_person_id("grace");
  const auto lines = told.history();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1], "grace: nobody held the duty onc-rn when it was addressed");
  EXPECT_EQ(lines[2], "grace: grace could not be called over any channel");
}

TEST(obligation_histories, the_configured_safety_person_answers_where_nobody_else_can) {
  clinic told;
  told.asks().mutable_target()->set_person_id("nina");
  for (const auto* id : {"nina", "rao"}) {
    told.organization().mutable_person_suspended()->set_person_id(id);
  }
  const auto lines = told.history();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1], "rao: an account changed") << "the attending first";
  EXPECT_EQ(lines[2], "ines: an account changed");
}

TEST(obligation_histories, a_membership_that_ends_moves_it_without_an_entry) {
  clinic told;
  auto& ended = *told.rosas(v1::STREAM_SHARED).mutable_member_ended();
  ended.set_person_id("tom");
  ended.set_role(v1::ROLE_ONCOLOGY_NURSE);
  const auto end = told.now + 1h;
  care::set_timestamp(*ended.mutable_end(), end);
  told.asks().mutable_target()->set_person_id("tom");
  told.now = end + 1h;
  told.organization().mutable_person_suspended()->set_person_id("grace");
  EXPECT_EQ(told.standing(end - 1s).accountable, "tom");
  const auto after = told.standing(end + 1min);
  EXPECT_EQ(after.accountable, "rao");
  EXPECT_EQ(after.what, "a membership, a shift or a leave has begun or ended");
  EXPECT_EQ(told.history().back(), "rao: a membership, a shift or a leave has begun or ended") << "and not: an account changed";
}

TEST(obligation_histories, a_message_moves_with_its_duty_climbs_and_is_acknowledged) {
  clinic told;
  told.says();
  told.holder("tom", "nina", v1::HOLDER_REASON_HANDOFF, "nina");
  auto& escalated = *told.rosas(v1::STREAM_CLINICAL).mutable_message_escalated();
  escalated.set_seq(1);
  escalated.add_person_id("grace");
  escalated.mutable_step()->set_level(1);
  care::set_timestamp(*escalated.mutable_step()->mutable_next_by(), morning + 1h);
  auto& ended = *told.rosas(v1::STREAM_CLINICAL).mutable_message_escalated();
  ended.set_seq(1);
  ended.mutable_step()->set_level(2);
  ended.mutable_step()->set_no_response(true);
  auto& follow_up = *told.rosas(v1::STREAM_CLINICAL).mutable_task_requested();
  follow_up.mutable_origin()->set_seq(1);
  follow_up.mutable_origin()->set_rule(v1::TASK_RULE_UNACKNOWLEDGED);
  follow_up.mutable_origin()->set_ordinal(1);
  follow_up.mutable_order()->set_kind(v1::TASK_KIND_FOLLOW_UP);
  follow_up.mutable_order()->set_priority(v1::PRIORITY_STAT);
  follow_up.mutable_order()->mutable_target()->set_person_id("grace");
  auto& acknowledged = *told.rosas(v1::STREAM_CLINICAL, "tom").mutable_message_acknowledged();
  acknowledged.set_seq(1);
  acknowledged.add_duty_id("onc-rn");
  const auto lines = told.history();
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_THAT(lines[0],
              StartsWith("nina: said by rao (medical-oncologist): stat message to the duty onc-rn (nina); to be acknowledged by 2026-"));
  EXPECT_THAT(lines[0], Not(HasSubstr("ANC")));
  EXPECT_EQ(lines[1], "tom: nina handed the duty onc-rn over to tom");
  EXPECT_THAT(lines[2], StartsWith("tom: nobody acknowledged it in time: escalated to L1; they have until 2026-"));
  EXPECT_THAT(lines[2], HasSubstr("; asked too: grace"));
  EXPECT_EQ(lines[3], "tom: nobody acknowledged it in time: nobody on the ladder responded, a supervisor is asked");
  EXPECT_THAT(lines[4], StartsWith("tom: task 4 of this stream follows, because nobody acknowledged it: stat follow-up task for grace"));
  EXPECT_EQ(lines[5], ": acknowledged by tom (oncology-nurse) for the duty onc-rn");
}

TEST(obligation_histories, a_task_of_a_protocol_says_for_which_day_it_was_made_and_when_its_cycle_moved) {
  clinic told;
  auto& asked = *told.rosas(v1::STREAM_CLINICAL).mutable_task_requested();
  asked.set_requester_person_id("rao");
  asked.mutable_order()->set_kind(v1::TASK_KIND_RESULT);
  asked.mutable_order()->set_priority(v1::PRIORITY_ROUTINE);
  asked.mutable_order()->mutable_target()->set_person_id("nina");
  auto& occasion = *asked.mutable_protocol();
  occasion.set_protocol_id("capecitabine");
  occasion.mutable_day()->set_item_id("refill");
  occasion.mutable_day()->set_cycle(2);
  occasion.mutable_day()->set_day(-5);
  care::set_timestamp(*occasion.mutable_scheduled(), morning + 24h);
  auto& moved = *told.rosas(v1::STREAM_CLINICAL, "nina").mutable_task_rescheduled();
  moved.set_seq(1);
  moved.set_protocol_id("capecitabine");
  moved.set_reason("low counts");
  care::set_timestamp(*moved.mutable_was_due(), morning + 24h);
  care::set_timestamp(*moved.mutable_due(), morning + 48h);
  const auto lines = told.history();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], StartsWith("nina: asked for by the server: routine result task for nina"));
  EXPECT_THAT(lines[0],
              HasSubstr("; made by the protocol capecitabine: its refill for 5 days before the cycle after cycle 2, scheduled for "
                        "2026-11-24T08:00:00"));
  EXPECT_THAT(lines[1], StartsWith("nina: due 2026-11-25T08:00:00"));
  EXPECT_THAT(lines[1], HasSubstr(" instead of 2026-11-24T08:00:00"));
  EXPECT_THAT(lines[1], testing::EndsWith(": nina (oncology-nurse) moved a cycle of the protocol capecitabine"));
}

TEST(obligation_histories, what_patients_do_not_read_of_a_message_s_ladder_is_told_from_the_audit) {
  clinic told;
  told.says(v1::STREAM_SHARED);
  const care::place at{v1::STREAM_SHARED, 7};
  auto& detailed = *told.rosas(v1::STREAM_AUDIT).mutable_message_escalation_detailed();
  detailed.set_stream(at.stream);
  detailed.set_seq(at.seq);
  detailed.mutable_step()->set_level(2);
  detailed.mutable_step()->set_no_response(true);
  detailed.mutable_follow_up()->set_patient_id("rosa");
  detailed.mutable_follow_up()->set_stream(v1::STREAM_CLINICAL);
  detailed.mutable_follow_up()->set_seq(9);
  const auto lines = told.history(at);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1],
            "nina: nobody acknowledged it in time: nobody on the ladder responded, a supervisor is asked; task clinical/9 follows");
}

TEST(obligation_histories, whoever_owes_an_acknowledgement_is_named_once_each) {
  clinic told;
  auto& said = told.says();
  said.add_mentions()->add_person_id("tom");
  said.add_mentions()->add_person_id("nina");
  EXPECT_THAT(told.history().at(0), StartsWith("nina, tom: said by"));
}

TEST(obligation_histories, a_correction_asks_again_and_its_follow_up_is_told) {
  clinic told(told_texts::all);
  told.says();
  auto& acknowledged = *told.rosas(v1::STREAM_CLINICAL, "nina").mutable_message_acknowledged();
  acknowledged.set_seq(1);
  auto& corrected = *told.rosas(v1::STREAM_CLINICAL, "rao").mutable_message_corrected();
  corrected.set_seq(1);
  corrected.set_reason("Another patient's value");
  corrected.set_priority(v1::PRIORITY_STAT);
  corrected.add_mentions()->add_person_id("nina");
  auto& follow_up = *told.rosas(v1::STREAM_CLINICAL).mutable_task_requested();
  follow_up.mutable_origin()->set_seq(3);
  follow_up.mutable_origin()->set_rule(v1::TASK_RULE_UNACKNOWLEDGED);
  const auto lines = told.history();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[0], HasSubstr("\"ANC 0.72\""));
  EXPECT_EQ(lines[1], ": acknowledged by nina (oncology-nurse)");
  EXPECT_EQ(lines[2], "nina: corrected by rao (medical-oncologist); asked: nina: \"Another patient's value\"");
  EXPECT_THAT(lines[3], StartsWith("nina: task 4 of this stream follows"));
}

TEST(obligation_histories, what_is_neither_a_task_nor_a_message_has_none) {
  clinic told;
  told.rosas(v1::STREAM_CLINICAL, "rao").mutable_thread_opened()->set_title("Fever");
  EXPECT_THAT(told.history(), IsEmpty());
}

}  // namespace
}  // namespace careteam::admin::test
