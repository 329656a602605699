// Random commands, driven as the host drives them; after each of them the invariants of `design.md` that hold in the domain core.
#include <array>
#include <iostream>
#include <set>

#include "care/worklist.hpp"
#include "property/command_generator.hpp"
#include "property/task_book.hpp"

namespace careteam::care::fixture {
namespace {

constexpr std::size_t steps_of_one_world = 2'500;
constexpr std::size_t usual_steps = 120'000;

/// What is owed and which revision is the latest, told by the log alone: written against the contract, not against the core.
class ledger {
 public:
  void add(const v1::Entry& entry) {
    const place here{entry.stream(), entry.seq()};
    if (entry.has_message_posted()) {
      auto& one = messages_[here];
      one.owed = entry.message_posted().priority() >= v1::PRIORITY_ASAP;
      one.slots = slots(entry.message_posted().mentions());
    } else if (entry.has_message_edited()) {
      messages_[{entry.stream(), entry.message_edited().seq()}].revision = entry.seq();
    } else if (entry.has_message_corrected()) {
      messages_[{entry.stream(), entry.message_corrected().seq()}] = {
          true, false, true, entry.seq(), slots(entry.message_corrected().mentions()), {}, {}, {}, {}};
    } else if (entry.has_message_retracted()) {
      messages_[{entry.stream(), entry.message_retracted().seq()}].retracted = true;
    } else if (entry.has_message_escalated()) {
      const auto& escalated = entry.message_escalated();
      const place at{entry.stream(), escalated.seq()};
      EXPECT_TRUE(owed().contains(at)) << "escalated, and nobody owed anything";
      auto& one = messages_[at];
      for (const auto& person : escalated.person_id()) {
        EXPECT_TRUE(one.told.insert(person).second) << "asked twice";
        EXPECT_FALSE(one.by.contains(person)) << "asked who had acknowledged";
      }
      one.stand_ins.insert(escalated.mention().begin(), escalated.mention().end());
    } else if (entry.has_message_acknowledged()) {
      auto& one = messages_[{entry.stream(), entry.message_acknowledged().seq()}];
      EXPECT_EQ(entry.message_acknowledged().revision_seq(), one.revision) << "an acknowledgement of what is not the latest";
      EXPECT_FALSE(one.retracted);
      for (const auto& duty : entry.message_acknowledged().duty_id()) one.for_duties.insert(duty);
      EXPECT_TRUE(one.by.insert(entry.author().person_id()).second) << "acknowledged twice";
      one.acknowledged = true;
    }
  }

  bool acknowledged(place at) const { return messages_.contains(at) && messages_.at(at).acknowledged; }

  /// The places with their number of open slots.
  std::map<place, std::size_t> owed() const {
    std::map<place, std::size_t> result;
    for (const auto& [at, one] : messages_) {
      if (!one.owed || one.retracted) continue;
      const auto acknowledged = [&one = one](const std::string& person) { return one.by.contains(person); };
      for (std::size_t k = 0; k < one.slots.size(); ++k) {
        const auto& slot = one.slots[k];
        const bool in_place = one.stand_ins.contains(k) && std::ranges::any_of(one.told, acknowledged);
        const bool answered = std::ranges::any_of(slot.people, acknowledged) || one.for_duties.contains(slot.duty);
        if (!in_place && !answered) ++result[at];
      }
    }
    return result;
  }

