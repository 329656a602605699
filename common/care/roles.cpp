#include "care/roles.hpp"

#include <algorithm>
#include <array>

namespace careteam::care {
namespace {

using v1::Role;

constexpr std::array vocabulary{
    role_row{v1::ROLE_MEDICAL_ONCOLOGIST, "medical-oncologist", "310512001 309295000", "207RX0202X 207RH0003X", "Your cancer doctor"},
    role_row{v1::ROLE_COVERING_ONCOLOGIST, "covering-oncologist", "", "", "The cancer doctor who covers for yours"},
    role_row{v1::ROLE_SURGEON, "surgeon", "304292004", "208600000X 2086X0206X", "Your surgeon"},
    role_row{v1::ROLE_RADIATION_ONCOLOGIST, "radiation-oncologist", "763292005", "2085R0001X", "Your radiation doctor"},
    role_row{v1::ROLE_RADIOLOGIST, "radiologist", "66862007", "2085R0202X", "The doctor who reads your scans"},
    role_row{v1::ROLE_PATHOLOGIST, "pathologist", "61207006", "207ZP0102X", "The doctor who examines your tissue samples"},
    role_row{v1::ROLE_NURSE_PRACTITIONER, "nurse-practitioner", "224571005", "363L00000X", "Your nurse practitioner"},
    role_row{v1::ROLE_ONCOLOGY_NURSE, "oncology-nurse", "224552008", "163WX0200X", "Your cancer nurse"},
    role_row{v1::ROLE_MEDICAL_ASSISTANT, "medical-assistant", "22515006", "", "The medical assistant"},
    role_row{v1::ROLE_PHARMACIST, "pharmacist", "46255001", "183500000X 1835X0200X", "Your pharmacist"},
    role_row{v1::ROLE_GENETIC_COUNSELOR, "genetic-counselor", "310189009", "170300000X", "Your genetic counselor"},
    role_row{v1::ROLE_SOCIAL_WORKER, "social-worker", "106328005", "104100000X", "Your social worker"},
    role_row{v1::ROLE_COUNSELOR, "counselor", "224595007", "101Y00000X", "Your counselor"},
    role_row{v1::ROLE_NUTRITIONIST, "nutritionist", "159033005", "133N00000X 133V00000X", "Your nutritionist"},
    role_row{v1::ROLE_FINANCIAL_ADVISER, "financial-adviser", "", "", "Helps with costs and insurance"},
    role_row{v1::ROLE_SUPPORTIVE_CARE, "supportive-care", "", "", "Supports your care"},
    role_row{v1::ROLE_PALLIATIVE_CARE, "palliative-care", "309359006", "207RH0002X", "Helps with symptoms and comfort at any stage"},
    role_row{v1::ROLE_PATIENT, "patient", "116154003", "", "You"},
    role_row{v1::ROLE_CAREGIVER, "caregiver", "133932002", "", "Somebody you chose to help you"},
    role_row{v1::ROLE_ADMINISTRATOR, "administrator", "", "", "Administrator"},
    role_row{v1::ROLE_PRIVACY_OFFICER, "privacy-officer", "", "", "Watches over who reads your record"},
    role_row{v1::ROLE_INTEGRATION, "integration", "", "", "A connected system"},
};

constexpr auto N = right::no;
constexpr auto Y = right::yes;
constexpr auto T = right::scoped;
constexpr auto G = right::by_grant;

// Reads like the table: "read" and "post" of clinical, support, shared; team; audit; staff. Who may post to `support` may read it.
// clang-format off
constexpr std::array rights{
    //         role                             read: Clin Sup Shr   post: Clin Sup Shr   manage team             audit  staff
    rights_row{v1::ROLE_MEDICAL_ONCOLOGIST,       Y,   Y,  Y,           Y,   Y,  Y,   team_right::yes,        false, true},
    rights_row{v1::ROLE_COVERING_ONCOLOGIST,      Y,   Y,  Y,           Y,   Y,  Y,   team_right::delegated,  false, true},
    rights_row{v1::ROLE_SURGEON,                  Y,   N,  Y,           Y,   N,  Y,   team_right::no,         false, true},
    rights_row{v1::ROLE_RADIATION_ONCOLOGIST,     Y,   N,  Y,           Y,   N,  Y,   team_right::no,         false, true},
    rights_row{v1::ROLE_RADIOLOGIST,              T,   N,  N,           T,   N,  N,   team_right::no,         false, true},
    rights_row{v1::ROLE_PATHOLOGIST,              T,   N,  N,           T,   N,  N,   team_right::no,         false, true},
    rights_row{v1::ROLE_NURSE_PRACTITIONER,       Y,   Y,  Y,           Y,   Y,  Y,   team_right::yes,        false, true},
    rights_row{v1::ROLE_ONCOLOGY_NURSE,           Y,   Y,  Y,           Y,   Y,  Y,   team_right::delegated,  false, true},
    rights_row{v1::ROLE_MEDICAL_ASSISTANT,        T,   Y,  T,           N,   Y,  T,   team_right::no,         false, true},
    rights_row{v1::ROLE_PHARMACIST,               Y,   Y,  Y,           Y,   Y,  Y,   team_right::no,         false, true},
    rights_row{v1::ROLE_GENETIC_COUNSELOR,        T,   Y,  Y,           T,   Y,  Y,   team_right::no,         false, true},
    rights_row{v1::ROLE_SOCIAL_WORKER,            T,   Y,  Y,           T,   Y,  Y,   team_right::no,         false, true},
    rights_row{v1::ROLE_COUNSELOR,                T,   Y,  Y,           N,   Y,  Y,   team_right::no,         false, true},
    rights_row{v1::ROLE_NUTRITIONIST,             T,   Y,  Y,           N,   Y,  Y,   team_right::no,         false, true},
    rights_row{v1::ROLE_FINANCIAL_ADVISER,        N,   Y,  T,           N,   Y,  T,   team_right::no,         false, true},
    rights_row{v1::ROLE_SUPPORTIVE_CARE,          T,   Y,  Y,           N,   Y,  Y,   team_right::no,         false, true},
    rights_row{v1::ROLE_PALLIATIVE_CARE,          Y,   Y,  Y,           N,   Y,  Y,   team_right::no,         false, true},
    rights_row{v1::ROLE_PATIENT,                  N,   N,  Y,           N,   N,  Y,   team_right::caregivers, false, false},
    rights_row{v1::ROLE_CAREGIVER,                N,   N,  G,           N,   N,  G,   team_right::no,         false, false},
    rights_row{v1::ROLE_ADMINISTRATOR,            N,   N,  N,           N,   N,  N,   team_right::yes,        false, true},
    rights_row{v1::ROLE_PRIVACY_OFFICER,          N,   N,  N,           N,   N,  N,   team_right::no,         true,  true},
    rights_row{v1::ROLE_INTEGRATION,              T,   N,  T,           T,   N,  T,   team_right::no,         false, true},
};
// clang-format on
constexpr rights_row nothing{v1::ROLE_UNSPECIFIED, N, N, N, N, N, N, team_right::no, false, false};

constexpr bool in_order() {
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    if (static_cast<std::size_t>(vocabulary[i].role) != i + 1 || static_cast<std::size_t>(rights[i].role) != i + 1) return false;
  }
  return vocabulary.size() == v1::Role_ARRAYSIZE - 1 && rights.size() == vocabulary.size();
}
static_assert(in_order(), "every role has one row of each table, in the order of the enumeration");

/// Whether one of the codes of a cell is this one.
bool names(std::string_view codes, std::string_view code) {
  while (!codes.empty()) {
    const auto end = std::min(codes.find(' '), codes.size());
    if (codes.substr(0, end) == code) return true;
    codes.remove_prefix(std::min(end + 1, codes.size()));
  }
  return false;
}

}  // namespace

std::span<const role_row> role_vocabulary() {
  return vocabulary;
}

const role_row* find_role(Role role) {
  const auto index = static_cast<std::size_t>(role);
  return index >= 1 && index <= vocabulary.size() ? &vocabulary[index - 1] : nullptr;
}

std::optional<Role> role_from_coding(std::string_view system, std::string_view code) {
  if (code.empty()) return std::nullopt;
  for (const auto& row : vocabulary) {
    const auto known = system == "urn:careteam:role"                   ? row.code
                       : system == "http://snomed.info/sct"            ? row.snomed
                       : system == "http://nucc.org/provider-taxonomy" ? row.nucc
                                                                       : std::string_view{};
    if (names(known, code)) return row.role;
  }
  return std::nullopt;
}

const rights_row& rights_of(Role role) {
  const auto index = static_cast<std::size_t>(role);
  return index >= 1 && index <= rights.size() ? rights[index - 1] : nothing;
}

}  // namespace careteam::care
