#include "care/task_rights.hpp"

#include <array>

namespace careteam::care {
namespace {

using create = create_right;
using accept = accept_right;

// Reads like the table. Administrators' and privacy officers' tasks are not in a patient's record.
constexpr std::array rights{
    task_rights_row{v1::ROLE_MEDICAL_ONCOLOGIST, create::yes, accept::yes},
    task_rights_row{v1::ROLE_COVERING_ONCOLOGIST, create::yes, accept::yes},
    task_rights_row{v1::ROLE_SURGEON, create::yes, accept::yes},
    task_rights_row{v1::ROLE_RADIATION_ONCOLOGIST, create::yes, accept::yes},
    task_rights_row{v1::ROLE_RADIOLOGIST, create::results, accept::diagnostics},
    task_rights_row{v1::ROLE_PATHOLOGIST, create::results, accept::diagnostics},
    task_rights_row{v1::ROLE_NURSE_PRACTITIONER, create::yes, accept::yes},
    task_rights_row{v1::ROLE_ONCOLOGY_NURSE, create::yes, accept::yes},
    task_rights_row{v1::ROLE_MEDICAL_ASSISTANT, create::routine, accept::addressed},
    task_rights_row{v1::ROLE_PHARMACIST, create::yes, accept::yes},
    task_rights_row{v1::ROLE_GENETIC_COUNSELOR, create::yes, accept::domain},
    task_rights_row{v1::ROLE_SOCIAL_WORKER, create::yes, accept::domain},
    task_rights_row{v1::ROLE_COUNSELOR, create::yes, accept::domain},
    task_rights_row{v1::ROLE_NUTRITIONIST, create::yes, accept::domain},
    task_rights_row{v1::ROLE_FINANCIAL_ADVISER, create::routine, accept::domain},
    task_rights_row{v1::ROLE_SUPPORTIVE_CARE, create::yes, accept::domain},
    task_rights_row{v1::ROLE_PALLIATIVE_CARE, create::yes, accept::domain},
    task_rights_row{v1::ROLE_PATIENT, create::own_kinds, accept::own_kinds},
    task_rights_row{v1::ROLE_CAREGIVER, create::own_kinds, accept::own_kinds},
    task_rights_row{v1::ROLE_ADMINISTRATOR, create::no, accept::no},
    task_rights_row{v1::ROLE_PRIVACY_OFFICER, create::no, accept::no},
    task_rights_row{v1::ROLE_INTEGRATION, create::protocol, accept::no},
};
constexpr task_rights_row nothing{v1::ROLE_UNSPECIFIED, create::no, accept::no};

constexpr bool in_order() {
  for (std::size_t i = 0; i < rights.size(); ++i) {
    if (static_cast<std::size_t>(rights[i].role) != i + 1) return false;
  }
  return rights.size() == v1::Role_ARRAYSIZE - 1;
}
static_assert(in_order(), "every role has one row, in the order of the enumeration");

}  // namespace

const task_rights_row& task_rights_of(v1::Role role) {
  const auto index = static_cast<std::size_t>(role);
  return index >= 1 && index <= rights.size() ? rights[index - 1] : nothing;
}

bool is_self_kind(v1::TaskKind kind) {
  return kind == v1::TASK_KIND_REPORT || kind == v1::TASK_KIND_UPLOAD || kind == v1::TASK_KIND_READ || kind == v1::TASK_KIND_ATTEND;
}

bool may_create(v1::Role role, v1::TaskKind kind, v1::Priority priority) {
  switch (task_rights_of(role).create) {
    case create::no:
    case create::protocol:
      return false;
    case create::yes:
      return true;
    case create::routine:
      return priority == v1::PRIORITY_ROUTINE;
    case create::results:
      return kind == v1::TASK_KIND_RESULT;
    case create::own_kinds:
      return kind == v1::TASK_KIND_ANSWER || kind == v1::TASK_KIND_REPORT;
  }
  return false;
}

bool may_own(v1::Role role, v1::TaskKind kind, v1::Priority priority) {
  switch (task_rights_of(role).accept) {
    case accept::no:
      return false;
    case accept::yes:
      return true;
    case accept::domain:
      return kind != v1::TASK_KIND_MEDICATION && kind != v1::TASK_KIND_RESULT;
    case accept::diagnostics:
      return kind == v1::TASK_KIND_RESULT || kind == v1::TASK_KIND_REVIEW || kind == v1::TASK_KIND_ANSWER || kind == v1::TASK_KIND_CALL ||
             kind == v1::TASK_KIND_FOLLOW_UP;
    case accept::addressed:
      return priority == v1::PRIORITY_ROUTINE || priority == v1::PRIORITY_URGENT;
    case accept::own_kinds:
      return is_self_kind(kind);
  }
  return false;
}

}  // namespace careteam::care
