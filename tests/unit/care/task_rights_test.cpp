// Who asks for tasks and who owns them: the columns "create task" and "accept task" of `domain.md` section 4, typed here a second time
// (I5).
#include "care/task_rights.hpp"

#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

struct documented {
  v1::Role role;
  std::string_view create, accept;
};

constexpr documented table[] = {
    {v1::ROLE_MEDICAL_ONCOLOGIST, "yes", "yes"},
    {v1::ROLE_COVERING_ONCOLOGIST, "yes", "yes"},
    {v1::ROLE_SURGEON, "yes", "yes"},
    {v1::ROLE_RADIATION_ONCOLOGIST, "yes", "yes"},
    {v1::ROLE_RADIOLOGIST, "critical result", "D results"},
    {v1::ROLE_PATHOLOGIST, "critical result", "D results"},
    {v1::ROLE_NURSE_PRACTITIONER, "yes", "yes"},
    {v1::ROLE_ONCOLOGY_NURSE, "yes", "yes"},
    {v1::ROLE_MEDICAL_ASSISTANT, "routine", "T"},
    {v1::ROLE_PHARMACIST, "yes", "yes"},
    {v1::ROLE_GENETIC_COUNSELOR, "yes", "D"},
    {v1::ROLE_SOCIAL_WORKER, "yes", "D"},
    {v1::ROLE_COUNSELOR, "yes", "D"},
    {v1::ROLE_NUTRITIONIST, "yes", "D"},
    {v1::ROLE_FINANCIAL_ADVISER, "routine", "D"},
    {v1::ROLE_SUPPORTIVE_CARE, "yes", "D"},
    {v1::ROLE_PALLIATIVE_CARE, "yes", "D"},
    {v1::ROLE_PATIENT, "S", "S"},
    {v1::ROLE_CAREGIVER, "S", "S"},
    {v1::ROLE_ADMINISTRATOR, "no", "no"},
    {v1::ROLE_PRIVACY_OFFICER, "no", "no"},
    {v1::ROLE_INTEGRATION, "protocol", "no"},
};

bool creates(std::string_view cell, v1::TaskKind kind, v1::Priority priority) {
  if (cell == "yes") return true;
  if (cell == "routine") return priority == v1::PRIORITY_ROUTINE;
  if (cell == "critical result") return kind == v1::TASK_KIND_RESULT;
  if (cell == "S") return kind == v1::TASK_KIND_ANSWER || kind == v1::TASK_KIND_REPORT;
  return false;
}

bool owns(std::string_view cell, v1::TaskKind kind, v1::Priority priority) {
  using enum v1::TaskKind;
  if (cell == "yes") return true;
  if (cell == "T") return priority == v1::PRIORITY_ROUTINE || priority == v1::PRIORITY_URGENT;
  if (cell == "D") return kind != TASK_KIND_MEDICATION && kind != TASK_KIND_RESULT;
  if (cell == "D results") {
    return kind == TASK_KIND_RESULT || kind == TASK_KIND_REVIEW || kind == TASK_KIND_ANSWER || kind == TASK_KIND_CALL ||
           kind == TASK_KIND_FOLLOW_UP;
  }
  if (cell == "S") return kind == TASK_KIND_REPORT || kind == TASK_KIND_UPLOAD || kind == TASK_KIND_READ || kind == TASK_KIND_ATTEND;
  return false;
}

TEST(task_rights, every_role_kind_and_priority_is_as_documented) {
  ASSERT_EQ(std::size(table), static_cast<std::size_t>(v1::Role_ARRAYSIZE) - 1);
  for (const auto& row : table) {
    for (int k = v1::TASK_KIND_CARE; k < v1::TaskKind_ARRAYSIZE; ++k) {
      for (int p = v1::PRIORITY_ROUTINE; p < v1::Priority_ARRAYSIZE; ++p) {
        const auto kind = static_cast<v1::TaskKind>(k);
        const auto priority = static_cast<v1::Priority>(p);
        EXPECT_EQ(may_create(row.role, kind, priority), creates(row.create, kind, priority))
            << v1::Role_Name(row.role) << " asks for " << v1::TaskKind_Name(kind) << " " << v1::Priority_Name(priority);
        EXPECT_EQ(may_own(row.role, kind, priority), owns(row.accept, kind, priority))
            << v1::Role_Name(row.role) << " owns " << v1::TaskKind_Name(kind) << " " << v1::Priority_Name(priority);
      }
    }
  }
}

TEST(task_rights, unknown_roles_have_none) {
  for (const int value : {0, -1, 23, 99, 1 << 30}) {
    EXPECT_FALSE(may_create(static_cast<v1::Role>(value), v1::TASK_KIND_CARE, v1::PRIORITY_ROUTINE));
    EXPECT_FALSE(may_own(static_cast<v1::Role>(value), v1::TASK_KIND_CARE, v1::PRIORITY_ROUTINE));
    EXPECT_FALSE(may_own(static_cast<v1::Role>(value), v1::TASK_KIND_READ, v1::PRIORITY_ROUTINE));
  }
}

}  // namespace
}  // namespace careteam::care::fixture
