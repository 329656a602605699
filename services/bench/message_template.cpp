#include "bench/message_template.hpp"

#include <careteam/v1/wire.pb.h>

#include <stdexcept>

#include "bench/wire_scan.hpp"

namespace careteam::bench {

void command_ids::write(char* to, std::uint64_t unix_ms, std::uint64_t number) const noexcept {
  write_hex(to, 8, unix_ms >> 16U & 0xffffffffU);
  to[8] = '-';
  write_hex(to + 9, 4, unix_ms & 0xffffU);
  to[13] = '-';
  write_hex(to + 14, 4, 0x7000U | (random_ & 0xfffU));
  to[18] = '-';
  write_hex(to + 19, 4, 0x8000U | (random_ >> 12U & 0x3fffU));
  to[23] = '-';
  write_hex(to + 24, 12, number);
}

message_template::message_template(std::string_view patient_id, int stream, std::size_t text_bytes) {
  if (text_bytes < stamp_digits) throw std::invalid_argument("a message must have room for its time stamp");
  const std::string id(command_id_digits, '?');
  const std::string stamp(stamp_digits, '!');
  std::string text = stamp;
  while (text.size() < text_bytes) text += " please check the counts before the next infusion;";
  text.resize(text_bytes);

  v1::ClientFrame frame;
  auto& command = *frame.mutable_command();
  command.set_command_id(id);
  command.set_patient_id(std::string{patient_id});
  auto& post = *command.mutable_post_message();
  post.set_stream(static_cast<v1::Stream>(stream));
  post.mutable_content()->set_text(text);
  post.set_priority(v1::PRIORITY_ROUTINE);
  bytes_ = frame.SerializeAsString();
  id_at_ = bytes_.find(id);
  stamp_at_ = bytes_.find(stamp);
  if (id_at_ == std::string::npos || stamp_at_ == std::string::npos)
    throw std::logic_error("the encoding does not hold the texts as they are");
}

std::string_view message_template::fill(const command_ids& ids, std::uint64_t unix_ms, std::uint64_t number,
                                        std::uint64_t stamp_ns) noexcept {
  ids.write(bytes_.data() + id_at_, unix_ms, number);
  write_hex(bytes_.data() + stamp_at_, stamp_digits, stamp_ns);
  return bytes_;
}

}  // namespace careteam::bench
