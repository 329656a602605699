#include "coordination/stream_batch.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/util/json_util.h>

#include "careteam/v1/wire.pb.h"

namespace careteam::coordination {

void stream_batch::add_prefix(std::size_t size) {
  constexpr auto tag = static_cast<char>((v1::ServerFrame::kEntriesFieldNumber << 3) | 2);
  std::uint8_t length[5];
  const auto* end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(static_cast<std::uint32_t>(size), length);
  wire_ += tag;
  wire_.append(reinterpret_cast<const char*>(length), static_cast<std::size_t>(end - length));
  spans_.push_back({static_cast<std::uint32_t>(wire_.size()), static_cast<std::uint32_t>(size)});
}

void stream_batch::add(const v1::Entry& entry) {
  const auto size = entry.ByteSizeLong();
  add_prefix(size);
  wire_.resize(wire_.size() + size);
  entry.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(wire_.data() + wire_.size() - size));
}

void stream_batch::add_encoded(std::string_view bytes) {
  add_prefix(bytes.size());
  wire_ += bytes;
}

const std::string& stream_batch::json() const {
  if (!json_.empty()) return json_;
  v1::Entry entry;
  std::string one;
  for (std::size_t i = 0; i < spans_.size(); ++i) {
    const auto bytes = this->entry(i);
    if (!entry.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;  // Own bytes: the chain already vouches for them.
    one.clear();
    if (!google::protobuf::util::MessageToJsonString(entry, &one).ok()) continue;
    if (!json_.empty()) json_ += ',';
    json_ += one;
  }
  return json_;
}

}  // namespace careteam::coordination
