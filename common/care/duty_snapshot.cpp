#include "care/duty_snapshot.hpp"

#include "care/duty_messages.hpp"

namespace careteam::care {
namespace {

std::int64_t micros(instant t) {
  return t.time_since_epoch().count();
}
instant from_micros(std::int64_t us) {
  return instant{std::chrono::microseconds{us}};
}

void put_span(internal::DutySnapshot::Span& to, const time_span& span) {
  to.set_start_us(micros(span.start));
  to.set_end_us(micros(span.end));
}
time_span get_span(const internal::DutySnapshot::Span& from) {
  return {from_micros(from.start_us()), from_micros(from.end_us())};
}

void put_described(v1::HandoffPatient& to, const std::string& id, const handoff_patient& patient) {
  to.set_patient_id(id);
  to.set_severity(patient.severity);
  to.set_summary(patient.summary);
  for (const auto& text : patient.contingencies) to.add_contingencies(text);
}

void put_handoff(internal::DutySnapshot::Handoff& to, const handoff_state& handoff) {
  to.set_seq(handoff.seq);
  to.set_version(handoff.version);
  to.set_stage(static_cast<std::uint32_t>(handoff.stage));
  to.set_from(handoff.from);
  to.set_to(handoff.to);
  for (const auto& [id, patient] : handoff.patients) {
    auto& row = *to.add_patients();
    put_described(*row.mutable_patient(), id, patient);
    row.set_synthesized(patient.synthesized);
    row.set_declined(patient.declined);
  }
  for (const auto& [key, item] : handoff.owed) put_owed(*to.add_owed(), item);
  to.set_owed_hash(handoff.owed_hash);
  if (handoff.synthesized) to.set_synthesized_us(micros(*handoff.synthesized));
  if (handoff.delayed) to.set_delayed_us(micros(*handoff.delayed));
}

handoff_state get_handoff(const internal::DutySnapshot::Handoff& from) {
  handoff_state handoff;
  handoff.seq = from.seq();
  handoff.version = from.version();
  handoff.stage = static_cast<handoff_stage>(from.stage());
  handoff.from = from.from();
  handoff.to = from.to();
  for (const auto& row : from.patients()) {
    auto& patient = handoff.patients[row.patient().patient_id()] = described_by(row.patient());
    patient.synthesized = row.synthesized();
    patient.declined = row.declined();
  }
  for (const auto& row : from.owed()) {
    auto item = owed_of(row);
    handoff.owed.insert_or_assign({item.patient_id, item.at}, std::move(item));
  }
  handoff.owed_hash = from.owed_hash();
  if (from.has_synthesized_us()) handoff.synthesized = from_micros(from.synthesized_us());
  if (from.has_delayed_us()) handoff.delayed = from_micros(from.delayed_us());
  return handoff;
}

template <class Part>
void put_shift(internal::DutySnapshot::Shift& to, const Part& from) {
  to.set_id(from.id);
  to.set_person_id(from.person);
  put_span(*to.mutable_when(), from.at);
}

void put_leave(internal::DutySnapshot::Leave& to, const roster_leave& from) {
  to.set_id(from.id);
  to.set_person_id(from.person);
  put_span(*to.mutable_when(), from.at);
  for (const auto& cover : from.covers) {
    auto& part = *to.add_covers();
    part.set_person_id(cover.person);
    put_span(*part.mutable_when(), cover.at);
  }
  to.set_accepts_gaps(from.uncovered == uncovered_turns::accepted);
}

roster_leave get_leave(const internal::DutySnapshot::Leave& from) {
  const auto uncovered = from.accepts_gaps() ? uncovered_turns::accepted : uncovered_turns::refused;
  roster_leave leave{from.id(), from.person_id(), get_span(from.when()), {}, uncovered};
  for (const auto& part : from.covers()) leave.covers.push_back({part.person_id(), get_span(part.when())});
  return leave;
}

void get_parts(duty_roster& roster, const internal::DutySnapshot& from) {
  for (const auto& row : from.shifts()) roster.shifts.push_back({row.id(), row.person_id(), get_span(row.when())});
  for (const auto& row : from.overrides()) roster.overrides.push_back({row.id(), row.person_id(), get_span(row.when())});
  for (const auto& row : from.rotations()) {
    if (auto made = rotation_of(row)) roster.rotations.push_back(std::move(*made));
  }
  for (const auto& row : from.swaps()) {
    const auto one = turn_of(row.one()), other = turn_of(row.other());
    if (one && other) roster.swaps.push_back({row.id(), *one, *other});
  }
  for (const auto& row : from.leaves()) roster.leaves.push_back(get_leave(row));
}

}  // namespace

void put_duty(internal::DutySnapshot& to, const duty_state& duty) {
  to.set_duty_id(duty.id);
  put_definition(*to.mutable_what(), duty.what);
  to.set_roster_version(duty.roster_version);
  to.set_holder(duty.holder);
  to.set_former(duty.former.person);
  to.set_former_on_leave(duty.former.on_leave);
  for (const auto& one : duty.roster.shifts) put_shift(*to.add_shifts(), one);
  for (const auto& one : duty.roster.overrides) put_shift(*to.add_overrides(), one);
  for (const auto& one : duty.roster.rotations) put_rotation(*to.add_rotations(), one);
  for (const auto& one : duty.roster.swaps) {
    auto& row = *to.add_swaps();
    row.set_id(one.id);
    put_turn(*row.mutable_one(), one.one);
    put_turn(*row.mutable_other(), one.other);
  }
  for (const auto& one : duty.roster.leaves) put_leave(*to.add_leaves(), one);
  if (duty.handoff) put_handoff(*to.mutable_handoff(), *duty.handoff);
  if (duty.shift_end) to.set_shift_end_us(micros(*duty.shift_end));
  if (duty.handed_over) to.set_handed_over_us(micros(*duty.handed_over));
  for (const auto& [id, apart] : duty.apart) {
    auto& row = *to.add_apart();
    row.set_patient_id(id);
    row.set_person_id(apart.person);
    if (apart.returned) put_described(*row.mutable_returned(), id, *apart.returned);
  }
  for (const auto& [start, hours] : duty.gap_told) {
    auto& row = *to.add_gap_told();
    row.set_start_us(micros(start));
    row.set_hours(hours);
  }
  for (const auto& gap : duty.gaps) put_span(*to.add_gaps(), gap);
  for (const auto& [timer, deadline] : duty.timers) {
    auto& row = *to.add_timers();
    row.set_timer(timer);
    row.set_at_us(micros(deadline.at));
    row.set_version(deadline.version);
  }
}

bool get_duty(duty_state& duty, const internal::DutySnapshot& from) {
  duty.id = from.duty_id();
  duty.what = definition_of(from.what());
  duty.roster_version = from.roster_version();
  duty.holder = from.holder();
  duty.former = {from.former(), from.former_on_leave()};
  if (duty.defined()) {
    const auto zone = zone_named(duty.what.time_zone);
    if (!zone) return false;
    duty.roster.zone = *zone;
    duty.roster.duty_id = duty.id;
    apply(duty.roster, terms_of(duty.what));
  }
  get_parts(duty.roster, from);
  if (from.has_handoff()) duty.handoff = get_handoff(from.handoff());
  if (from.has_shift_end_us()) duty.shift_end = from_micros(from.shift_end_us());
  if (from.has_handed_over_us()) duty.handed_over = from_micros(from.handed_over_us());
  for (const auto& row : from.apart()) {
    auto& apart = duty.apart[row.patient_id()];
    apart.person = row.person_id();
    if (row.has_returned()) apart.returned = described_by(row.returned());
  }
  for (const auto& row : from.gap_told()) duty.gap_told[from_micros(row.start_us())] = row.hours();
  for (const auto& row : from.gaps()) duty.gaps.push_back(get_span(row));
  for (const auto& row : from.timers()) duty.timers[row.timer()] = {from_micros(row.at_us()), row.version()};
  return true;
}

}  // namespace careteam::care
