// How a record host commits a batch: what is appended, who hears of it, and what refused commands hear.
#include <boost/asio/use_awaitable.hpp>

#include "coordination/obligation_rows.hpp"
#include "coordination/people.hpp"
#include "coordination/record_batch.hpp"
#include "coordination/timer_changes.hpp"
#include "runtime/log.hpp"

namespace careteam::coordination {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

care::refusal damaged() {
  return care::refuse(care::code::data_loss, "", "what is stored here is damaged; nothing has happened; the operator has to mend it");
}

}  // namespace

care::refusal try_later() {
  auto why = care::refuse(care::code::unavailable, "", "the store cannot be written now; nothing has happened; try again");
  why.retry_after_ms = 1000;
  return why;
}

care::refusal refusal_of(error_code failed) {
  if (failed == store::errc::corrupt) return damaged();
  auto why = try_later();
  if (failed == store::errc::uncertain) {
    why.message = "the disk failed, and it is not known whether this was kept; send it again with the same commandId";
  }
  return why;
}

care::refusal other_command() {
  return care::refuse(care::code::already_exists, "commandId", "this commandId was used for another command");
}

asio::awaitable<bool> record_host::commit(batch& work) {
  // What was refused because a timer fired is refused only if it has: the store may know better.
  if (work.timers.empty()) co_await answer_refused(work);
  if (work.entry_count == 0 && work.acceptances.empty() && work.twins.empty() && work.timers.empty()) {
    for (auto& entries : work.notes) entries.done(make_error_code(store::errc::unavailable));
    co_return true;
  }
  store::record_append append;
  append.record = key_;
  append.expected_version = work.expected_version;
  append.entries.reserve(work.entry_count);
  append.commands.reserve(work.acceptances.size());
  // Entries take versions in the order of the list: the order of their decisions, which is also each stream's order.
  std::array<std::size_t, care::stream_count> next{};
  const auto add = [&](const v1::Entry& entry) {
    const auto index = static_cast<std::size_t>(entry.stream());
    append.entries.push_back({static_cast<store::stream_kind>(entry.stream()), entry.seq(), care::about(entry), entry.author().person_id(),
                              work.streams[index]->entry(next[index]++)});
  };
  for (const auto& due : work.timers) {
    for (const auto& entry : due.entries) add(entry);
    append.fired_timers.push_back(due.timer.key);
  }
  for (const auto& one : work.acceptances) {
    for (const auto& entry : one.entries) add(entry);
  }
  for (const auto& entries : work.notes) {
    if (state_.exists() && !entries.entries.empty() && entries.entries.front().seq() != 0) {
      for (const auto& entry : entries.entries) add(entry);
    }
  }
  for (const auto& one : work.acceptances) {
    const auto& what = work.commands[one.command];
    if (one.remembered_here) continue;
    append.commands.push_back({what.who.person_id, what.id, what.digest, static_cast<store::stream_kind>(one.where.stream), one.where.seq});
  }
  for (const auto& person : work.members_touched) {
    append.memberships.push_back({person, care::is_offered(state_, person, work.now)});
  }
  if (state_.version - snapshot_version_ >= environment_.snapshot_every) append.snapshot = care::to_snapshot(state_);
  const bool snapshot = append.snapshot.has_value();
  append.keep_alive = std::make_shared<std::vector<shared_batch>>(work.order);
  add_timer_changes(append, state_.timers.take_changes());
  work.obligations_touched = add_obligation_changes(append, work.obligations.against(state_));
  work.deliveries.move_to(append, environment_.deliveries_added ? delivery_changes::calls::keep : delivery_changes::calls::drop);
  const auto added = environment_.deliveries_added ? append.add_deliveries : std::vector<store::new_delivery>();
  std::optional<care::instant> first_set;
  for (const auto& timer : append.set_timers) first_set = std::min(first_set.value_or(timer.key.due), timer.key.due);
  if (append.entries.empty() && append.commands.empty() && append.fired_timers.empty()) {
    finish(work, {});
    co_return true;
  }

  const auto started = std::chrono::steady_clock::now();
  std::vector<store::record_append> request;
  request.push_back(std::move(append));
  auto appended = co_await environment_.store.append(std::move(request));
  if (!appended || std::holds_alternative<store::committed>(*appended)) co_await answer_refused(work);
  if (!appended) {
    runtime::log_error("append_failed", {{"record", key_}, {"error", appended.error()}});
    loaded_ = false;
    environment_.metrics.store_failures.increment();
    const auto why = refusal_of(appended.error());
    for (const auto& one : work.acceptances) work.commands[one.command].answer(work.commands[one.command], {why, {}});
    for (const auto& [second, first] : work.twins) work.commands[second].answer(work.commands[second], {why, {}});
    for (auto& entries : work.notes) entries.done(appended.error());
    for (auto& due : work.timers) due.done(appended.error());
    co_return true;
  }
  if (const auto* done = std::get_if<store::committed>(&*appended)) {
    environment_.metrics.commit_seconds.observe(std::chrono::steady_clock::now() - started);
    if (snapshot) snapshot_version_ = state_.version;
    finish(work, *done);
    if (first_set && environment_.timer_set) environment_.timer_set(*first_set);
    if (!added.empty()) environment_.deliveries_added(added);
    co_return true;
  }
  loaded_ = false;  // The state ran ahead of the store.
  if (const auto* stale = std::get_if<store::stale_timers>(&*appended)) forget_stale(work, *stale);
  if (const auto* known = std::get_if<store::duplicates>(&*appended)) {
    for (const auto& command : known->known) {
      for (std::size_t i = 0; i < work.commands.size(); ++i) {
        auto& one = work.commands[i];
        if (work.answered[i] || one.id != command.id || one.who.person_id != command.actor) continue;
        work.answered[i] = 1;
        const care::place where{static_cast<v1::Stream>(command.stream), command.seq};
        if (one.digest == command.digest) {
          one.answer(one, {where, {}});
        } else {
          one.answer(one, {other_command(), {}});
        }
      }
    }
  }
  co_return false;
}

