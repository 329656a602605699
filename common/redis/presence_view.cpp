#include "redis/presence_view.hpp"

#include <utility>

#include <algorithm>

namespace careteam::redis {

presence_view::presence_view(duration lease, std::function<void(const std::string&)> changed)
    : lease_(lease), changed_(std::move(changed)) {}

presence_state presence_view::state(std::string_view person, time_point now) const {
  if (online_.contains(person)) return presence_state::online;
  return settled(now) ? presence_state::offline : presence_state::unknown;
}

bool presence_view::settled(time_point now) const {
  if (overflowed_ || now < unsettled_until_) return false;
  return std::none_of(unread_.begin(), unread_.end(), [now](const auto& entry) { return entry.second > now; });
}

void presence_view::add(const std::string& person) {
  if (++online_[person] == 1 && changed_) changed_(person);
}

void presence_view::remove(const std::string& person) {
  const auto found = online_.find(person);
  if (found == online_.end() || --found->second > 0) return;
  const std::string gone = found->first;  // `person` may be the key itself.
  online_.erase(found);
  if (changed_) changed_(gone);
}

void presence_view::set_local(const std::string& person, bool online) {
  if (online && local_.insert(person).second) add(person);
  if (!online && local_.erase(person) > 0) remove(person);
}

void presence_view::set_on(gateway_entry& gateway, const presence_change& change) {
  if (!change.online) {
    if (gateway.online.erase(change.person) > 0) remove(change.person);
    return;
  }
  if (gateway.online.size() >= max_people_per_gateway) {
    overflowed_ = true;  // From here on "offline" would be a guess.
    return;
  }
  if (gateway.online.insert(change.person).second) add(change.person);
}

bool presence_view::apply(presence_message message, time_point now) {
  if (message.kind == presence_kind::gone) {
    forget(message.gateway);
    unread_.erase(message.gateway);
    return false;
  }
  auto found = gateways_.find(message.gateway);
  if (found == gateways_.end()) {
    if (!unread_.contains(message.gateway) && unread_.size() + gateways_.size() >= max_gateways) {
      overflowed_ = true;
      return false;
    }
    unread_[message.gateway] = now + lease_;
    was_settled_ = false;
    return true;
  }
  auto& gateway = found->second;
  gateway.expires = now + lease_;
  if (!gateway.being_read) return apply_to(gateway, message);
  if (gateway.held.size() >= max_held_messages) {
    gateway.overflowed = true;
  } else {
    gateway.held.push_back(std::move(message));
  }
  return false;
}

/// True: what is known does not connect with this message.
bool presence_view::apply_to(gateway_entry& gateway, const presence_message& message) {
  switch (message.kind) {
    case presence_kind::announced:
      return true;
    case presence_kind::heartbeat:
      return message.sequence > gateway.sequence;
    case presence_kind::gone:
      return false;
    case presence_kind::changes:
      break;
  }
  if (message.sequence <= gateway.sequence) return false;  // Part of what was read.
  if (message.sequence != gateway.sequence + 1) return true;
  gateway.sequence = message.sequence;
  for (const auto& change : message.changes) set_on(gateway, change);
  return false;
}

void presence_view::reading(const std::string& gateway) {
  auto& entry = gateways_[gateway];
  const auto unread = unread_.find(gateway);
  if (!entry.known && unread != unread_.end()) entry.expires = unread->second;
  entry.being_read = true;
  entry.overflowed = false;
  entry.held.clear();
}

bool presence_view::loaded(const std::string& id, std::uint64_t sequence, people found, time_point expires) {
  const auto entry = gateways_.find(id);
  if (entry == gateways_.end()) return false;  // It stopped, or Redis went away, while it was read.
  auto& gateway = entry->second;
  if (found.size() > max_people_per_gateway) {
    overflowed_ = true;
    found.clear();
  }
  for (const auto& person : found) {
    if (!gateway.online.contains(person)) add(person);
  }
  const people before = std::exchange(gateway.online, std::move(found));
  for (const auto& person : before) {
    if (!gateway.online.contains(person)) remove(person);
  }
  gateway.sequence = sequence;
  gateway.expires = std::max(gateway.expires, expires);
  gateway.known = true;
  gateway.being_read = false;
  unread_.erase(id);
  const auto held = std::exchange(gateway.held, {});
  bool again = gateway.overflowed;
  for (const auto& message : held) {
    // An announcement that is not newer than what was read is the very one that made us read.
    if (message.kind == presence_kind::announced && message.sequence <= sequence) continue;
    again = apply_to(gateway, message) || again;
  }
  return again;
}

void presence_view::not_found(const std::string& id, time_point expires) {
  const auto entry = gateways_.find(id);
  bool heard = false;
  if (entry != gateways_.end()) {
    heard = !entry->second.held.empty();
    expires = std::max(expires, entry->second.expires);
    entry->second.being_read = false;
    entry->second.held.clear();
    // What was known of it stays until it announces itself or its time is over.
    if (entry->second.known && !heard) return;
    if (entry->second.known) {
      entry->second.sequence = 0;  // A change was dropped: any later message makes us read again.
      return;
    }
    gateways_.erase(entry);
  }
  auto& until = unread_[id];  // What was heard of it before counts as well.
  until = std::max(until, expires);
  was_settled_ = false;
}

void presence_view::unsettled_until(time_point until) {
  unsettled_until_ = until;
  was_settled_ = false;
}

void presence_view::forget(const std::string& id) {
  auto node = gateways_.extract(id);
  if (node.empty()) return;
  for (const auto& person : node.mapped().online) remove(person);
}

void presence_view::lose_others() {
  for (auto& [id, gateway] : gateways_) {
    unread_[id] = gateway.expires;
    for (const auto& person : gateway.online) remove(person);
  }
  gateways_.clear();
  overflowed_ = false;
  was_settled_ = false;
}

bool presence_view::expire(time_point now) {
  std::vector<std::string> over;
  for (const auto& [id, gateway] : gateways_) {
    if (gateway.expires <= now) over.push_back(id);
  }
  for (const auto& id : over) forget(id);
  std::erase_if(unread_, [now](const auto& entry) { return entry.second <= now; });
  if (unsettled_until_ <= now) unsettled_until_ = {};
  const bool before = std::exchange(was_settled_, settled(now));
  return was_settled_ && !before;
}

presence_view::time_point presence_view::next_expiry() const {
  time_point next = time_point::max();
  for (const auto& [id, gateway] : gateways_) next = std::min(next, gateway.expires);
  for (const auto& [id, expires] : unread_) next = std::min(next, expires);
  if (!was_settled_ && unsettled_until_ > time_point{}) next = std::min(next, unsettled_until_);
  return next;
}

}  // namespace careteam::redis
