// The worklist's index and what a person finds by it: the same as what the domain says of each obligation (C5, C10).
#include "care/worklist.hpp"

#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class worklists : public task_ward {
 protected:
  worklist_view view(std::string_view person) const { return {person, ward.people.state().organization, ward.setting, ward.now}; }
  const record_state& state() const { return ward.record.state(); }
  /// As "owner parts".
  std::vector<std::string> rows(place where) const {
    std::vector<std::string> result;
    for (const auto& row : obligation_rows(state(), where)) result.push_back(row.owner + " " + std::to_string(row.parts));
    return result;
  }
  std::optional<standing> owes(std::string_view person, place where) const {
    const auto item = owed_by(state(), where, view(person));
    return item ? std::optional(item->how) : std::nullopt;
  }
};

TEST_F(worklists, a_task_of_a_person_is_theirs_and_its_requester_s) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").stat().to("nina"));
  EXPECT_THAT(rows(anc), ElementsAre("person/nina 3", "person/omar 4"));
  EXPECT_EQ(owes("nina", anc), standing::answers);
  EXPECT_EQ(owes("omar", anc), std::nullopt);
  const auto item = asked_by(state(), anc, view("omar"));
  ASSERT_TRUE(item);
  EXPECT_EQ(item->how, standing::requested);
  EXPECT_EQ(item->breach, monday + 5min);
  EXPECT_EQ(item->priority, v1::PRIORITY_STAT);
}

TEST_F(worklists, whoever_is_asked_to_accept_sees_it_beside_the_one_who_answers) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").to(v1::ROLE_ONCOLOGY_NURSE));
  EXPECT_THAT(rows(anc), UnorderedElementsAre("person/nina 3", "person/tom 2", "person/omar 4"));
  EXPECT_EQ(owes("nina", anc), standing::answers);
  EXPECT_EQ(owes("tom", anc), standing::asked);
  EXPECT_EQ(owes("claire", anc), std::nullopt);
  ward.says("tom", accept(anc));
  EXPECT_EQ(owes("tom", anc), standing::answers);
  EXPECT_EQ(owes("nina", anc), std::nullopt) << "nobody else is asked any more";
}

TEST_F(worklists, a_handoff_of_the_duty_touches_no_row) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").asap().to_duty("onc-rn"));
  ward.says("nina", accept(anc));
  const auto before = obligation_rows(state());
  EXPECT_EQ(before.front().owner, "duty/onc-rn");
  EXPECT_THAT(owner_keys("nina", ward.setting, ward.now), ElementsAre("person/nina", "duty/onc-rn"));
  duties.held["onc-rn"].holder = "tom";
  EXPECT_EQ(obligation_rows(state()), before);
  EXPECT_THAT(owner_keys("nina", ward.setting, ward.now), ElementsAre("person/nina"));
  EXPECT_THAT(owner_keys("tom", ward.setting, ward.now), ElementsAre("person/tom", "duty/onc-rn"));
  EXPECT_EQ(owes("tom", anc), standing::answers);
  EXPECT_EQ(owes("nina", anc), std::nullopt);
}

TEST_F(worklists, when_an_owner_loses_access_the_attending_answers_and_no_row_moves) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").to("tom"));
  ward.says("tom", accept(anc));
  const auto before = obligation_rows(state());
  ASSERT_THAT(ward.organization_does("alex", suspend("tom")), accepted());
  EXPECT_EQ(obligation_rows(state()), before);
  EXPECT_EQ(owes("tom", anc), std::nullopt) << "default deny";
  EXPECT_EQ(owes("rao", anc), standing::answers);
}

TEST_F(worklists, what_one_may_not_read_is_on_nobody_s_list) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").to("nina"));
  EXPECT_EQ(owes("rosa", anc), std::nullopt);
  ward.now += 1s;
  ward.leave("omar", v1::ROLE_PHARMACIST);
  EXPECT_FALSE(asked_by(state(), anc, view("omar"))) << "also not what they asked for themselves";
}

TEST_F(worklists, what_is_late_and_escalates_no_more_comes_first_and_not_last) {
  const auto late = asks("omar", clinical, task("a").to("nina").due(monday + 2h));
  ward.says("nina", accept(late));
  ward.says("nina", start(late));
  passes_until(monday + 30h);
  ASSERT_TRUE(state().tasks.open.contains(late));
  EXPECT_TRUE(running_timers(ward.tasks(), late).empty() || at(late).level > 0);
  EXPECT_EQ(owed_by(state(), late, view("nina"))->breach, monday + 2h);
}

TEST_F(worklists, a_task_that_ended_is_on_no_list) {
  const auto anc = asks("omar", clinical, task("ANC 0.72").to("nina"));
  ward.says("nina", accept(anc));
  ward.says("nina", start(anc));
  ward.says("nina", complete(anc));
  EXPECT_THAT(rows(anc), IsEmpty());
  EXPECT_EQ(owes("nina", anc), std::nullopt);
  EXPECT_FALSE(asked_by(state(), anc, view("omar")));
}

TEST_F(worklists, an_acknowledgement_is_owed_by_whom_the_message_addresses) {
  const place message{clinical, ward.says("nina", post(clinical).asap().to("rao"))};
  EXPECT_THAT(rows(message), ElementsAre("person/nina 4", "person/rao 3"));
  EXPECT_EQ(owes("rao", message), standing::answers);
  EXPECT_EQ(asked_by(state(), message, view("nina"))->kind, obligation_kind::acknowledgement);
  ward.says("rao", acknowledge(clinical, message.seq));
  EXPECT_THAT(rows(message), IsEmpty());
}

TEST_F(worklists, a_batch_tells_what_it_changed_and_nothing_else) {
  const auto other = asks("omar", clinical, task("b").to("tom"));
  const auto anc = asks("omar", clinical, task("a").to("nina"));
  record_state before = folded("rosa", ward.record.log());
  ward.says("nina", accept(anc));
  obligation_changes changes;
  record_state after = before;
  changes.before(after, last(clinical));
  apply(after, last(clinical));
  const auto changed = changes.against(after);
  EXPECT_THAT(changed.places, ElementsAre(anc));
  EXPECT_EQ(changed.gone, obligation_rows(before, anc));
  EXPECT_EQ(changed.now, obligation_rows(after, anc));
  EXPECT_EQ(obligation_rows(before, other), obligation_rows(after, other));
}

}  // namespace
}  // namespace careteam::care::fixture