 private:
  struct slot_line {
    std::vector<std::string> people;
    std::string duty;
  };
  using slot_list = std::vector<slot_line>;
  struct message_line {
    bool owed = false;
    bool retracted = false;
    bool acknowledged = false;
    std::uint64_t revision = 0;
    slot_list slots;
    std::set<std::string> by;
    std::set<std::string> for_duties;
    std::set<std::string> told;
    std::set<std::size_t> stand_ins;
  };
  static slot_list slots(const google::protobuf::RepeatedPtrField<v1::ResolvedMention>& mentions) {
    slot_list result;
    for (const auto& mention : mentions) {
      result.push_back({{mention.person_id().begin(), mention.person_id().end()}, mention.duty_id()});
    }
    return result;
  }
  std::map<place, message_line> messages_;
};

class record_property : public ::testing::Test {
 protected:
  /// One world from one seed. Ends at the first step that breaks an invariant.
  void run(std::uint64_t seed, std::size_t steps) {
    rosas_record ward;
    command_generator::prepare(ward);
    command_generator generate(seed);
    clinic_duties duties;
    ward.setting.duties = &duties;
    ward.setting.safety_person = "alex";
    ledger book;
    task_book tasks;
    std::optional<std::pair<std::string, std::size_t>> midway;
    for (std::size_t step = 0; step < steps; ++step) {
      pass_time(ward, generate);
      if (generate.random().percent(3)) change_people(ward, generate);
      if (step == steps / 2) midway.emplace(to_snapshot(ward.record.state()), ward.record.log().size());
      if (generate.random().percent(1)) generate.change_duties(duties, ward.now);
      auto tried = due_timer(ward, generate);
      if (!tried) tried = failed_call(ward, generate);
      if (!tried) tried = generate.any(ward);
      check_step(ward, *tried, generate.random().percent(60) ? batch::goes_on : batch::ends, book, tasks);
      if (step % 100 == 99) check_people(ward), check_worklists(ward);
      if (HasFailure()) {
        ADD_FAILURE() << "at step " << step << "; replay: CARETEAM_SEED=" << seed << " CARETEAM_STEPS=" << steps
                      << " property_care --gtest_filter=record_property.*\n"
                      << tried->who.person_id << " " << tried->command.DebugString();
        return;
      }
    }
    check_rebuilt(ward, *midway);
    check_rows(ward);
    most_open_ = std::max(most_open_, tasks.most_open());
    successors_ += tasks.successors();
  }

  std::size_t accepted_ = 0, refused_ = 0, most_owed_ = 0, most_open_ = 0, successors_ = 0;
  std::map<v1::Command::ActionCase, std::size_t> effects_;

 private:
  static void pass_time(rosas_record& ward, command_generator& generate) {
    ward.now += std::chrono::microseconds(generate.random().below(3'000'000));
    if (generate.random().percent(4)) ward.now += std::chrono::seconds(generate.random().below(6 * 3600));
    // The instant of a boundary itself is where mistakes live.
    if (generate.random().percent(5)) ward.now = ward.team().next_boundary(ward.now).value_or(ward.now);
  }

  /// Mostly the host fires what is due, the oldest first; sometimes it is away.
  static std::optional<attempt> due_timer(const rosas_record& ward, command_generator& generate) {
    if (generate.random().percent(70)) return std::nullopt;
    const pending_timer* oldest = nullptr;
    for (const auto& [id, one] : ward.record.state().timers.pending()) {
      if (one.due <= ward.now && (!oldest || one.due < oldest->due)) oldest = &one;
    }
    if (!oldest) return std::nullopt;
    v1::Command command;
    EXPECT_TRUE(command.ParseFromString(oldest->command));
    return attempt{the_system(), command};
  }

  /// Now and then somebody cannot be called about something that is owed.
  static std::optional<attempt> failed_call(const rosas_record& ward, command_generator& generate) {
    const auto places = open_obligations(ward.record.state());
    if (places.empty() || !generate.random().percent(1)) return std::nullopt;
    const auto at = generate.random().of(places);
    attempt told{the_system(), {}};
    auto& report = *told.command.mutable_report_undelivered();
    report.set_stream(at.stream);
    report.set_seq(at.seq);
    report.set_person_id(generate.random().of(command_generator::cast()));
    return told;
  }

  static void change_people(rosas_record& ward, command_generator& generate) {
    const auto command = generate.people(ward);
    // The last administrators keep their access, so that the world goes on.
    if (command.has_suspend_person() && command.suspend_person().person_id() == "alex") return;
    (void)ward.organization_does("alex", command);
  }

  void check_step(rosas_record& ward, const attempt& tried, batch after_it, ledger& book, task_book& tasks) {
    const record_state before = ward.record.state();
    tasks.look(ward.tasks());
    const auto said_before = ward.record.log().size();
    const auto result = ward.record.submit(tried.command, tried.who, ward.now_context(), after_it);
    const auto& after = ward.record.state();
    if (!result) {
      ++refused_;
      EXPECT_TRUE(after == before) << "a refusal had an effect";
      EXPECT_EQ(told(result).find(hidden_mark), std::string::npos);
      EXPECT_NE(result.error().code, code::internal);
      EXPECT_FALSE(result.error().message.empty());
    } else {
      ++accepted_;
      if (!result->empty()) ++effects_[tried.command.action_case()];
      EXPECT_TRUE(tried.who.system || ward.people.state().organization.active(tried.who.person_id));
      EXPECT_EQ(ward.record.log().size(), said_before + result->size());
      check_sequence(before, *result);
      for (const auto& entry : *result) {
        check_entry(ward, before, tried, entry);
        check_change(book, entry);
        book.add(entry);
        tasks.add(entry);
      }
    }
    std::uint64_t heads = 0;
    for (const auto& stream : after.streams) heads += stream.head;
    EXPECT_EQ(after.version, heads);
    check_owed(ward, book);
    check_ladders(after);
    tasks.check(ward.tasks(), ward.world());
  }

