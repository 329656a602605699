// The handoff of a duty (`domain.md` 3.2, HO1–HO9): what it is made of, and what each entry makes of it. I-PASS: illness severity, patient
// summary, action list, situations, synthesis by whoever receives. The action list is never the client's word: it comes from the server.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "care/chat.hpp"
#include "careteam/v1/duties.pb.h"

namespace careteam::care {

inline constexpr std::size_t max_owed_items = 5'000;  ///< Of one duty: what a handoff can list.
inline constexpr std::size_t max_summary_bytes = 4000;
inline constexpr int max_contingencies = 16;

/// One obligation of a duty, anywhere.
struct owed_item {
  std::string patient_id;
  place at;  ///< seq 0: the patient's record is damaged and could not be read.
  v1::Priority priority = v1::PRIORITY_ROUTINE;
  std::optional<instant> deadline;
  std::uint64_t version = 0;  ///< How many entries were about it.
  bool operator==(const owed_item&) const = default;
};

using owed_key = std::pair<std::string, place>;
using owed_list = std::map<owed_key, owed_item>;

owed_list owed_by_place(std::span<const owed_item> items);
/// Tells one list from another (HO5): every place, deadline and version counts.
std::uint64_t hash_of(const owed_list& owed);
/// What of a patient is due first; nullptr: nothing is owed. What has no deadline comes last; then the higher priority comes first.
const owed_item* top_action(const owed_list& owed, std::string_view patient_id);

/// Where a handoff stands, in FHIR's words of Task.status.
enum class handoff_stage : std::uint8_t {
  draft = 1,        ///< Being written (HO1).
  requested = 2,    ///< Offered (HO2).
  received = 3,     ///< Opened (HO3).
  accepted = 4,     ///< Taken on (HO4).
  in_progress = 5,  ///< Every patient is synthesised (HO6): it waits for the confirmation.
};

struct handoff_patient {
  v1::HandoffNote::Severity severity = v1::HandoffNote::SEVERITY_UNSPECIFIED;  ///< Unspecified: not described yet.
  std::string summary;
  std::vector<std::string> contingencies;
  bool synthesized = false;
  bool declined = false;  ///< By whoever takes over: the lead is to answer for them.
  bool operator==(const handoff_patient&) const = default;
};

struct handoff_state {
  std::uint64_t seq = 0;      ///< The entry of the duty's clinical stream with which it began.
  std::uint64_t version = 0;  ///< How many entries are about it.
  handoff_stage stage = handoff_stage::draft;
  std::string from, to;
  std::map<std::string, handoff_patient, std::less<>> patients;
  owed_list owed;  ///< As it was offered, or shown last.
  std::uint64_t owed_hash = 0;
  std::optional<instant> synthesized;  ///< When the last patient was.
  std::optional<instant> delayed;      ///< When the shift began that was the last to begin while this was under way.

  bool operator==(const handoff_state&) const = default;
};

/// The patients of the list who are not described, in order.
std::vector<std::string> not_described(const handoff_state& handoff, const owed_list& owed);
/// Every patient of the list is described, and synthesised or declined.
bool all_synthesized(const handoff_state& handoff);

// To and from the messages.
handoff_patient described_by(const v1::HandoffPatient& from);
owed_item owed_of(const v1::OwedItem& from);
void put_owed(v1::OwedItem& to, const owed_item& from);

/// What an entry about the handoff makes of it. `when`: the entry's time.
void apply_handoff(handoff_state& handoff, const v1::Entry& entry, instant when);

}  // namespace careteam::care
