// The protocols of one record as FHIR R4 CarePlans (C8). Pure: entries in, resources out.
//
// A CarePlan, not a RequestGroup: the days for which nothing is asked yet belong to a protocol, and an action of a RequestGroup must have a
// resource. A treatment plan that comes to be a CarePlan, too, has another category, and can have its protocols as parts (`partOf`).
#pragma once

#include <boost/json.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/fhir_writing.hpp"
#include "care/protocol.hpp"

namespace careteam::admin::fhir {

/// Which of a protocol's tasks a task is: an extension of Task.
boost::json::object protocol_day(const v1::ProtocolDay& day, std::string scheduled);

class protocols_writer {
 public:
  explicit protocols_writer(std::string patient) : patient_(std::move(patient)) {}

  /// The next entry of the record, of whatever stream.
  void take(const v1::Entry& entry);

  /// What ties a task to the protocol that asked for it: groupIdentifier, basedOn, and the day. Nothing where none did.
  void tie(boost::json::object& task, const v1::Entry& began) const;

  /// The CarePlans, in the order in which they were started. `going_on`: those that still ask for tasks or have open ones.
  [[nodiscard]] std::vector<boost::json::object> resources(const care::protocols_state& going_on, told_texts texts,
                                                           people_writer& people) const;

 private:
  struct history {
    care::protocol_state protocol;
    std::string started_by;
    care::instant started{};
    std::optional<care::instant> stopped;
    std::vector<boost::json::object> notes;                  ///< Annotations: why it was moved or stopped.
    std::map<care::protocol_occasion, std::uint64_t> asked;  ///< The tasks that it asked for.
  };

  [[nodiscard]] std::string name_of(const care::protocol_key& key) const;
  [[nodiscard]] std::string id_of(const care::protocol_key& key) const;
  history* find(v1::Stream stream, const std::string& id);
  void take_task(const v1::Entry& entry);
  [[nodiscard]] boost::json::object resource(const care::protocol_key& key, const history& one, std::string_view status, told_texts texts,
                                             people_writer& people) const;
  [[nodiscard]] boost::json::array activities(const care::protocol_key& key, const history& one, told_texts texts) const;

  std::string patient_;
  std::map<care::protocol_key, history> all_;
};

}  // namespace careteam::admin::fhir