  static void check_sequence(const record_state& before, const facts& entries) {
    std::array<std::uint64_t, stream_count> next{};
    for (std::size_t i = 0; i < stream_count; ++i) next[i] = before.streams[i].head;
    for (const auto& entry : entries) EXPECT_EQ(entry.seq(), ++next[static_cast<std::size_t>(entry.stream())]) << "a gap or a duplicate";
  }

  static void check_entry(const rosas_record& ward, const record_state& before, const attempt& tried, const v1::Entry& entry) {
    EXPECT_EQ(entry.patient_id(), "rosa");
    EXPECT_EQ(to_instant(entry.time()), ward.now);
    EXPECT_EQ(first_unknown(entry), std::nullopt);
    if (entry.stream() == shared) {
      EXPECT_EQ(entry.SerializeAsString().find(hidden_mark), std::string::npos) << "hidden words in shared";
      EXPECT_FALSE(entry.message_escalated().has_step()) << "patients read how far an escalation has come";
      const bool of_message = entry.task_requested().origin().rule() == v1::TASK_RULE_UNACKNOWLEDGED ||
                              (entry.has_call_undelivered() && before.chat.message({shared, entry.call_undelivered().seq()}) != nullptr);
      EXPECT_FALSE(of_message) << "patients read of the staff's follow-up";
    }
    for (const auto& id : entry.message_escalated().person_id()) {
      EXPECT_TRUE(may_read(before.team, id, entry.stream(), ward.now)) << "asked somebody outside the audience";
      EXPECT_TRUE(ward.people.state().organization.active(id)) << "asked somebody without access";
    }
    if (tried.who.system) return;

    const auto& author = entry.author();
    EXPECT_EQ(author.person_id(), tried.who.person_id);
    EXPECT_EQ(author.on_behalf_of(), author.role() == v1::ROLE_CAREGIVER ? "rosa" : "");
    const account* one = ward.people.state().organization.find(author.person_id());
    const bool as_administrator = author.role() == v1::ROLE_ADMINISTRATOR && one && one->administrator && !about(entry);
    const membership* held = nullptr;
    for (const auto* m : before.team.at(ward.now)) {
      if (m->person_id == author.person_id() && m->role == author.role()) held = m;
    }
    EXPECT_TRUE(held || as_administrator) << "acted in a role that they did not hold";
    const bool says = entry.has_message_posted() || entry.has_message_edited() || entry.has_message_corrected() ||
                      entry.has_message_retracted() || entry.has_thread_opened() || entry.has_thread_resolved() ||
                      entry.has_thread_reopened() || entry.has_task_drafted() ||
                      (entry.has_task_requested() && !entry.task_requested().has_origin()) || entry.has_task_instantiated();
    if (about(entry) != 0) {
      EXPECT_TRUE(entry.has_task_marked_in_error() || may_see(before.team, author.person_id(), entry.stream(), about(entry), ward.now))
          << "acted on what came before their invitation";
    }
    if (says) {
      EXPECT_TRUE(held && posts(*held, entry.stream())) << "posted without the right";
    }
    if (entry.has_message_acknowledged()) {
      EXPECT_TRUE(may_read(before.team, author.person_id(), entry.stream(), ward.now));
    }
    if (entry.has_message_posted()) check_posted(ward, before.team, entry);
  }

  static void check_posted(const rosas_record& ward, const team_state& team, const v1::Entry& entry) {
    const auto& posted = entry.message_posted();
    for (const auto& mention : posted.mentions()) {
      EXPECT_FALSE(mention.person_id().empty()) << "addressed to nobody";
      for (const auto& id : mention.person_id()) {
        EXPECT_TRUE(may_read(team, id, entry.stream(), ward.now)) << "addressed to somebody outside the audience";
        EXPECT_TRUE(ward.people.state().organization.active(id)) << "addressed to somebody without access";
      }
    }
    if (posted.priority() >= v1::PRIORITY_ASAP) {
      EXPECT_FALSE(posted.mentions().empty());
    }
    if (!posted.has_forwarded_from()) return;
    EXPECT_EQ(posted.forwarded_from().patient_id(), "rosa");
    for (const auto& id : audience(team, entry.stream(), ward.now)) {
      EXPECT_TRUE(may_read(team, id, posted.forwarded_from().stream(), ward.now)) << "passed on to somebody who cannot read the origin";
    }
  }

