#include "gateway/session.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "care/wellformed.hpp"
#include "gateway/hub.hpp"
#include "runtime/log.hpp"
#include "runtime/uuid.hpp"

namespace careteam::gateway {
session::session(hub& the_hub, transport& to, subprotocol form)
    : hub_(the_hub),
      transport_(&to),
      form_(form),
      outbox_(form),
      id_(runtime::uuid_text(runtime::generate_uuid7(the_hub.now()))),
      room_(the_hub.executor()) {}

session::~session() = default;

void session::on_message(std::string_view bytes) {
  if (phase_ == phase::ended) return;
  hub_.metrics().frames_in.increment();
  v1::ClientFrame frame;
  bad_frame bad;
  if (!decode(form_, bytes, frame, bad)) {
    hub_.metrics().bad_frames.increment();
    if (phase_ == phase::waiting_for_hello) {
      end(v1::CLOSE_CODE_MALFORMED);
      return;
    }
    refuse(bad.id, std::move(bad.why));
    if (++bad_frames_ >= max_bad_frames) end(v1::CLOSE_CODE_MALFORMED);
    return;
  }
  if (phase_ == phase::waiting_for_hello && !frame.has_hello()) {
    end(v1::CLOSE_CODE_OUT_OF_ORDER);
    return;
  }
  switch (frame.frame_case()) {
    case v1::ClientFrame::kHello:
      on_hello(std::move(*frame.mutable_hello()));
      break;
    case v1::ClientFrame::kCommand:
      on_command(std::move(*frame.mutable_command()));
      break;
    case v1::ClientFrame::kCursor:
      on_cursor(frame.cursor());
      break;
    case v1::ClientFrame::kFetch:
      on_fetch(frame.fetch());
      break;
    case v1::ClientFrame::kWatchWorklist:
      on_watch(std::move(*frame.mutable_watch_worklist()));
      break;
    case v1::ClientFrame::FRAME_NOT_SET:
      break;
  }
}

void session::end(v1::CloseCode code) {
  if (phase_ == phase::ended) return;
  phase_ = phase::ended;
  room_.cancel();
  if (code == v1::CLOSE_CODE_SUSPENDED) outbox_.clear();  // Whoever has no access is given nothing that still waits.
  if (transport_) transport_->close(code);
}

void session::on_disconnected() {
  phase_ = phase::ended;
  transport_ = nullptr;
  room_.cancel();
  stop_worklists();
  write_refusals();
  for (auto& at : attachments_) release(*at);
  attachments_.clear();
  if (!person_.empty()) hub_.leave(*this);
}

void session::on_written() {
  room_.cancel();
}

void session::on_deadline() {
  if (phase_ == phase::waiting_for_hello) {
    end(v1::CLOSE_CODE_HELLO_TIMEOUT);
  } else if (phase_ != phase::ended && std::chrono::steady_clock::now() >= deadline_) {
    end(v1::CLOSE_CODE_UNAUTHENTICATED);
  }
}

// What is left of the token's time passes as time does, whatever the time of day is set to meanwhile.
void session::watch_expiry() {
  deadline_ = std::chrono::steady_clock::now() + std::chrono::ceil<std::chrono::milliseconds>(expires_ - hub_.now());
  hub_.watch(deadline_, weak_from_this());
}

void session::drain(std::chrono::milliseconds reconnect_after) {
  if (phase_ == phase::ended) return;
  v1::Drain notice;
  notice.set_reconnect_after_ms(static_cast<std::uint32_t>(reconnect_after.count()));
  send(v1::ServerFrame::kDrainFieldNumber, notice);
  end(v1::CLOSE_CODE_DRAINING);
}

// --- delivery ---

void session::mark() {
  if (std::exchange(marked_, true)) return;
  hub_.flush_later(weak_from_this());
}

void session::flush() {
  marked_ = false;
  for (const auto& list : worklists_) {
    if (list && phase_ == phase::open) list->flush();
  }
  if (transport_) transport_->output_ready();
}

void session::send(int field, const google::protobuf::Message& value) {
  if (phase_ == phase::ended) return;
  outbox_.add(field, value);
  mark();
  check_queue();
}

void session::check_queue() {
  if (phase_ == phase::ended || outbox_.bytes() <= hub_.settings().server.send_queue_bytes) return;
  hub_.metrics().slow_consumers.increment();
  phase_ = phase::ended;
  room_.cancel();
  outbox_.clear();
  if (transport_) transport_->abandon(v1::CLOSE_CODE_SLOW_CONSUMER);
}

void session::deliver(attachment& at, const coordination::shared_batch& batch) {
  auto& one = at.stream(batch->stream());
  if (phase_ != phase::open || !one.readable || !one.live || batch->last_seq() < one.next) return;
  if (batch->first_seq() != one.next) {  // Something was missed: read it from the store, in order.
    one.live = false;
    start_catch_up();
    return;
  }
  one.next = batch->last_seq() + 1;
  hub_.metrics().deliveries.increment(batch->size());
  outbox_.add(*batch);
  mark();
  check_queue();
}

void session::settle_live(attachment& at, v1::Stream stream) {
  auto& one = at.stream(stream);
  one.live = true;
  if (std::exchange(one.caught_up_told, true)) return;
  v1::CaughtUp message;
  care::name_record(message, at.host->state());
  message.set_stream(stream);
  message.set_seq(one.next - 1);
  send(v1::ServerFrame::kCaughtUpFieldNumber, message);
}

bool session::next_behind(attachment*& at, v1::Stream& stream) {
  for (const auto& one : attachments_) {
    if (one->audit_due > 0 || one->host->quarantined()) continue;
    for (const auto kind : all_streams) {
      auto& followed = one->stream(kind);
      if (!followed.readable || followed.live) continue;
      if (followed.next > one->host->durable(kind).head) {
        settle_live(*one, kind);
        continue;
      }
      at = one.get();
      stream = kind;
      return true;
    }
  }
  return false;
}

void session::start_catch_up() {
  if (std::exchange(catching_up_, true)) return;
  attachment* at = nullptr;
  v1::Stream stream{};
  if (!next_behind(at, stream)) {  // The common case of a reconnect: nothing was missed.
    catching_up_ = false;
    return;
  }
  boost::asio::co_spawn(hub_.executor(), catch_up(shared_from_this()), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

boost::asio::awaitable<void> session::catch_up([[maybe_unused]] std::shared_ptr<session> self) {
  attachment* at = nullptr;
  v1::Stream stream{};
  while (phase_ == phase::open && next_behind(at, stream)) {
    if (outbox_.bytes() > hub_.settings().server.send_queue_bytes / 2) {
      room_.expires_at(std::chrono::steady_clock::time_point::max());
      (void)co_await room_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      continue;
    }
    const auto host = at->host;
    const auto from = at->stream(stream).next;
    const auto page = co_await hub_.pages().read(host->key(), stream, from, host->durable(stream).head);
    if (phase_ != phase::open) break;
    if (!page && page.error() == store::errc::corrupt) {  // This record goes no further; the others do.
      host->quarantine();
      tell_damage();
      continue;
    }
    if (!page || !*page) {
      runtime::log_error("catch_up_failed",
                         {{"session", id_}, {"record", host->key()}, {"stream", static_cast<int>(stream)}, {"seq", from}});
      end(v1::CLOSE_CODE_INTERNAL);
      break;
    }
    attachment* now = find_attachment(host->key());  // Access may have ended meanwhile.
    if (!now || !now->stream(stream).readable || now->stream(stream).live || now->stream(stream).next != from) continue;
    const auto& batch = **page;
    now->stream(stream).next = batch.last_seq() + 1;
    hub_.metrics().deliveries.increment(batch.size());
    outbox_.add(batch);
    mark();
  }
  catching_up_ = false;
}

// --- access ---

attachment* session::find_attachment(std::string_view key) {
  for (const auto& at : attachments_) {
    if (at->host->key() == key) return at.get();
  }
  return nullptr;
}

v1::Author session::author_on(const attachment& at) const {
  v1::Author author;
  author.set_person_id(person_);
  author.set_role(care::role_there(at.host->state(), hub_.directory().accounts(), person_, hub_.instant()));
  return author;
}

void session::gain(attachment& at, const std::vector<v1::Stream>& streams) {
  for (const auto stream : streams) {
    auto& one = at.stream(stream);
    one = subscription{};
    one.readable = true;
    one.first = one.next = first_of(at, stream);
    one.told_head = at.host->durable(stream).head;
  }
  if (phase_ == phase::open) {
    outbox_.cut();
    for (const auto stream : streams) send(v1::ServerFrame::kGainedFieldNumber, access(at, stream));
    outbox_.cut();
  }
}

void session::reconsider(attachment& at) {
  if (phase_ == phase::ended) return;
  const auto t = hub_.instant();
  const auto readable = care::readable_streams(at.host->state(), hub_.directory().accounts(), person_, t);
  at.staff = care::staff_there(at.host->state(), person_, t);
  std::vector<v1::Stream> gained;
  care::facts ended;
  bool lost = false;
  for (const auto stream : all_streams) {
    const bool now = std::find(readable.begin(), readable.end(), stream) != readable.end();
    auto& one = at.stream(stream);
    // Whoever may read more or less of a stream than before begins it anew.
    const bool stays = now && one.readable && one.first == first_of(at, stream);
    if (now && !stays) gained.push_back(stream);
    if (stays || !one.readable) continue;
    if (!std::exchange(lost, true)) add_closed(ended, at);
    one = subscription{};
    if (phase_ != phase::open) continue;
    v1::StreamRevoked revoked;
    care::name_record(revoked, at.host->state());
    revoked.set_stream(stream);
    outbox_.cut();
    send(v1::ServerFrame::kRevokedFieldNumber, revoked);
    outbox_.cut();
  }
  if (!gained.empty()) gain(at, gained);
  if (readable.empty()) {
    audit_closed(at, std::move(ended));
    hub_.part(at);
    const auto left = at.host;
    std::erase_if(attachments_, [&](const auto& one) { return one.get() == &at; });
    for (const auto& list : worklists_) {
      if (list) list->lost(left->state().patient_id);
    }
    return;
  }
  reconsider_worklists(at);
  if (lost) {
    read_when_audited(at, readable, std::move(ended));
  } else if (!gained.empty()) {
    read_when_audited(at, gained, {});
  }
}

void session::follow(const std::shared_ptr<coordination::record_host>& host) {
  if (phase_ == phase::opening) {  // Joined after the list of records was read: looked at again after Welcome.
    opening_->joined_meanwhile.push_back(host);
    return;
  }
  if (phase_ != phase::open) return;
  boost::asio::co_spawn(hub_.executor(), prepare_following(shared_from_this(), host), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

/// Whoever comes back to a team has read there before.
boost::asio::awaitable<void> session::prepare_following([[maybe_unused]] std::shared_ptr<session> self,
                                                        std::shared_ptr<coordination::record_host> host) {
  std::vector<store::record_key> record{host->key()};
  auto cursors = co_await hub_.store().cursors_of(person_, std::move(record));
  if (!cursors) {
    runtime::log_error("session_not_opened", {{"session", id_}, {"person", person_}, {"error", cursors.error()}});
    end(v1::CLOSE_CODE_INTERNAL);
    co_return;
  }
  host->when_settled([self, host, loaded = std::move(*cursors)](boost::system::error_code failed) {
    if (!failed) self->start_following(host, loaded);
  });
}

void session::start_following(const std::shared_ptr<coordination::record_host>& host, const std::vector<store::cursor>& cursors) {
  if (phase_ != phase::open || find_attachment(host->key())) return;
  const auto streams = care::readable_streams(host->state(), hub_.directory().accounts(), person_, hub_.instant());
  if (streams.empty()) return;
  person_positions positions;
  for (const auto& one : cursors) positions[{one.record, one.stream}] = person_position(one);
  attachment& at = *make_attachment(host, positions);
  gain(at, streams);
  read_when_audited(at, streams, {});
  hub_.tell_presence(*this, at);
  hub_.tell_receipts(*this, at);
}

void session::tell_damage() {
  refuse({}, care::refuse(care::code::data_loss, "streams",
                          "a record is damaged in the store and not served until the operator has mended it; keep what you hold of it"));
}

void session::forget(std::string_view key) {
  if (attachment* at = find_attachment(key)) hub_.part(*at);
  std::erase_if(attachments_, [&](const auto& one) { return one->host->key() == key; });
}

void session::release(attachment& at) {
  audit_closed(at, {});
  hub_.part(at);
}

}  // namespace careteam::gateway
