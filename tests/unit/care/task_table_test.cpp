// The table of `domain.md` section 3.1, typed here a second time, against every state, command, role and relation to a task (C1).
#include "task_fixture.hpp"

namespace careteam::care::fixture {
namespace {

enum class relation { none, requester, asked, offered };
constexpr relation relations[] = {relation::none, relation::requester, relation::asked, relation::offered};

/// A row of the table: from which states, and who. "asked": the candidate, and from `received` on the owner.
struct documented {
  const char* command;
  std::string_view from;
  std::string_view who;
};

constexpr documented table[] = {
    {"claim", "requested", "asked"},
    {"release", "received", "asked"},
    {"accept", "requested received", "asked"},
    {"decline", "requested received", "asked"},
    {"start", "accepted ready", "asked"},
    {"pause", "in-progress", "asked"},
    {"resume", "on-hold", "asked"},
    {"complete", "accepted in-progress", "asked"},
    {"reopen", "completed", "requester"},
    {"fail", "in-progress", "asked"},
    {"cancel", "draft requested received accepted ready in-progress on-hold", "requester"},
    {"acknowledge", "cancelled", "asked"},
    {"offer", "received accepted ready in-progress on-hold", "asked requester"},
    {"take over", "received accepted ready in-progress on-hold", "offered"},
    {"error", "draft requested received accepted ready in-progress on-hold completed failed rejected cancelled", "requester privacy"},
};

constexpr std::string_view states[] = {"draft",   "requested", "received",  "accepted", "ready",    "in-progress",
                                       "on-hold", "completed", "cancelled", "failed",   "rejected", "entered-in-error"};

bool has(std::string_view words, std::string_view word) {
  for (std::size_t at = words.find(word); at != std::string_view::npos; at = words.find(word, at + 1)) {
    const bool begins = at == 0 || words[at - 1] == ' ';
    const auto end = at + word.size();
    if (begins && (end == words.size() || words[end] == ' ')) return true;
  }
  return false;
}

/// The column "accept task" of section 4, with I5, for the kinds that the product uses.
bool owns(v1::Role role, v1::TaskKind kind) {
  switch (role) {
    case v1::ROLE_MEDICAL_ONCOLOGIST:
    case v1::ROLE_COVERING_ONCOLOGIST:
    case v1::ROLE_SURGEON:
    case v1::ROLE_RADIATION_ONCOLOGIST:
    case v1::ROLE_NURSE_PRACTITIONER:
    case v1::ROLE_ONCOLOGY_NURSE:
    case v1::ROLE_PHARMACIST:
    case v1::ROLE_MEDICAL_ASSISTANT:  // "T", and none of the product's tasks is stat.
      return true;
    case v1::ROLE_GENETIC_COUNSELOR:
    case v1::ROLE_SOCIAL_WORKER:
    case v1::ROLE_COUNSELOR:
    case v1::ROLE_NUTRITIONIST:
    case v1::ROLE_FINANCIAL_ADVISER:
    case v1::ROLE_SUPPORTIVE_CARE:
    case v1::ROLE_PALLIATIVE_CARE:
      return kind != v1::TASK_KIND_MEDICATION;
    case v1::ROLE_PATIENT:
    case v1::ROLE_CAREGIVER:
      return kind == v1::TASK_KIND_READ;
    default:
      return false;
  }
}

struct one_case {
  v1::Stream stream;
  v1::TaskKind kind;
};
constexpr one_case cases[] = {{clinical, v1::TASK_KIND_CARE},
                              {clinical, v1::TASK_KIND_MEDICATION},
                              {support, v1::TASK_KIND_CARE},
                              {shared, v1::TASK_KIND_CARE},
                              {shared, v1::TASK_KIND_READ}};

/// Brings a task into a state by entries alone, whoever could have written them.
class arranged {
 public:
  arranged(const driven_record& base, one_case what, const std::string& requester, const std::string& owner, instant now)
      : record_(base), what_(what), requester_(requester), owner_(owner), now_(now) {}