  /// Nothing is edited: once acknowledged, only a correction is legal (A7).
  static void check_change(const ledger& book, const v1::Entry& entry) {
    const place target{entry.stream(), about(entry)};
    if (entry.has_message_edited() || entry.has_message_retracted()) {
      EXPECT_FALSE(book.acknowledged(target));
    }
    if (entry.has_message_corrected()) {
      EXPECT_TRUE(book.acknowledged(target));
    }
  }

  void check_owed(const rosas_record& ward, const ledger& book) {
    std::map<place, std::size_t> owed;
    const auto& people = ward.people.state().organization;
    for (const auto& one : ward.owed()) {
      ++owed[one.message];
      EXPECT_FALSE(one.accountable.empty()) << "ownerless";
      EXPECT_TRUE(people.find(one.accountable)) << "owned by nobody who exists";
    }
    EXPECT_EQ(owed, book.owed()) << "an obligation was lost or doubled";
    most_owed_ = std::max(most_owed_, owed.size());
  }

  /// Silence ends: exactly the unanswered messages whose ladder has not ended have a timer, and no other has.
  static void check_ladders(const record_state& state) {
    std::set<std::string> expected, armed;
    for (const auto& [at, message] : state.chat.open_messages) {
      if (message.ladder.no_response) continue;
      expected.insert("message/" + std::to_string(at.stream) + "/" + std::to_string(at.seq) + "/acknowledge");
    }
    for (const auto& [id, timer] : state.timers.pending()) {
      if (id.starts_with("message/")) armed.insert(id);
    }
    EXPECT_EQ(armed, expected);
  }

  /// Whoever owes something, or asked for it, finds it by the index; the attending and the safety person look at the record itself.
  static void check_worklists(const rosas_record& ward) {
    const auto& state = ward.record.state();
    for (const auto at : open_obligations(state)) {
      std::map<std::string, std::uint8_t> listed;
      for (const auto& row : obligation_rows(state, at)) listed[row.owner] = row.parts;
      EXPECT_EQ(std::count_if(listed.begin(), listed.end(), [](const auto& one) { return (one.second & row_part::answers) != 0; }), 1);
      for (const auto& id : command_generator::cast()) {
        const worklist_view view{id, ward.people.state().organization, ward.setting, ward.now};
        const auto keys = owner_keys(id, ward.setting, ward.now);
        const bool found = std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return listed.contains(key); });
        const bool readable = may_read(ward.team(), id, at.stream, ward.now);
        if (const auto owed = owed_by(state, at, view)) {
          EXPECT_TRUE(found || answers_for_the_rest(state, id, ward.setting)) << id << " would not find what they owe";
          EXPECT_TRUE(readable) << id;
          EXPECT_TRUE(may_see(ward.team(), id, at.stream, at.seq, ward.now)) << id << " owes what they cannot see";
        }
        if (asked_by(state, at, view)) {
          EXPECT_TRUE(listed[person_key(id)] & row_part::requested) << id;
          EXPECT_TRUE(readable) << id;
        }
      }
    }
  }

  /// The changes of each entry, one after the other, lead to the rows of the state.
  static void check_rows(const rosas_record& ward) {
    record_state state("rosa");
    std::map<std::pair<std::string, place>, obligation_row> rows;
    for (const auto& entry : ward.record.log()) {
      obligation_changes changes;
      changes.before(state, entry);
      apply(state, entry);
      const auto changed = changes.against(state);
      for (const auto& row : changed.gone) EXPECT_EQ(rows.erase({row.owner, row.at}), 1U);
      for (const auto& row : changed.now) EXPECT_TRUE(rows.emplace(std::pair(row.owner, row.at), row).second);
    }
    std::map<std::pair<std::string, place>, obligation_row> expected;
    for (const auto& row : obligation_rows(state)) expected.emplace(std::pair(row.owner, row.at), row);
    EXPECT_EQ(rows, expected);
  }

