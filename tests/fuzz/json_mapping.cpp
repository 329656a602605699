// Attack 27: the same message as JSON and as binary protobuf gets the same verdict, and is the same message.
//
//   input: u8 direction · bytes of a message (message_maker.hpp), or a JSON text
#include <google/protobuf/util/json_util.h>

#include <boost/json/parse.hpp>

#include "fuzz.hpp"
#include "gateway/frame_codec.hpp"
#include "identity/strict_json.hpp"
#include "message_maker.hpp"

namespace careteam::fuzz {
namespace {

using gateway::subprotocol;

struct verdict {
  bool accepted = false;
  gateway::bad_frame bad;
  std::string message;  ///< Encoded again, if accepted.
  v1::ClientFrame frame;
};

verdict judge(subprotocol form, std::string_view bytes) {
  verdict found;
  found.accepted = gateway::decode(form, bytes, found.frame, found.bad);
  if (found.accepted) found.message = found.frame.SerializeAsString();
  return found;
}

void same(const verdict& proto, const verdict& json) {
  require(proto.accepted == json.accepted, "both forms get the same verdict");
  require(proto.message == json.message, "both forms are the same message");
  require(proto.bad.id == json.bad.id, "both refusals name the same command");
  require(
      proto.bad.why.code == json.bad.why.code && proto.bad.why.field == json.bad.why.field && proto.bad.why.message == json.bad.why.message,
      "both refusals say the same");
}

/// protobuf → JSON. Every spelling of the mapping that protobuf writes must be read.
void from_message(byte_source& input) {
  google::protobuf::util::JsonPrintOptions style;
  const auto choice = input.byte();
  style.preserve_proto_field_names = (choice & 1) != 0;
  style.always_print_enums_as_ints = (choice & 2) != 0;
  style.add_whitespace = (choice & 4) != 0;
  style.always_print_primitive_fields = (choice & 8) != 0;
  v1::ClientFrame made;
  make_message(input, made);
  std::string json;
  // Times before the year 1 and after 9999 have no JSON form: they cannot arrive by JSON.
  const bool written = google::protobuf::util::MessageToJsonString(made, &json, style).ok();
  const auto proto = judge(subprotocol::proto, made.SerializeAsString());
  if (written) same(proto, judge(subprotocol::json, json));
}

/// JSON → protobuf. What is accepted is JSON by another reader's word, too, and says the same in the other form.
void from_json(std::string_view text) {
  const auto json = judge(subprotocol::json, text);
  if (json.accepted) {
    require(identity::parse_strict_object(text, {text.size(), 100, text.size()}).has_value(), "what is accepted is strict JSON");
    same(judge(subprotocol::proto, json.message), json);
  } else if (!json.bad.why.field.empty()) {  // It was read, and refused for what it says.
    same(judge(subprotocol::proto, json.frame.SerializeAsString()), json);
  }
}

}  // namespace
}  // namespace careteam::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  careteam::gateway::quiet_protobuf();
  careteam::fuzz::byte_source input(careteam::fuzz::text_of(bytes, size));
  if (input.byte() % 2 == 0) {
    careteam::fuzz::from_message(input);
  } else {
    careteam::fuzz::from_json(input.rest());
  }
  return 0;
}
