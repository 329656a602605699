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
namespace {

constexpr std::array all_streams{v1::STREAM_SHARED, v1::STREAM_CLINICAL, v1::STREAM_SUPPORT, v1::STREAM_AUDIT, v1::STREAM_ORGANIZATION};

bool is_device_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

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

// --- Hello ---

void session::on_hello(v1::Hello hello) {
  if (const auto wait = hub_.limits().token_wait(transport_->peer()); phase_ == phase::waiting_for_hello && wait.count() > 0) {
    hub_.metrics().floods.increment();
    auto why = care::refuse(care::code::resource_exhausted, "hello.token", "too many refused tokens from this address; come back later");
    why.retry_after_ms = static_cast<std::uint32_t>(wait.count());
    refuse({}, std::move(why));
    end(v1::CLOSE_CODE_TOO_MANY);
    return;
  }
  auto who = hub_.tokens().verify(hello.token(), hub_.now());
  if (!who) {
    refuse_token(identity::name_of(who.error()));
    return;
  }
  const auto& settings = hub_.settings().identity;
  if (hub_.directory().accounts().revoked(who->subject, who->issued_at, settings.clock_skew)) {
    refuse_token("revoked");
    return;
  }
  if (phase_ != phase::waiting_for_hello) {
    renew(hello, *who);
    return;
  }
  if (!is_device_id(hello.device_id())) {
    refuse({}, care::refuse(care::code::invalid_argument, "hello.deviceId", "must be 1 to 64 of A-Z a-z 0-9 - . _"));
    end(v1::CLOSE_CODE_MALFORMED);
    return;
  }
  if (static_cast<std::size_t>(hello.resume_size()) > max_resume_positions) {
    refuse({}, care::refuse(care::code::invalid_argument, "hello.resume", "too many positions"));
    end(v1::CLOSE_CODE_MALFORMED);
    return;
  }
  if (!hub_.directory().accounts().active(who->subject)) {
    end(v1::CLOSE_CODE_SUSPENDED);
    return;
  }
  person_ = who->subject;
  device_ = hello.device_id();
  acting_role_ = hello.acting_role();
  issued_ = who->issued_at;
  expires_ = who->expires_at;
  opened_at_ = hub_.now();
  if (!hub_.enter(*this)) {
    person_.clear();
    end(v1::CLOSE_CODE_TOO_MANY);
    return;
  }
  phase_ = phase::opening;
  opening_ = std::make_unique<opening_state>();
  watch_expiry();
  boost::asio::co_spawn(hub_.executor(), open(shared_from_this(), std::move(hello)), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

void session::refuse_token(std::string_view reason) {
  hub_.limits().token_refused(transport_->peer());
  hub_.metrics().refused_tokens.increment();
  runtime::log_info("token_refused", {{"session", id_}, {"reason", reason}});
  refuse({}, care::refuse(care::code::unauthenticated, "hello.token", "the token is refused: " + std::string(reason)));
  end(v1::CLOSE_CODE_UNAUTHENTICATED);
}

void session::renew(const v1::Hello& hello, const identity::principal& who) {
  if (who.subject != person_) {
    refuse({}, care::refuse(care::code::unauthenticated, "hello.token", "the token is another person's"));
    end(v1::CLOSE_CODE_UNAUTHENTICATED);
    return;
  }
  issued_ = who.issued_at;
  expires_ = who.expires_at;
  acting_role_ = hello.acting_role();
  watch_expiry();
  v1::Welcome renewed;
  renewed.set_session_id(id_);
  renewed.set_person_id(person_);
  renewed.set_epoch(hub_.store().epoch());
  care::set_timestamp(*renewed.mutable_time(), hub_.instant());
  care::set_timestamp(*renewed.mutable_token_expires(), std::chrono::floor<std::chrono::microseconds>(expires_));
  renewed.set_max_frame_bytes(static_cast<std::uint32_t>(hub_.settings().server.max_frame_bytes));
  outbox_.cut();
  send(v1::ServerFrame::kWelcomeFieldNumber, renewed);
  outbox_.cut();
}

boost::asio::awaitable<void> session::open([[maybe_unused]] std::shared_ptr<session> self, v1::Hello hello) {
  opening_->epoch_matches = hello.epoch() == hub_.store().epoch();
  for (const auto& position : hello.resume()) {
    auto& seq = opening_->resume[{position.patient_id(), position.stream()}];
    seq = std::max(seq, position.seq());
  }
  auto records = co_await hub_.store().records_of(person_);
  if (!records || records->size() > max_records_per_person) {
    runtime::log_error("session_not_opened", {{"session", id_}, {"person", person_}});
    end(v1::CLOSE_CODE_INTERNAL);
    co_return;
  }
  auto cursors = co_await hub_.store().cursors_of(person_, *records);
  if (!cursors) {
    runtime::log_error("session_not_opened", {{"session", id_}, {"person", person_}, {"error", cursors.error()}});
    end(v1::CLOSE_CODE_INTERNAL);
    co_return;
  }
  for (auto& one : *cursors) opening_->positions[{one.record, one.stream}] = person_position(one);
  static constexpr std::string_view prefix = "patient/";
  opening_->left = 2;  // The organisation, and this function itself.
  for (const auto& record : *records) {
    if (!record.starts_with(prefix)) continue;
    ++opening_->left;
    attach(hub_.hosts().find_or_make(record.substr(prefix.size())));
  }
  attach(hub_.hosts().find_or_make({}));
  opened_one({});
}

boost::asio::awaitable<void> session::finish_opening([[maybe_unused]] std::shared_ptr<session> self) {
  std::vector<std::shared_ptr<coordination::record_host>> unknown;
  for (const auto& at : attachments_) {
    if (!hub_.receipts_known(*at->host)) unknown.push_back(at->host);
  }
  for (const auto& host : unknown) {
    auto receipts = co_await hub_.store().receipts_of(host->key());
    if (receipts) hub_.know_receipts(*host, *receipts);
  }
  if (phase_ == phase::opening) welcome();
}

void session::attach(std::shared_ptr<coordination::record_host> host) {
  auto* asked = host.get();
  asked->when_settled([weak = weak_from_this(), host = std::move(host)](boost::system::error_code failed) {
    if (const auto self = weak.lock()) self->attached(host, failed);
  });
}

attachment* session::make_attachment(const std::shared_ptr<coordination::record_host>& host, const person_positions& positions) {
  auto made = std::make_unique<attachment>();
  made->host = host;
  made->owner = this;
  for (std::size_t i = 0; i < care::stream_count; ++i) {
    const auto known = positions.find({host->key(), static_cast<store::stream_kind>(i)});
    if (known != positions.end()) made->positions[i] = known->second;
  }
  made->staff = host->patient_id().empty() || care::is_staff(host->state().team, person_, hub_.instant());
  attachments_.push_back(std::move(made));
  hub_.join(*attachments_.back());
  return attachments_.back().get();
}

void session::attached(const std::shared_ptr<coordination::record_host>& host, boost::system::error_code failed) {
  if (phase_ != phase::opening) return;
  if (failed) {
    // A record that is damaged is reported and left out; nobody else's sync fails for it. Where the store cannot be read now, nothing is
    // left out: the device comes back.
    if (failed == store::errc::corrupt) damage_untold_ = true;
    opened_one(failed == store::errc::corrupt ? boost::system::error_code{} : failed);
    return;
  }
  const auto streams = care::readable_streams(host->state(), hub_.directory().accounts(), person_, hub_.instant());
  if (streams.empty()) {
    opened_one({});
    return;
  }
  attachment& at = *make_attachment(host, opening_->positions);
  for (const auto stream : streams) {
    auto& one = at.stream(stream);
    one.readable = true;
    one.told_head = host->durable(stream).head;
    const auto position = opening_->resume.find({host->patient_id(), stream});
    one.first = one.next = first_of(at, stream);
    const bool held = opening_->epoch_matches && position != opening_->resume.end();
    if (held && position->second <= one.told_head && position->second + 1 >= one.first) one.next = position->second + 1;
  }
  read_when_audited(at, streams, {});
  opened_one({});
}

// What ended and what begins are one note: no moment lies between them in which the audit would know of neither.
void session::read_when_audited(attachment& at, const std::vector<v1::Stream>& streams, care::facts ended) {
  auto& opened = *care::add_fact(ended, v1::STREAM_AUDIT).mutable_session_opened();
  opened.set_session_id(id_);
  opened.set_device_id(device_);
  opened.set_server_id(hub_.server_id());
  for (const auto stream : streams) {
    auto& after = *opened.add_after();
    after.set_stream(stream);
    after.set_seq(at.stream(stream).next - 1);
  }
  at.audited = true;
  at.audit_due = ++audits_;
  const bool opening = phase_ == phase::opening;
  if (opening) ++opening_->left;  // Welcome waits for it.
  at.host->note(std::move(ended), author_on(at),
                [weak = weak_from_this(), host = at.host, due = audits_, opening](boost::system::error_code failed) {
                  const auto self = weak.lock();
                  if (!self || self->phase_ == phase::ended) return;
                  if (host->quarantined()) {  // Found damaged just now: left out, and the others go on.
                    if (!opening) return;
                    self->forget(host->patient_id());
                    self->damage_untold_ = true;
                    self->opened_one({});
                    return;
                  }
                  // The person may have left and joined again meanwhile: then another one is due.
                  attachment* audited = self->find_attachment(host->patient_id());
                  if (!failed && audited && audited->audit_due == due) audited->audit_due = 0;
                  if (audited && !opening) self->reconsider_worklists(*audited);
                  if (opening) self->opened_one(failed);
                  if (self->phase_ != phase::open) return;
                  if (failed) {
                    self->end(v1::CLOSE_CODE_INTERNAL);
                  } else {
                    self->start_catch_up();
                  }
                });
}

void session::add_closed(care::facts& to, attachment& at) {
  if (!std::exchange(at.audited, false)) return;
  auto& closed = *care::add_fact(to, v1::STREAM_AUDIT).mutable_session_closed();
  closed.set_session_id(id_);
  closed.set_device_id(device_);
  for (const auto stream : all_streams) {
    if (!at.stream(stream).readable) continue;
    auto& delivered = *closed.add_delivered();
    delivered.set_stream(stream);
    delivered.set_seq(at.stream(stream).next - 1);
  }
}

void session::audit_closed(attachment& at, care::facts ended) {
  add_closed(ended, at);
  if (!ended.empty()) at.host->note(std::move(ended), author_on(at), [](boost::system::error_code) {});
}

void session::opened_one(boost::system::error_code failed) {
  if (phase_ != phase::opening) return;
  opening_->failed |= static_cast<bool>(failed);
  if (--opening_->left > 0) return;
  if (opening_->failed) {  // Without the audit nothing is read.
    refuse({}, care::refuse(care::code::unavailable, "", "the store cannot be read now, or the audit not written; try again"));
    end(v1::CLOSE_CODE_INTERNAL);
    return;
  }
  boost::asio::co_spawn(hub_.executor(), finish_opening(shared_from_this()), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

v1::StreamAccess session::access(const attachment& at, v1::Stream stream) const {
  const auto& durable = at.host->durable(stream);
  const auto& position = at.positions[static_cast<std::size_t>(stream)];
  const auto authored = durable.authored.find(person_);
  const std::uint64_t own = authored == durable.authored.end() ? 0 : authored->second;
  const std::uint64_t before = at.stream(stream).first - 1;  // What is not this person's is not unread either.
  const std::uint64_t read = std::max(position.read, before);
  const std::uint64_t unread_with_own = durable.head - std::min(durable.head, read);
  const std::uint64_t own_after = own - std::min(own, position.read_own);
  v1::StreamAccess access;
  access.set_patient_id(at.host->patient_id());
  access.set_stream(stream);
  access.set_head(durable.head);
  if (before > 0) access.set_first(before + 1);
  if (before == 0) access.set_head_chain(std::string(durable.chain.begin(), durable.chain.end()));
  access.set_read(read);
  access.set_displayed(std::max(position.displayed, before));
  access.set_unread(unread_with_own - std::min(unread_with_own, own_after));
  access.set_after(at.stream(stream).next - 1);
  access.set_patient_name(at.host->state().team.patient_name);
  access.set_may_post(care::may_post(at.host->state().team, {person_, acting_role_, false}, stream, hub_.instant()));
  return access;
}

void session::welcome() {
  phase_ = phase::open;
  v1::Welcome message;
  message.set_session_id(id_);
  message.set_person_id(person_);
  message.set_epoch(hub_.store().epoch());
  care::set_timestamp(*message.mutable_time(), hub_.instant());
  care::set_timestamp(*message.mutable_token_expires(), std::chrono::floor<std::chrono::microseconds>(expires_));
  message.set_max_frame_bytes(static_cast<std::uint32_t>(hub_.settings().server.max_frame_bytes));
  std::sort(attachments_.begin(), attachments_.end(),
            [](const auto& one, const auto& other) { return one->host->patient_id() < other->host->patient_id(); });
  std::vector<v1::Reset> resets;
  for (const auto& at : attachments_) {
    for (const auto stream : all_streams) {
      auto& one = at->stream(stream);
      if (!one.readable) continue;
      one.told_head = at->host->durable(stream).head;
      *message.add_streams() = access(*at, stream);
      const auto position = opening_->resume.find({at->host->patient_id(), stream});
      if (position == opening_->resume.end() || position->second == 0 || one.next == position->second + 1) continue;
      v1::Reset reset;
      reset.set_patient_id(at->host->patient_id());
      reset.set_stream(stream);
      reset.set_reason(opening_->epoch_matches ? v1::Reset::REASON_POSITION : v1::Reset::REASON_EPOCH);
      resets.push_back(std::move(reset));
    }
  }
  send(v1::ServerFrame::kWelcomeFieldNumber, message);
  for (const auto& reset : resets) send(v1::ServerFrame::kResetsFieldNumber, reset);
  outbox_.cut();
  for (const auto& at : attachments_) {
    hub_.tell_presence(*this, *at);
    hub_.tell_receipts(*this, *at);
  }
  const auto opened = std::exchange(opening_, nullptr);
  if (std::exchange(damage_untold_, false)) tell_damage();
  start_catch_up();
  for (const auto& host : opened->joined_meanwhile) {
    host->when_settled([weak = weak_from_this(), host](boost::system::error_code failed) {
      const auto self = weak.lock();
      if (!failed && self && !self->find_attachment(host->patient_id())) self->follow(host);
    });
  }
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
  message.set_patient_id(at.host->patient_id());
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
    attachment* now = find_attachment(host->patient_id());  // Access may have ended meanwhile.
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

attachment* session::find_attachment(std::string_view patient_id) {
  for (const auto& at : attachments_) {
    if (at->host->patient_id() == patient_id) return at.get();
  }
  return nullptr;
}

v1::Author session::author_on(const attachment& at) const {
  v1::Author author;
  author.set_person_id(person_);
  if (at.host->patient_id().empty()) {
    author.set_role(v1::ROLE_ADMINISTRATOR);
  } else {
    for (const auto* m : at.host->state().team.at(hub_.instant())) {
      if (m->person_id == person_) author.set_role(m->role);
    }
  }
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
  at.staff = at.host->patient_id().empty() || care::is_staff(at.host->state().team, person_, t);
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
    revoked.set_patient_id(at.host->patient_id());
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
      if (list) list->lost(left->patient_id());
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
  if (phase_ != phase::open || find_attachment(host->patient_id())) return;
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

void session::forget(std::string_view patient_id) {
  if (attachment* at = find_attachment(patient_id)) hub_.part(*at);
  std::erase_if(attachments_, [&](const auto& one) { return one->host->patient_id() == patient_id; });
}

void session::release(attachment& at) {
  audit_closed(at, {});
  hub_.part(at);
}

}  // namespace careteam::gateway
