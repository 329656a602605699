#include "property/clinic_world.hpp"

#include <tuple>

namespace careteam::care::fixture {
namespace {

std::vector<std::string> ids_of(const clinic_plan& plan) {
  std::vector<std::string> ids;
  for (const auto& one : plan.patients) ids.push_back(one.id);
  return ids;
}

std::vector<std::string> names_of(const clinic_plan& plan) {
  std::vector<std::string> names;
  for (const auto& [id, duty] : plan.duties) names.push_back(id);
  return names;
}

}  // namespace

clinic_world::clinic_world(const clinic_plan& plan, std::uint64_t seed)
    : roll(seed), now(plan.start), staff(plan.staff), patients(ids_of(plan)), duties(names_of(plan)) {
  setting.safety_person = plan.safety_person;
  for (const auto& id : staff) enroll_one(id, v1::PERSON_KIND_STAFF, false);
  enroll_one(plan.safety_person, v1::PERSON_KIND_STAFF, false);
  enroll_one(administrator, v1::PERSON_KIND_STAFF, true);
  for (const auto& id : patients) enroll_one(id, v1::PERSON_KIND_PATIENT, false);
  for (const auto& one : plan.patients) open(one);
  for (const auto& [id, duty] : plan.duties) {
    records_.emplace(duty_record_key(id), driven_record(*new_record(duty_record_key(id)), {}));
    EXPECT_THAT(duty_does(id, person(administrator), define(0, duty)), accepted());
  }
  know_duties();
  for (const auto& one : plan.patients) {
    for (const auto& [id, role] : one.duties) {
      EXPECT_THAT(patient_does(one.id, person(administrator), add_duty(patient(one.id).team.version, id, role)), accepted());
    }
  }
}

outcome<facts> clinic_world::commit(const std::string& key, driven_record& record, const v1::Command& command, const actor& who,
                                    const std::vector<owed_item>& owed) {
  // The organisation's own state changes while its commands are applied.
  const auto known = key == record_key("") ? std::make_optional(people()) : std::nullopt;
  context with{now, known ? *known : people(), 0, 1'000'000, setting};
  with.owed = owed;
  auto done = record.submit(command, who, with);
  if (done && duty_of_key(key)) know_duties();
  if (done && index_) appoint(record);
  if (done && !done->empty() && committed) committed(key, *done);
  return done;
}

outcome<facts> clinic_world::patient_does(const std::string& id, const actor& who, const v1::Command& command) {
  return commit(record_key(id), records_.at(record_key(id)), command, who, {});
}

outcome<facts> clinic_world::duty_does(const std::string& id, const actor& who, v1::Command command) {
  command.set_duty_id(id);
  return commit(duty_record_key(id), records_.at(duty_record_key(id)), command, who, owed_by_duty(id));
}

outcome<facts> clinic_world::organization_does(const actor& who, const v1::Command& command) {
  return commit(record_key(""), organization_, command, who, {});
}

void clinic_world::suspend_or_reinstate(const std::string& id) {
  const auto command = people().active(id) ? suspend(id) : reinstate(id);
  EXPECT_THAT(organization_does(person(administrator), command), accepted());
}

std::vector<owed_item> clinic_world::owed_by_duty(const std::string& id) const {
  std::vector<owed_item> owed;
  const auto key = duty_key(id);
  for (const auto& one : patients) {
    for (const auto& row : rows_of(one)) {
      if (row.owner != key || (row.parts & row_part::answers) == 0) continue;
      owed.push_back({one, row.at, row.priority, row.breach, row.version});
    }
  }
  return owed;
}

const std::vector<obligation_row>& clinic_world::rows_of(const std::string& id) const {
  auto& known = rows_[id];
  const auto& state = patient(id);
  if (known.version != state.version) known = {state.version, obligation_rows(state)};
  return known.rows;
}

std::string clinic_world::accountable_for(const std::string& id, place at) const {
  const auto& state = patient(id);
  if (const auto* task = state.tasks.find(at)) return accountable(*task, at, around(id));
  const auto owed = obligations_of(*state.chat.message(at), at, {now, state.team, &people(), setting.duties});
  return owed.empty() ? std::string() : owed.front().accountable;
}

void clinic_world::crash() {
  for (auto& [key, one] : records_) {
    auto state = roll.percent(50) ? from_snapshot(to_snapshot(one.state())) : new_record(key);
    ASSERT_TRUE(state);
    for (std::size_t i = state->version; i < one.log().size(); ++i) apply(*state, one.log()[i]);
    ASSERT_TRUE(*state == one.state()) << key << " is another one after a restart";
    one = driven_record(std::move(*state), one.log());
  }
  know_duties();
}

std::optional<due_timer> clinic_world::next_due() const {
  const std::string* record = nullptr;
  const pending_timer* next = nullptr;
  for (const auto& [key, one] : records_) {
    for (const auto& [id, timer] : one.state().timers.pending()) {
      if (next != nullptr && timer.due >= next->due) continue;
      record = &key;
      next = &timer;
    }
  }
  return next == nullptr ? std::nullopt : std::make_optional(due_timer{*record, *next});
}

void clinic_world::fire(const due_timer& due) {
  v1::Command command;
  ASSERT_TRUE(command.ParseFromString(due.timer.command));
  const auto duty = duty_of_key(due.record);
  const auto done = duty ? duty_does(*duty, the_system(), command) : commit(due.record, records_.at(due.record), command, the_system(), {});
  ASSERT_THAT(done, accepted()) << command.DebugString();
  ASSERT_FALSE(done->empty()) << due.record << " " << due.timer.id << " fired without effect";
  const auto& pending = record(due.record).state().timers.pending();
  const auto left = pending.find(due.timer.id);
  ASSERT_TRUE(left == pending.end() || left->second.version > due.timer.version) << due.record << " " << due.timer.id << " fires again";
}

void clinic_world::fire_due() {
  constexpr int without_end = 20'000;
  for (int fired = 0; !::testing::Test::HasFatalFailure(); ++fired) {
    const auto next = next_due();
    if (!next || next->timer.due > now) return;
    fire(*next);
    ASSERT_LT(fired, without_end) << next->record << " fires without end";
  }
}

void clinic_world::enroll_one(const std::string& id, v1::PersonKind kind, bool administers) {
  EXPECT_THAT(organization_does(the_system(), enroll(id, id, kind, administers)), accepted());
}

void clinic_world::open(const clinic_plan::patient& one) {
  records_.emplace(record_key(one.id), driven_record(one.id));
  const auto does = [&](const v1::Command& command) { EXPECT_THAT(patient_does(one.id, person(administrator), command), accepted()); };
  const auto version = [&] { return patient(one.id).team.version; };
  does(open_record(one.id));
  does(add_member(version(), one.id, v1::ROLE_PATIENT));
  for (const auto& [id, role] : one.team) does(add_member(version(), id, role));
  does(assign_attending(version(), one.attending));
}

void clinic_world::know_duties() {
  index_ = std::make_unique<duty_index>(people(), setting.safety_person);
  for (const auto& id : duties) {
    if (records_.contains(duty_record_key(id))) index_->put(duty(id));
  }
  setting.duties = index_.get();
  for (const auto& id : patients) appoint(records_.at(record_key(id)));
}

std::optional<attempt> next_handoff_step(const clinic_world& in, const std::string& id) {
  const auto& duty = in.duty(id);
  if (!duty.handoff) return std::nullopt;
  const auto& handoff = *duty.handoff;
  const auto by_sender = [&](v1::Command command) { return attempt{person(handoff.from), std::move(command)}; };
  const auto by_receiver = [&](v1::Command command) { return attempt{person(handoff.to), std::move(command)}; };
  auto list = owed_by_place(in.owed_by_duty(id));
  std::erase_if(list, [&](const auto& one) { return duty.apart.contains(one.second.patient_id); });
  const auto missing = not_described(handoff, list);
  const bool begun = handoff.stage != handoff_stage::draft && handoff.stage != handoff_stage::requested;
  if (begun && hash_of(list) != handoff.owed_hash) return by_receiver(show_delta(handoff.seq));
  if (!missing.empty() && (begun || handoff.stage == handoff_stage::draft)) {
    return by_sender(describe(handoff.seq, missing[0], v1::HandoffNote::SEVERITY_WATCHER));
  }
  switch (handoff.stage) {
    case handoff_stage::draft:
      return by_sender(offer(handoff.seq));
    case handoff_stage::requested:
      return by_receiver(open_handoff(handoff.seq));
    case handoff_stage::received:
      return by_receiver(take_handoff(handoff.seq));
    case handoff_stage::accepted:
      for (const auto& [patient, said] : handoff.patients) {
        if (!said.synthesized && !said.declined) return by_receiver(synthesize(handoff.seq, patient, top_action(handoff.owed, patient)));
      }
      return std::nullopt;
    case handoff_stage::in_progress:
      return by_sender(confirm(handoff.seq));
  }
  return std::nullopt;
}

}  // namespace careteam::care::fixture
