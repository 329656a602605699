// One task's history in plain words: who had it when, what was tried, and why it moved. Pure: entries in, lines out.
//
// Who answers for the task is not told by an entry: it follows from the task, the team and the accounts as they were, by the rule that the
// server itself goes by (care::accountable). So it can change by what is not about the task, and that is told too.
#pragma once

#include <functional>
#include <string>

#include "care/record.hpp"
#include "care/time.hpp"

namespace careteam::admin {

struct obligation_step {
  care::instant time{};
  std::string what;         ///< In plain words: ids, roles, times, and texts only where they were asked for.
  std::string accountable;  ///< Who answers for the task from now on; empty: nobody has to any more.
};

/// Whether the words of people (title, reasons, values) are told. They are a patient's data.
enum class told_texts { none, all };

class obligation_history {
 public:
  using listener = std::function<void(const obligation_step&)>;

  /// `task`: where it began.
  obligation_history(std::string patient_id, care::place task, told_texts texts, listener tell);

  /// The next entry of the organisation's record: the accounts. In the order of time with those of the record.
  void take_organization(const v1::Entry& entry);
  /// The next entry of the patient's record, of whatever stream.
  void take(const v1::Entry& entry);

  /// A task began at the place.
  bool found() const { return found_; }

 private:
  std::string accountable_at(care::instant t) const;
  void tell(care::instant time, std::string what);
  void tell_if_moved(care::instant time, std::string_view why);

  care::place task_;
  told_texts texts_;
  listener tell_;
  care::record_state record_;
  care::record_state organization_;
  std::string accountable_;
  bool found_ = false;
};

}  // namespace careteam::admin
