// The handoff (`domain.md` 3.2): every state × command × role, what makes it stale, what time does, and that the duty moves in one commit.
#include "duty_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::array stage_names{"none", "draft", "requested", "received", "accepted", "in-progress"};

class handoffs : public duty_ward {
 protected:
  handoffs() {
    until(chicago(23, 18, 20));
    owes("rosa", 17, chicago(23, 19, 30));
  }
  void replace_owed(std::vector<owed_item> items) { owed = std::move(items); }
};

/// One row of table 3.2: in which stages the command is carried out, for whom.
struct row {
  std::string_view name;
  std::function<v1::Command(const duty_ward&)> command;
  std::string_view stages;  ///< Digits: 0 none … 5 in progress.
  std::vector<std::string_view> who;
};

const std::vector<row>& table() {
  static const std::vector<row> rows{
      {"HO1 prepare", [](const auto&) { return prepare_handoff(); }, "0", {"nina", "grace"}},
      {"HO1 describe", [](const auto& w) { return describe(w.handoff(), "rosa", v1::HandoffNote::SEVERITY_UNSTABLE); }, "1234", {"nina"}},
      {"HO2 offer", [](const auto& w) { return offer(w.handoff()); }, "1", {"nina"}},
      {"HO3 open", [](const auto& w) { return open_handoff(w.handoff()); }, "2", {"tom"}},
      {"HO4 take", [](const auto& w) { return take_handoff(w.handoff()); }, "3", {"tom"}},
      {"HO4 decline", [](const auto& w) { return decline_patient(w.handoff(), "rosa"); }, "34", {"tom"}},
      {"HO5 delta", [](const auto& w) { return show_delta(w.handoff()); }, "345", {"tom"}},
      {"HO6 synthesize", [](const auto& w) { return synthesize(w.handoff(), "rosa", &w.owed.front()); }, "4", {"tom"}},
      {"HO7 correct", [](const auto& w) { return correct_synthesis(w.handoff(), "rosa"); }, "45", {"nina"}},
      {"HO8 confirm", [](const auto& w) { return confirm(w.handoff()); }, "5", {"nina"}},
      {"HO9 end", [](const auto& w) { return end_handoff(w.handoff()); }, "12345", {"nina", "tom", "grace"}},
      {"force", [](const auto&) { return force_take(); }, "012345", {"grace"}},
  };
  return rows;
}

TEST(handoff_table, every_state_times_command_times_role) {
  int carried_out = 0, refused = 0;
  for (int stage = 0; stage < static_cast<int>(stage_names.size()); ++stage) {
    for (const auto& one : table()) {
      for (const std::string_view who : {"nina", "tom", "grace", "noah", "claire", "alex", "omar", "rosa", "nobody", ""}) {
        SCOPED_TRACE(std::string(one.name) + " in " + stage_names[static_cast<std::size_t>(stage)] + " by " + std::string(who));
        struct ward : duty_ward {
          void TestBody() override {}
        } ward;
        ward.until(chicago(23, 18));
        ward.owes("rosa", 17, chicago(23, 19, 30));
        ward.at_stage(stage);
        // The first word of the table's states is who may; a describing of a patient in a draft needs none of it.
        if (stage == 1 && one.name == "HO2 offer") ward.good("nina", describe(ward.handoff(), "rosa", v1::HandoffNote::SEVERITY_WATCHER));
        const auto before = ward.record.state();
        const bool in_stage = one.stages.find(static_cast<char>('0' + stage)) != std::string_view::npos;
        const bool may = std::find(one.who.begin(), one.who.end(), who) != one.who.end();
        const auto done = ward.does(who.empty() ? the_system() : person(std::string(who)), one.command(ward));
        if (in_stage && may) {
          EXPECT_THAT(done, accepted());
          ++carried_out;
        } else {
          EXPECT_FALSE(done);
          EXPECT_EQ(ward.record.state(), before) << "a refusal has no effect";
          ++refused;
        }
        const bool moves = in_stage && may && (one.name == "HO8 confirm" || one.name == "force");
        EXPECT_EQ(ward.holder(), !moves ? "nina" : one.name == "force" ? "grace" : "tom");
        ward.check_replay();
      }
    }
  }
  EXPECT_EQ(carried_out, 2 + 4 + 1 + 1 + 1 + 2 + 3 + 1 + 2 + 1 + 15 + 6);
  EXPECT_EQ(carried_out + refused, 6 * 12 * 10);
}

