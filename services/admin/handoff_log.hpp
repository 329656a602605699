// The handoffs of one duty (`domain.md` 3.2), each as the entries that are about it: as a whole, or what of them concerns one patient. Who
// writes a patient's part never has the rest. Pure: entries in, logs out.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "care/record.hpp"
#include "careteam/v1/entries.pb.h"

namespace careteam::admin {

/// One handoff.
struct handoff_log {
  /// HandoffPrepared, then those about it, and the PatientSetApart of its confirmation; of a patient's part without what is of others.
  std::vector<v1::Entry> entries;
  care::handoff_stage stage = care::handoff_stage::draft;  ///< How far all of it has come, or had when it ended.
  bool ended = false;
  std::optional<v1::Entry> change;  ///< The DutyHolderChanged of the commit in which it ended.
  bool concerned = false;           ///< Of a patient's part: they are in it.
};

/// A patient who had been declined (HO4), offered to whoever holds the duty.
struct return_log {
  v1::Entry returned;
  std::string holder;                  ///< Who held the duty then.
  std::optional<v1::Entry> taken;      ///< PatientTakenBack.
  std::optional<care::instant> ended;  ///< Without that: offered anew, or whoever answered for the patient does so no longer.

  bool open() const { return !taken && !ended; }
};

/// Use once: take every entry of the duty's record.
class duty_handoffs {
 public:
  /// `patient`: what concerns them alone; empty: everything.
  explicit duty_handoffs(const std::string& duty, std::string patient = {});

  /// The next entry of the duty's record, of whatever stream.
  void take(const v1::Entry& entry);

  const std::string& duty() const { return duty_.duty.id; }
  const std::string& patient() const { return patient_; }
  /// In the order in which they began; of a patient's part those in which they are.
  std::span<const handoff_log> handoffs() const;
  const std::vector<return_log>& returns() const { return returns_; }
  /// The DutyHolderChanged entries by which the lead took the duty while no handoff was under way. Not of a patient's part.
  const std::vector<v1::Entry>& taken_by_lead() const { return taken_by_lead_; }

 private:
  bool concerns(std::string_view patient) const { return patient_.empty() || patient == patient_; }
  void begin(const v1::Entry& prepared);
  void add(handoff_log& to, const v1::Entry& entry) const;
  void take_change(const v1::Entry& entry);
  void take_return(const v1::Entry& entry);
  handoff_log* last() { return handoffs_.empty() ? nullptr : &handoffs_.back(); }

  std::string patient_;
  care::record_state duty_;
  std::vector<handoff_log> handoffs_;  // Of a patient's part: the last one whether they are in it or not.
  std::vector<return_log> returns_;
  std::vector<v1::Entry> taken_by_lead_;
};

}  // namespace careteam::admin