  place in(std::string_view state) {
    if (state == "ready") {
      write(requester_, [&](v1::Entry& entry) {
        auto& fact = *entry.mutable_task_instantiated();
        order(*fact.mutable_order());
        fact.set_requester_person_id(requester_);
        fact.set_owner_person_id(owner_);
        set_timestamp(*fact.mutable_start_by(), now_ + 1h);
      });
      return at_;
    }
    if (state == "draft") {
      write(requester_, [&](v1::Entry& entry) { order(*entry.mutable_task_drafted()->mutable_order()); });
      return at_;
    }
    write(requester_, [&](v1::Entry& entry) {
      auto& fact = *entry.mutable_task_requested();
      order(*fact.mutable_order());
      fact.set_requester_person_id(requester_);
      set_timestamp(*fact.mutable_accept_by(), now_ + 1h);
    });
    if (state == "requested") return at_;
    if (state == "rejected") {
      write(owner_, [&](v1::Entry& entry) {
        entry.mutable_task_declined()->set_seq(at_.seq);
        entry.mutable_task_declined()->set_rejected(true);
      });
      return at_;
    }
    write(owner_, [&](v1::Entry& entry) {
      entry.mutable_task_claimed()->set_seq(at_.seq);
      set_timestamp(*entry.mutable_task_claimed()->mutable_decide_by(), now_ + 10min);
    });
    if (state == "received") return at_;
    write(owner_, [&](v1::Entry& entry) {
      entry.mutable_task_accepted()->set_seq(at_.seq);
      set_timestamp(*entry.mutable_task_accepted()->mutable_start_by(), now_ + 1h);
    });
    if (state == "accepted") return at_;
    write(owner_, [&](v1::Entry& entry) { entry.mutable_task_started()->set_seq(at_.seq); });
    if (state == "on-hold") {
      write(owner_, [&](v1::Entry& entry) {
        entry.mutable_task_paused()->set_seq(at_.seq);
        set_timestamp(*entry.mutable_task_paused()->mutable_resume_at(), now_ + 1h);
      });
    } else if (state == "completed") {
      write(owner_, [&](v1::Entry& entry) {
        entry.mutable_task_completed()->set_seq(at_.seq);
        set_timestamp(*entry.mutable_task_completed()->mutable_confirm_until(), now_ + 24h);
      });
    } else if (state == "failed") {
      write(owner_, [&](v1::Entry& entry) { entry.mutable_task_failed()->set_seq(at_.seq); });
    } else if (state == "cancelled") {
      write(requester_, [&](v1::Entry& entry) {
        entry.mutable_task_cancelled()->set_seq(at_.seq);
        set_timestamp(*entry.mutable_task_cancelled()->mutable_acknowledge_by(), now_ + 1h);
      });
    } else if (state == "entered-in-error") {
      write(requester_, [&](v1::Entry& entry) { entry.mutable_task_marked_in_error()->set_seq(at_.seq); });
    }
    return at_;
  }

  void offer_to(const std::string& person) {
    write(owner_, [&](v1::Entry& entry) {
      entry.mutable_task_transfer_offered()->set_seq(at_.seq);
      entry.mutable_task_transfer_offered()->set_person_id(person);
    });
  }

  const driven_record& record() const { return record_; }

 private:
  void order(v1::TaskOrder& to) const {
    to.set_kind(what_.kind);
    to.set_title("Call the patient");
    to.set_priority(v1::PRIORITY_ROUTINE);
    to.mutable_target()->set_person_id(owner_);
    set_timestamp(*to.mutable_due(), now_ + 3h);
  }
  template <class Fill>
  void write(const std::string& author, Fill fill) {
    facts entries;
    fill(add_fact(entries, what_.stream));
    v1::Author by;
    by.set_person_id(author);
    record_.append(std::move(entries), by, now_);
    if (at_.seq == 0) at_ = {what_.stream, record_.state().stream(what_.stream).head};
  }

  driven_record record_;
  one_case what_;
  std::string requester_, owner_;
  instant now_;
  place at_;
};

v1::Command aimed(std::string_view command, place at, instant now) {
  if (command == "claim") return claim(at);
  if (command == "release") return release(at);
  if (command == "accept") return accept(at);
  if (command == "decline") return decline(at);
  if (command == "start") return start(at);
  if (command == "pause") return pause(at, now + 1h);
  if (command == "resume") return resume(at);
  if (command == "complete") return complete(at);
  if (command == "reopen") return reopen(at);
  if (command == "fail") return fail(at);
  if (command == "cancel") return cancel(at);
  if (command == "acknowledge") return acknowledge_cancel(at);
  if (command == "offer") return offer(at, "claire");
  if (command == "take over") return take_over(at);
  return mark_in_error(at);
}

class task_table : public task_ward {
 protected:
  /// What the table says to somebody in this role and relation: "yes", or the code of the refusal.
  static std::string expected(const documented& row, std::string_view state, const membership& m, one_case what, relation how) {
    const bool privacy = m.role == v1::ROLE_PRIVACY_OFFICER && row.command == std::string_view("error");
    if (!reads(m, what.stream) && !privacy) return "5";
    const bool owned = has("received accepted ready in-progress on-hold", state);
    const bool race = has("claim accept", row.command);
    if (!has(row.from, state)) return race && owned ? "10" : "9";
    const bool capable = owns(m.role, what.kind);
    const bool may = (has(row.who, "asked") && how == relation::asked && capable) ||
                     (has(row.who, "requester") && how == relation::requester) || (has(row.who, "privacy") && privacy) ||
                     (has(row.who, "offered") && how == relation::offered && capable);
    if (may) return "yes";
    return state == "received" && has("accept decline", row.command) ? "10" : "7";
  }