// Another process fired them, or something moved them: either way there is nothing left to do.
void record_host::forget_stale(batch& work, const store::stale_timers& stale) {
  std::erase_if(work.timers, [&](const fired& due) {
    if (std::ranges::find(stale.gone, due.timer.key) == stale.gone.end()) return false;
    due.done({});
    return true;
  });
}

asio::awaitable<void> record_host::answer_refused(batch& work) {
  for (auto& [index, why] : work.refusals) {
    auto& one = work.commands[index];
    work.answered[index] = 1;
    // A command that was carried out before, and would be refused now, still gets its first answer.
    auto known = co_await environment_.store.find_command(one.who.person_id, one.id);
    command_answer answer{std::move(why), {}};
    if (!known) {
      answer.result = try_later();
    } else if (known->has_value()) {
      const auto& before = **known;
      if (before.digest == one.digest) {
        answer.result = care::place{static_cast<v1::Stream>(before.stream), before.seq};
      } else {
        answer.result = other_command();
      }
    }
    if (!answer.result) environment_.metrics.refused.increment();
    one.answer(one, std::move(answer));
  }
  work.refusals.clear();
}

void record_host::finish(batch& work, const store::committed& done) {
  for (const auto& one : work.order) {
    auto& durable = durable_[static_cast<std::size_t>(one->stream())];
    durable.head = one->last_seq();
  }
  if (!done.heads.empty()) {
    for (const auto& head : done.heads.front()) {
      if (head.stream < care::stream_count) durable_[head.stream].chain = head.chain;
    }
  }
  const auto count = [&](const care::facts& entries) {
    for (const auto& entry : entries) {
      if (!entry.author().person_id().empty()) ++durable_[static_cast<std::size_t>(entry.stream())].authored[entry.author().person_id()];
    }
  };
  for (const auto& due : work.timers) count(due.entries);
  for (const auto& one : work.acceptances) count(one.entries);
  for (const auto& entries : work.notes) {
    if (state_.exists()) count(entries.entries);
  }
  environment_.metrics.entries.increment(work.entry_count);
  environment_.metrics.committed.increment(work.acceptances.size());
  care::forget_settled(state_);
  publish();

  std::unordered_map<std::size_t, care::place> answers;
  for (auto& one : work.acceptances) {
    auto& what = work.commands[one.command];
    if (!work.twins.empty()) answers.emplace(one.command, one.where);
    if (!one.remembered_here) remember(what, one.where);
    what.answer(what, {one.where, std::move(one.entries)});
  }
  for (const auto& [second, first] : work.twins) {
    auto& what = work.commands[second];
    if (const auto at = answers.find(first); at != answers.end()) {
      what.answer(what, {at->second, {}});
    } else {
      what.answer(what, {try_later(), {}});  // The first of the two was refused; this one may be sent again.
    }
  }
  if (environment_.listener) {
    // First who may read: nobody is to be handed what was decided after they had left. Whoever joined catches up to here.
    const bool boundary_passed = boundary_at_ && *boundary_at_ <= work.now;
    if (!work.audience_changes.empty() || boundary_passed) {
      arm_boundary();
      environment_.listener->audience_changed(*this);
    }
    if (!work.obligations_touched.empty()) environment_.listener->obligations_changed(*this, work.obligations_touched);
    if (!work.order.empty()) environment_.listener->committed(*this, work.order);
  }
  for (auto& entries : work.notes) {
    entries.done(state_.exists() ? error_code{} : make_error_code(store::errc::unavailable));
  }
  for (auto& due : work.timers) {
    // The store had it, and the state at the same version has not.
    if (!due.command) runtime::log_error("timer_of_nothing", {{"record", key_}, {"timer", due.timer.key.id}});
    due.done({});
  }
}

void record_host::remember(const submission& what, care::place where) {
  command_key key{what.id, what.who.person_id};
  if (!answers_.try_emplace(key, remembered{what.digest, where}).second) return;
  answer_order_.push_back(std::move(key));
  if (answer_order_.size() > remembered_answers) {
    answers_.erase(answer_order_.front());
    answer_order_.pop_front();
  }
}

}  // namespace careteam::coordination
