#include "gateway/hub.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <iterator>

#include "coordination/duties.hpp"
#include "runtime/log.hpp"
#include "runtime/uuid.hpp"

namespace careteam::gateway {
namespace {

constexpr auto longest_gathering = std::chrono::milliseconds(100);  // What a write may wait for more to come while the server is busy.
constexpr auto receipt_gathering = std::chrono::seconds(1);         // Receipts tell how far people have come, not each step.

/// Patients and caregivers hear of each other's receipts only; whoever has left may have been staff.
bool only_for_staff(const coordination::record_host& host, std::string_view person, care::instant t) {
  return care::staff_there(host.state(), person, t) || !care::among_people_of(host.state(), person, t);
}

}  // namespace

gateway_metrics gateway_metrics::in(runtime::metrics_registry& registry) {
  return {registry.add_gauge("careteam_sessions", "Open sessions."),
          registry.add_counter("careteam_frames_received_total", "WebSocket messages received."),
          registry.add_counter("careteam_messages_sent_total", "WebSocket messages sent."),
          registry.add_counter("careteam_deliveries_total", "Entries handed to sessions."),
          registry.add_counter("careteam_bad_frames_total", "Frames that could not be read."),
          registry.add_counter("careteam_slow_consumers_total", "Connections that were closed because they did not read."),
          registry.add_counter("careteam_tokens_refused_total", "Tokens that were refused."),
          registry.add_counter("careteam_upgrades_refused_total", "HTTP requests that did not become a WebSocket."),
          registry.add_counter("careteam_tls_handshakes_refused_total", "Connections that did not become TLS where it is configured."),
          registry.add_counter("careteam_commands_limited_total", "Commands of people and devices that sent too many."),
          registry.add_counter("careteam_floods_refused_total", "Connections turned away for too many refused tokens, pings or pongs.")};
}

hub::hub(coordination::record_hosts& hosts, const identity::token_verifier& tokens, const runtime::config& settings,
         gateway_metrics metrics)
    : hosts_(hosts),
      tokens_(tokens),
      settings_(settings),
      metrics_(metrics),
      server_id_(runtime::uuid_text(runtime::generate_uuid7(hosts.environment().clock.now()))),
      cursor_desk_(hosts.environment().executor, hosts.environment().store, *this),
      pages_(hosts.environment().store, hosts.environment().executor),
      limits_(settings),
      deadline_timer_(hosts.environment().executor),
      beats_(hosts.environment().executor, settings.server.idle_timeout / 3),
      receipt_timer_(hosts.environment().executor) {
  for (const auto& proxy : settings.server.trusted_proxies) trusted_proxies_.push_back(boost::asio::ip::make_address(proxy));
}

void hub::committed(coordination::record_host& host, const std::vector<coordination::shared_batch>& batches) {
  const auto at = rooms_.find(&host);
  if (at == rooms_.end()) return;
  for (const auto& batch : batches) {
    for (attachment* one : at->second.attachments) one->owner->deliver(*one, batch);
  }
}

void hub::obligations_changed(coordination::record_host& host, const std::vector<care::place>& places) {
  const auto at = rooms_.find(&host);
  if (at == rooms_.end()) return;
  for (attachment* one : at->second.attachments) one->owner->worklists_touched(*one, places);
}

void hub::answering_changed(const std::set<std::string>& people) {
  for (const auto& [person, sessions] : by_person_) {
    const bool theirs = people.contains(person);
    for (session* one : sessions) {
      if (theirs) {
        one->refresh_worklists();
      } else {
        one->refresh_duty_list();
      }
    }
  }
}

std::vector<store::record_key> hub::duty_keys() {
  const auto* duties = hosts_.environment().all_duties;
  return duties ? duties->keys() : std::vector<store::record_key>();
}

std::vector<std::string> hub::duties_read_by(const std::string& person) {
  const auto* duties = hosts_.environment().all_duties;
  return duties ? duties->directory().read_by(person) : std::vector<std::string>();
}

bool hub::is_of_duty(const std::string& person, const std::string& duty_id) {
  const auto* duties = hosts_.environment().all_duties;
  return duties && duties->is_member(duty_id, person);
}

void hub::audience_changed(coordination::record_host& host) {
  if (host.state().is_organization()) organization_changed();
  const auto at = rooms_.find(&host);
  if (at != rooms_.end()) {
    list_people(host, at->second);
    const auto attachments = at->second.attachments;  // A session may end while it reconsiders.
    for (attachment* one : attachments) one->owner->reconsider(*one);
  }
  // People who are connected and joined just now.
  const auto people = care::people_of(host.state(), instant());
  std::set<std::string> joined(people.begin(), people.end());
  if (host.state().is_duty()) {
    for (const auto& [person, sessions] : by_person_) {
      for (session* one : sessions) one->refresh_duty_list();
      const auto* account = directory().accounts().find(person);
      if (account && account->administrator) joined.insert(person);
    }
  }
  for (const auto& person : joined) {
    const auto sessions = by_person_.find(person);
    if (sessions == by_person_.end()) continue;
    const auto connected = sessions->second;
    for (session* one : connected) {
      if (!one->find_attachment(host.key())) one->follow(host.shared_from_this());
    }
  }
}

void hub::organization_changed() {
  std::vector<session*> suspended, revoked;
  const auto& accounts = directory().accounts();
  for (const auto& [person, sessions] : by_person_) {
    if (!accounts.active(person)) suspended.insert(suspended.end(), sessions.begin(), sessions.end());
    std::copy_if(sessions.begin(), sessions.end(), std::back_inserter(revoked), [&](const session* one) {
      return accounts.revoked(one->person(), one->token_issued_at(), settings_.identity.clock_skew);
    });
  }
  for (session* one : suspended) one->end(v1::CLOSE_CODE_SUSPENDED);
  for (session* one : revoked) {
    one->out().clear();
    one->end(v1::CLOSE_CODE_UNAUTHENTICATED);
  }
  // Whoever has no access answers for nothing: others do, in records where nothing was written.
  std::size_t without_access = 0;
  for (const auto& [person, account] : accounts.people) {
    if (!account.works()) without_access += std::hash<std::string>()(person);
  }
  if (std::exchange(suspended_, without_access) == without_access) return;
  for (const auto& [person, sessions] : by_person_) {
    for (session* one : sessions) one->refresh_worklists();
  }
}

std::vector<const session*> hub::sessions_of(const std::string& person) const {
  std::vector<const session*> found;
  for (const auto& [whose, sessions] : by_person_) {
    if (person.empty() || person == whose) found.insert(found.end(), sessions.begin(), sessions.end());
  }
  return found;
}

void hub::cursors_moved(const std::vector<store::cursor>& cursors, const std::vector<store::cursor_move>& moves) {
  for (std::size_t i = 0; i < cursors.size() && i < moves.size(); ++i) {
    const auto& cursor = cursors[i];
    const auto stream = static_cast<v1::Stream>(cursor.stream);
    const auto host = hosts_.find(cursor.record);
    if (!host) continue;
    if (moves[i].read > 0 || moves[i].displayed > 0) {
      if (const auto sessions = by_person_.find(cursor.person); sessions != by_person_.end()) {
        for (session* one : sessions->second) {
          attachment* at = one->find_attachment(cursor.record);
          if (!at || !at->stream(stream).readable) continue;
          at->positions[static_cast<std::size_t>(stream)] = person_position(cursor);
          if (!one->opened()) continue;  // Welcome is going to tell it, and comes first.
          const auto access = one->access(*at, stream);
          v1::CursorState state;
          care::name_record(state, host->state());
          state.set_stream(stream);
          state.set_displayed(cursor.displayed);
          state.set_read(cursor.read);
          state.set_unread(access.unread());
          one->send(v1::ServerFrame::kCursorsFieldNumber, state);
        }
      }
    }
    const auto at = rooms_.find(host.get());
    if (at == rooms_.end()) continue;
    auto& receipt = at->second.receipts[{stream, cursor.person}];
    const auto received = std::max(receipt.received, std::max(moves[i].received, cursor.displayed));
    if (received == receipt.received && cursor.displayed == receipt.displayed) continue;
    receipt.received = received;
    receipt.displayed = cursor.displayed;
    receipt.changed = true;
    if (receipt_rooms_.empty()) {
      receipt_timer_.expires_after(receipt_gathering);
      receipt_timer_.async_wait([this](boost::system::error_code failed) {
        if (!failed) flush_receipts();
      });
    }
    receipt_rooms_.insert(host.get());
  }
}

void hub::flush_receipts() {
  const auto rooms = std::exchange(receipt_rooms_, {});
  const auto t = instant();
  for (const auto* host : rooms) {
    const auto at = rooms_.find(host);
    if (at == rooms_.end()) continue;
    for (auto& [whose, receipt] : at->second.receipts) {
      if (!std::exchange(receipt.changed, false)) continue;
      const auto& [stream, person] = whose;
      v1::Receipt told;
      care::name_record(told, host->state());
      told.set_stream(stream);
      told.set_person_id(person);
      told.set_received(receipt.received);
      told.set_displayed(receipt.displayed);
      const bool for_staff = only_for_staff(*host, person, t);
      for (attachment* one : at->second.attachments) {
        if (!one->owner->opened() || one->owner->person() == person || !one->stream(stream).readable || (for_staff && !one->staff))
          continue;
        one->owner->send(v1::ServerFrame::kReceiptsFieldNumber, told);
      }
    }
  }
}

void hub::tell_receipts(session& one, const attachment& at) {
  const auto room = rooms_.find(at.host.get());
  if (room == rooms_.end()) return;
  const auto t = instant();
  for (const auto& [whose, receipt] : room->second.receipts) {
    const auto& [stream, person] = whose;
    if (person == one.person() || !at.stream(stream).readable) continue;
    if (!at.staff && only_for_staff(*at.host, person, t)) continue;
    v1::Receipt told;
    care::name_record(told, at.host->state());
    told.set_stream(stream);
    told.set_person_id(person);
    told.set_received(receipt.received);
    told.set_displayed(receipt.displayed);
    one.send(v1::ServerFrame::kReceiptsFieldNumber, told);
  }
}

bool hub::receipts_known(const coordination::record_host& host) const {
  const auto room = rooms_.find(&host);
  return room != rooms_.end() && room->second.receipts_known;
}

void hub::know_receipts(const coordination::record_host& host, const std::vector<store::receipt>& receipts) {
  const auto room = rooms_.find(&host);
  if (room == rooms_.end()) return;
  room->second.receipts_known = true;
  for (const auto& one : receipts) {
    auto& row = room->second.receipts[{static_cast<v1::Stream>(one.stream), one.person}];
    row.received = std::max(row.received, one.received);
    row.displayed = std::max(row.displayed, one.displayed);
  }
}

void hub::presence_changed(const std::string& person, v1::PresenceState::State state) {
  v1::PresenceState told;
  told.set_person_id(person);
  told.set_state(state);
  const auto t = instant();
  std::set<session*> heard;  // Once each, however many records are shared.
  const auto [first, last] = rooms_by_person_.equal_range(std::hash<std::string_view>()(person));
  for (auto at = first; at != last; ++at) {
    const coordination::record_host* host = at->second;
    if (!care::among_people_of(host->state(), person, t)) continue;
    for (attachment* one : rooms_.at(host).attachments) {
      if (one->staff && one->owner->opened() && one->owner->person() != person) heard.insert(one->owner);
    }
  }
  for (session* one : heard) one->send(v1::ServerFrame::kPresenceFieldNumber, told);
}

void hub::presence_reset() {
  for (const auto& [host, room] : rooms_) {
    for (attachment* one : room.attachments) {
      if (one->owner->opened()) tell_presence(*one->owner, *one);
    }
  }
}

void hub::tell_presence(session& one, const attachment& at) {
  if (!at.staff) return;  // Patients never see staff's online state (F9).
  std::set<std::string_view> told;
  const auto people = care::people_of(at.host->state(), instant());
  for (const auto& person : people) {
    if (person == one.person() || !told.insert(person).second) continue;
    v1::PresenceState state;
    state.set_person_id(person);
    state.set_state(presence_.state(person));
    one.send(v1::ServerFrame::kPresenceFieldNumber, state);
  }
}

bool hub::enter(session& one) {
  auto& sessions = by_person_[one.person()];
  if (sessions.size() >= settings_.server.max_connections_per_person) return false;
  sessions.push_back(&one);
  ++session_count_;
  metrics_.sessions.set(static_cast<std::int64_t>(session_count_));
  presence_.arrived(one.person());
  return true;
}

void hub::leave(session& one) {
  const auto at = by_person_.find(one.person());
  if (at == by_person_.end() || std::erase(at->second, &one) == 0) return;
  if (at->second.empty()) by_person_.erase(at);
  --session_count_;
  metrics_.sessions.set(static_cast<std::int64_t>(session_count_));
  presence_.left(one.person());
}

void hub::join(attachment& at) {
  const auto [room, is_new] = rooms_.try_emplace(at.host.get());
  if (is_new) list_people(*at.host, room->second);
  room->second.attachments.push_back(&at);
  ++at.host->readers;
}

void hub::part(attachment& at) {
  const auto room = rooms_.find(at.host.get());
  if (room == rooms_.end() || std::erase(room->second.attachments, &at) == 0) return;
  --at.host->readers;
  if (!room->second.attachments.empty()) return;
  unlist_people(*at.host, room->second);
  rooms_.erase(room);
}

void hub::list_people(const coordination::record_host& host, record_room& room) {
  unlist_people(host, room);
  std::set<std::string> people;  // Once each; also those whose time is over or yet to come.
  for (auto& person : care::people_of(host.state(), instant())) people.insert(std::move(person));
  for (const auto& m : host.state().team.members) people.insert(m.person_id);
  for (const std::string_view person : people) {
    room.people.push_back(std::hash<std::string_view>()(person));
    rooms_by_person_.emplace(room.people.back(), &host);
  }
}

void hub::unlist_people(const coordination::record_host& host, record_room& room) {
  for (const auto hash : room.people) {
    const auto [first, last] = rooms_by_person_.equal_range(hash);
    const auto listed = std::find_if(first, last, [&](const auto& one) { return one.second == &host; });
    if (listed != last) rooms_by_person_.erase(listed);
  }
  room.people.clear();
}

void hub::watch(std::chrono::steady_clock::time_point when, std::weak_ptr<session> one) {
  const bool first = deadlines_.empty() || when < deadlines_.begin()->first;
  deadlines_.emplace(when, std::move(one));
  if (first) arm_watch();
}

void hub::arm_watch() {
  if (deadlines_.empty()) return;
  deadline_timer_.expires_at(deadlines_.begin()->first);
  deadline_timer_.async_wait([this](boost::system::error_code failed) {
    if (failed) return;
    const auto now = std::chrono::steady_clock::now();
    std::vector<std::weak_ptr<session>> due;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      due.push_back(std::move(deadlines_.begin()->second));
      deadlines_.erase(deadlines_.begin());
    }
    for (const auto& weak : due) {
      if (const auto one = weak.lock()) one->on_deadline();
    }
    arm_watch();
  });
}

