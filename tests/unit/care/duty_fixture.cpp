#include "duty_fixture.hpp"

namespace careteam::care::fixture {
namespace {

record_state empty_duty(std::string_view id) {
  return *new_record(duty_record_key(id));
}

v1::Command scheduled(std::uint64_t version, std::string_view id, std::string_view person, instant start, instant end, bool overrides) {
  v1::Command command;
  auto& asked = *command.mutable_schedule_shift();
  asked.set_expected_roster_version(version);
  asked.set_shift_id(std::string(id));
  asked.set_person_id(std::string(person));
  *asked.mutable_period() = period(start, end);
  asked.set_override(overrides);
  return command;
}

}  // namespace

v1::Period period(instant start, instant end) {
  v1::Period made;
  set_timestamp(*made.mutable_start(), start);
  set_timestamp(*made.mutable_end(), end);
  return made;
}

v1::Duty nurses_duty() {
  v1::Duty duty;
  duty.set_name("Oncology nurse");
  duty.set_time_zone("America/Chicago");
  duty.add_roles(v1::ROLE_ONCOLOGY_NURSE);
  for (const auto& [id, role] :
       {std::pair("nina", v1::ROLE_ONCOLOGY_NURSE), std::pair("tom", v1::ROLE_ONCOLOGY_NURSE), std::pair("noah", v1::ROLE_ONCOLOGY_NURSE),
        std::pair("grace", v1::ROLE_NURSE_PRACTITIONER), std::pair("claire", v1::ROLE_NURSE_PRACTITIONER)}) {
    duty.add_members()->set_person_id(id);
    duty.mutable_members()->rbegin()->set_role(role);
  }
  duty.set_lead_person_id("grace");
  duty.set_manager_person_id("claire");
  duty.add_fallback_duty_id("onc-md");
  return duty;
}

v1::Command define(std::uint64_t version, const v1::Duty& duty) {
  v1::Command command;
  command.mutable_define_duty()->set_expected_roster_version(version);
  *command.mutable_define_duty()->mutable_duty() = duty;
  return command;
}

v1::Command shift(std::uint64_t version, std::string_view id, std::string_view person, instant start, instant end) {
  return scheduled(version, id, person, start, end, false);
}

v1::Command override_shift(std::uint64_t version, std::string_view id, std::string_view person, instant start, instant end) {
  return scheduled(version, id, person, start, end, true);
}

v1::Command rotation(std::uint64_t version, std::string_view id, std::initializer_list<std::string_view> people, int start_hour,
                     int end_hour, std::initializer_list<unsigned> weekdays) {
  v1::Command command;
  command.mutable_set_rotation()->set_expected_roster_version(version);
  auto& made = *command.mutable_set_rotation()->mutable_rotation();
  made.set_rotation_id(std::string(id));
  for (const auto one : people) made.add_person_id(std::string(one));
  for (const auto day : weekdays) made.add_weekday(day);
  made.set_start_minute(static_cast<std::uint32_t>(start_hour * 60));
  made.set_end_minute(static_cast<std::uint32_t>((end_hour > start_hour ? end_hour : end_hour + 24) * 60));
  made.set_first_day("2026-10-01");
  return command;
}

v1::Command remove_item(std::uint64_t version, std::string_view id) {
  v1::Command command;
  command.mutable_remove_roster_item()->set_expected_roster_version(version);
  command.mutable_remove_roster_item()->set_item_id(std::string(id));
  command.mutable_remove_roster_item()->set_reason("not needed");
  return command;
}

v1::RosterTurn turn(std::string_view item, std::string_view week) {
  v1::RosterTurn made;
  made.set_item_id(std::string(item));
  made.set_week(std::string(week));
  return made;
}

v1::Command swap_turns(std::uint64_t version, std::string_view id, const v1::RosterTurn& one, const v1::RosterTurn& other) {
  v1::Command command;
  auto& asked = *command.mutable_swap_turns();
  asked.set_expected_roster_version(version);
  asked.set_swap_id(std::string(id));
  *asked.mutable_one() = one;
  *asked.mutable_other() = other;
  return command;
}

v1::Command leave(std::uint64_t version, std::string_view id, std::string_view person, instant start, instant end) {
  v1::Command command;
  auto& asked = *command.mutable_enter_leave();
  asked.set_expected_roster_version(version);
  asked.set_leave_id(std::string(id));
  asked.set_person_id(std::string(person));
  *asked.mutable_period() = period(start, end);
  return command;
}

v1::Command covered_by(v1::Command leave, std::string_view person, instant start, instant end) {
  auto& cover = *leave.mutable_enter_leave()->add_covers();
  cover.set_person_id(std::string(person));
  *cover.mutable_period() = period(start, end);
  return leave;
}

v1::Command end_leave(std::uint64_t version, std::string_view id) {
  v1::Command command;
  command.mutable_end_leave()->set_expected_roster_version(version);
  command.mutable_end_leave()->set_leave_id(std::string(id));
  return command;
}

v1::Command force_take(std::string_view reason) {
  v1::Command command;
  command.mutable_force_take_duty()->set_reason(std::string(reason));
  return command;
}

v1::Command prepare_handoff(std::string_view to) {
  v1::Command command;
  command.mutable_prepare_handoff()->set_to_person_id(std::string(to));
  return command;
}

v1::HandoffRef handoff_ref(std::uint64_t seq, std::uint64_t version) {
  v1::HandoffRef ref;
  ref.set_seq(seq);
  ref.set_expected_version(version);
  return ref;
}

v1::Command describe(std::uint64_t seq, std::string_view patient, v1::HandoffNote::Severity severity) {
  v1::Command command;
  *command.mutable_describe_patient()->mutable_handoff() = handoff_ref(seq);
  auto& said = *command.mutable_describe_patient()->mutable_patient();
  said.set_patient_id(std::string(patient));
  said.set_severity(severity);
  said.set_summary("Third cycle, second day");
  said.add_contingencies("Fever: call the oncologist");
  return command;
}

v1::Command offer(std::uint64_t seq) {
  v1::Command command;
  *command.mutable_offer_handoff()->mutable_handoff() = handoff_ref(seq);
  return command;
}

v1::Command open_handoff(std::uint64_t seq) {
  v1::Command command;
  *command.mutable_open_handoff()->mutable_handoff() = handoff_ref(seq);
  return command;
}

v1::Command take_handoff(std::uint64_t seq) {
  v1::Command command;
  *command.mutable_take_handoff()->mutable_handoff() = handoff_ref(seq);
  return command;
}

v1::Command decline_patient(std::uint64_t seq, std::string_view patient) {
  v1::Command command;
  auto& asked = *command.mutable_decline_handoff_patient();
  *asked.mutable_handoff() = handoff_ref(seq);
  asked.set_patient_id(std::string(patient));
  asked.set_reason("Is my sister");
  return command;
}

v1::Command return_patient(std::string_view patient, v1::HandoffNote::Severity severity) {
  v1::Command command;
  *command.mutable_return_patient()->mutable_patient() = describe(0, patient, severity).describe_patient().patient();
  return command;
}

v1::Command take_back(std::string_view patient, const owed_item* top) {
  const auto said = synthesize(0, patient, top).synthesize_patient();
  v1::Command command;
  auto& asked = *command.mutable_take_patient_back();
  asked.set_patient_id(said.patient_id());
  asked.set_synthesis(said.synthesis());
  if (said.has_top_action()) *asked.mutable_top_action() = said.top_action();
  if (said.has_top_deadline()) *asked.mutable_top_deadline() = said.top_deadline();
  return command;
}

v1::Command show_delta(std::uint64_t seq) {
  v1::Command command;
  *command.mutable_show_handoff_delta()->mutable_handoff() = handoff_ref(seq);
  return command;
}

v1::Command synthesize(std::uint64_t seq, std::string_view patient, const owed_item* top) {
  v1::Command command;
  auto& asked = *command.mutable_synthesize_patient();
  *asked.mutable_handoff() = handoff_ref(seq);
  asked.set_patient_id(std::string(patient));
  asked.set_synthesis("Fever 38.4, emergency department called");
  if (!top) return command;
  asked.mutable_top_action()->set_patient_id(top->patient_id);
  asked.mutable_top_action()->set_stream(top->at.stream);
  asked.mutable_top_action()->set_seq(top->at.seq);
  if (top->deadline) set_timestamp(*asked.mutable_top_deadline(), *top->deadline);
  return command;
}

v1::Command correct_synthesis(std::uint64_t seq, std::string_view patient) {
  v1::Command command;
  *command.mutable_correct_synthesis()->mutable_handoff() = handoff_ref(seq);
  command.mutable_correct_synthesis()->set_patient_id(std::string(patient));
  command.mutable_correct_synthesis()->set_correction("The callback is at 19:30");
  return command;
}

v1::Command confirm(std::uint64_t seq) {
  v1::Command command;
  *command.mutable_confirm_handoff()->mutable_handoff() = handoff_ref(seq);
  return command;
}

v1::Command end_handoff(std::uint64_t seq) {
  v1::Command command;
  *command.mutable_end_handoff()->mutable_handoff() = handoff_ref(seq);
  command.mutable_end_handoff()->set_reason("Comes later today");
  return command;
}

duty_ward::duty_ward() : record(empty_duty("onc-rn"), {}) {
  const context nobody{now, people.state().organization};
  for (const auto& [id, administrator] :
       {std::pair("alex", true), std::pair("nina", false), std::pair("tom", false), std::pair("noah", false), std::pair("grace", false),
        std::pair("claire", false), std::pair("omar", false)}) {
    EXPECT_THAT(people.submit(enroll(id, id, v1::PERSON_KIND_STAFF, administrator), the_system(), nobody), accepted());
  }
  EXPECT_THAT(people.submit(enroll("rosa", "Rosa", v1::PERSON_KIND_PATIENT), the_system(), nobody), accepted());
  good("alex", define(0, nurses_duty()));
  good("grace", rotation(version(), "days", {"nina"}, 7, 19));
  good("grace", rotation(version(), "nights", {"tom"}, 19, 7));
}

outcome<facts> duty_ward::does(const actor& who, const v1::Command& command, std::string_view duty_id) {
  auto addressed = command;
  addressed.set_duty_id(std::string(duty_id));
  context with{now, people.state().organization};
  with.owed = owed;
  return record.submit(addressed, who, with);
}

facts duty_ward::good(const std::string& who, const v1::Command& command) {
  auto done = does(who, command);
  EXPECT_THAT(done, accepted());
  return done ? std::move(*done) : facts{};
}

outcome<facts> duty_ward::organization_does(const std::string& who, const v1::Command& command) {
  return people.submit(command, person(who), {now, people.state().organization});
}

void duty_ward::until(instant t) {
  for (;;) {
    const pending_timer* next = nullptr;
    for (const auto& [id, timer] : record.state().timers.pending()) {
      if (timer.due <= t && (!next || timer.due < next->due)) next = &timer;
    }
    if (!next) break;
    const auto fired = *next;
    now = std::max(now, fired.due);
    v1::Command command;
    ASSERT_TRUE(command.ParseFromString(fired.command));
    ASSERT_THAT(does(the_system(), command), accepted()) << fired.id;
    const auto& pending = record.state().timers.pending();
    const auto left = pending.find(fired.id);
    ASSERT_TRUE(left == pending.end() || left->second.due > fired.due) << fired.id << " fired without effect";
  }
  now = t;
}

duty_answer duty_ward::answers(instant t, std::string_view patient) const {
  duty_standings all = others;
  all["onc-rn"] = standing_of(duty());
  return resolve_with_fallback(all, "onc-rn", t, working_people(people.state().organization), "ines", patient);
}

std::vector<owed_item> duty_ward::owed_by_holder() const {
  auto items = owed;
  std::erase_if(items, [&](const auto& item) { return duty().apart.contains(item.patient_id); });
  return items;
}

std::string duty_ward::rostered(instant t) const {
  return resolve(duty().roster, t).person;
}

std::vector<v1::Stream> duty_ward::readable(const std::string& id) const {
  return readable_streams(record.state(), people.state().organization, id, now);
}

std::vector<v1::Entry> duty_ward::of_kind(v1::Entry::FactCase kind) const {
  std::vector<v1::Entry> found;
  for (const auto& entry : record.log()) {
    if (entry.fact_case() == kind) found.push_back(entry);
  }
  return found;
}

owed_item duty_ward::owes(std::string_view patient, std::uint64_t seq, instant deadline) {
  owed.push_back({std::string(patient), {clinical, seq}, v1::PRIORITY_ASAP, deadline, 1});
  return owed.back();
}

void duty_ward::at_stage(int stage) {
  if (stage < 1) return;
  good("nina", prepare_handoff());
  if (stage < 2) return;
  good("nina", describe(handoff(), "rosa", v1::HandoffNote::SEVERITY_WATCHER));
  good("nina", offer(handoff()));
  if (stage < 3) return;
  good("tom", open_handoff(handoff()));
  if (stage < 4) return;
  good("tom", take_handoff(handoff()));
  if (stage < 5) return;
  good("tom", synthesize(handoff(), "rosa", top_action(duty().handoff->owed, "rosa")));
}

void duty_ward::check_replay() const {
  auto anew = empty_duty("onc-rn");
  for (const auto& entry : record.log()) apply(anew, entry);
  EXPECT_EQ(anew, record.state());
  const auto bytes = to_snapshot(record.state());
  const auto read = from_snapshot(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, record.state());
  EXPECT_EQ(to_snapshot(*read), bytes);
}

}  // namespace careteam::care::fixture
