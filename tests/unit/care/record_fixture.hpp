// A record driven as its host drives it, and a small language to arrange it: who is on the team, who says what.
// Shared with the property tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "care/acknowledgement.hpp"
#include "care/record.hpp"
#include "care/wellformed.hpp"

namespace careteam::care {

/// What a refusal tells a client, all of it, as one value to compare.
inline std::string told(const refusal& why) {
  return std::to_string(static_cast<int>(why.code)) + "|" + why.field + "|" + why.message + "|" + why.confirm_token + "|" +
         std::to_string(why.retry_after_ms);
}
template <class T>
std::string told(const outcome<T>& result) {
  return result ? "accepted" : told(result.error());
}
template <class T>
void PrintTo(const outcome<T>& result, std::ostream* os) {
  *os << told(result);
}

}  // namespace careteam::care

namespace careteam::care::fixture {

using namespace std::chrono_literals;

inline constexpr auto shared = v1::STREAM_SHARED;
inline constexpr auto clinical = v1::STREAM_CLINICAL;
inline constexpr auto support = v1::STREAM_SUPPORT;
inline constexpr auto audit = v1::STREAM_AUDIT;

/// Monday 23 November 2026, 10:42 UTC.
inline constexpr instant monday{std::chrono::sys_days{std::chrono::year{2026} / 11 / 23} + std::chrono::hours{10} +
                                std::chrono::minutes{42}};

inline actor person(std::string id, v1::Role acting = v1::ROLE_UNSPECIFIED) {
  return {std::move(id), acting, false};
}
inline actor the_system() {
  return {{}, v1::ROLE_UNSPECIFIED, true};
}

/// Matches an outcome that is a refusal with this code and field.
MATCHER_P2(refused_with, expected_code, field, "") {
  if (arg) {
    *result_listener << "was accepted";
    return false;
  }
  *result_listener << told(arg.error());
  return arg.error().code == expected_code && arg.error().field == field;
}

MATCHER(accepted, "") {
  if (!arg) *result_listener << told(arg.error());
  return static_cast<bool>(arg);
}

/// A host decides all waiting commands of a record as one batch, and forgets what it paged in after the last.
enum class batch { ends, goes_on };

/// One record between its commands and its log. Pages in from the log exactly what `references` asks for.
class driven_record {
 public:
  explicit driven_record(std::string patient_id = {}) : state_(std::move(patient_id)) {}
  driven_record(record_state from, std::vector<v1::Entry> log);

  /// Pages in, decides, applies what came out, forgets. A refusal changes nothing.
  outcome<facts> submit(const v1::Command& command, const actor& who, const context& with, batch after = batch::ends);
  /// Decides without any effect.
  outcome<facts> ask(const v1::Command& command, const actor& who, const context& with) const;
  /// Adds what the server itself writes.
  void append(facts entries, const v1::Author& author, instant now);
  /// Somebody else holds a duty.
  void appoint(const duty_directory& duties) { care::appoint(state_.team, duties); }

  const record_state& state() const { return state_; }
  const std::vector<v1::Entry>& log() const { return log_; }
  std::vector<v1::Entry> stream(v1::Stream s) const;
  const v1::Entry& last(v1::Stream s) const;

 private:
  void keep(const v1::Entry& entry);
  void page(record_state& state, const v1::Command& command) const;
  record_state state_;
  std::vector<v1::Entry> log_;
  std::map<place, std::vector<std::size_t>> about_;  ///< Where the log speaks about a place: the entry itself and what amends it.
};

/// The state that a log leads to, folded from nothing.
record_state folded(const std::string& patient_id, const std::vector<v1::Entry>& log);

// Commands, in the order in which one says them.
v1::Content text(std::string_view words);

/// post(clinical, "ANC 0.72").stat().to("rao")
class message {
 public:
  message(v1::Stream stream, std::string_view words) : message(stream, text(words)) {}
  message(v1::Stream stream, v1::Content content);
  message& priority(v1::Priority p);
  message& urgent() { return priority(v1::PRIORITY_URGENT); }
  message& asap() { return priority(v1::PRIORITY_ASAP); }
  message& stat() { return priority(v1::PRIORITY_STAT); }
  message& to(std::string_view person_id);
  message& to(v1::Role role);
  message& to_duty(std::string_view duty_id);
  message& in_thread(std::uint64_t seq);
  message& answering(std::uint64_t seq);
  message& passing_on(v1::Stream stream, std::uint64_t seq, std::string_view patient = "rosa");
  v1::PostMessage& raw() { return *command_.mutable_post_message(); }
  operator v1::Command() const { return command_; }  // NOLINT(google-explicit-constructor): reads as the command it is.