void hub::flush_later(std::weak_ptr<session> one) {
  to_flush_.push_back(std::move(one));
  if (std::exchange(flush_posted_, true)) return;
  flush_wanted_ = std::chrono::steady_clock::now();
  post_flush();
}

// Posted: everything else that is ready in this turn adds to the same messages first.
void hub::post_flush() {
  frames_before_flush_ = metrics_.frames_in.value();
  boost::asio::post(hosts_.environment().executor, [this] { flush(); });
}

// While frames keep coming in, writing waits a little: what they lead to goes out in the same messages. An idle server writes at once; a
// busy one makes fewer and larger writes, which is what a write costs most by.
void hub::flush() {
  if (metrics_.frames_in.value() != frames_before_flush_ && std::chrono::steady_clock::now() - flush_wanted_ < longest_gathering) {
    post_flush();
    return;
  }
  flush_posted_ = false;
  flushing_.swap(to_flush_);
  for (const auto& weak : flushing_) {
    if (const auto one = weak.lock()) one->flush();
  }
  flushing_.clear();
}

void hub::drain(std::chrono::milliseconds within) {
  std::vector<session*> all;
  for (const auto& [person, sessions] : by_person_) all.insert(all.end(), sessions.begin(), sessions.end());
  // Spread evenly over the time given: nobody comes at the same moment, whatever the order of the map is.
  std::chrono::milliseconds after{0};
  const auto step = all.empty() ? within : std::max<std::chrono::milliseconds>(within / all.size(), std::chrono::milliseconds(1));
  for (session* one : all) {
    one->drain(std::chrono::milliseconds(100) + after);
    after = (after + step) % (within + std::chrono::milliseconds(1));
  }
}

}  // namespace careteam::gateway
