// An organisation with duties, patients and people, all its records around one clock, driven as their hosts drive them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "care/duty_index.hpp"
#include "care/worklist.hpp"
#include "property/command_generator.hpp"
#include "unit/care/duty_fixture.hpp"

namespace careteam::care::fixture {

inline const std::string administrator = "alex";

/// Who there is, which duties they have and whom they care for. The administrator and the safety person come by themselves.
struct clinic_plan {
  struct patient {
    std::string id;
    std::vector<std::pair<std::string, v1::Role>> team;
    std::string attending;  ///< One of the team.
    /// On the team are, too: whoever holds a duty in a role.
    std::vector<std::pair<std::string, v1::Role>> duties = {};
  };
  instant start{};
  std::vector<std::string> staff;
  std::string safety_person;
  std::vector<std::pair<std::string, v1::Duty>> duties;  ///< In the order in which they are defined.
  std::vector<patient> patients;
};

/// A timer of a record.
struct due_timer {
  std::string record;
  pending_timer timer;
};

class clinic_world {
 public:
  clinic_world(const clinic_plan& plan, std::uint64_t seed);

  const std::map<std::string, driven_record>& records() const { return records_; }
  const driven_record& record(const std::string& key) const { return records_.at(key); }
  const record_state& patient(const std::string& id) const { return record(record_key(id)).state(); }
  const duty_state& duty(const std::string& id) const { return record(duty_record_key(id)).state().duty; }
  const organization_state& people() const { return organization_.state().organization; }
  const driven_record& organization() const { return organization_; }
  task_world around(const std::string& id) const { return {patient(id).team, people(), setting, now}; }

  outcome<facts> patient_does(const std::string& id, const actor& who, const v1::Command& command);
  outcome<facts> duty_does(const std::string& id, const actor& who, v1::Command command);
  outcome<facts> organization_does(const actor& who, const v1::Command& command);
  void suspend_or_reinstate(const std::string& person);

  /// What the rows of the worklist say that the duty owes (HO1): what the store gives to the duty's host.
  std::vector<owed_item> owed_by_duty(const std::string& id) const;
  /// The one person who answers for an open obligation. A message's first that is not answered stands for all of its own.
  std::string accountable_for(const std::string& patient, place at) const;

  /// The process dies: what was in memory comes back from a snapshot, or from the log alone.
  void crash();
  /// The timer that is due first; of several the first by record and name.
  std::optional<due_timer> next_due() const;
  /// Fires it as the server does. It must have an effect, and be gone or moved on afterwards.
  void fire(const due_timer& due);
  /// Fires all that are due by now, in the order of their deadlines.
  void fire_due();

  dice roll;
  instant now{};
  task_setting setting;
  const std::vector<std::string> staff, patients, duties;
  /// Told of what each commit wrote, after it.
  std::function<void(const std::string& record, const facts& entries)> committed;

 private:
  outcome<facts> commit(const std::string& key, driven_record& record, const v1::Command& command, const actor& who,
                        const std::vector<owed_item>& owed);
  void enroll_one(const std::string& id, v1::PersonKind kind, bool administers);
  void open(const clinic_plan::patient& patient);
  void know_duties();
  void appoint(driven_record& record) { record.appoint(*index_); }
  const std::vector<obligation_row>& rows_of(const std::string& patient) const;

  struct known_rows {
    std::uint64_t version = 0;
    std::vector<obligation_row> rows;
  };
  driven_record organization_;
  std::map<std::string, driven_record> records_;
  std::unique_ptr<duty_index> index_;
  mutable std::map<std::string, known_rows> rows_;  ///< They follow from the entries: as long as none comes, they stay.
};

/// What a handoff waits for, and by whom it is waited for; nothing: there is none, or it waits for a confirmation that is under way.
std::optional<attempt> next_handoff_step(const clinic_world& in, const std::string& duty);

}  // namespace careteam::care::fixture
