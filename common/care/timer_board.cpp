#include "care/timer_board.hpp"

#include <cstdio>
#include <cstdlib>

namespace careteam::care {
namespace {

/// States an invariant; a wrong answer is worse than none, so it stays on in Release.
void require(bool holds, const char* what) {
  if (holds) return;
  std::fputs(what, stderr);
  std::fputc('\n', stderr);
  std::abort();
}

}  // namespace

void timer_board::set(std::string id, instant due, std::uint64_t version, const v1::Command& command) {
  require(!id.empty() && id.size() <= max_timer_id_bytes, "a timer's name is empty or too long");
  pending_timer timer{std::move(id), due, version, command.SerializeAsString()};
  require(timer.command.size() <= max_timer_command_bytes, "a timer's command is too long");
  if (const auto at = pending_.find(timer.id); at != pending_.end() && at->second.due == due && at->second.command == timer.command) return;
  note(timer.id);
  pending_.insert_or_assign(timer.id, std::move(timer));
}

void timer_board::restore(pending_timer timer) {
  pending_.insert_or_assign(timer.id, timer);
}

void timer_board::cancel(std::string_view id) {
  const auto at = pending_.find(id);
  if (at == pending_.end()) return;
  note(at->first);
  pending_.erase(at);
}

void timer_board::note(const std::string& id) {
  const auto [at, fresh] = before_.try_emplace(id);
  if (!fresh) return;
  if (const auto running = pending_.find(id); running != pending_.end()) at->second = running->second;
}

std::vector<timer_change> timer_board::take_changes() {
  std::vector<timer_change> changes;
  for (auto& [id, before] : before_) {
    const auto running = pending_.find(id);
    std::optional<pending_timer> now;
    if (running != pending_.end()) now = running->second;
    if (now == before) continue;
    changes.push_back({id, before ? std::optional(before->due) : std::nullopt, std::move(now)});
  }
  before_.clear();
  return changes;
}

}  // namespace careteam::care
