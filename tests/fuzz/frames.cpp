// A client's frame, from its bytes to the entries that it leads to.
//
//   input: u8 form and actor · the frame's bytes, binary or JSON
//
// What is accepted is closed under the contract and reads the same when it is encoded again. A command is decided on a record with a
// team, messages and threads; its entries fit the state, and have a JSON form that a client of the other kind can read.
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/json_util.h>

#include <array>

#include "care/wellformed.hpp"
#include "coordination/stream_batch.hpp"
#include "fuzz.hpp"
#include "gateway/frame_codec.hpp"
#include "runtime/uuid.hpp"
#include "unit/care/record_fixture.hpp"

namespace careteam::fuzz {
namespace {

using namespace care::fixture;

rosas_record make_ward() {
  rosas_record ward;
  ward.usual_team();
  const auto thread = ward.says("nina", open_thread(clinical, "Fever", "nina"));
  const auto asked = ward.says("nina", post(clinical, "ANC 0.72").stat().to("rao").in_thread(thread));
  ward.says("rao", acknowledge(clinical, asked));
  ward.says("rao", post(shared, "Hello Rosa"));
  ward.says("rosa", post(shared, "Hello"));
  ward.says("omar", post(shared, "The dose is on the box").asap().to("rosa"));
  return ward;
}

void decide_and_apply(const v1::Command& command, const std::string& who) {
  static const rosas_record ward = make_ward();
  // What the session checks before the record hears of a command.
  if (!runtime::parse_uuid7(command.command_id())) return;
  const bool organization = care::on_organization(command.action_case());
  if (organization != command.patient_id().empty() || (!organization && !care::is_fhir_id(command.patient_id()))) return;
  driven_record record = organization ? ward.people : ward.record;
  // An administrator's commands go to the organisation's record, everything else to Rosa's, whichever patient is named.
  const auto result = record.submit(command, person(who), ward.now_context());
  if (!result) {
    require(!result.error().message.empty(), "a refusal says why");
    return;
  }
  for (const auto& entry : *result) {
    require(!care::first_unknown(entry), "an entry is closed under the contract");
    coordination::stream_batch batch(entry.stream(), entry.seq());
    batch.add(entry);
    v1::Entry read;
    require(google::protobuf::util::JsonStringToMessage(batch.json(), &read).ok(), "an entry has a JSON form");
    require(read.SerializeAsString() == entry.SerializeAsString(), "the JSON form says the same");
  }
  const auto restored = care::from_snapshot(care::to_snapshot(record.state()));
  require(restored && *restored == record.state(), "the state survives its snapshot");
}

}  // namespace
}  // namespace careteam::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace careteam;
  static constexpr std::array people{"nina", "rao", "rosa", "omar", "claire", "dana", "alex", "weiss"};
  fuzz::byte_source input(fuzz::text_of(bytes, size));
  const auto choice = input.byte();
  const auto form = choice % 2 == 0 ? gateway::subprotocol::proto : gateway::subprotocol::json;
  gateway::quiet_protobuf();

  v1::ClientFrame frame;
  gateway::bad_frame bad;
  if (!gateway::decode(form, input.rest(), frame, bad)) {
    fuzz::require(bad.why.code == care::code::invalid_argument && !bad.why.message.empty(), "a refusal has its code and says why");
    return 0;
  }
  fuzz::require(frame.frame_case() != v1::ClientFrame::FRAME_NOT_SET, "an accepted frame holds something");
  fuzz::require(!care::first_unknown(frame) && !care::first_zero(frame), "an accepted frame is closed under the contract");
  v1::ClientFrame again;
  const auto encoded = frame.SerializeAsString();
  fuzz::require(gateway::decode(gateway::subprotocol::proto, encoded, again, bad), "an accepted frame is accepted again");
  fuzz::require(again.SerializeAsString() == encoded, "and is the same");
  if (frame.has_command()) fuzz::decide_and_apply(frame.command(), people[choice / 2 % people.size()]);
  return 0;
}
