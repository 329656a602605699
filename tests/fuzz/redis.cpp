// What comes from Redis: replies, sealed entries, presence messages. Redis may be anybody's by then.
//
//   input: u8 kind · for 0: u8 piece size, a stream of replies; 1: a sealed envelope; 2: changes to a genuine one, (u8 place, u8 xor)
//   repeated; 3: a presence message
//
// Replies are the same however the bytes are cut, and within the limits. Only what was sealed, unaltered and new, is opened.
// A presence message that is read is written as the same bytes.
#include "fuzz.hpp"
#include "redis/presence_wire.hpp"
#include "redis/reply.hpp"
#include "redis/sealed_envelope.hpp"

namespace careteam::fuzz {
namespace {

using namespace redis;

constexpr reply_limits limits{4096, 256, 512};

/// A reply as text, its size counted against the limits.
std::string shown(const reply& one, std::size_t& elements, std::size_t& bytes) {
  bytes += one.text().size();
  std::string text = std::to_string(static_cast<int>(one.kind())) + ":" + std::to_string(one.integer()) + ":" + one.text();
  if (one.kind() != reply_kind::array) return text;
  text += '[';
  for (const auto& element : one.elements()) {
    ++elements;
    text += shown(element, elements, bytes) + ',';
  }
  return text + ']';
}

struct reading {
  std::string replies;
  bool failed = false;
};

reading read_all(std::string_view stream, std::size_t piece) {
  reply_reader reader(limits);
  reading result;
  while (!stream.empty() && !result.failed) {
    const auto part = stream.substr(0, piece);
    stream.remove_prefix(part.size());
    if (reader.feed(part)) result.failed = true;
    while (!result.failed) {
      auto next = reader.next();
      if (!next) {
        result.failed = true;
        require(reader.next().has_error(), "a reader that failed stays failed");
      } else if (*next) {
        std::size_t elements = 0, bytes = 0;
        result.replies += shown(**next, elements, bytes) + '\n';
        require(elements <= limits.elements, "the limit on elements holds");
        require(bytes <= limits.bytes, "the limit on bytes holds");
      } else {
        break;
      }
    }
  }
  return result;
}

void check_replies(byte_source& input) {
  const std::size_t piece = input.byte() + 1;
  const auto in_pieces = read_all(input.rest(), piece);
  const auto at_once = read_all(input.rest(), input.rest().size() + 1);
  require(in_pieces.replies == at_once.replies, "replies are the same however they are cut");
  require(in_pieces.failed == at_once.failed, "a bad stream is bad however it is cut");
}

secret_key key_of(unsigned char fill) {
  secret_key::bytes bytes;
  bytes.fill(fill);
  return secret_key(bytes);
}

void check_forged(std::string_view envelope) {
  static opener receiver(key_of(1), "somebody else...");
  sealed_letter letter;
  require(receiver.open("ch", envelope, letter) != unsealed::letter, "nothing is opened that was not sealed");
}

void check_altered(byte_source& input) {
  static sealer sender(key_of(1));
  static opener receiver(key_of(1), "somebody else...");
  const auto genuine = sender.seal("ch", {7, 9, sealed_content::entries, "an entry's bytes"});
  auto envelope = genuine;
  while (!input.empty()) {
    const auto place = input.below(envelope.size() + 1);
    const auto change = static_cast<char>(input.byte());
    if (place == envelope.size()) {
      envelope += change;
      if (envelope.size() > 200) break;
    } else {
      envelope[place] = static_cast<char>(envelope[place] ^ change);
    }
  }
  sealed_letter letter;
  const auto verdict = receiver.open("ch", envelope, letter);
  require((verdict == unsealed::letter) == (envelope == genuine), "only the genuine envelope is opened");
  if (verdict == unsealed::letter) {
    require(letter.from == 7 && letter.to == 9 && letter.payload == "an entry's bytes", "and says what was sealed");
    require(receiver.open("ch", envelope, letter) == unsealed::replayed, "and only once");
  } else {
    require(receiver.open("ch", genuine, letter) == unsealed::letter, "and a forgery does not spoil it");
  }
}

void check_presence(std::string_view bytes) {
  const auto message = decode_presence(bytes);
  if (!message) return;
  require(message->changes.size() <= max_changes_per_message, "the changes are bounded");
  require(encode(*message) == bytes, "a presence message has one encoding");
}

}  // namespace
}  // namespace careteam::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace careteam::fuzz;
  byte_source input(text_of(bytes, size));
  switch (input.byte() % 4) {
    case 0:
      check_replies(input);
      break;
    case 1:
      check_forged(input.rest());
      break;
    case 2:
      check_altered(input);
      break;
    default:
      check_presence(input.rest());
  }
  return 0;
}
