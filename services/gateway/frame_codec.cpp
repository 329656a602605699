#include "gateway/frame_codec.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/json_util.h>

#include "care/wellformed.hpp"
#include "gateway/json_keys.hpp"

namespace careteam::gateway {
namespace {

using google::protobuf::FieldDescriptor;

std::string id_of(const v1::ClientFrame& frame) {
  if (frame.has_command()) return frame.command().command_id();
  if (frame.has_fetch()) return frame.fetch().request_id();
  if (frame.has_watch_worklist()) return frame.watch_worklist().request_id();
  return {};
}

std::string_view words_for(json_verdict shape) {
  switch (shape) {
    case json_verdict::good:
      break;
    case json_verdict::repeated_key:
      return "has a field twice in one object";
    case json_verdict::too_many_names:
      return "has more fields in one object than careteam.v1.ClientFrame knows";
    case json_verdict::not_json:
      return "is not JSON (RFC 8259), or is nested deeper than 100 levels";
  }
  return "";
}

const FieldDescriptor& frame_field(int number) {
  return *v1::ServerFrame::descriptor()->FindFieldByNumber(number);
}

}  // namespace

void quiet_protobuf() {
  // Its messages quote what they could not read.
  google::protobuf::SetLogHandler(nullptr);
}

bool decode(subprotocol form, std::string_view bytes, v1::ClientFrame& frame, bad_frame& bad) {
  frame.Clear();
  if (form == subprotocol::proto) {
    if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      bad = {{}, care::refuse(care::code::invalid_argument, "", "is not an encoded careteam.v1.ClientFrame")};
      return false;
    }
  } else {
    if (const auto shape = check_json_keys(bytes); shape != json_verdict::good) {
      bad = {{}, care::refuse(care::code::invalid_argument, "", words_for(shape))};
      return false;
    }
    const auto parsed = google::protobuf::util::JsonStringToMessage({bytes.data(), bytes.size()}, &frame);
    if (!parsed.ok()) {
      const bool unknown = parsed.message().find("Cannot find field") != std::string_view::npos;
      bad = {{},
             care::refuse(care::code::invalid_argument, "",
                          unknown ? "has a field that careteam.v1.ClientFrame does not know"
                                  : "is not a careteam.v1.ClientFrame in protobuf's JSON mapping")};
      return false;
    }
  }
  if (frame.frame_case() == v1::ClientFrame::FRAME_NOT_SET && bytes.find_first_not_of("{} \t\r\n") == std::string_view::npos) {
    bad = {{}, care::refuse(care::code::invalid_argument, "", "is an empty frame")};
    return false;
  }
  // An element takes at least one byte, so that most frames need no counting.
  if (bytes.size() > max_frame_elements && care::element_count(frame) > max_frame_elements) {
    bad = {id_of(frame), care::refuse(care::code::invalid_argument, "", "has more than 10,000 elements in its lists")};
    return false;
  }
  if (auto unknown = care::first_unknown(frame)) {
    bad = {id_of(frame), care::refuse(care::code::invalid_argument, *unknown, "is not known to this server")};
    return false;
  }
  if (auto zero = care::first_zero(frame)) {
    bad = {id_of(frame), care::refuse(care::code::invalid_argument, *zero, "must not hold a zero character")};
    return false;
  }
  if (frame.frame_case() == v1::ClientFrame::FRAME_NOT_SET) {
    bad = {{}, care::refuse(care::code::invalid_argument, "", "is an empty frame")};
    return false;
  }
  return true;
}

void outbox::add(int field, const google::protobuf::Message& value) {
  if (form_ == subprotocol::proto) {
    const auto size = value.ByteSizeLong();
    std::uint8_t prefix[10];
    auto* end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(static_cast<std::uint32_t>(field << 3 | 2), prefix);
    end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(static_cast<std::uint32_t>(size), end);
    wire_.append(reinterpret_cast<const char*>(prefix), static_cast<std::size_t>(end - prefix));
    wire_.resize(wire_.size() + size);
    value.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(wire_.data() + wire_.size() - size));
    open_bytes_ = wire_.size();
  } else {
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(value, &json).ok()) return;
    auto& section = sections_[static_cast<std::size_t>(field)];
    if (!section.empty()) section += ',';
    section += json;
    open_bytes_ += json.size() + 1;
  }
  if (open_bytes_ >= max_message_bytes) cut();
}

void outbox::add(const coordination::stream_batch& entries) {
  if (form_ == subprotocol::proto) {
    wire_ += entries.wire();
    open_bytes_ = wire_.size();
  } else {
    const auto& json = entries.json();
    auto& section = sections_[v1::ServerFrame::kEntriesFieldNumber];
    if (!section.empty()) section += ',';
    section += json;
    open_bytes_ += json.size() + 1;
  }
  if (open_bytes_ >= max_message_bytes) cut();
}

void outbox::cut() {
  if (open_empty()) return;
  std::string message;
  if (form_ == subprotocol::proto) {
    message.swap(wire_);
  } else {
    message = "{";
    for (std::size_t i = 1; i < field_count; ++i) {
      if (sections_[i].empty()) continue;
      const auto& field = frame_field(static_cast<int>(i));
      if (message.size() > 1) message += ',';
      message += '"';
      message += field.json_name();
      message += field.is_repeated() ? "\":[" : "\":";
      message += sections_[i];
      if (field.is_repeated()) message += ']';
      sections_[i].clear();
    }
    message += '}';
  }
  open_bytes_ = 0;
  ready_bytes_ += message.size();
  ready_.push_back(std::move(message));
}

bool outbox::take(std::string& into) {
  into.clear();
  if (ready_.empty() && form_ == subprotocol::proto) {  // The common case moves no memory about.
    into.swap(wire_);
    open_bytes_ = 0;
    return !into.empty();
  }
  if (ready_.empty()) cut();
  if (ready_.empty()) return false;
  into.swap(ready_.front());
  ready_.pop_front();
  ready_bytes_ -= into.size();
  return true;
}

void outbox::give_back_memory() {
  if (open_empty()) std::string().swap(wire_);
  for (auto& section : sections_) {
    if (section.empty()) std::string().swap(section);
  }
}

void outbox::clear() {
  wire_.clear();
  for (auto& section : sections_) section.clear();
  ready_.clear();
  open_bytes_ = ready_bytes_ = 0;
}

}  // namespace careteam::gateway
