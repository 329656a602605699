// What an entry says of a task, a message or a duty, in plain words: ids, roles, times, and texts only where they were asked for. Pure.
#pragma once

#include <string>

#include "admin/told_texts.hpp"
#include "careteam/v1/entries.pb.h"

namespace careteam::admin {

class obligation_words {
 public:
  explicit obligation_words(told_texts texts) : texts_(texts) {}

  /// Of an entry about a task, or the one with which it begins; also that somebody could not be called.
  std::string about_task(const v1::Entry& entry) const;
  /// Of an entry about a message, or the message itself.
  std::string about_message(const v1::Entry& entry) const;
  /// Of a task that follows the obligation that is told.
  std::string successor(const v1::Entry& entry) const;
  /// Of an entry in a duty's stream: why somebody else may answer for it now.
  std::string about_duty(const v1::Entry& entry) const;

 private:
  std::string course(const v1::Entry& entry, const std::string& who) const;
  std::string requested(const v1::Entry& entry) const;
  std::string details(const v1::TaskRequested& asked) const;
  std::string declined(const v1::TaskDeclined& fact, const std::string& who) const;
  std::string order(const v1::TaskOrder& what) const;
  std::string posted(const v1::Entry& entry) const;
  std::string corrected(const v1::Entry& entry) const;
  std::string holder_changed(const v1::Entry& entry) const;
  std::string quoted(const std::string& text) const;

  told_texts texts_;
};

}  // namespace careteam::admin
