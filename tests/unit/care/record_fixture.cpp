#include "record_fixture.hpp"

namespace careteam::care::fixture {

driven_record::driven_record(record_state from, std::vector<v1::Entry> log) : state_(std::move(from)) {
  for (const auto& entry : log) keep(entry);
}

void driven_record::keep(const v1::Entry& entry) {
  about_[{entry.stream(), entry.seq()}].push_back(log_.size());
  if (const auto seq = about(entry); seq != 0) about_[{entry.stream(), seq}].push_back(log_.size());
  log_.push_back(entry);
}

void driven_record::page(record_state& state, const v1::Command& command) const {
  for (const place& at : references(state, command)) {
    std::vector<v1::Entry> entries;
    if (const auto found = about_.find(at); found != about_.end()) {
      for (const auto index : found->second) entries.push_back(log_[index]);
    }
    page_in(state, at, entries);
  }
}

outcome<facts> driven_record::submit(const v1::Command& command, const actor& who, const context& with, batch after) {
  page(state_, command);
  auto decided = decide(state_, command, who, with);
  if (decided) {
    for (const auto& entry : *decided) {
      apply(state_, entry);
      keep(entry);
    }
  }
  if (after == batch::ends) forget_settled(state_);
  return decided;
}

outcome<facts> driven_record::ask(const v1::Command& command, const actor& who, const context& with) const {
  record_state copy = state_;
  page(copy, command);
  return decide(copy, command, who, with);
}

void driven_record::append(facts entries, const v1::Author& author, instant now) {
  stamp(state_, entries, author, now);
  for (const auto& entry : entries) {
    apply(state_, entry);
    keep(entry);
  }
  forget_settled(state_);
}

std::vector<v1::Entry> driven_record::stream(v1::Stream s) const {
  std::vector<v1::Entry> result;
  for (const auto& entry : log_) {
    if (entry.stream() == s) result.push_back(entry);
  }
  return result;
}

const v1::Entry& driven_record::last(v1::Stream s) const {
  for (auto entry = log_.rbegin(); entry != log_.rend(); ++entry) {
    if (entry->stream() == s) return *entry;
  }
  static const v1::Entry none;
  ADD_FAILURE() << "the stream is empty";
  return none;
}

record_state folded(const std::string& patient_id, const std::vector<v1::Entry>& log) {
  record_state state(patient_id);
  for (const auto& entry : log) apply(state, entry);
  forget_settled(state);
  return state;
}

v1::Content text(std::string_view words) {
  v1::Content content;
  content.set_text(std::string(words));
  return content;
}

message::message(v1::Stream stream, v1::Content content) {
  raw().set_stream(stream);
  *raw().mutable_content() = std::move(content);
}

message& message::priority(v1::Priority p) {
  raw().set_priority(p);
  return *this;
}

message& message::to(std::string_view person_id) {
  raw().add_mentions()->set_person_id(std::string(person_id));
  return *this;
}

message& message::to(v1::Role role) {
  raw().add_mentions()->set_role(role);
  return *this;
}

message& message::to_duty(std::string_view duty_id) {
  raw().add_mentions()->set_duty_id(std::string(duty_id));
  return *this;
}

message& message::in_thread(std::uint64_t seq) {
  raw().set_thread_seq(seq);
  return *this;
}

message& message::answering(std::uint64_t seq) {
  raw().set_reply_to_seq(seq);
  return *this;
}

message& message::passing_on(v1::Stream stream, std::uint64_t seq, std::string_view patient) {
  auto& origin = *raw().mutable_forwarded_from();
  origin.set_patient_id(std::string(patient));
  origin.set_stream(stream);
  origin.set_seq(seq);
  return *this;
}

v1::Command edit(v1::Stream stream, std::uint64_t seq, std::string_view words) {
  v1::Command command;
  auto& asked = *command.mutable_edit_message();
  asked.set_stream(stream);
  asked.set_seq(seq);
  *asked.mutable_content() = text(words);
  return command;
}

v1::Command correct(v1::Stream stream, std::uint64_t seq, std::string_view words, std::string_view reason) {
  v1::Command command;
  auto& asked = *command.mutable_correct_message();
  asked.set_stream(stream);
  asked.set_seq(seq);
  *asked.mutable_content() = text(words);
  asked.set_reason(std::string(reason));
  return command;
}

v1::Command retract(v1::Stream stream, std::uint64_t seq, std::string_view reason) {
  v1::Command command;
  auto& asked = *command.mutable_retract_message();
  asked.set_stream(stream);
  asked.set_seq(seq);
  asked.set_reason(std::string(reason));
  return command;
}

v1::Command acknowledge(v1::Stream stream, std::uint64_t seq, std::uint64_t revision_seq) {
  v1::Command command;
  auto& asked = *command.mutable_acknowledge_message();
  asked.set_stream(stream);
  asked.set_seq(seq);
  asked.set_revision_seq(revision_seq);
  return command;
}

v1::Command open_thread(v1::Stream stream, std::string_view title, std::string_view owner) {
  v1::Command command;
  auto& asked = *command.mutable_open_thread();
  asked.set_stream(stream);
  asked.set_title(std::string(title));
  asked.set_owner_person_id(std::string(owner));
  return command;
}

v1::Command resolve_thread(v1::Stream stream, std::uint64_t seq) {
  v1::Command command;
  auto& asked = *command.mutable_resolve_thread();
  asked.set_stream(stream);
  asked.set_seq(seq);
  return command;
}

v1::Command reopen_thread(v1::Stream stream, std::uint64_t seq, std::string_view reason) {
  v1::Command command;
  auto& asked = *command.mutable_reopen_thread();
  asked.set_stream(stream);
  asked.set_seq(seq);
  asked.set_reason(std::string(reason));
  return command;
}

v1::Command view_roster() {
  v1::Command command;
  command.mutable_view_roster();
  return command;
}

v1::Command open_record(std::string_view patient_id) {
  v1::Command command;
  command.set_patient_id(std::string(patient_id));
  command.mutable_open_record();
  return command;
}

v1::Command enroll(std::string_view id, std::string_view name, v1::PersonKind kind, bool administrator) {
  v1::Command command;
  auto& asked = *command.mutable_enroll_person();
  asked.set_person_id(std::string(id));
  asked.set_name(std::string(name));
  asked.set_kind(kind);
  asked.set_reach("555-0100");
  asked.set_hours("Mon-Fri 8-17");
  if (administrator) asked.add_roles(v1::ROLE_ADMINISTRATOR);
  return command;
}

v1::Command suspend(std::string_view id, std::string_view reason) {
  v1::Command command;
  command.mutable_suspend_person()->set_person_id(std::string(id));
  command.mutable_suspend_person()->set_reason(std::string(reason));
  return command;
}

v1::Command reinstate(std::string_view id, std::string_view reason) {
  v1::Command command;
  command.mutable_reinstate_person()->set_person_id(std::string(id));
  command.mutable_reinstate_person()->set_reason(std::string(reason));
  return command;
}

v1::Command revoke_sessions(std::string_view id, std::string_view reason) {
  v1::Command command;
  command.mutable_revoke_sessions()->set_person_id(std::string(id));
  command.mutable_revoke_sessions()->set_reason(std::string(reason));
  return command;
}

v1::Command add_member(std::uint64_t version, std::string_view id, v1::Role role, std::initializer_list<v1::Scope> scopes) {
  v1::Command command;
  auto& asked = *command.mutable_add_member();
  asked.set_expected_roster_version(version);
  asked.set_person_id(std::string(id));
  asked.set_role(role);
  for (const auto scope : scopes) asked.add_scopes(scope);
  return command;
}

v1::Command add_duty(std::uint64_t version, std::string_view duty_id, v1::Role role, std::initializer_list<v1::Scope> scopes) {
  auto command = add_member(version, {}, role, scopes);
  command.mutable_add_member()->set_duty_id(std::string(duty_id));
  return command;
}

v1::Command end_member(std::uint64_t version, std::string_view id, v1::Role role) {
  v1::Command command;
  auto& asked = *command.mutable_end_member();
  asked.set_expected_roster_version(version);
  asked.set_person_id(std::string(id));
  asked.set_role(role);
  asked.set_reason("left the team");
  return command;
}

v1::Command end_duty(std::uint64_t version, std::string_view duty_id, v1::Role role) {
  auto command = end_member(version, {}, role);
  command.mutable_end_member()->set_duty_id(std::string(duty_id));
  return command;
}

v1::Command change_role(std::uint64_t version, std::string_view id, v1::Role from, v1::Role to, std::initializer_list<v1::Scope> scopes) {
  v1::Command command;
  auto& asked = *command.mutable_change_role();
  asked.set_expected_roster_version(version);
  asked.set_person_id(std::string(id));
  asked.set_from_role(from);
  asked.set_to_role(to);
  for (const auto scope : scopes) asked.add_scopes(scope);
  asked.set_reason("new position");
  return command;
}

v1::Command assign_attending(std::uint64_t version, std::string_view id) {
  v1::Command command;
  command.mutable_assign_attending()->set_expected_roster_version(version);
  command.mutable_assign_attending()->set_person_id(std::string(id));
  return command;
}

v1::Command from(v1::Command add, instant start) {
  set_timestamp(*add.mutable_add_member()->mutable_period()->mutable_start(), start);
  return add;
}

v1::Command until(v1::Command add_or_end, instant end) {
  if (add_or_end.has_end_member()) {
    set_timestamp(*add_or_end.mutable_end_member()->mutable_end(), end);
  } else {
    set_timestamp(*add_or_end.mutable_add_member()->mutable_period()->mutable_end(), end);
  }
  return add_or_end;
}

namespace {

v1::PersonKind kind_for(v1::Role role) {
  switch (role) {
    case v1::ROLE_PATIENT:
      return v1::PERSON_KIND_PATIENT;
    case v1::ROLE_CAREGIVER:
      return v1::PERSON_KIND_RELATED;
    case v1::ROLE_INTEGRATION:
      return v1::PERSON_KIND_SERVICE;
    default:
      return v1::PERSON_KIND_STAFF;
  }
}

}  // namespace

rosas_record::rosas_record() {
  EXPECT_THAT(people.submit(enroll("alex", "Alex", v1::PERSON_KIND_STAFF, true), the_system(), now_context()), accepted());
  enrolled("rosa", v1::PERSON_KIND_PATIENT);
  EXPECT_THAT(does("alex", open_record("rosa")), accepted());
  join("rosa", v1::ROLE_PATIENT);
}

void rosas_record::enrolled(const std::string& id, v1::PersonKind kind, bool administrator) {
  EXPECT_THAT(organization_does("alex", enroll(id, "Name of " + id, kind, administrator)), accepted());
}

void rosas_record::join(const std::string& id, v1::Role role, std::initializer_list<v1::Scope> scopes) {
  if (!people.state().organization.find(id)) enrolled(id, kind_for(role));
  ASSERT_THAT(does("alex", add_member(roster_version(), id, role, scopes)), accepted());
}

void rosas_record::join_until(const std::string& id, v1::Role role, instant end, std::initializer_list<v1::Scope> scopes) {
  if (!people.state().organization.find(id)) enrolled(id, kind_for(role));
  ASSERT_THAT(does("alex", until(add_member(roster_version(), id, role, scopes), end)), accepted());
}

void rosas_record::leave(const std::string& id, v1::Role role) {
  ASSERT_THAT(does("alex", end_member(roster_version(), id, role)), accepted());
}

void rosas_record::usual_team() {
  join("rao", v1::ROLE_MEDICAL_ONCOLOGIST);
  join("nina", v1::ROLE_ONCOLOGY_NURSE);
  join("claire", v1::ROLE_NURSE_PRACTITIONER);
  join("omar", v1::ROLE_PHARMACIST);
  join("sam", v1::ROLE_SOCIAL_WORKER);
  join("dana", v1::ROLE_FINANCIAL_ADVISER);
  join("weiss", v1::ROLE_RADIOLOGIST);
  ASSERT_THAT(does("alex", assign_attending(roster_version(), "rao")), accepted());
}

std::uint64_t rosas_record::says(const std::string& who, const v1::Command& command) {
  const auto result = does(who, command);
  EXPECT_THAT(result, accepted());
  return result && !result->empty() ? result->front().seq() : 0;
}

outcome<facts> rosas_record::organization_does(const std::string& who, const v1::Command& command) {
  // The organisation decides on its own state before the command, as its host does.
  const organization_state before = people.state().organization;
  return people.submit(command, person(who), {now, before, 0, stat_per_hour});
}

std::vector<v1::Stream> rosas_record::readable(const std::string& id) const {
  return readable_streams(record.state(), people.state().organization, id, now);
}

std::vector<obligation> rosas_record::owed() const {
  return obligations(chat(), {now, team(), &people.state().organization, setting.duties});
}

}  // namespace careteam::care::fixture
