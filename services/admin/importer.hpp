// Applies what the FHIR reader yields: each unit as one commit, or not at all. Works on the store alone, as another writer beside the
// record hosts; whoever runs hosts tells them to refresh what was touched.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <set>
#include <string>

#include "admin/unit_sink.hpp"
#include "care/record.hpp"
#include "runtime/clock.hpp"

namespace careteam::admin {

class importer final : public unit_sink {
 public:
  /// `snapshot_every`: entries between a record's snapshots, as the record hosts have it.
  importer(store::record_store& into, const runtime::clock& clock, std::uint64_t snapshot_every)
      : store_(into), clock_(clock), snapshot_every_(snapshot_every) {}

  /// An error: the store cannot be written, and nothing of this unit was applied.
  boost::asio::awaitable<store::result<unit_outcome>> apply(import_unit unit) override;

  /// The record stands at this version now: what is remembered of another one is forgotten.
  void forget_unless(const std::string& patient_id, std::uint64_t version);

 private:
  struct working_record {
    care::record_state state;
    std::uint64_t snapshot_version = 0;
  };
  struct draft;
  boost::asio::awaitable<store::result<working_record*>> record(std::string patient_id);
  boost::asio::awaitable<store::result<std::optional<unit_outcome>>> attempt(const import_unit& unit);

  store::record_store& store_;
  const runtime::clock& clock_;
  std::uint64_t snapshot_every_;
  std::map<std::string, working_record> records_;
};

}  // namespace careteam::admin
