// All duties of the organisation as the other records see them: who holds each, whom its roster names, who answers when neither does, and
// who is away (B4, B6, G7). Whoever hosts the duties keeps it: a copy per duty, replaced when one changes. Pure: time comes in, and no
// lookup of an answer fails.
#pragma once

#include "care/duty.hpp"
#include "care/task_policy.hpp"

namespace careteam::care {

class duty_index : public duty_directory {
 public:
  /// `people` must live longer. `safety_person` answers when nobody else does; empty: the first active administrator by id, so that a
  /// clinic which has named nobody yet is not without one.
  explicit duty_index(const organization_state& people, std::string safety_person = {});

  /// Takes the duty as it is now, in place of what was known of it. One that was not defined yet is none. Answers whether somebody else
  /// reads by it than before, or in another role.
  bool put(const duty_state& duty);
  std::size_t size() const { return duties_.size(); }

  /// Who answers for it, and how they were found: always a person, where the organisation has a safety person or an administrator who
  /// works. For a duty that there is not: the safety duty's ladder.
  duty_answer answer(std::string_view duty_id, std::string_view patient_id, instant t) const;
  /// By patient, who answers for what the duty owes for them alone.
  std::map<std::string, std::string> apart(std::string_view duty_id) const;

  std::optional<duty_view> find(std::string_view duty_id, std::string_view patient_id, instant t) const override;
  std::vector<std::string> answered_by(std::string_view person, instant t) const override;
  std::optional<absence> absence_of(std::string_view person, instant t) const override;
  std::optional<duty_appointment> appointment(std::string_view duty_id, std::string_view patient_id) const override;
  /// The duties by which this person reads: those that they hold, if only for one patient, handed over or are on leave from.
  std::vector<std::string> read_by(std::string_view person) const;

 private:
  std::string last_resort() const;

  struct appointed {
    duty_appointment usual;
    std::map<std::string, duty_appointment, std::less<>> apart;  ///< By patient, where somebody else has the duty for them.
    bool operator==(const appointed&) const = default;
  };
  const organization_state& people_;
  roster_people working_;
  std::string safety_person_;
  duty_standings duties_;
  std::map<std::string, appointed, std::less<>> appointments_;
};

}  // namespace careteam::care