TEST_F(handoffs, at_4_a_shift_change) {
  // 18:15 the system drafts it: everybody knows, and nothing has moved.
  ASSERT_NE(handoff(), 0u);
  EXPECT_EQ(of_kind(v1::Entry::kHandoffPrepared).back().author().person_id(), "");
  EXPECT_EQ(to_instant(of_kind(v1::Entry::kHandoffPrepared).back().time()), chicago(23, 18, 15));
  EXPECT_EQ(duty().handoff->to, "tom");
  owes("mei", 4, chicago(24, 9));
  owes("ito", 9, chicago(23, 23));
  EXPECT_THAT(does("nina", offer(handoff())), refused_with(code::failed_precondition, "offerHandoff.handoff.seq"));
  good("nina", describe(handoff(), "mei", v1::HandoffNote::SEVERITY_STABLE));
  good("nina", describe(handoff(), "rosa", v1::HandoffNote::SEVERITY_WATCHER));
  EXPECT_THAT(does("nina", describe(handoff(), "luis", v1::HandoffNote::SEVERITY_STABLE)),
              refused_with(code::not_found, "describePatient.patient.patientId"));
  EXPECT_THAT(does("nina", describe(handoff(), "ito", v1::HandoffNote::SEVERITY_UNSPECIFIED)),
              refused_with(code::invalid_argument, "describePatient.patient.severity"))
      << "a human sets it";
  EXPECT_THAT(does("nina", offer(handoff())), refused_with(code::failed_precondition, "offerHandoff.handoff.seq"));
  good("nina", describe(handoff(), "ito", v1::HandoffNote::SEVERITY_UNSTABLE));
  until(chicago(23, 18, 38));
  good("nina", offer(handoff()));
  std::vector<std::string> order;
  const auto offered = of_kind(v1::Entry::kHandoffOffered).back();
  for (const auto& item : offered.handoff_offered().owed()) order.push_back(item.entry().patient_id());
  EXPECT_THAT(order, ElementsAre("ito", "rosa", "mei"));
  until(chicago(23, 18, 47));
  good("tom", open_handoff(handoff()));
  good("tom", take_handoff(handoff()));
  good("tom", synthesize(handoff(), "mei"));
  // 18:52 Ms Ito has a fever: what was offered is no longer so.
  until(chicago(23, 18, 52));
  const auto fever = owes("ito", 12, chicago(23, 19, 30));
  EXPECT_THAT(does("tom", synthesize(handoff(), "ito", &fever)), refused_with(code::failed_precondition, "synthesizePatient.handoff.seq"));
  EXPECT_EQ(holder(), "nina") << "and it still goes to her";
  until(chicago(23, 18, 58));
  const auto shown = good("tom", show_delta(handoff()));
  ASSERT_EQ(shown.front().handoff_delta_shown().owed_size(), 1);
  EXPECT_EQ(shown.front().handoff_delta_shown().owed(0).entry().seq(), 12u);
  good("tom", synthesize(handoff(), "rosa", &owed.front()));
  auto late = fever;
  late.deadline = chicago(23, 19, 45);
  const auto mistaken = good("tom", synthesize(handoff(), "ito", &late));
  EXPECT_TRUE(mistaken.front().patient_synthesized().mismatch());
  EXPECT_THAT(does("nina", confirm(handoff())), refused_with(code::failed_precondition, "confirmHandoff.handoff.seq"));
  good("nina", correct_synthesis(handoff(), "ito"));
  good("tom", synthesize(handoff(), "ito", &fever));
  EXPECT_EQ(duty().handoff->stage, handoff_stage::in_progress);
  until(chicago(23, 19, 3));
  EXPECT_EQ(holder(), "nina") << "the shift is over, and the clock moves nothing";
  EXPECT_EQ(answers(now).person, "nina");
  const auto version_before = record.state().version;
  const auto done = good("nina", confirm(handoff()));
  ASSERT_GE(done.size(), 2u);
  EXPECT_TRUE(done[0].has_handoff_completed());
  EXPECT_EQ(done[1].duty_holder_changed().person_id(), "tom");
  EXPECT_EQ(done[1].duty_holder_changed().previous_person_id(), "nina");
  EXPECT_EQ(record.state().version, version_before + done.size()) << "one commit";
  EXPECT_EQ(answers(now).person, "tom");
  until(chicago(24, 6));
  EXPECT_THAT(of_kind(v1::Entry::kDutyReminded), IsEmpty()) << "nothing was late";
  EXPECT_EQ(handoff(), 0u) << "and nothing is prepared before it is time";
  check_replay();
}

TEST_F(handoffs, a_patient_who_comes_by_the_delta_must_be_described_before_it_is_confirmed) {
  good("grace", end_handoff(handoff()));
  at_stage(5);
  owes("mei", 4, chicago(24, 9));
  EXPECT_THAT(does("nina", confirm(handoff())), refused_with(code::failed_precondition, "confirmHandoff.handoff.seq"));
  good("tom", show_delta(handoff()));
  EXPECT_EQ(duty().handoff->stage, handoff_stage::accepted);
  EXPECT_THAT(does("nina", confirm(handoff())), refused_with(code::failed_precondition, "confirmHandoff.handoff.seq"));
  EXPECT_THAT(does("tom", synthesize(handoff(), "mei")), refused_with(code::not_found, "synthesizePatient.patientId"));
  good("nina", describe(handoff(), "mei", v1::HandoffNote::SEVERITY_STABLE));
  good("tom", synthesize(handoff(), "mei"));
  good("nina", confirm(handoff()));
  EXPECT_EQ(holder(), "tom");
}

