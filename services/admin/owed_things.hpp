// What the handoffs of an export list, as the patients' records tell it. Pure: entries in.
#pragma once

#include <map>
#include <set>
#include <string>

#include "care/handoff.hpp"
#include "careteam/v1/entries.pb.h"

namespace careteam::admin {

class owed_things {
 public:
  struct thing {
    enum class kind : std::uint8_t { not_found, task, message } is = kind::not_found;
    std::string title;  ///< Of a task.
  };

  /// `exported`: the patients whose records, with all their tasks, go into the same Bundle.
  explicit owed_things(std::set<std::string> exported) : exported_(std::move(exported)) {}

  /// An entry of a duty whose handoffs are exported as a whole: what it lists, and whom it names.
  void need(const v1::Entry& of_duty);
  /// The same, of one patient alone.
  void need(const v1::Entry& of_duty, const std::string& patient);
  /// An entry of a patient's record.
  void take(const v1::Entry& of_patient);

  const thing& at(const care::owed_key& key) const;
  bool is_exported(const std::string& patient) const { return exported_.contains(patient); }
  /// Who is named in what was needed.
  const std::set<std::string>& patients() const { return patients_; }

 private:
  void need(const v1::EntryRef& ref);

  std::set<std::string> exported_, patients_;
  std::map<care::owed_key, thing> things_;
};

}  // namespace careteam::admin
