#include "admin/audit_trail.hpp"

#include <algorithm>

namespace careteam::admin {
namespace {

std::size_t index_of(v1::Stream stream) {
  return static_cast<std::size_t>(stream);
}

}  // namespace

void audit_trail::take(const v1::Entry& entry) {
  if (!v1::Stream_IsValid(entry.stream())) return;
  const care::instant time = care::to_instant(entry.time()).value_or(care::instant{});
  switch (entry.fact_case()) {
    case v1::Entry::kSessionOpened:
      open(entry, time);
      break;
    case v1::Entry::kSessionClosed:
      close(entry, time);
      break;
    case v1::Entry::kHistoryRead: {
      const auto& read = entry.history_read();
      if (!v1::Stream_IsValid(read.stream())) break;
      const auto to = std::min(read.to_seq(), heads_[index_of(read.stream())]);
      if (read.from_seq() <= to) tell_(history_reading{reader_of(entry, read.session_id()), read.stream(), read.from_seq(), to, time});
      break;
    }
    case v1::Entry::kRosterViewed:
      tell_(roster_reading{reader_of(entry, {}), entry.roster_viewed().roster_version(), time});
      break;
    case v1::Entry::kAccessRefused: {
      const auto& refused = entry.access_refused();
      tell_(refused_access{reader_of(entry, refused.session_id()), refused.action(), refused.stream(), refused.code(), refused.times(),
                           time});
      break;
    }
    case v1::Entry::kAuditRead: {
      const auto& read = entry.audit_read();
      tell_(audit_reading{read.operator_uid(), read.person_id(), read.stream(), read.seq(), time});
      break;
    }
    default:
      break;
  }
  pass(entry.stream(), entry.seq());
}

void audit_trail::open(const v1::Entry& entry, care::instant time) {
  const auto& opened = entry.session_opened();
  end_lost(opened.server_id(), time);
  auto& session = sessions_[opened.session_id()];
  session.who = {entry.author().person_id(), entry.author().role(), opened.device_id(), opened.session_id()};
  session.server = opened.server_id();
  for (const auto& position : opened.after()) {
    if (v1::Stream_IsValid(position.stream())) session.streams.try_emplace(position.stream(), reading{position.seq(), time});
  }
}

void audit_trail::close(const v1::Entry& entry, care::instant time) {
  const auto& closed = entry.session_closed();
  const auto at = sessions_.find(closed.session_id());
  // As whom it was opened: whoever left the team has no role any more when the session is closed.
  const reader who = at != sessions_.end()
                         ? at->second.who
                         : reader{entry.author().person_id(), entry.author().role(), closed.device_id(), closed.session_id()};
  for (const auto& position : closed.delivered()) {
    if (!v1::Stream_IsValid(position.stream())) continue;
    // Where it is not known where it began, it counts from the first entry: rather too much than too little.
    reading began{0, time};
    if (at != sessions_.end()) {
      const auto known = at->second.streams.find(position.stream());
      if (known != at->second.streams.end()) began = known->second;
    }
    if (position.seq() <= began.after) continue;
    tell_(disclosure{who, position.stream(), began.after + 1, position.seq(), began.opened, time, extent::exact});
  }
  // What it reads on, a SessionOpened behind this one tells.
  if (at != sessions_.end()) sessions_.erase(at);
}

// One server process at a time serves the record: whoever was connected to another one is not any more.
void audit_trail::end_lost(const std::string& server_now, care::instant time) {
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    if (at->second.server == server_now) {
      ++at;
      continue;
    }
    tell_unclosed(at->second, extent::lost, time);
    at = sessions_.erase(at);
  }
}

void audit_trail::tell_unclosed(const open_session& one, extent end, std::optional<care::instant> ended) {
  for (const auto& [stream, began] : one.streams) {
    const auto reached = reached_[index_of(stream)];
    if (reached > began.after) tell_(disclosure{one.who, stream, began.after + 1, reached, began.opened, ended, end});
  }
}

void audit_trail::finish() {
  for (const auto& [id, one] : sessions_) tell_unclosed(one, extent::open, std::nullopt);
  sessions_.clear();
}

reader audit_trail::reader_of(const v1::Entry& entry, const std::string& session) const {
  const auto at = sessions_.find(session);
  return {entry.author().person_id(), entry.author().role(), at == sessions_.end() ? std::string() : at->second.who.device, session};
}

}  // namespace careteam::admin
