// What people owe and what they asked for, as an index over records (C5, C10): for each open task and each message that waits for an
// acknowledgement, the people and duties who come into question. Who answers for it at an instant is decided from the record
// (`owed_by`), because it follows from the roster, the accounts and the duties as they are then; the index only says where to look.
//
// The rows follow from the record's entries alone: neither time, nor an account, nor a duty's holder is in them. So a shift that is handed
// over touches none of them, and they can be made anew and compared (`careteam rebuild`). There is no text in them.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "care/record.hpp"

namespace careteam::care {

enum class obligation_kind : std::uint8_t { task = 1, acknowledgement = 2 };

/// How a person or a duty stands to an obligation by the entries alone; a row adds up all that hold.
namespace row_part {
inline constexpr std::uint8_t answers = 1;    ///< Exactly one row of an obligation says so (I1): the owner, or who is asked first.
inline constexpr std::uint8_t concerned = 2;  ///< Is asked, or comes to answer when others cannot.
inline constexpr std::uint8_t requested = 4;  ///< Asked for it.
}  // namespace row_part

/// One obligation under one person or duty.
struct obligation_row {
  std::string owner;  ///< "person/rao", "duty/onc-rn", or the record's own key where the entries name nobody.
  place at;
  std::optional<instant> breach;  ///< Its nearest deadline, also one that has passed; none: it has none.
  std::uint8_t parts = 0;
  obligation_kind kind = obligation_kind::task;
  v1::Priority priority = v1::PRIORITY_ROUTINE;
  v1::TaskStatus status = v1::TASK_STATUS_UNSPECIFIED;  ///< Of a task.
  std::uint64_t version = 0;                            ///< Of a task; of a message the revision that is to be acknowledged.
  bool operator==(const obligation_row&) const = default;
};

std::string person_key(std::string_view person);
std::string duty_key(std::string_view duty);
/// Under which owners a person finds what they owe: their own, and that of each duty which they hold or answer for now.
std::vector<std::string> owner_keys(std::string_view person, const task_setting& setting, instant t);

/// Whether the person comes to answer for whatever nobody else can here: the attending, and the safety person. No row says so, because that
/// would be one for every obligation; they look at the record's open obligations themselves.
bool answers_for_the_rest(const record_state& state, std::string_view person, const task_setting& setting);

/// The rows of the obligation at a place, in the order of their owners; none when nobody owes anything there.
std::vector<obligation_row> obligation_rows(const record_state& state, place at);
/// Every place of the record where somebody owes something, in order.
std::vector<place> open_obligations(const record_state& state);
/// The rows of the whole record, by place and owner.
std::vector<obligation_row> obligation_rows(const record_state& state);

/// What a batch of entries changes of the rows: told of each entry before it is applied, asked afterwards.
class obligation_changes {
 public:
  void before(const record_state& state, const v1::Entry& entry);

  struct difference {
    std::vector<obligation_row> gone;  ///< As they were.
    std::vector<obligation_row> now;   ///< New, or instead of one that is gone.
    std::vector<place> places;         ///< Where either is so, in order.
  };
  difference against(const record_state& now) const;
  void clear() { rows_.clear(); }

 private:
  void keep(const record_state& state, place at);
  std::map<place, std::vector<obligation_row>> rows_;  ///< As they were, of whatever may have changed.
};

/// How a person stands to an open obligation now.
enum class standing : std::uint8_t {
  answers = 1,    ///< Is the one who answers for it (I1).
  asked = 2,      ///< May take it: nobody has yet.
  requested = 3,  ///< Asked for it.
  of_duty = 4     ///< The duty that is looked at answers for it, or is asked.
};

/// One obligation of a person's worklist.
struct worklist_item {
  place at;
  obligation_kind kind = obligation_kind::task;
  standing how = standing::answers;
  v1::Priority priority = v1::PRIORITY_ROUTINE;
  v1::TaskStatus status = v1::TASK_STATUS_UNSPECIFIED;
  std::optional<instant> breach;
  std::uint64_t version = 0;
  std::string accountable;  ///< Of a duty's list: who answers for it.
  bool operator==(const worklist_item&) const = default;
};

/// Who looks, with what the record does not know.
struct worklist_view {
  std::string_view person;
  const organization_state& people;
  const task_setting& setting;
  instant t;
};

/// What the person owes at a place: answers for, or is asked to take. Nothing also where they may not read the stream now.
std::optional<worklist_item> owed_by(const record_state& state, place at, const worklist_view& view);
/// What the person asked for at a place and what is still open, under the same right.
std::optional<worklist_item> asked_by(const record_state& state, place at, const worklist_view& view);
/// What a duty answers for at a place, or is asked to take, under the same right (C10).
std::optional<worklist_item> owed_by_duty(const record_state& state, place at, std::string_view duty, const worklist_view& view);

}  // namespace careteam::care
