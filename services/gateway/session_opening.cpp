// From Hello to Welcome: who it is, which records are theirs, from where each stream goes on, and the audit that comes before anything is
// read.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <iterator>

#include "gateway/hub.hpp"
#include "gateway/session.hpp"
#include "runtime/log.hpp"

namespace careteam::gateway {
namespace {

bool is_device_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

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
    auto& seq = opening_->resume[{care::record_named_by(position), position.stream()}];
    seq = std::max(seq, position.seq());
  }
  auto records = co_await records_offered();
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
  std::set<store::record_key> followed(records->begin(), records->end());
  const auto* account = hub_.directory().accounts().find(person_);
  if (account && account->administrator) {
    for (auto& duty : hub_.duty_keys()) followed.insert(std::move(duty));
  }
  opening_->left = 2;  // The organisation, and this function itself.
  for (const auto& record : followed) {
    if (!care::new_record(record)) continue;
    ++opening_->left;
    attach(hub_.hosts().find_or_make(record));
  }
  attach(hub_.directory().organization());
  opened_one({});
}

/// Their own, and those of the duties by which they read. Whatever begins meanwhile is followed when it does.
boost::asio::awaitable<store::result<std::vector<store::record_key>>> session::records_offered() {
  auto records = co_await hub_.store().records_of(person_);
  for (const auto& duty : hub_.duties_read_by(person_)) {
    if (!records) break;
    auto of_duty = co_await hub_.store().records_of(care::member_key({}, duty));
    if (!of_duty) co_return of_duty.error();
    records->insert(records->end(), std::make_move_iterator(of_duty->begin()), std::make_move_iterator(of_duty->end()));
  }
  if (records) {
    std::sort(records->begin(), records->end());
    records->erase(std::unique(records->begin(), records->end()), records->end());
  }
  co_return records;
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
  made->staff = care::staff_there(host->state(), person_, hub_.instant());
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
    const auto position = opening_->resume.find({host->key(), stream});
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
                    self->forget(host->key());
                    self->damage_untold_ = true;
                    self->opened_one({});
                    return;
                  }
                  // The person may have left and joined again meanwhile: then another one is due.
                  attachment* audited = self->find_attachment(host->key());
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
  care::name_record(access, at.host->state());
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
            [](const auto& one, const auto& other) { return one->host->key() < other->host->key(); });
  std::vector<v1::Reset> resets;
  for (const auto& at : attachments_) {
    for (const auto stream : all_streams) {
      auto& one = at->stream(stream);
      if (!one.readable) continue;
      one.told_head = at->host->durable(stream).head;
      *message.add_streams() = access(*at, stream);
      const auto position = opening_->resume.find({at->host->key(), stream});
      if (position == opening_->resume.end() || position->second == 0 || one.next == position->second + 1) continue;
      v1::Reset reset;
      care::name_record(reset, at->host->state());
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
      if (!failed && self && !self->find_attachment(host->key())) self->follow(host);
    });
  }
}

}  // namespace careteam::gateway
