#include "command_generator.hpp"

#include <cstdlib>

#include "care/content.hpp"

namespace careteam::care::fixture {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// The seq that an acknowledgement must name: the latest revision of a message; 0: the original.
std::uint64_t latest_revision(const rosas_record& ward, v1::Stream stream, std::uint64_t seq) {
  std::uint64_t revision = 0;
  for (const auto& entry : ward.record.log()) {
    if (entry.stream() == stream && about(entry) == seq && (entry.has_message_edited() || entry.has_message_corrected()))
      revision = entry.seq();
  }
  return revision;
}

}  // namespace

std::uint64_t chosen_seed() {
  std::random_device entropy;
  return number_from("CARETEAM_SEED", entropy());
}

std::size_t chosen_steps(std::size_t usual) {
  return number_from("CARETEAM_STEPS", usual);
}

const std::vector<std::string>& command_generator::cast() {
  static const std::vector<std::string> people = {"rosa", "mei",  "luis",  "eva",  "rao", "okafor", "nina", "tom",  "claire", "omar",
                                                  "sam",  "dana", "weiss", "lang", "kim", "irene",  "hub",  "alex", "grace",  "ghost"};
  return people;
}

void command_generator::prepare(rosas_record& ward) {
  ward.usual_team();
  ward.enrolled("mei", v1::PERSON_KIND_PATIENT);
  ward.enrolled("luis", v1::PERSON_KIND_RELATED);
  ward.enrolled("eva", v1::PERSON_KIND_RELATED);
  for (const auto* id : {"okafor", "tom", "lang", "kim", "irene"}) ward.enrolled(id, v1::PERSON_KIND_STAFF);
  ward.enrolled("hub", v1::PERSON_KIND_SERVICE);
  ward.enrolled("grace", v1::PERSON_KIND_STAFF, true);
  ward.join("luis", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED, v1::SCOPE_POST_SHARED});
  ward.join("eva", v1::ROLE_CAREGIVER, {v1::SCOPE_READ_SHARED, v1::SCOPE_POST_SHARED, v1::SCOPE_ACKNOWLEDGE});
  ward.join("grace", v1::ROLE_ONCOLOGY_NURSE, {v1::SCOPE_MANAGE_TEAM});
  ward.join("irene", v1::ROLE_PRIVACY_OFFICER);
}

std::string command_generator::words(v1::Stream stream) {
  const std::string number = std::to_string(++said_);
  return stream == shared ? "said openly " + number : std::string(hidden_mark) + number;
}

v1::Content command_generator::form(const std::string& said) {
  v1::Content content;
  switch (dice_.below(6)) {
    case 0:
      content.mutable_sbar()->set_situation(said);
      content.mutable_sbar()->set_background(said);
      content.mutable_sbar()->set_assessment(said);
      if (dice_.percent(80)) content.mutable_sbar()->set_recommendation(said);
      break;
    case 1:
      content.mutable_critical_result()->set_test(said);
      content.mutable_critical_result()->set_value("0.72");
      if (dice_.percent(30))
        content.mutable_critical_result()->mutable_resulted_at()->set_seconds(static_cast<std::int64_t>(dice_.below(1ULL << 40)));
      break;
    case 2:
      content.mutable_question()->set_question(said);
      break;
    case 3:
      content.mutable_symptom_report()->add_items()->set_term(said);
      content.mutable_symptom_report()->mutable_items(0)->set_severity(static_cast<std::uint32_t>(dice_.below(7)));
      break;
    case 4:
      content.mutable_handoff_note()->set_summary(said);
      content.mutable_handoff_note()->set_severity(static_cast<v1::HandoffNote::Severity>(dice_.below(4)));
      break;
    default:
      content.mutable_plan_notice()->set_plan_version(8);
      break;
  }
  return content;
}

v1::Content command_generator::content(v1::Stream stream) {
  const auto said = words(stream);
  if (dice_.percent(2)) return {};
  if (dice_.percent(2)) return text(said + std::string(max_content_bytes, 'x'));
  if (dice_.percent(2)) return text(" ");
  return dice_.percent(25) ? form(said) : text(said);
}