  static void check_people(const rosas_record& ward) {
    for (const auto& id : command_generator::cast()) {
      const auto streams = ward.readable(id);
      const account* one = ward.people.state().organization.find(id);
      if (!one) {
        EXPECT_TRUE(streams.empty());
      }
      if (one && (one->kind == v1::PERSON_KIND_PATIENT || one->kind == v1::PERSON_KIND_RELATED)) {
        EXPECT_TRUE(streams.empty() || streams == std::vector{shared}) << id;
      }
    }
    std::map<std::pair<v1::Stream, std::string>, std::uint64_t> wrote;
    for (const auto& entry : ward.record.log()) ++wrote[{entry.stream(), entry.author().person_id()}];
    for (const auto stream : {shared, clinical, support, audit}) {
      for (const auto& [id, count] : ward.record.state().stream(stream).authored) {
        const auto written = wrote[{stream, id}];
        EXPECT_EQ(count, written) << id;
      }
      for (const auto& id : command_generator::cast()) {
        const bool counted = ward.record.state().stream(stream).authored.contains(id);
        EXPECT_EQ(counted, wrote.contains({stream, id})) << id;
      }
    }
    if (const auto next = ward.team().next_boundary(ward.now)) {
      EXPECT_GT(*next, ward.now);
    }
    // Nobody holds one role twice at one time, and every roster change has its number.
    std::set<std::pair<std::string, v1::Role>> held;
    for (const auto* m : ward.team().at(ward.now)) EXPECT_TRUE(held.emplace(m->person_id, m->role).second) << m->person_id;
    std::uint64_t version = 0;
    for (const auto& entry : ward.record.log()) {
      if (entry.has_member_added()) {
        EXPECT_EQ(entry.member_added().roster_version(), ++version);
      }
      if (entry.has_member_ended()) {
        EXPECT_EQ(entry.member_ended().roster_version(), ++version);
      }
      if (entry.has_role_changed()) {
        EXPECT_EQ(entry.role_changed().roster_version(), ++version);
      }
      if (entry.has_attending_assigned()) {
        EXPECT_EQ(entry.attending_assigned().roster_version(), ++version);
      }
      if (entry.has_invitation_renewed()) {
        EXPECT_EQ(entry.invitation_renewed().roster_version(), ++version);
      }
    }
    EXPECT_EQ(version, ward.roster_version());
  }

  static void check_rebuilt(const rosas_record& ward, const std::pair<std::string, std::size_t>& midway) {
    const auto& live = ward.record.state();
    const auto& log = ward.record.log();
    const auto again = folded("rosa", log);
    EXPECT_TRUE(again == live) << "the log does not lead to the state";
    EXPECT_EQ(to_snapshot(again), to_snapshot(live));

    auto resumed = from_snapshot(midway.first);
    ASSERT_TRUE(resumed);
    for (std::size_t i = midway.second; i < log.size(); ++i) apply(*resumed, log[i]);
    forget_settled(*resumed);
    EXPECT_TRUE(*resumed == live) << "the snapshot and the rest do not lead to the state";
    EXPECT_EQ(to_snapshot(*resumed), to_snapshot(live));

    EXPECT_TRUE(folded("", ward.people.log()) == ward.people.state());
  }
};

TEST_F(record_property, random_commands_break_no_invariant) {
  const auto seed = chosen_seed();
  const auto steps = chosen_steps(usual_steps);
  std::cout << "replay: CARETEAM_SEED=" << seed << " CARETEAM_STEPS=" << steps << " property_care --gtest_filter=record_property.*\n";
  for (std::size_t done = 0; done < steps && !HasFailure(); done += steps_of_one_world) {
    run(seed + done / steps_of_one_world, std::min(steps_of_one_world, steps - done));
  }
  std::cout << accepted_ << " accepted, " << refused_ << " refused, at most " << most_owed_ << " messages owed and " << most_open_
            << " tasks open at once, " << successors_ << " successors\n";
  if (steps < usual_steps) return;
  // A generator that reaches nothing proves nothing.
  for (int i = 0; i < v1::Command::descriptor()->oneof_decl(0)->field_count(); ++i) {
    const auto action = static_cast<v1::Command::ActionCase>(v1::Command::descriptor()->oneof_decl(0)->field(i)->number());
    // Duties have tests of their own.
    if (on_organization(action) || on_duties(action) || action == v1::Command::kOpenRecord) continue;
    EXPECT_GT(effects_[action], 20U) << action_name(action) << " had hardly ever an effect";
  }
  EXPECT_GT(refused_, steps / 10);
  EXPECT_GT(most_owed_, 5U);
  EXPECT_GT(most_open_, 5U);
  EXPECT_GT(successors_, 100U);
}

}  // namespace
}  // namespace careteam::care::fixture
