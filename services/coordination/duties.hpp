// The duties of the organisation as all records of this process see them: what is on disk of each. Tasks and messages ask here who answers
// for a duty; whoever comes to answer for something else is told. Runs on the event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "care/duty_index.hpp"
#include "store/store.hpp"

namespace careteam::coordination {

class record_host;
class record_hosts;

/// What a duty as it is now changed.
struct duty_change {
  bool reading = false;             ///< Somebody else reads by it, or in another role; or it is new.
  std::set<std::string> answering;  ///< The people who answer for something else than before.
};

class duties {
 public:
  /// `people` must live longer. `safety_person`: see care::duty_index.
  duties(const care::organization_state& people, std::string safety_person) : index_(people, std::move(safety_person)) {}

  /// Reads every duty of the store: before anything is decided. errc::corrupt: one cannot be read; the others are.
  boost::asio::awaitable<boost::system::error_code> load(store::record_store& store, record_hosts& hosts);
  /// A duty as it is on disk now.
  duty_change take(const std::shared_ptr<record_host>& host, care::instant now);

  const care::duty_index& directory() const { return index_; }
  /// Whether the person is among the duty's people.
  bool is_member(const std::string& duty_id, std::string_view person) const;
  /// Of every duty's record, in order.
  std::vector<store::record_key> keys() const;

 private:
  /// Kept at work: who answers for a duty must never wait for the disk.
  std::map<store::record_key, std::shared_ptr<record_host>> hosts_;
  care::duty_index index_;
  struct answering {
    std::set<std::string> people;
    std::map<std::string, std::string> apart;  ///< By patient, who answers for them alone.
  };
  std::map<std::string, answering, std::less<>> answering_;  ///< By duty, as it was told last.
};

}  // namespace careteam::coordination