std::uint64_t command_generator::guess(const rosas_record& ward, v1::Stream stream) {
  const auto head = v1::Stream_IsValid(stream) ? ward.record.state().stream(stream).head : 0;
  if (dice_.percent(5)) return head + 1 + dice_.below(3);
  if (dice_.percent(3)) return dice_.below(2) == 0 ? 0 : UINT64_MAX;
  // Mostly what was said lately, as people do.
  const auto reach = dice_.percent(70) ? std::min<std::uint64_t>(head, 12) : head;
  return reach == 0 ? 1 : head - dice_.below(reach);
}

std::uint64_t command_generator::one_of(const rosas_record& ward, v1::Stream stream, v1::Entry::FactCase fact) {
  if (dice_.percent(15)) return guess(ward, stream);
  std::vector<std::uint64_t> seqs;
  for (auto entry = ward.record.log().rbegin(); entry != ward.record.log().rend() && seqs.size() < 12; ++entry) {
    if (entry->stream() == stream && entry->fact_case() == fact) seqs.push_back(entry->seq());
  }
  return seqs.empty() ? guess(ward, stream) : dice_.of(seqs);
}

v1::Role command_generator::role() {
  return static_cast<v1::Role>(dice_.below(v1::Role_ARRAYSIZE + 1));
}

message command_generator::post_something(const rosas_record& ward, v1::Stream stream) {
  message said(stream, content(stream));
  said.priority(static_cast<v1::Priority>(dice_.below(v1::Priority_ARRAYSIZE)));
  const auto readers = audience(ward.team(), stream, ward.now);
  const auto team = ward.team().at(ward.now);
  for (std::size_t mentions = dice_.below(4); mentions > 0; --mentions) {
    // Mostly people and roles that are there: a mention that is refused says nothing about what follows from one.
    if (dice_.percent(60)) {
      said.to(readers.empty() || dice_.percent(10) ? dice_.of(cast()) : dice_.of(readers));
    } else if (dice_.percent(30)) {
      said.to_duty(dice_.of(duty_names()));
    } else {
      said.to(team.empty() || dice_.percent(10) ? role() : dice_.of(team)->role);
    }
  }
  if (dice_.percent(2)) {
    for (int i = 0; i < max_mentions; ++i) said.to("nina");
  }
  if (dice_.percent(2)) said.raw().add_mentions();
  if (dice_.percent(10)) said.in_thread(guess(ward, stream));
  if (dice_.percent(30)) said.in_thread(open_one(ward.chat().open_threads, ward, stream));
  if (dice_.percent(10)) said.answering(one_of(ward, stream, v1::Entry::kMessagePosted));
  if (dice_.percent(10)) {
    const auto origin = static_cast<v1::Stream>(dice_.below(v1::Stream_ARRAYSIZE));
    said.passing_on(origin, guess(ward, origin), dice_.percent(95) ? "rosa" : "mei");
  }
  if (dice_.percent(2)) said.raw().mutable_imported()->set_source("Communication/example");
  return said;
}

v1::Command command_generator::chat(const rosas_record& ward, v1::Stream stream) {
  const auto seq = one_of(ward, stream, v1::Entry::kMessagePosted);
  const std::string reason = dice_.percent(95) ? words(stream) : "";
  switch (dice_.below(20)) {
    case 0:
    case 1: {
      auto command = edit(stream, seq);
      *command.mutable_edit_message()->mutable_content() = content(stream);
      return command;
    }
    case 2:
    case 3: {
      auto command = correct(stream, seq, "", reason);
      *command.mutable_correct_message()->mutable_content() = content(stream);
      return command;
    }
    case 4:
      return retract(stream, seq, reason);
    case 5:
    case 6:
      return acknowledge(stream, seq, dice_.percent(90) ? latest_revision(ward, stream, seq) : guess(ward, stream));
    case 7:
    case 8: {
      const auto owed = open_one(ward.chat().open_messages, ward, stream);
      return acknowledge(stream, owed, latest_revision(ward, stream, owed));
    }
    case 9:
      return resolve_thread(stream, open_one(ward.chat().open_threads, ward, stream));
    case 10:
      return open_thread(stream, reason, dice_.percent(70) ? "" : dice_.of(cast()));
    case 11:
      return resolve_thread(stream, one_of(ward, stream, v1::Entry::kThreadOpened));
    case 12:
      return reopen_thread(stream, one_of(ward, stream, v1::Entry::kThreadOpened), reason);
    default:
      return post_something(ward, stream);
  }
}

