// A record's protocols as a part of its snapshot.
#pragma once

#include "care/protocol.hpp"
#include "careteam/internal/snapshot.pb.h"

namespace careteam::care {

void put_protocols(internal::RecordSnapshot& to, const protocols_state& state, const std::string& patient_id);
/// False: a day or a number in it is none.
bool get_protocols(protocols_state& state, const internal::RecordSnapshot& from);

}  // namespace careteam::care