  static std::string answer(const outcome<facts>& result) {
    return result ? (result->empty() ? "nothing" : "yes") : std::to_string(static_cast<int>(result.error().code));
  }
};

TEST_F(task_table, every_state_command_role_and_relation_is_as_documented) {
  std::map<std::string, std::size_t> seen;
  for (int number = 1; number < v1::Role_ARRAYSIZE; ++number) {
    const auto role = static_cast<v1::Role>(number);
    const bool patient = role == v1::ROLE_PATIENT;
    if (role == v1::ROLE_ADMINISTRATOR) continue;  // Administrators are on no team: task_denials.
    const std::string one = patient ? "rosa" : "one";
    rosas_record team = ward;
    membership m;
    m.role = role;
    for (int scope = v1::SCOPE_READ_CLINICAL; scope <= v1::SCOPE_ACKNOWLEDGE; ++scope) {
      auto command = add_member(team.roster_version(), one, role, {static_cast<v1::Scope>(scope)});
      if (!patient) {
        if (!team.people.state().organization.find(one)) {
          team.enrolled(one, role == v1::ROLE_CAREGIVER     ? v1::PERSON_KIND_RELATED
                             : role == v1::ROLE_INTEGRATION ? v1::PERSON_KIND_SERVICE
                                                            : v1::PERSON_KIND_STAFF);
        }
        if (team.record.ask(command, person("alex"), team.now_context())) m.scopes.push_back(static_cast<v1::Scope>(scope));
      }
    }
    if (!patient) {
      auto joining = add_member(team.roster_version(), one, role);
      for (const auto scope : m.scopes) joining.mutable_add_member()->add_scopes(scope);
      ASSERT_THAT(team.does("alex", joining), accepted()) << v1::Role_Name(role);
    }
    for (const auto& what : cases) {
      for (const auto how : relations) {
        for (const auto state : states) {
          arranged task(team.record, what, how == relation::requester ? one : "rao", how == relation::asked ? one : "nina", team.now);
          const auto where = task.in(state);
          if (how == relation::offered && has("received accepted ready in-progress on-hold", state)) task.offer_to(one);
          for (const auto& row : table) {
            const auto given = task.record().ask(aimed(row.command, where, team.now), person(one), team.now_context());
            const auto wanted = expected(row, state, m, what, how);
            EXPECT_EQ(answer(given), wanted) << row.command << " from " << state << " as " << v1::Role_Name(role) << ", relation "
                                             << static_cast<int>(how) << ", " << v1::Stream_Name(what.stream) << " "
                                             << v1::TaskKind_Name(what.kind) << ": " << told(given);
            ++seen[wanted];
            if (HasFailure()) return;
          }
        }
      }
    }
  }
  // A product that meets one answer only proves nothing.
  for (const auto* each : {"yes", "5", "7", "9", "10"}) EXPECT_GT(seen[each], 200U) << each;
}

TEST_F(task_table, the_attending_and_the_system_cancel_from_every_open_state_and_from_no_other) {
  for (const auto state : states) {
    arranged task(ward.record, cases[0], "omar", "nina", ward.now);
    const auto where = task.in(state);
    const bool open = !has("completed cancelled failed rejected entered-in-error", state);
    for (const auto& who : {person("rao"), the_system()}) {
      EXPECT_EQ(answer(task.record().ask(cancel(where), who, ward.now_context())), open ? "yes" : "9") << state;
    }
  }
}

TEST_F(task_table, every_timer_has_an_effect_in_its_states_and_in_no_other) {
  const std::map<v1::TaskTimer, std::string_view> table_of_timers = {
      {v1::TASK_TIMER_ACCEPT, "requested received"}, {v1::TASK_TIMER_DECIDE, "received"}, {v1::TASK_TIMER_START, "accepted ready"},
      {v1::TASK_TIMER_DUE, "accepted ready"},        {v1::TASK_TIMER_RESUME, "on-hold"},  {v1::TASK_TIMER_ACKNOWLEDGE, "cancelled"}};
  const std::map<v1::TaskTimer, std::string_view> leads_to = {{v1::TASK_TIMER_DECIDE, "requested"}, {v1::TASK_TIMER_RESUME, "in-progress"}};
  for (const auto state : states) {
    arranged task(ward.record, cases[0], "omar", "nina", ward.now);
    const auto where = task.in(state);
    auto later = ward.now_context();
    later.now += 24h;
    for (int kind = 0; kind < v1::TaskTimer_ARRAYSIZE; ++kind) {
      const auto timer = static_cast<v1::TaskTimer>(kind);
      std::size_t effects = 0;
      for (std::uint64_t version = 0; version <= 8; ++version) {
        for (std::uint32_t level = 0; level <= 3; ++level) {
          auto copy = task.record();
          const auto given = copy.submit(fire(where, timer, level, version), the_system(), later);
          ASSERT_THAT(given, accepted());
          if (given->empty()) continue;
          ++effects;
          const auto to = leads_to.contains(timer) ? leads_to.at(timer) : state;
          EXPECT_EQ(copy.state().tasks.open.at(where).status, task_status(to)) << state << " " << v1::TaskTimer_Name(timer);
        }
      }
      const bool runs = table_of_timers.contains(timer) && has(table_of_timers.at(timer), state);
      EXPECT_EQ(effects, runs ? 1U : 0U) << state << " " << v1::TaskTimer_Name(timer) << ": of one version and level";
    }
  }
}

}  // namespace
}  // namespace careteam::care::fixture
