#include "gateway/worklist_feed.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/hub.hpp"
#include "gateway/session.hpp"
#include "runtime/log.hpp"

namespace careteam::gateway {
namespace {

constexpr std::size_t judged_at_a_time = 500;  // Then the others' work has its turn: half a millisecond.
constexpr auto never = std::chrono::steady_clock::time_point::max();

void put_entry(v1::EntryRef& to, const std::string& patient, care::place at) {
  to.set_patient_id(patient);
  to.set_stream(at.stream);
  to.set_seq(at.seq);
}

}  // namespace

/// Where to look, by record.
struct worklist_feed::candidates {
  std::map<std::string, std::set<care::place>> places;
  std::size_t left = 0;
  std::size_t judged = 0;  ///< Since others had their turn.
  std::size_t accepted = 0;
};

/// What was found: by item, so that what is met twice counts once.
struct worklist_feed::verdicts {
  std::map<item_key, care::worklist_item> items;
  bool more = false;
};

worklist_feed::worklist_feed(hub& the_hub, std::weak_ptr<session> owner, v1::WatchWorklist asked)
    : hub_(the_hub), owner_(std::move(owner)), asked_(std::move(asked)) {}

worklist_feed::order_key worklist_feed::order_of(const std::string& patient, const care::worklist_item& item) const {
  return {item.breach.value_or(care::instant::max()), patient, item.at};
}

std::optional<care::worklist_item> worklist_feed::evaluate(const session& whose, const attachment& at, care::place where) const {
  if (!at.stream(where.stream).readable || at.audit_due > 0 || at.host->quarantined()) return std::nullopt;
  const care::worklist_view view{whose.person(), hub_.directory().accounts(), hub_.task_setting(), hub_.instant()};
  switch (asked_.what()) {
    case v1::WatchWorklist::WHAT_OWED:
      return care::owed_by(at.host->state(), where, view);
    case v1::WatchWorklist::WHAT_DUTY:
      if (!hub_.is_of_duty(whose.person(), asked_.duty_id())) return std::nullopt;
      return care::owed_by_duty(at.host->state(), where, asked_.duty_id(), view);
    default:
      return care::asked_by(at.host->state(), where, view);
  }
}

std::vector<std::string> worklist_feed::keys(const session& whose) const {
  switch (asked_.what()) {
    case v1::WatchWorklist::WHAT_OWED:
      return care::owner_keys(whose.person(), hub_.task_setting(), hub_.instant());
    case v1::WatchWorklist::WHAT_DUTY:
      return {care::duty_key(asked_.duty_id())};
    default:
      return {care::person_key(whose.person())};
  }
}

// --- reading ---

void worklist_feed::refresh() {
  if (stopped_) return;
  again_ = true;
  if (std::exchange(reading_, true)) return;
  boost::asio::co_spawn(hub_.executor(), read(shared_from_this()), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

boost::asio::awaitable<void> worklist_feed::read(std::shared_ptr<worklist_feed> self) {
  while (std::exchange(again_, false)) {
    const bool good = co_await read_once(self);
    if (stopped_ || !good) break;
  }
  reading_ = false;
  meanwhile_.clear();
}

boost::asio::awaitable<bool> worklist_feed::read_once([[maybe_unused]] std::shared_ptr<worklist_feed> self) {
  meanwhile_.clear();
  auto found = std::make_shared<verdicts>();
  std::vector<std::string> owners;
  {
    const auto whose = owner_.lock();
    if (!whose) co_return false;
    owners = keys(*whose);
    // Where this person answers for whatever nobody else can, the index does not say so.
    auto attended = std::make_shared<candidates>();
    for (const auto& at : whose->attachments()) {
      if (at->host->state().patient_id.empty()) continue;
      if (care::answers_for_the_rest(at->host->state(), whose->person(), hub_.task_setting()))
        attended->places[at->host->state().patient_id];
    }
    if (asked_.what() == v1::WatchWorklist::WHAT_OWED && !attended->places.empty()) (void)co_await judge(attended, found);
  }
  for (const auto& key : owners) {
    std::optional<store::stored_obligation> after;
    std::size_t accepted = 0;
    for (std::size_t rows = 0; !stopped_;) {
      auto page = co_await hub_.store().obligations_of(key, after, worklist_page);
      if (!page) {
        runtime::log_error("worklist_not_read", {{"error", page.error()}});
        const auto whose = owner_.lock();
        if (whose) whose->refuse(asked_.request_id(), care::refuse(care::code::unavailable, "", "the store cannot be read now; try again"));
        co_return false;
      }
      auto places = std::make_shared<candidates>();
      for (const auto& [record, row] : *page) {
        if (asked_.what() == v1::WatchWorklist::WHAT_ASKED && (row.parts & care::row_part::requested) == 0) continue;
        const auto patient = care::patient_of_key(record);
        if (patient) places->places[*patient].insert({static_cast<v1::Stream>(row.key.stream), row.key.seq});
      }
      if (!places->places.empty()) accepted += co_await judge(places, found);
      rows += page->size();
      if (page->size() < worklist_page) break;
      if (accepted > asked_.limit() || rows >= max_worklist_rows) {
        found->more = true;
        break;
      }
      after = std::move(page->back());
    }
  }
  if (!stopped_) tell_all(*found);
  co_return true;
}

boost::asio::awaitable<std::size_t> worklist_feed::judge(std::shared_ptr<candidates> asked, std::shared_ptr<verdicts> into) {
  auto done = std::make_shared<boost::asio::steady_timer>(hub_.executor(), never);
  std::vector<std::shared_ptr<coordination::record_host>> hosts;
  if (const auto whose = owner_.lock()) {
    for (const auto& at : whose->attachments()) {
      if (asked->places.contains(at->host->state().patient_id)) hosts.push_back(at->host);
    }
  }
  asked->left = hosts.size();
  for (const auto& host : hosts) {
    host->when_settled([self = shared_from_this(), asked, into, host, done](boost::system::error_code failed) {
      const auto whose = self->owner_.lock();
      const attachment* at = whose && !failed ? whose->find_attachment(host->key()) : nullptr;
      if (at) {
        const auto& named = asked->places[host->state().patient_id];
        const auto places = named.empty() ? care::open_obligations(host->state()) : std::vector(named.begin(), named.end());
        asked->judged += places.size();
        for (const auto where : places) {
          const auto item = self->evaluate(*whose, *at, where);
          if (item) asked->accepted += into->items.insert_or_assign({host->state().patient_id, where}, *item).second ? 1 : 0;
        }
      }
      if (--asked->left == 0) done->cancel();
    });
    if (asked->judged < judged_at_a_time) continue;
    asked->judged = 0;
    co_await boost::asio::post(hub_.executor(), boost::asio::use_awaitable);
  }
  if (asked->left > 0) (void)co_await done->async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  co_return asked->accepted;
}

void worklist_feed::tell_all(verdicts& found) {
  const auto whose = owner_.lock();
  if (!whose) return;
  for (auto& [key, item] : meanwhile_) {
    if (item) {
      found.items.insert_or_assign(key, *item);
    } else {
      found.items.erase(key);
    }
  }
  meanwhile_.clear();
  // A right may have ended since an item was found.
  std::map<std::string, const attachment*> followed;
  for (const auto& at : whose->attachments()) followed.emplace(at->host->state().patient_id, at.get());
  std::erase_if(found.items, [&](const auto& one) {
    const auto at = followed.find(one.first.first);
    return at == followed.end() || !at->second->stream(one.first.second.stream).readable;
  });
  std::map<order_key, const care::worklist_item*> sorted;
  for (const auto& [key, item] : found.items) sorted.emplace(order_of(key.first, item), &item);
  told_once_ = true;
  told_.clear();
  order_.clear();
  changed_.clear();
  v1::Worklist list;
  list.set_request_id(asked_.request_id());
  list.set_what(asked_.what());
  for (const auto& [order, item] : sorted) {
    if (told_.size() == asked_.limit()) break;
    const auto& patient = std::get<1>(order);
    *list.add_items() = on_wire(patient, *item);
    told_.emplace(item_key{patient, item->at}, *item);
    order_.insert(order);
  }
  more_ = found.more || sorted.size() > told_.size();
  list.set_more(more_);
  whose->out().cut();
  whose->send(v1::ServerFrame::kWorklistsFieldNumber, list);
  whose->out().cut();
}

// --- changes ---

void worklist_feed::touched(const attachment& at, const std::vector<care::place>& places) {
  const auto whose = owner_.lock();
  if (stopped_ || !whose) return;
  for (const auto where : places) take(at.host->state().patient_id, where, evaluate(*whose, at, where));
  tell_soon();
}

void worklist_feed::tell_soon() {
  const auto whose = owner_.lock();
  if (whose && !changed_.empty()) whose->mark();
}

void worklist_feed::take(const std::string& patient, care::place where, std::optional<care::worklist_item> now) {
  if (reading_) meanwhile_[{patient, where}] = now;
  if (!told_once_) return;
  if (now) {
    put(patient, *now);
  } else {
    remove({patient, where});
  }
}

void worklist_feed::put(const std::string& patient, const care::worklist_item& item) {
  const item_key key{patient, item.at};
  const auto order = order_of(patient, item);
  if (const auto at = told_.find(key); at != told_.end()) {
    if (at->second == item) return;
    order_.erase(order_of(patient, at->second));
    at->second = item;
  } else {
    const bool behind = !order_.empty() && *order_.rbegin() < order;
    if (told_.size() >= asked_.limit() || more_) {
      if (behind || order_.empty()) {
        if (!std::exchange(more_, true) && !order_.empty()) {  // The client hears of it with the last item that it has.
          const auto& last = *order_.rbegin();
          changed_.insert({std::get<1>(last), std::get<2>(last)});
        }
        return;
      }
    }
    if (told_.size() >= asked_.limit()) {
      const auto last = *order_.rbegin();
      more_ = true;
      remove({std::get<1>(last), std::get<2>(last)});
    }
    told_.emplace(key, item);
  }
  order_.insert(order);
  changed_.insert(key);
}

void worklist_feed::remove(const item_key& key) {
  const auto at = told_.find(key);
  if (at == told_.end()) return;
  order_.erase(order_of(key.first, at->second));
  told_.erase(at);
  changed_.insert(key);
  if (more_ && told_.size() <= asked_.limit() / 2) refresh();
}

void worklist_feed::reconsider(const attachment& at) {
  at.host->when_settled([weak = weak_from_this(), host = at.host](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (self && !failed) self->settle_record(host->state().patient_id, *host);
  });
}

void worklist_feed::settle_record(const std::string& patient_id, const coordination::record_host& host) {
  const auto whose = owner_.lock();
  const attachment* at = stopped_ || !whose ? nullptr : whose->find_attachment(host.key());
  if (!at) return;
  auto places = care::open_obligations(host.state());
  for (auto one = told_.lower_bound({patient_id, care::place{}}); one != told_.end() && one->first.first == patient_id; ++one) {
    places.push_back(one->first.second);
  }
  for (const auto where : places) take(patient_id, where, evaluate(*whose, *at, where));
  tell_soon();
}

void worklist_feed::lost(const std::string& patient_id) {
  std::vector<item_key> gone;
  for (auto one = told_.lower_bound({patient_id, care::place{}}); one != told_.end() && one->first.first == patient_id; ++one) {
    gone.push_back(one->first);
  }
  for (const auto& key : gone) remove(key);
  for (auto& [key, item] : meanwhile_) {
    if (key.first == patient_id) item.reset();
  }
  if (reading_) again_ = true;  // What was found so far may be of that record.
  tell_soon();
}

void worklist_feed::flush() {
  const auto whose = owner_.lock();
  if (stopped_ || !whose || changed_.empty()) return;
  for (const auto& key : std::exchange(changed_, {})) {
    v1::WorklistChange change;
    change.set_what(asked_.what());
    change.set_more(more_);
    if (const auto at = told_.find(key); at != told_.end()) {
      *change.mutable_item() = on_wire(key.first, at->second);
    } else {
      put_entry(*change.mutable_removed(), key.first, key.second);
    }
    whose->send(v1::ServerFrame::kWorklistChangesFieldNumber, change);
  }
}

v1::WorklistItem worklist_feed::on_wire(const std::string& patient, const care::worklist_item& item) const {
  v1::WorklistItem told;
  put_entry(*told.mutable_entry(), patient, item.at);
  told.set_kind(item.kind == care::obligation_kind::task ? v1::WorklistItem::KIND_TASK : v1::WorklistItem::KIND_ACKNOWLEDGEMENT);
  switch (item.how) {
    case care::standing::answers:
      told.set_standing(v1::WorklistItem::STANDING_ANSWERS);
      break;
    case care::standing::asked:
      told.set_standing(v1::WorklistItem::STANDING_ASKED);
      break;
    case care::standing::requested:
      told.set_standing(v1::WorklistItem::STANDING_REQUESTED);
      break;
    case care::standing::of_duty:
      told.set_standing(v1::WorklistItem::STANDING_OF_DUTY);
      break;
  }
  told.set_person_id(item.accountable);
  told.set_priority(item.priority);
  told.set_task_status(item.status);
  if (item.breach) care::set_timestamp(*told.mutable_breach(), *item.breach);
  told.set_version(item.version);
  return told;
}

}  // namespace careteam::gateway
