// What a session is asked for: commands, positions, ranges to read again; and what is written down when it is refused.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <limits>

#include "care/wellformed.hpp"
#include "coordination/digest.hpp"
#include "gateway/hub.hpp"
#include "gateway/session.hpp"
#include "runtime/uuid.hpp"

namespace careteam::gateway {

void session::refuse(const std::string& id, care::refusal why) {
  static constexpr std::size_t max_id_bytes = 64;
  std::size_t end = std::min(id.size(), max_id_bytes);
  while (end > 0 && end < id.size() && (static_cast<unsigned char>(id[end]) & 0xC0) == 0x80) --end;  // Half a character is no text.
  v1::Refused refused;
  refused.set_command_id(id.substr(0, end));
  refused.set_code(static_cast<int>(why.code));
  refused.set_field(std::move(why.field));
  refused.set_message(std::move(why.message));
  refused.set_confirm_token(std::move(why.confirm_token));
  refused.set_retry_after_ms(why.retry_after_ms);
  send(v1::ServerFrame::kRefusedFieldNumber, refused);
}

void session::on_command(v1::Command command) {
  const auto id = runtime::parse_uuid7(command.command_id());
  if (!id) {
    refuse(command.command_id(), care::refuse(care::code::invalid_argument, "commandId", "must be a UUIDv7 in canonical form (RFC 9562)"));
    return;
  }
  if (const auto wait = hub_.limits().command_wait(person_, device_); wait.count() > 0) {
    hub_.metrics().limited_commands.increment();
    if (++limited_ > limited_without_rest) {  // Even a refusal costs: others should not feel it.
      limited_ = limited_without_rest;
      rest_ = rest_of_a_flood;
    }
    auto why = care::refuse(care::code::resource_exhausted, "", "too many commands of this device or person; come back later");
    why.retry_after_ms = static_cast<std::uint32_t>(wait.count());
    refuse(command.command_id(), std::move(why));
    return;
  }
  if (limited_ > 0) --limited_;
  const auto record = care::record_for(command);
  if (!record) {
    refuse(command.command_id(), record.error());
    return;
  }
  coordination::submission what;
  what.who = {person_, acting_role_, false};
  what.id = *id;
  what.digest = coordination::digest_of(command);
  what.command = std::move(command);
  what.answer = [weak = weak_from_this()](const coordination::submission& asked, coordination::command_answer given) {
    if (const auto self = weak.lock()) self->answer(asked, std::move(given));
  };
  hub_.hosts().find_or_make(*record)->submit(std::move(what));
}

void session::answer(const coordination::submission& what, coordination::command_answer given) {
  const auto& command = what.command;
  if (!given.result) {
    const auto code = given.result.error().code;
    if (code == care::code::permission_denied || code == care::code::not_found || code == care::code::unauthenticated) {
      const auto stream = command.has_post_message() ? command.post_message().stream() : v1::STREAM_UNSPECIFIED;
      audit_refusal(care::record_named_by(command), std::string(care::action_name(command.action_case())), stream, code);
    }
    refuse(command.command_id(), given.result.error());
    return;
  }
  v1::Committed committed;
  committed.set_command_id(command.command_id());
  committed.set_patient_id(command.patient_id());
  committed.set_duty_id(command.duty_id());
  committed.set_stream(given.result->stream);
  committed.set_seq(given.result->seq);
  send(v1::ServerFrame::kCommittedFieldNumber, committed);
  if (command.has_view_roster()) {
    std::uint64_t since = std::numeric_limits<std::uint64_t>::max();
    if (!given.entries.empty()) since = given.entries.front().roster_viewed().since_version();
    send_roster(command.command_id(), care::record_named_by(command), since);
  }
}

void session::send_roster(const std::string& command_id, const store::record_key& record, std::uint64_t since) {
  const auto host = hub_.hosts().find_or_make(record);
  host->when_settled([weak = weak_from_this(), host, command_id, since](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (!self || failed) return;
    const auto t = self->hub_.instant();
    const auto* account = self->hub_.directory().accounts().find(self->person_);
    const bool staff = care::staff_there(host->state(), self->person_, t) || (account && account->administrator);
    auto roster = care::roster_view(host->state().team, since, t, staff ? care::roster_reader::staff : care::roster_reader::guest);
    roster.set_command_id(command_id);
    roster.set_deceased(self->hub_.directory().accounts().deceased(roster.patient_id()));
    self->send(v1::ServerFrame::kRostersFieldNumber, roster);
  });
}

std::uint64_t session::first_of(const attachment& at, v1::Stream stream) const {
  return care::readable_from(at.host->state().team, person_, stream, hub_.instant()).value_or(1);
}

void session::on_cursor(const v1::CursorUpdate& cursor) {
  attachment* at = phase_ == phase::open ? find_attachment(care::record_named_by(cursor)) : nullptr;
  if (!at || !at->stream(cursor.stream()).readable) {
    refuse({}, care::no_such_stream("cursor.stream"));
    return;
  }
  const auto handed = at->stream(cursor.stream()).next - 1;
  for (const auto& [field, position] : {std::pair{"cursor.received", cursor.received()}, std::pair{"cursor.displayed", cursor.displayed()},
                                        std::pair{"cursor.read", cursor.read()}}) {
    if (position > handed) {
      refuse({}, care::refuse(care::code::out_of_range, field, "is beyond what this connection was sent"));
      return;
    }
  }
  if (cursor.received() == 0 && cursor.displayed() == 0 && cursor.read() == 0) return;
  // What was shown or read was received.
  const auto received = std::max({cursor.received(), cursor.displayed(), cursor.read()});
  hub_.cursors().move(
      {at->host->key(), static_cast<store::stream_kind>(cursor.stream()), person_, device_, received, cursor.displayed(), cursor.read()});
}

void session::on_fetch(const v1::FetchEntries& asked) {
  if (asked.request_id().size() > 64) {
    refuse({}, care::refuse(care::code::invalid_argument, "fetch.requestId", "is longer than 64 bytes"));
    return;
  }
  attachment* at = phase_ == phase::open ? find_attachment(care::record_named_by(asked)) : nullptr;
  if (!at || !at->stream(asked.stream()).readable) {
    const auto record = care::record_named_by(asked);
    if (care::is_record_key(record)) audit_refusal(record, "fetch", asked.stream(), care::code::not_found);
    refuse(asked.request_id(), care::no_such_stream("fetch.stream"));
    return;
  }
  if (at->audit_due > 0) {
    auto why = care::refuse(care::code::unavailable, "fetch", "the audit does not know yet that this is read; try again");
    why.retry_after_ms = 200;
    refuse(asked.request_id(), std::move(why));
    return;
  }
  if (asked.from_seq() == 0 || asked.to_seq() < asked.from_seq() || asked.to_seq() - asked.from_seq() >= max_fetch_entries) {
    refuse(asked.request_id(), care::refuse(care::code::invalid_argument, "fetch.toSeq", "must be fromSeq to fromSeq + 1000, from 1"));
    return;
  }
  if (asked.from_seq() < at->stream(asked.stream()).first) {
    audit_refusal(at->host->key(), "fetch", asked.stream(), care::code::not_found);
    refuse(asked.request_id(), care::refuse(care::code::not_found, "fetch.fromSeq", "no such entry"));
    return;
  }
  if (asked.from_seq() > at->host->durable(asked.stream()).head) {
    refuse(asked.request_id(), care::refuse(care::code::out_of_range, "fetch.fromSeq", "is beyond the stream's head"));
    return;
  }
  if (fetches_ >= max_fetches) {
    auto why = care::refuse(care::code::resource_exhausted, "fetch", "too many fetches at a time");
    why.retry_after_ms = 200;
    refuse(asked.request_id(), std::move(why));
    return;
  }
  ++fetches_;
  care::facts entries;
  auto& read = *care::add_fact(entries, v1::STREAM_AUDIT).mutable_history_read();
  read.set_session_id(id_);
  read.set_stream(asked.stream());
  read.set_from_seq(asked.from_seq());
  read.set_to_seq(asked.to_seq());
  at->host->note(std::move(entries), author_on(*at), [self = shared_from_this(), host = at->host, asked](boost::system::error_code failed) {
    if (failed) {
      --self->fetches_;
      self->refuse(asked.request_id(), care::refuse(care::code::unavailable, "", "the audit cannot be written now; try again"));
      return;
    }
    boost::asio::co_spawn(self->hub_.executor(), self->fetch(self, host, asked), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
  });
}

boost::asio::awaitable<void> session::fetch([[maybe_unused]] std::shared_ptr<session> self, std::shared_ptr<coordination::record_host> host,
                                            v1::FetchEntries asked) {
  const auto last = std::min(asked.to_seq(), host->durable(asked.stream()).head);
  auto page = co_await hub_.store().read_stream(host->key(), static_cast<store::stream_kind>(asked.stream()), asked.from_seq(), last,
                                                catch_up_page_bytes);
  --fetches_;
  attachment* at = find_attachment(host->key());
  if (phase_ != phase::open) co_return;
  if (!at || !at->stream(asked.stream()).readable || asked.from_seq() < at->stream(asked.stream()).first) {
    refuse(asked.request_id(), care::no_such_stream("fetch.stream"));
    co_return;
  }
  v1::Fetched fetched;
  fetched.set_request_id(asked.request_id());
  if (page) {
    for (const auto& stored : *page) {
      if (!fetched.add_entries()->ParseFromArray(stored.bytes.data(), static_cast<int>(stored.bytes.size())))
        page = make_error_code(store::errc::corrupt);
      if (!page) break;
    }
  }
  if (!page && page.error() == store::errc::corrupt) {
    host->quarantine();
    refuse(asked.request_id(), care::refuse(care::code::data_loss, "", "what is stored here is damaged; the operator has to mend it"));
    co_return;
  }
  if (!page || page->empty()) {
    refuse(asked.request_id(), care::refuse(care::code::unavailable, "", "the store cannot be read now; try again"));
    co_return;
  }
  if (page->back().seq < last) fetched.set_next_seq(page->back().seq + 1);
  send(v1::ServerFrame::kFetchedFieldNumber, fetched);
}

// --- worklists ---

void session::on_watch(v1::WatchWorklist asked) {
  if (asked.request_id().size() > 64) {
    refuse({}, care::refuse(care::code::invalid_argument, "watchWorklist.requestId", "is longer than 64 bytes"));
    return;
  }
  if (asked.what() == v1::WatchWorklist::WHAT_UNSPECIFIED || !v1::WatchWorklist::What_IsValid(asked.what())) {
    refuse(asked.request_id(), care::refuse(care::code::invalid_argument, "watchWorklist.what", "must be set"));
    return;
  }
  if (asked.limit() > max_worklist_items) {
    refuse(asked.request_id(), care::refuse(care::code::invalid_argument, "watchWorklist.limit", "must be at most 500"));
    return;
  }
  const bool of_duty = asked.what() == v1::WatchWorklist::WHAT_DUTY;
  if (!of_duty && !asked.duty_id().empty()) {
    refuse(asked.request_id(), care::refuse(care::code::invalid_argument, "watchWorklist.dutyId", "must be empty for this list"));
    return;
  }
  auto& list = worklists_[static_cast<std::size_t>(asked.what())];
  const auto wait = hub_.limits().command_wait(person_, device_);
  if (phase_ != phase::open || wait.count() > 0 || (list && list->reading())) {
    auto why = care::refuse(care::code::resource_exhausted, "watchWorklist", "is being read, or asked for too often; try again");
    why.retry_after_ms = std::max<std::uint32_t>(200, static_cast<std::uint32_t>(wait.count()));
    refuse(asked.request_id(), std::move(why));
    return;
  }
  if (of_duty && !hub_.is_of_duty(person_, asked.duty_id())) {
    const auto record = care::duty_record_key(asked.duty_id());
    if (care::is_record_key(record)) audit_refusal(record, "watchWorklist", v1::STREAM_DUTY, care::code::not_found);
    refuse(asked.request_id(), care::refuse(care::code::not_found, "watchWorklist.dutyId", "no such duty"));
    return;
  }
  if (list) list->stop();
  list.reset();
  if (asked.limit() == 0) return;
  list = std::make_shared<worklist_feed>(hub_, weak_from_this(), std::move(asked));
  list->refresh();
}

void session::worklists_touched(const attachment& at, const std::vector<care::place>& places) {
  for (const auto& list : worklists_) {
    if (list) list->touched(at, places);
  }
}

void session::reconsider_worklists(const attachment& at) {
  for (const auto& list : worklists_) {
    if (list) list->reconsider(at);
  }
}

void session::refresh_worklists() {
  for (const auto& list : worklists_) {
    if (list) list->refresh();
  }
}

void session::refresh_duty_list() {
  if (const auto& list = worklists_[v1::WatchWorklist::WHAT_DUTY]) list->refresh();
}

void session::stop_worklists() {
  for (auto& list : worklists_) {
    if (list) list->stop();
    list.reset();
  }
}

// --- audit of refusals ---

void session::audit_refusal(const store::record_key& record, std::string action, v1::Stream stream, care::code code) {
  static constexpr std::size_t max_kinds = 256;
  const auto key = std::make_tuple(record, std::move(action), static_cast<int>(code));
  if (refusals_.size() >= max_kinds && !refusals_.contains(key)) return;
  const bool first = !refusals_.contains(key);
  auto& kept = refusals_[key];
  kept.stream = stream;
  ++kept.unwritten;
  if (first) write_refusals();  // The first one at once; repetitions are counted and written at the end.
}

void session::write_refusals() {
  for (auto& [key, kept] : refusals_) {
    if (kept.unwritten == 0) continue;
    const auto& [record, action, code] = key;
    const auto host = hub_.hosts().find_or_make(record);  // At most max_kinds for a session. What does not exist keeps no note.
    care::facts entries;
    auto& refused = *care::add_fact(entries, v1::STREAM_AUDIT).mutable_access_refused();
    refused.set_session_id(id_);
    refused.set_action(action);
    refused.set_stream(kept.stream);
    refused.set_code(code);
    refused.set_times(std::exchange(kept.unwritten, 0));
    v1::Author author;
    author.set_person_id(person_);
    host->note(std::move(entries), std::move(author), [](boost::system::error_code) {});
  }
}

}  // namespace careteam::gateway
