// The history of one task, or of one message that must be acknowledged, in plain words: who had it when, what was tried, and why it moved.
// Pure: entries in, lines out.
//
// Who answers for it is not told by an entry: it follows from the obligation, the team, the accounts and the duties as they were, by the
// rules that the server itself goes by (care::accountable, care::obligations_of). So it can change by what is not about it, a duty that is
// handed over for example, and that is told too.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "admin/known_organization.hpp"
#include "admin/obligation_words.hpp"
#include "care/record.hpp"
#include "care/time.hpp"

namespace careteam::admin {

struct obligation_step {
  care::instant time{};
  std::string what;         ///< In plain words: ids, roles, times, and texts only where they were asked for.
  std::string accountable;  ///< Who answers for it from now on, "nina" or "nina, tom"; empty: nobody has to any more.
};

class obligation_history {
 public:
  using listener = std::function<void(const obligation_step&)>;

  /// `at`: where it began. `setting`: see known_organization.
  obligation_history(std::string patient_id, care::place at, told_texts texts, care::task_setting setting, listener tell);

  /// The next entry of the organisation's record or of a duty's. By time with those of the patient's record.
  void take_organization(const v1::Entry& entry);
  /// The next entry of the patient's record, of whatever stream.
  void take(const v1::Entry& entry);

  /// A task or a message began at the place.
  bool found() const { return found_; }
  /// Who answers for it at an instant that is not before the last entry that was taken, since when, and why.
  obligation_step standing(care::instant t) const;

 private:
  bool begins(const v1::Entry& entry) const;
  bool is_about(const v1::Entry& entry) const;
  bool follows(const v1::Entry& entry) const;
  std::string words(const v1::Entry& entry) const;
  std::string accountable_at(care::instant t) const;
  void tell(care::instant time, std::string what);
  void tell_if_moved(care::instant time, std::string_view why);
  void tell_what_time_moved(care::instant now);

  care::place at_;
  bool is_message_ = false;
  std::set<std::uint64_t> asked_by_;  ///< The entries of its stream that ask for it: the first, and corrections.
  obligation_words words_;
  listener tell_;
  care::record_state record_;
  known_organization organization_;
  obligation_step last_move_;  ///< What was told when somebody else came to answer for it.
  std::string accountable_;
  bool found_ = false;
};

}  // namespace careteam::admin