v1::Role command_generator::fitting(v1::PersonKind kind) {
  switch (kind) {
    case v1::PERSON_KIND_PATIENT:
      return v1::ROLE_PATIENT;
    case v1::PERSON_KIND_RELATED:
      return v1::ROLE_CAREGIVER;
    case v1::PERSON_KIND_SERVICE:
      return v1::ROLE_INTEGRATION;
    default:
      return static_cast<v1::Role>(1 + dice_.below(v1::ROLE_PALLIATIVE_CARE));
  }
}

v1::Command command_generator::with_period(const rosas_record& ward, v1::Command command) {
  if (dice_.percent(30)) command = from(std::move(command), ward.now + 1s * static_cast<long>(dice_.below(40'000)) - 2000s);
  if (dice_.percent(40)) command = until(std::move(command), ward.now + 1s * static_cast<long>(dice_.below(400'000)) - 1000s);
  if (dice_.percent(2)) command.mutable_add_member()->mutable_period()->mutable_end()->set_seconds(INT64_MAX);
  return command;
}

v1::Command command_generator::invitation(const rosas_record& ward, const std::string& id, const std::string& reason) {
  v1::Command command;
  for (const auto* m : ward.team().at(ward.now)) {
    if (!m->invited || dice_.percent(20)) continue;
    auto& asked = *command.mutable_renew_invitation();
    asked.set_expected_roster_version(ward.roster_version());
    asked.set_person_id(m->person_id);
    asked.set_role(m->role);
    asked.set_reason(reason);
    if (dice_.percent(30)) set_timestamp(*asked.mutable_until(), ward.now + 1s * static_cast<long>(dice_.below(3'000'000)));
    return command;
  }
  auto& asked = *command.mutable_invite_consultant();
  asked.set_expected_roster_version(ward.roster_version());
  asked.set_person_id(id);
  asked.set_role(fitting(v1::PERSON_KIND_STAFF));
  asked.set_reason(reason);
  if (dice_.percent(90)) asked.add_streams(dice_.of(std::vector{shared, clinical, clinical, support}));
  asked.set_history(static_cast<v1::History>(dice_.below(v1::History_ARRAYSIZE)));
  if (dice_.percent(50)) set_timestamp(*asked.mutable_until(), ward.now + 1s * static_cast<long>(dice_.below(300'000)));
  return command;
}

v1::Command command_generator::roster(const rosas_record& ward) {
  const auto version = dice_.percent(85) ? ward.roster_version() : dice_.below(ward.roster_version() + 2);
  const std::string reason = std::string(hidden_mark) + "reason";
  // Half of the time about somebody who is on the team, so that memberships also end and change.
  std::string id = dice_.of(cast());
  v1::Role of = role();
  if (const auto team = ward.team().at(ward.now); !team.empty() && dice_.percent(50)) {
    const auto* m = team[dice_.below(team.size())];
    id = m->person_id;
    of = m->role;
  }
  // A small team grows, so that there are always people who talk.
  const auto size = ward.team().at(ward.now).size();
  if (dice_.percent(16)) return invitation(ward, id, reason);
  switch (dice_.below(size < 10 ? 24 : 8)) {
    case 0: {
      auto command = end_member(version, id, of);
      command.mutable_end_member()->set_reason(reason);
      if (dice_.percent(40)) command = until(std::move(command), ward.now + 1s * static_cast<long>(dice_.below(20'000)) - 500s);
      return command;
    }
    case 2: {
      auto command = change_role(version, id, of, role());
      command.mutable_change_role()->set_reason(reason);
      return command;
    }
    case 3:
      return assign_attending(version, id);
    case 4:
      return assign_attending(version, "rao");
    case 5:
      for (const auto* m : ward.team().at(ward.now)) {
        if (m->role == v1::ROLE_MEDICAL_ONCOLOGIST && dice_.percent(50)) id = m->person_id;
      }
      return assign_attending(version, id);
    default: {
      const auto* known = ward.people.state().organization.find(id);
      if (known && dice_.percent(80)) of = fitting(known->kind);
      auto command = with_period(ward, add_member(version, id, of));
      auto& asked = *command.mutable_add_member();
      asked.set_reason(reason);
      for (std::size_t scopes = dice_.percent(60) ? 0 : dice_.below(4); scopes > 0; --scopes) {
        asked.add_scopes(static_cast<v1::Scope>(dice_.below(v1::Scope_ARRAYSIZE)));
      }
      return command;
    }
  }
}

v1::Command command_generator::people(const rosas_record& ward) {
  std::string id = dice_.of(cast());
  switch (dice_.below(5)) {
    case 0:
      return suspend(id);
    case 3:
      return revoke_sessions(id);
    case 1:
    case 2:
      for (const auto& [person_id, one] : ward.people.state().organization.people) {
        if (one.suspended && dice_.percent(50)) id = person_id;
      }
      return reinstate(id);
    default: {
      const auto* known = ward.people.state().organization.find(id);
      auto command = enroll(id, "Name of " + id + " " + std::to_string(dice_.below(3)), known ? known->kind : v1::PERSON_KIND_STAFF,
                            known && known->administrator);
      // A death is taken back more often than it is told of, so that there is somebody to speak of.
      if (dice_.percent(50)) command.mutable_enroll_person()->set_deceased(dice_.percent(20));
      return command;
    }
  }
}

actor command_generator::somebody(const rosas_record& ward, v1::Stream stream) {
  if (dice_.percent(1)) return the_system();
  std::string id = dice_.of(cast());
  if (const auto readers = audience(ward.team(), stream, ward.now); !readers.empty() && dice_.percent(85)) id = dice_.of(readers);
  return acting(ward, std::move(id));
}

actor command_generator::acting(const rosas_record& ward, std::string id) {
  v1::Role chosen = v1::ROLE_UNSPECIFIED;
  std::vector<v1::Role> held;
  for (const auto* m : ward.team().at(ward.now)) {
    if (m->person_id == id) held.push_back(m->role);
  }
  if (!held.empty() && dice_.percent(90)) chosen = dice_.of(held);
  if (dice_.percent(5)) chosen = role();
  return person(std::move(id), chosen);
}

/// Only an author changes a message: mostly it is they who try.
void command_generator::by_the_author(const rosas_record& ward, attempt& tried) {
  const auto& command = tried.command;
  const place at = command.has_edit_message()      ? place{command.edit_message().stream(), command.edit_message().seq()}
                   : command.has_correct_message() ? place{command.correct_message().stream(), command.correct_message().seq()}
                   : command.has_retract_message() ? place{command.retract_message().stream(), command.retract_message().seq()}
                                                   : place{};
  if (at.seq == 0 || dice_.percent(15)) return;
  for (const auto& entry : ward.record.log()) {
    if (entry.stream() == at.stream && entry.seq() == at.seq) tried.who = person(entry.author().person_id(), entry.author().role());
  }
}

attempt command_generator::any(const rosas_record& ward) {
  auto stream = dice_.of(std::vector{shared, clinical, clinical, support});
  if (dice_.percent(3)) stream = static_cast<v1::Stream>(dice_.below(v1::Stream_ARRAYSIZE));
  if (dice_.percent(45)) return tasks(ward, stream);
  if (dice_.percent(6)) return protocol(ward, stream);
  attempt tried{somebody(ward, stream), {}};
  const auto roll = dice_.below(100);
  if (roll < 72) {
    tried.command = chat(ward, stream);
    by_the_author(ward, tried);
  } else if (roll < 94) {
    tried.command = roster(ward);
    // Mostly by somebody who may: otherwise the team would never change.
    if (dice_.percent(60)) tried.who = person("alex", v1::ROLE_ADMINISTRATOR);
    if (dice_.percent(10)) tried.who = person("rosa");
  } else if (roll < 97) {
    tried.command = view_roster();
  } else if (roll < 98) {
    tried.command = open_record("rosa");
  } else if (roll < 99) {
    tried.command = people(ward);  // On the wrong record.
  }
  return tried;
}

}  // namespace careteam::care::fixture