TEST_F(handoffs, what_is_settled_meanwhile_is_a_delta_too) {
  good("grace", end_handoff(handoff()));
  at_stage(5);
  replace_owed({});
  EXPECT_THAT(does("nina", confirm(handoff())), refused_with(code::failed_precondition, "confirmHandoff.handoff.seq"));
  const auto shown = good("tom", show_delta(handoff()));
  ASSERT_EQ(shown.front().handoff_delta_shown().settled_size(), 1);
  good("tom", synthesize(handoff(), "rosa"));
  good("nina", confirm(handoff()));
}

TEST_F(handoffs, a_duty_that_owes_nothing_is_handed_over_without_words) {
  good("grace", end_handoff(handoff()));
  replace_owed({});
  good("nina", prepare_handoff());
  good("nina", offer(handoff()));
  good("tom", open_handoff(handoff()));
  good("tom", take_handoff(handoff()));
  EXPECT_EQ(duty().handoff->stage, handoff_stage::in_progress);
  good("nina", confirm(handoff()));
  EXPECT_EQ(holder(), "tom");
}

TEST_F(handoffs, two_at_once_are_refused) {
  EXPECT_THAT(does("nina", prepare_handoff()), refused_with(code::already_exists, "action"));
  EXPECT_THAT(does("grace", prepare_handoff("noah")), refused_with(code::already_exists, "action"));
  const auto first = handoff();
  good("nina", end_handoff(first));
  EXPECT_THAT(does("nina", prepare_handoff("nina")), refused_with(code::invalid_argument, "prepareHandoff.toPersonId"));
  EXPECT_THAT(does("nina", prepare_handoff("grace")), refused_with(code::failed_precondition, "prepareHandoff.toPersonId"));
  good("nina", prepare_handoff("noah"));
  EXPECT_THAT(does("nina", end_handoff(first)), refused_with(code::not_found, "endHandoff.handoff.seq")) << "the one before";
  auto stale = end_handoff(handoff());
  *stale.mutable_end_handoff()->mutable_handoff() = handoff_ref(handoff(), 7);
  EXPECT_THAT(does("nina", stale), refused_with(code::aborted, "endHandoff.handoff.expectedVersion"));
}

TEST_F(handoffs, the_lead_witnesses_after_15_minutes_and_it_is_flagged) {
  good("grace", end_handoff(handoff()));
  at_stage(5);
  until(now + 14min + 59s);
  EXPECT_THAT(does("grace", confirm(handoff())), refused_with(code::failed_precondition, "confirmHandoff.handoff.seq"));
  until(now + 1s);
  const auto done = good("grace", confirm(handoff()));
  EXPECT_TRUE(done[0].handoff_completed().unwitnessed_by_sender());
  EXPECT_TRUE(done[1].duty_holder_changed().unwitnessed_by_sender());
  EXPECT_EQ(holder(), "tom");
}

TEST_F(handoffs, if_it_is_never_opened_the_lead_hears_of_it_and_then_the_manager) {
  until(chicago(23, 19, 40));
  std::vector<std::pair<v1::DutyTimer, instant>> told;
  std::vector<std::string> who;
  for (const auto& entry : of_kind(v1::Entry::kDutyReminded)) {
    told.emplace_back(entry.duty_reminded().timer(), *to_instant(entry.time()));
    who.push_back(entry.duty_reminded().person_id(0));
  }
  EXPECT_THAT(told, ElementsAre(std::pair(v1::DUTY_TIMER_OFFER, chicago(23, 18, 45)), std::pair(v1::DUTY_TIMER_LEAD, chicago(23, 19, 15)),
                                std::pair(v1::DUTY_TIMER_MANAGER, chicago(23, 19, 30))));
  EXPECT_THAT(who, ElementsAre("nina", "grace", "claire"));
  EXPECT_EQ(of_kind(v1::Entry::kDutyReminded).back().duty_reminded().priority(), v1::PRIORITY_STAT);
  EXPECT_EQ(holder(), "nina");
  const auto done = good("grace", force_take());
  EXPECT_EQ(done[0].handoff_ended().end(), v1::HANDOFF_END_OVERTAKEN);
  EXPECT_EQ(done[1].duty_holder_changed().reason(), v1::HOLDER_REASON_FORCED);
  EXPECT_EQ(holder(), "grace");
  EXPECT_THAT(does("grace", force_take()), refused_with(code::failed_precondition, "action"));
  check_replay();
}

