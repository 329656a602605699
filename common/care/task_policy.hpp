// The timer table of clinical tasks (`domain.md` section 3.1) as plain data that the clinic owns, and the organisation around a task: its
// duties and who answers when nobody does. All of it comes in; nothing is read from anywhere.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "care/time.hpp"
#include "careteam/v1/model.pb.h"

namespace careteam::care {

/// Adds working time to an instant. Whole days are working days, what is left are hours of work.
using working_time = std::function<instant(instant, std::chrono::microseconds)>;

/// The deadlines of one priority.
struct task_times {
  std::array<std::chrono::microseconds, 3> accept;  ///< How long L0, L1 and L2 of the ladder wait.
  std::chrono::microseconds decide;                 ///< How long a claimer may think.
  std::optional<std::chrono::microseconds> start;   ///< From accepting to starting; none: whenever.
  std::chrono::microseconds due;                    ///< From asking to done, where the order does not say.
};

inline constexpr std::uint32_t last_level = 2;  ///< L2; after it comes "no response".

struct task_policy {
  task_times stat{{std::chrono::minutes{5}, std::chrono::minutes{5}, std::chrono::minutes{5}},
                  std::chrono::minutes{2},
                  std::chrono::minutes{10},
                  std::chrono::minutes{30}};
  task_times asap{{std::chrono::minutes{15}, std::chrono::minutes{15}, std::chrono::minutes{15}},
                  std::chrono::minutes{5},
                  std::chrono::minutes{30},
                  std::chrono::hours{2}};
  task_times urgent{{std::chrono::minutes{60}, std::chrono::minutes{30}, std::chrono::minutes{30}},
                    std::chrono::minutes{15},
                    std::chrono::hours{4},
                    std::chrono::hours{8}};
  task_times routine{
      {std::chrono::days{1}, std::chrono::hours{4}, std::chrono::hours{4}}, std::chrono::hours{4}, std::nullopt, std::chrono::days{3}};
  std::chrono::microseconds confirm = std::chrono::hours{24};  ///< How long the requester may reopen (C4).
  /// For routine tasks (G8); all others run day and night. Without a calendar (`business_calendar`) all time is working time: a deadline
  /// then comes sooner than meant, never later.
  working_time business = [](instant t, std::chrono::microseconds for_) { return t + for_; };

  /// Unspecified is routine.
  const task_times& times(v1::Priority priority) const;
  /// `t` and so much later, in the calendar of the priority.
  instant after(v1::Priority priority, instant t, std::chrono::microseconds for_) const;
};

/// A duty as it is at one instant.
struct duty_view {
  std::string holder;           ///< Who holds it; empty: nobody covers it.
  std::string fallback;         ///< Who answers when nobody covers it, and whom silence reaches (the duty's lead).
  std::vector<v1::Role> roles;  ///< The roles in which one may take its tasks; empty: any.
};

/// Somebody who is on leave, and holds no duty meanwhile.
struct absence {
  std::string duty_id;  ///< The duty to turn to instead.
  std::string cover;    ///< Who covers it for them now; empty: nobody, and the duty's fallback answers.
  instant until{};      ///< The leave's end.
};
/// For whoever turned to them: until when, who covers, which duty to address.
std::string told(std::string_view person, const absence& away);

/// A duty as the teams have it among their members.
struct duty_appointment {
  std::string name;                      ///< The duty's, as a patient reads it.
  std::vector<v1::Role> roles;           ///< In which it may be held; empty: any.
  std::string person;                    ///< Who holds it by the last entry about it; empty: nobody.
  v1::Role role = v1::ROLE_UNSPECIFIED;  ///< In which they hold it.
  std::string former;                    ///< Who had it before, and reads on (B6, T15); empty: nobody.
  v1::Role former_role = v1::ROLE_UNSPECIFIED;
  bool operator==(const duty_appointment&) const = default;
};

/// Looks duties up. A clinic without duties has none: then people and roles are asked.
class duty_directory {
 public:
  duty_directory() = default;
  duty_directory(const duty_directory&) = delete;
  duty_directory& operator=(const duty_directory&) = delete;
  virtual ~duty_directory() = default;
  /// The duty as it is for one patient, whom its lead may answer for alone (HO4); empty: for no patient in particular. Nothing: there is no
  /// such duty.
  virtual std::optional<duty_view> find(std::string_view duty_id, std::string_view patient_id, instant t) const = 0;
  /// The duties that this person holds, or answers for as their fallback or for some patient, at that instant.
  virtual std::vector<std::string> answered_by(std::string_view, instant) const { return {}; }
  /// Nothing: the person is not on leave, as far as any duty knows.
  virtual std::optional<absence> absence_of(std::string_view, instant) const { return std::nullopt; }
  /// Who holds it, as far as one patient is concerned, by the last entry about it: what time alone makes of it gives nobody access.
  /// Nothing: there is no such duty.
  virtual std::optional<duty_appointment> appointment(std::string_view, std::string_view) const { return std::nullopt; }
};

/// What the organisation gives to the tasks of all records.
struct task_setting {
  task_policy policy;
  const duty_directory* duties = nullptr;
  std::string safety_person;  ///< Who answers for an open task when nobody else can (I1). Should never be empty.
};
/// The table's defaults, no duties, no safety person.
const task_setting& usual_task_setting();

}  // namespace careteam::care
