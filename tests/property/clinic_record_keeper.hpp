// Watches a clinic's commits: after each of them the invariants hold; and all entries together have one hash.
#pragma once

#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "property/clinic_world.hpp"
#include "property/task_book.hpp"

struct evp_md_ctx_st;

namespace careteam::care::fixture {

/// SHA-256 over entries, in the order in which they were committed.
class entries_hash {
 public:
  entries_hash();
  void add(const std::string& record, const v1::Entry& entry);
  /// Of all that was added: 64 hexadecimal digits. Nothing can be added any more.
  std::string finished();

 private:
  struct freed {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, freed> context_;
};

class clinic_record_keeper {
 public:
  /// What is there already is hashed.
  explicit clinic_record_keeper(const clinic_world& in);

  /// After each commit.
  void keep(const std::string& record, const facts& entries);
  /// A timer is about to fire; it has fired.
  void keep_firing(const due_timer& due);
  void keep_fired() { firing_.reset(); }
  void count(std::string_view what);

  /// Every open obligation is on the worklist of exactly one person as theirs, and found there by the index.
  void check_worklists();
  /// Every record's entries, folded from nothing and on from a snapshot on the way, are its state.
  void check_replay() const;

  std::size_t counted(std::string_view what) const;
  std::string hash() { return hash_.finished(); }
  /// How many handoffs, tasks, escalations and so on.
  void tell(std::ostream& out) const;

 private:
  struct patient_book {
    task_book tasks;
    std::map<place, std::map<v1::TaskTimer, task_deadline>> timers;  ///< Of each open task.
    std::map<place, std::optional<instant>> due;                     ///< When each open task should be done.
    std::map<place, std::optional<instant>> messages;                ///< When the step of each open message's ladder ends.
  };
  void keep_patient(const std::string& patient, const facts& entries);
  void keep_duty(const std::string& duty, const facts& entries);
  void count_task(const v1::Entry& entry);
  void count_message(const v1::Entry& entry);
  void count_handoff(const std::string& duty, const v1::Entry& entry);
  void check_owners(const std::string& patient);
  void check_holders(const std::string& patient) const;
  void check_readers(const std::string& patient);
  void keep_former(const std::string& duty, const v1::Entry& changed);
  void check_everybody();
  void check_deadlines(const std::string& patient, const facts& entries);
  void check_ladder(const std::string& patient, const v1::Entry& entry) const;
  void look_at_deadlines(const std::string& patient);

  const clinic_world& world_;
  std::optional<instant> firing_;  ///< What fires was due then.
  entries_hash hash_;
  std::map<std::string, patient_book> patients_;
  std::map<std::string, std::string> holders_;                           ///< Of each duty, by the log alone.
  std::map<std::string, former_holder> formers_;                         ///< The same.
  std::set<std::pair<std::string, instant>> shifts_;                     ///< Of which duty one ended, and when.
  std::set<std::tuple<std::string, std::string, std::uint64_t>> fired_;  ///< Record, timer, and the version that it was set at.
  std::map<std::string, std::size_t, std::less<>> counts_;
};

}  // namespace careteam::care::fixture
