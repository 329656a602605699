// Who may ask for a task and who may take one on (`domain.md` section 4, columns "create task" and "accept task"; I5). Default deny.
#pragma once

#include "careteam/v1/model.pb.h"

namespace careteam::care {

/// One cell of "create task".
enum class create_right {
  no,
  yes,
  routine,    ///< Routine tasks only.
  results,    ///< "Critical result": tasks about a result only.
  own_kinds,  ///< Patients and caregivers: a question, a report.
  protocol    ///< Service accounts: tasks whose acceptance is a given (T3).
};

/// One cell of "accept task".
enum class accept_right {
  no,
  yes,
  domain,       ///< "D": what is neither about a drug nor about acting on a result.
  diagnostics,  ///< "D" of radiologists and pathologists: results, reviews, answers, calls.
  addressed,    ///< "T": any kind, but neither stat nor asap.
  own_kinds     ///< Patients and caregivers: report, upload, read, attend (I5).
};

/// The task rights of one role.
struct task_rights_row {
  v1::Role role;
  create_right create;
  accept_right accept;
};

/// The task rights of a role; every right of an unknown role is `no`.
const task_rights_row& task_rights_of(v1::Role role);

/// Whether somebody in this role may ask for a task of this kind and priority.
bool may_create(v1::Role role, v1::TaskKind kind, v1::Priority priority);
/// Whether somebody in this role may own a task of this kind and priority.
bool may_own(v1::Role role, v1::TaskKind kind, v1::Priority priority);
/// The kinds that patients and caregivers may own (I5).
bool is_self_kind(v1::TaskKind kind);

}  // namespace careteam::care
