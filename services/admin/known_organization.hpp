// The organisation around patients' records, as its own entries tell it: the accounts, and the duties with their holders and rosters. Pure:
// entries in, and at each moment who holds what and who has an account that works.
#pragma once

#include <map>
#include <string>

#include "care/duty_index.hpp"
#include "care/record.hpp"
#include "care/task_policy.hpp"

namespace careteam::admin {

class known_organization {
 public:
  /// `setting`: the deadlines and the safety person, as they are configured now; which duties there are comes from the entries.
  explicit known_organization(care::task_setting setting);
  known_organization(const known_organization&) = delete;
  known_organization& operator=(const known_organization&) = delete;

  /// The next entry of the organisation's record or of a duty's. Those of one record in their order, those of several by time.
  void take(const v1::Entry& entry);

  const care::organization_state& people() const { return organization_.organization; }
  /// The duty as it is now; null: there is none of this id.
  const care::duty_state* duty(std::string_view id) const;
  /// With the duties as they are now; lives as long as this.
  const care::task_setting& setting() const { return setting_; }

 private:
  care::record_state organization_;
  std::map<std::string, care::record_state, std::less<>> duties_;  ///< By the duty's id.
  care::duty_index index_;
  care::task_setting setting_;
};

}  // namespace careteam::admin