TEST_F(handoffs, a_night_without_the_server_moves_nothing_and_is_caught_up) {
  good("nina", end_handoff(handoff()));
  now = chicago(24, 3);  // Nothing fired meanwhile.
  until(now);
  EXPECT_EQ(holder(), "nina");
  EXPECT_EQ(duty().handoff->to, "tom") << "she is beyond her shift: the server prepares it now";
}

TEST_F(handoffs, what_is_late_is_told_once_and_not_what_was_done) {
  good("grace", end_handoff(handoff()));
  at_stage(2);
  until(now + 11min);
  ASSERT_EQ(of_kind(v1::Entry::kDutyReminded).size(), 1u);
  EXPECT_EQ(of_kind(v1::Entry::kDutyReminded)[0].duty_reminded().timer(), v1::DUTY_TIMER_RECEIVE);
  good("tom", open_handoff(handoff()));
  good("tom", take_handoff(handoff()));
  until(now + 16min);
  EXPECT_EQ(of_kind(v1::Entry::kDutyReminded).back().duty_reminded().timer(), v1::DUTY_TIMER_SYNTHESIZE);
  v1::Command fire;
  fire.mutable_fire_duty_timer()->set_timer(v1::DUTY_TIMER_LEAD);
  EXPECT_THAT(does("grace", fire), refused_with(code::permission_denied, "action"));
  const auto before = record.state().version;
  EXPECT_THAT(does(the_system(), fire), accepted()) << "a stale one";
  EXPECT_EQ(record.state().version, before);
}

TEST(handoff_draft, of_the_server_lists_what_the_holder_owes) {
  struct ward : duty_ward {
    void TestBody() override {}
  } one;
  const auto first = one.owes("rosa", 17, chicago(23, 19, 30));
  const auto second = one.owes("mei", 3, chicago(23, 20));
  one.until(chicago(23, 18, 20));
  ASSERT_NE(one.handoff(), 0u);
  EXPECT_EQ(one.duty().handoff->owed, owed_by_place(std::array{first, second}));
  EXPECT_EQ(one.duty().handoff->owed_hash, hash_of(owed_by_place(one.owed)));
  EXPECT_EQ(one.of_kind(v1::Entry::kHandoffPrepared).back().handoff_prepared().owed_size(), 2);
  one.check_replay();
}

TEST(handoff_draft, of_the_server_leaves_out_for_whom_the_lead_answers) {
  struct ward : duty_ward {
    void TestBody() override {}
  } one;
  one.until(chicago(23, 18));
  one.owes("rosa", 17, chicago(24, 9));
  one.at_stage(4);
  one.good("tom", decline_patient(one.handoff(), "rosa"));
  one.good("nina", confirm(one.handoff()));
  ASSERT_EQ(one.holder(), "tom");
  const auto other = one.owes("mei", 3, chicago(24, 9));
  one.until(chicago(24, 6, 20));
  ASSERT_NE(one.handoff(), 0u);
  EXPECT_EQ(one.duty().handoff->owed, owed_by_place(std::array{other}));
  one.check_replay();
}

TEST(handoff_draft, of_more_than_can_be_listed_lists_nothing_and_the_duty_can_still_be_taken) {
  struct ward : duty_ward {
    void TestBody() override {}
  } one;
  for (std::uint64_t seq = 1; seq <= max_owed_items + 1; ++seq) one.owes("rosa", seq, chicago(23, 19, 30));
  one.until(chicago(23, 18, 20));
  ASSERT_NE(one.handoff(), 0u);
  EXPECT_THAT(one.duty().handoff->owed, IsEmpty());
  EXPECT_THAT(one.does("nina", describe(one.handoff(), "rosa", v1::HandoffNote::SEVERITY_WATCHER)),
              refused_with(code::resource_exhausted, "action"));
  EXPECT_THAT(one.does("nina", offer(one.handoff())), refused_with(code::resource_exhausted, "action"));
  one.good("nina", end_handoff(one.handoff()));
  one.good("grace", force_take());
  EXPECT_EQ(one.holder(), "grace");
  one.check_replay();
}

TEST_F(handoffs, the_hash_tells_every_change) {
  const auto first = hash_of(owed_by_place(owed));
  for (const auto& change : std::vector<std::function<void(owed_item&)>>{
           [](auto& item) { item.version = 2; }, [](auto& item) { item.deadline.reset(); }, [](auto& item) { item.at.seq = 18; },
           [](auto& item) { item.patient_id = "mei"; }, [](auto& item) { item.priority = v1::PRIORITY_STAT; }}) {
    auto other = owed;
    change(other.front());
    EXPECT_NE(hash_of(owed_by_place(other)), first);
  }
  EXPECT_NE(hash_of(owed_list{}), first);
}

}  // namespace
}  // namespace careteam::care::fixture