 private:
  v1::Command command_;
};
inline message post(v1::Stream stream, std::string_view words = "words") {
  return {stream, words};
}

v1::Command edit(v1::Stream stream, std::uint64_t seq, std::string_view words = "edited");
v1::Command correct(v1::Stream stream, std::uint64_t seq, std::string_view words = "corrected", std::string_view reason = "wrong dose");
v1::Command retract(v1::Stream stream, std::uint64_t seq, std::string_view reason = "wrong patient");
v1::Command acknowledge(v1::Stream stream, std::uint64_t seq, std::uint64_t revision_seq = 0);
v1::Command open_thread(v1::Stream stream, std::string_view title = "Fever", std::string_view owner = {});
v1::Command resolve_thread(v1::Stream stream, std::uint64_t seq);
v1::Command reopen_thread(v1::Stream stream, std::uint64_t seq, std::string_view reason = "came back");
v1::Command view_roster();
v1::Command open_record(std::string_view patient_id);
v1::Command enroll(std::string_view id, std::string_view name, v1::PersonKind kind, bool administrator = false);
v1::Command suspend(std::string_view id, std::string_view reason = "left the clinic");
v1::Command reinstate(std::string_view id, std::string_view reason = "came back");
v1::Command revoke_sessions(std::string_view id, std::string_view reason = "lost the phone");

/// Roster commands need the version that the client saw.
v1::Command add_member(std::uint64_t version, std::string_view id, v1::Role role, std::initializer_list<v1::Scope> scopes = {});
v1::Command add_duty(std::uint64_t version, std::string_view duty_id, v1::Role role, std::initializer_list<v1::Scope> scopes = {});
v1::Command end_member(std::uint64_t version, std::string_view id, v1::Role role);
v1::Command end_duty(std::uint64_t version, std::string_view duty_id, v1::Role role);
v1::Command change_role(std::uint64_t version, std::string_view id, v1::Role from, v1::Role to,
                        std::initializer_list<v1::Scope> scopes = {});
v1::Command assign_attending(std::uint64_t version, std::string_view id);
v1::Command from(v1::Command add, instant start);
v1::Command until(v1::Command add_or_end, instant end);

/// Rosa's record with an organisation around it. Cast as in the acceptance scenarios.
class rosas_record {
 public:
  rosas_record();

  /// Enrolls the person when unknown, and adds the membership from now on, as an administrator does.
  void join(const std::string& id, v1::Role role, std::initializer_list<v1::Scope> scopes = {});
  void join_until(const std::string& id, v1::Role role, instant end, std::initializer_list<v1::Scope> scopes = {});
  void enrolled(const std::string& id, v1::PersonKind kind, bool administrator = false);
  void leave(const std::string& id, v1::Role role);
  /// The usual team: rao (attending), nina, claire, omar, sam, dana, and rosa; weiss is a radiologist who was not invited.
  void usual_team();

  outcome<facts> does(const actor& who, const v1::Command& command) { return record.submit(command, who, now_context()); }
  outcome<facts> does(const std::string& who, const v1::Command& command) { return does(person(who), command); }
  /// Must be accepted; gives the seq of the first entry in the stream.
  std::uint64_t says(const std::string& who, const v1::Command& command);
  outcome<facts> organization_does(const std::string& who, const v1::Command& command);

  context now_context() const { return {now, people.state().organization, stat_in_last_hour, stat_per_hour, setting}; }
  std::uint64_t roster_version() const { return record.state().team.version; }
  const team_state& team() const { return record.state().team; }
  const chat_state& chat() const { return record.state().chat; }
  const tasks_state& tasks() const { return record.state().tasks; }
  task_world world() const { return {team(), people.state().organization, setting, now}; }
  std::vector<v1::Stream> readable(const std::string& id) const;
  std::vector<obligation> owed() const;

  instant now = monday;
  std::uint32_t stat_in_last_hour = 0;
  std::uint32_t stat_per_hour = 5;
  task_setting setting;
  driven_record people;
  driven_record record{"rosa"};
};

}  // namespace careteam::care::fixture
