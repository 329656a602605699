// A duty's state as a part of its record's snapshot.
#pragma once

#include "care/duty.hpp"
#include "careteam/internal/snapshot.pb.h"

namespace careteam::care {

void put_duty(internal::DutySnapshot& to, const duty_state& duty);
/// False: it is meant in a time zone that this machine does not know; the state is folded from the entries instead, which tells which.
bool get_duty(duty_state& duty, const internal::DutySnapshot& from);

}  // namespace careteam::care
