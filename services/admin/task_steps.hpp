// What the importer needs to know about the steps of tasks; pure.
#pragma once

#include "admin/fhir_import.hpp"
#include "care/record.hpp"

namespace careteam::admin {

/// DraftTask, RequestTask, InstantiateTask.
[[nodiscard]] bool begins_task(const v1::Command& command);

/// Names the task that the command acts on, at any version. What begins a task names none.
void name_task(v1::Command& command, care::place task);

/// The role in which somebody acts on a task where the source does not say: of their roles on the team now the first in which they may own
/// it, else the first; unspecified for somebody who is not on the team. `task`: seq 0: it has not begun.
[[nodiscard]] v1::Role acting_role_in(const care::record_state& state, std::string_view person, care::place task,
                                      const care::task_world& world);

/// Whether the task that began there is what this beginning asks for: then a store is given back what it exported.
[[nodiscard]] bool is_same_task(const care::task_state& task, const v1::Command& beginning);

}  // namespace careteam::admin
