// One worklist that a session watches: the first items by their deadlines, and then what changes of them. Belongs to the event loop.
//
// The store's rows say where to look (care/worklist.hpp); whether something is owed is decided from the record that the session follows
// anyway, when all of it is on disk, and only of streams that the person may read at that moment. So a right that ends takes its items
// away, and a duty that changes hands brings others, without a row being touched.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "care/worklist.hpp"
#include "careteam/v1/wire.pb.h"
#include "coordination/record_host.hpp"
#include "store/store.hpp"

namespace careteam::gateway {

class hub;
class session;
struct attachment;

inline constexpr std::uint32_t max_worklist_items = 500;  ///< Told of one list: bounds a session's memory and its largest answer.
inline constexpr std::size_t max_worklist_rows = 20'000;  ///< Rows that one reading looks at; what lies behind is only said to be there.
inline constexpr std::size_t worklist_page = 500;         ///< Rows read at once.

class worklist_feed : public std::enable_shared_from_this<worklist_feed> {
 public:
  /// `asked` has been checked. The session owns the feed and calls stop() before it goes.
  worklist_feed(hub& the_hub, std::weak_ptr<session> owner, v1::WatchWorklist asked);

  /// Reads the list and tells it; again, when it is being read now.
  void refresh();
  bool reading() const { return reading_; }
  /// Inside a commit_listener's call: these places of a record have changed.
  void touched(const attachment& at, const std::vector<care::place>& places);
  /// Who may read, or who answers, may have changed in all of a record.
  void reconsider(const attachment& at);
  /// The session follows the record no more.
  void lost(const std::string& patient_id);
  /// Tells what has changed since the last time.
  void flush();
  void stop() { stopped_ = true; }

 private:
  using item_key = std::pair<std::string, care::place>;
  using order_key = std::tuple<care::instant, std::string, care::place>;
  struct candidates;
  struct verdicts;

  boost::asio::awaitable<void> read(std::shared_ptr<worklist_feed> self);
  boost::asio::awaitable<bool> read_once(std::shared_ptr<worklist_feed> self);
  /// Decides what is owed at these places, each record's when it is settled.
  boost::asio::awaitable<std::size_t> judge(std::shared_ptr<candidates> places, std::shared_ptr<verdicts> into);
  void tell_all(verdicts& found);
  std::optional<care::worklist_item> evaluate(const session& whose, const attachment& at, care::place where) const;
  std::vector<std::string> keys(const session& whose) const;
  void tell_soon();
  void put(const std::string& patient, const care::worklist_item& item);
  void remove(const item_key& key);
  void take(const std::string& patient, care::place where, std::optional<care::worklist_item> now);
  void settle_record(const std::string& patient_id, const coordination::record_host& host);
  order_key order_of(const std::string& patient, const care::worklist_item& item) const;
  v1::WorklistItem on_wire(const std::string& patient, const care::worklist_item& item) const;

  hub& hub_;
  std::weak_ptr<session> owner_;
  v1::WatchWorklist asked_;
  std::map<item_key, care::worklist_item> told_;
  std::set<order_key> order_;  ///< Of what is told.
  bool told_once_ = false;
  bool more_ = false;
  bool reading_ = false;
  bool again_ = false;
  bool stopped_ = false;
  std::map<item_key, std::optional<care::worklist_item>> meanwhile_;  ///< What changed while the list is being read.
  std::set<item_key> changed_;                                        ///< Not told yet.
};

}  // namespace careteam::gateway
