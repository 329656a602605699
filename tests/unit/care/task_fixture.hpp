// The language in which tests speak about tasks. Shared with the property tests.
#pragma once

#include "care/task.hpp"
#include "record_fixture.hpp"

namespace careteam::care::fixture {

/// task("ANC 0.72").stat().to("nina")
class task {
 public:
  explicit task(std::string_view title = "Call the patient", v1::TaskKind kind = v1::TASK_KIND_CARE);
  task& priority(v1::Priority p);
  task& urgent() { return priority(v1::PRIORITY_URGENT); }
  task& asap() { return priority(v1::PRIORITY_ASAP); }
  task& stat() { return priority(v1::PRIORITY_STAT); }
  task& to(std::string_view person_id);
  task& to(v1::Role role);
  task& to_duty(std::string_view duty_id);
  task& then(std::string_view person_id);
  task& then(v1::Role role);
  task& then_duty(std::string_view duty_id);
  task& due(instant t);
  task& fact(std::string_view name, std::string_view value, std::string_view unit = {});
  task& read_back();
  task& output(std::string_view name);
  task& two_person();
  task& from_message(v1::Stream stream, std::uint64_t seq, std::string_view patient = "rosa");
  v1::TaskOrder& raw() { return order_; }
  const v1::TaskOrder& raw() const { return order_; }

 private:
  v1::TaskOrder order_;
};

v1::Command draft(v1::Stream stream, const task& order);
v1::Command request(v1::Stream stream, const task& order, std::uint64_t draft_seq = 0);
v1::Command instantiate(v1::Stream stream, const task& order);
v1::Command claim(place at);
v1::Command release(place at);
v1::Command accept(place at);
v1::Command reading_back(v1::Command accepting, std::string_view name, std::string_view value, std::string_view unit = {});
v1::Command decline(place at, std::string_view reason = "in clinic");
v1::Command start(place at);
v1::Command pause(place at, instant resume_at, std::string_view reason = "waits for the laboratory");
v1::Command resume(place at);
v1::Command complete(place at);
v1::Command with_output(v1::Command completing, std::string_view name, std::string_view value = "reached her");
v1::Command reopen(place at, std::string_view reason = "the number is missing");
v1::Command fail(place at, std::string_view reason = "no vein");
v1::Command cancel(place at, std::string_view reason = "plan changed");
v1::Command acknowledge_cancel(place at);
v1::Command offer(place at, std::string_view person_id, std::string_view reason = "going home");
v1::Command take_over(place at);
v1::Command mark_in_error(place at, std::string_view reason = "wrong patient");
v1::Command fire(place at, v1::TaskTimer timer, std::uint32_t level, std::uint64_t version);
/// The same command, naming the version that the client saw.
v1::Command seen_at(std::uint64_t version, v1::Command command);

/// A timer of a task: it fires as FireTaskTimer{task at `version`, kind, level} when it is due.
struct running_timer {
  place task;
  v1::TaskTimer kind = v1::TASK_TIMER_UNSPECIFIED;
  std::uint32_t level = 0;
  instant due{};
  std::uint64_t version = 0;
  bool operator==(const running_timer&) const = default;
};
/// Every running timer, by task and kind.
std::vector<running_timer> running_timers(const tasks_state& state);
/// Those of one task; none when nobody owes anything for it.
std::vector<running_timer> running_timers(const tasks_state& state, place task);

/// A status by FHIR's code; unspecified when there is none such.
v1::TaskStatus task_status(std::string_view code);

/// Duties as a clinic might have them: what the tests set.
class clinic_duties : public duty_directory {
 public:
  std::optional<duty_view> find(std::string_view duty_id, std::string_view patient_id, instant t) const override;
  std::vector<std::string> answered_by(std::string_view person, instant t) const override;
  std::optional<absence> absence_of(std::string_view person, instant t) const override;
  std::map<std::string, duty_view, std::less<>> held;
  std::map<std::string, absence, std::less<>> away;
};

/// Rosa's record with its usual team, a second nurse (tom), a duty `onc-rn` that nina holds, and grace as the safety person. At its end the
/// log must lead to the same state.
class task_ward : public ::testing::Test {
 protected:
  task_ward();
  void TearDown() override;

  /// Must be accepted; gives the task's place.
  place asks(const std::string& who, v1::Stream stream, const task& order);
  place asks(v1::Stream stream, const task& order) { return asks("rao", stream, order); }
  outcome<facts> does(const std::string& who, const v1::Command& command) { return ward.does(who, command); }
  /// Fires this timer as the host does when it is due; nothing to fire is a failure.
  outcome<facts> fires(place at, v1::TaskTimer timer);
  /// Fires whatever is due until t, in the order of the deadlines.
  void passes_until(instant t);

  const task_state& at(place where) const;
  v1::TaskStatus status(place where) const { return at(where).status; }
  std::string answers_for(place where) const { return accountable(at(where), where, ward.world()); }
  /// The task that follows another one; seq 0: none.
  place successor(place of, v1::TaskRule rule) const;
  const v1::Entry& last(v1::Stream stream) const { return ward.record.last(stream); }

  rosas_record ward;
  clinic_duties duties;
};

}  // namespace careteam::care::fixture
