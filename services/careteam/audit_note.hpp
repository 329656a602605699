// What the commands share that look into a record's file: how its places are written, and that the looking is itself written down.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "care/record.hpp"
#include "careteam/internal/control.pb.h"
#include "runtime/config.hpp"

namespace careteam {

/// "clinical" and the like; empty for what is none.
std::string stream_name(v1::Stream stream);
/// Unspecified: there is no such stream.
v1::Stream stream_named(std::string_view name);
/// The code of a role, "oncology-nurse"; empty for what is none.
std::string role_name(v1::Role role);

/// Has the running server write down that somebody looks into a record, before anything is told. Without a server there is nobody who
/// could: who may read the file is the operating system's to say and to log. False after saying why on stderr, in the name of `command`:
/// nothing is told.
bool note_readings(const runtime::config& settings, const std::vector<internal::NoteAudit>& notes, std::string_view command);
/// The same for one record.
bool note_reading(const runtime::config& settings, const internal::NoteAudit& note, std::string_view command);

}  // namespace careteam
