// A duty's record with an organisation around it, and a small language to arrange it. Cast and clinic as in the acceptance scenarios: Nina
// on days, Tom on nights, Grace leads, in Chicago.
#pragma once

#include "care/duty_fallback.hpp"
#include "record_fixture.hpp"

namespace careteam::care::fixture {

/// A day of November 2026 (the 23rd is a Monday), this local time in Chicago (UTC-6).
constexpr instant chicago(int day, int hour, int minute = 0) {
  return instant{std::chrono::sys_days{std::chrono::year{2026} / 11 / 1} + std::chrono::days{day - 1} + std::chrono::hours{hour + 6} +
                 std::chrono::minutes{minute}};
}

v1::Period period(instant start, instant end);
v1::Duty nurses_duty();
v1::Command define(std::uint64_t version, const v1::Duty& duty);
v1::Command shift(std::uint64_t version, std::string_view id, std::string_view person, instant start, instant end);
v1::Command override_shift(std::uint64_t version, std::string_view id, std::string_view person, instant start, instant end);
/// Every day of the week, unless other days are named. An end that is not after the start is on the next day.
v1::Command rotation(std::uint64_t version, std::string_view id, std::initializer_list<std::string_view> people, int start_hour,
                     int end_hour, std::initializer_list<unsigned> weekdays = {1, 2, 3, 4, 5, 6, 7});
v1::Command remove_item(std::uint64_t version, std::string_view id);
/// A shift; with a day, a rotation's calendar week.
v1::RosterTurn turn(std::string_view item, std::string_view week = {});
v1::Command swap_turns(std::uint64_t version, std::string_view id, const v1::RosterTurn& one, const v1::RosterTurn& other);
v1::Command leave(std::uint64_t version, std::string_view id, std::string_view person, instant start, instant end);
v1::Command covered_by(v1::Command leave, std::string_view person, instant start, instant end);
v1::Command end_leave(std::uint64_t version, std::string_view id);
v1::Command force_take(std::string_view reason = "Nina was taken ill");
v1::Command prepare_handoff(std::string_view to = {});
v1::HandoffRef handoff_ref(std::uint64_t seq, std::uint64_t version = 0);
v1::Command describe(std::uint64_t seq, std::string_view patient, v1::HandoffNote::Severity severity);
v1::Command offer(std::uint64_t seq);
v1::Command open_handoff(std::uint64_t seq);
v1::Command take_handoff(std::uint64_t seq);
v1::Command decline_patient(std::uint64_t seq, std::string_view patient);
v1::Command return_patient(std::string_view patient, v1::HandoffNote::Severity severity);
/// With words, and the top action where one is given.
v1::Command take_back(std::string_view patient, const owed_item* top = nullptr);
v1::Command show_delta(std::uint64_t seq);
/// With words, and the top action where one is given.
v1::Command synthesize(std::uint64_t seq, std::string_view patient, const owed_item* top = nullptr);
v1::Command correct_synthesis(std::uint64_t seq, std::string_view patient);
v1::Command confirm(std::uint64_t seq);
v1::Command end_handoff(std::uint64_t seq);

class duty_ward : public ::testing::Test {
 public:
  duty_ward();

  outcome<facts> does(const actor& who, const v1::Command& command, std::string_view duty = "onc-rn");
  outcome<facts> does(const std::string& who, const v1::Command& command, std::string_view duty = "onc-rn") {
    return does(person(who), command, duty);
  }
  /// Must be accepted.
  facts good(const std::string& who, const v1::Command& command);
  outcome<facts> organization_does(const std::string& who, const v1::Command& command);
  /// Goes on to an instant, and fires on the way what is due, in order.
  void until(instant t);

  const duty_state& duty() const { return record.state().duty; }
  std::uint64_t version() const { return duty().roster_version; }
  const std::string& holder() const { return duty().holder; }
  std::uint64_t handoff() const { return duty().handoff ? duty().handoff->seq : 0; }
  /// Who answers for it; Ines is the organisation's safety person.
  duty_answer answers(instant t, std::string_view patient = {}) const;
  /// What the holder owes: without the patients for whom the lead answers.
  std::vector<owed_item> owed_by_holder() const;
  /// Whom the roster names.
  std::string rostered(instant t) const;
  std::vector<v1::Stream> readable(const std::string& id) const;
  /// All facts of a kind, in order.
  std::vector<v1::Entry> of_kind(v1::Entry::FactCase kind) const;
  /// Something is owed for a patient.
  owed_item owes(std::string_view patient, std::uint64_t seq, instant deadline);
  /// Nina's handoff to Tom at a stage: 0 none, then draft, requested, received, accepted, in progress.
  void at_stage(int stage);
  /// The record folded from nothing, and read from its snapshot, is the same.
  void check_replay() const;

  instant now = chicago(23, 8);
  std::vector<owed_item> owed;
  driven_record people;
  driven_record record;
  duty_standings others;
};

}  // namespace careteam::care::fixture
