#include "bench/task_round.hpp"

#include <stdexcept>

#include "bench/test_rooms.hpp"
#include "bench/wire_scan.hpp"

namespace careteam::bench {
namespace {

constexpr std::string_view title_words = " check the counts";

v1::TaskRef* task_of(task_step step, v1::Command& command) {
  switch (step) {
    case task_step::request:
      break;
    case task_step::claim:
      return command.mutable_claim_task()->mutable_task();
    case task_step::accept:
      return command.mutable_accept_task()->mutable_task();
    case task_step::start:
      return command.mutable_start_task()->mutable_task();
    case task_step::complete:
      return command.mutable_complete_task()->mutable_task();
  }
  throw std::logic_error("a request names no task");
}

}  // namespace

task_round::task_round(std::uint32_t room, std::uint32_t senders, int stream, std::size_t text_bytes, task_target target)
    : room_{room}, stream_{static_cast<v1::Stream>(stream)}, target_{target}, members_(senders) {
  if (text_bytes < stamp_digits) throw std::invalid_argument("a task must have room for its time stamp");
  const std::size_t title_bytes = stamp_digits + title_words.size();
  while (title_bytes + description_.size() < text_bytes) description_ += "before the next infusion; ";
  if (!description_.empty()) description_.resize(text_bytes - title_bytes);
  frame_.mutable_command()->set_patient_id(room_name(room));
}

std::string_view task_round::command(std::uint32_t member, const command_ids& ids, std::uint64_t unix_ms, std::uint64_t number,
                                     std::uint64_t stamp_ns) {
  const auto& mine = members_[member];
  auto& command = *frame_.mutable_command();
  auto& id = *command.mutable_command_id();
  id.resize(command_id_digits);
  ids.write(id.data(), unix_ms, number);
  if (mine.step == task_step::request) {
    auto& request = *command.mutable_request_task();
    request.set_stream(stream_);
    auto& order = *request.mutable_order();
    order.set_kind(v1::TASK_KIND_CARE);
    order.set_priority(v1::PRIORITY_URGENT);
    auto& title = *order.mutable_title();
    title.assign(stamp_digits, '0');
    write_hex(title.data(), stamp_digits, stamp_ns);
    title += title_words;
    order.set_description(description_);
    if (target_ == task_target::role) {
      order.mutable_target()->set_role(v1::ROLE_ONCOLOGY_NURSE);
    } else {
      order.mutable_target()->set_person_id(person_name(room_, partner_of(member)));
    }
  } else {
    auto& task = *task_of(mine.step, command);
    task.set_stream(stream_);
    task.set_seq(mine.task);
  }
  frame_.SerializeToString(&bytes_);
  return bytes_;
}

bool task_round::begin_next(course& of) {
  of.waits = of.asked.empty();
  if (of.waits) return false;
  of.step = task_step::claim;
  of.task = of.asked.front();
  of.asked.pop_front();
  return true;
}

task_round::ready task_round::committed(std::uint32_t member, std::uint64_t seq) {
  auto& mine = members_[member];
  ready now;
  switch (mine.step) {
    case task_step::request: {
      auto& theirs = members_[partner_of(member)];
      theirs.asked.push_back(seq);
      now.partner = theirs.waits && begin_next(theirs);
      now.member = begin_next(mine);
      return now;
    }
    case task_step::claim:
      mine.step = task_step::accept;
      break;
    case task_step::accept:
      mine.step = task_step::start;
      break;
    case task_step::start:
      mine.step = task_step::complete;
      break;
    case task_step::complete:
      mine.step = task_step::request;
      break;
  }
  now.member = true;
  return now;
}

}  // namespace careteam::bench
