#include "redis/sealed_envelope.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>

#include "redis/big_endian.hpp"

namespace careteam::redis {

namespace {

constexpr std::uint8_t format = 1;
constexpr std::size_t sender_bytes = 16;
constexpr std::size_t header_bytes = 1 + sender_bytes + 8 + 8 + 8 + 1;
constexpr std::string_view sender_key_label = "careteam fan-out sender key 1";

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

int length_of(std::string_view text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) throw std::length_error("too long to seal");
  return static_cast<int>(text.size());
}

void require(int outcome) {
  if (outcome != 1) throw std::runtime_error("AES-256-GCM failed");
}

std::array<unsigned char, 12> nonce_of(std::uint64_t counter) {
  std::array<unsigned char, 12> nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[11 - i] = static_cast<unsigned char>(counter >> (8 * i));
  return nonce;
}

std::string random_sender() {
  std::string id(sender_bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(id.data()), static_cast<int>(id.size())) != 1) {
    throw std::runtime_error("no randomness for the sender's id");
  }
  return id;
}

}  // namespace

void sealing_cipher::free_context::operator()(evp_cipher_ctx_st* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

sealing_cipher::sealing_cipher(const secret_key& key) : context_(EVP_CIPHER_CTX_new()) {
  if (!context_) throw std::bad_alloc();
  require(EVP_CipherInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr, key.value().data(), nullptr, 1));
}
sealing_cipher::~sealing_cipher() = default;
sealing_cipher::sealing_cipher(sealing_cipher&&) noexcept = default;
sealing_cipher& sealing_cipher::operator=(sealing_cipher&&) noexcept = default;

void sealing_cipher::seal(std::uint64_t counter, std::string_view authenticated, std::string_view channel, std::string_view plain,
                          std::string& out) {
  const auto nonce = nonce_of(counter);
  int count = 0;
  require(EVP_EncryptInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data()));
  require(EVP_EncryptUpdate(context_.get(), nullptr, &count, bytes_of(authenticated), length_of(authenticated)));
  require(EVP_EncryptUpdate(context_.get(), nullptr, &count, bytes_of(channel), length_of(channel)));
  const std::size_t start = out.size();
  out.resize(start + plain.size() + tag_bytes);
  auto* target = reinterpret_cast<unsigned char*>(out.data()) + start;
  if (!plain.empty()) require(EVP_EncryptUpdate(context_.get(), target, &count, bytes_of(plain), length_of(plain)));
  require(EVP_EncryptFinal_ex(context_.get(), target + plain.size(), &count));
  require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, target + plain.size()));
}

std::optional<std::string> sealing_cipher::open(std::uint64_t counter, std::string_view authenticated, std::string_view channel,
                                                std::string_view sealed) {
  if (sealed.size() < tag_bytes) return {};
  const auto text = sealed.substr(0, sealed.size() - tag_bytes);
  std::array<unsigned char, tag_bytes> tag{};
  std::copy(sealed.end() - tag_bytes, sealed.end(), tag.begin());
  const auto nonce = nonce_of(counter);
  int count = 0;
  std::string plain(text.size(), '\0');
  auto* target = reinterpret_cast<unsigned char*>(plain.data());
  require(EVP_DecryptInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data()));
  require(EVP_DecryptUpdate(context_.get(), nullptr, &count, bytes_of(authenticated), length_of(authenticated)));
  require(EVP_DecryptUpdate(context_.get(), nullptr, &count, bytes_of(channel), length_of(channel)));
  if (!text.empty()) require(EVP_DecryptUpdate(context_.get(), target, &count, bytes_of(text), length_of(text)));
  require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()));
  std::array<unsigned char, 16> rest{};
  if (EVP_DecryptFinal_ex(context_.get(), rest.data(), &count) != 1) return {};
  return plain;
}

sealer::sealer(const secret_key& cluster) : sender_(random_sender()), cipher_(cluster.derive(sender_key_label, sender_)) {}

std::string sealer::seal(std::string_view channel, const sealed_letter& letter) {
  std::string out;
  out.reserve(header_bytes + letter.payload.size() + sealing_cipher::tag_bytes);
  append_number(out, format);
  out += sender_;
  append_number(out, ++counter_);
  append_number(out, letter.from);
  append_number(out, letter.to);
  append_number(out, static_cast<std::uint8_t>(letter.content));
  const std::string header = out;
  cipher_.seal(counter_, header, channel, letter.payload, out);
  return out;
}

unsealed opener::open(std::string_view channel, std::string_view envelope, sealed_letter& letter) {
  byte_cursor cursor(envelope);
  const auto version = cursor.number<std::uint8_t>();
  const std::string sender(cursor.text(sender_bytes));
  const auto counter = cursor.number<std::uint64_t>();
  const auto from = cursor.number<std::uint64_t>();
  const auto to = cursor.number<std::uint64_t>();
  const auto content = cursor.number<std::uint8_t>();
  if (cursor.failed() || version != format || cursor.rest().size() < sealing_cipher::tag_bytes) return unsealed::malformed;
  if (content < static_cast<std::uint8_t>(sealed_content::entries) || content > static_cast<std::uint8_t>(sealed_content::missed)) {
    return unsealed::malformed;
  }
  if (sender == own_sender_) return unsealed::own;
  const auto header = envelope.substr(0, header_bytes);

  const auto found = by_id_.find(sender);
  std::list<known_sender> fresh;
  if (found == by_id_.end()) fresh.push_back({sender, sealing_cipher(cluster_.derive(sender_key_label, sender)), 0});
  auto& from_whom = found == by_id_.end() ? fresh.front() : *found->second;
  auto plain = from_whom.cipher.open(counter, header, channel, cursor.rest());
  if (!plain) return unsealed::forged;
  if (counter <= from_whom.last_counter) return unsealed::replayed;
  from_whom.last_counter = counter;
  // Only a sender that proved the key takes a place.
  if (found == by_id_.end()) {
    senders_.splice(senders_.begin(), fresh);
    by_id_[sender] = senders_.begin();
  } else {
    senders_.splice(senders_.begin(), senders_, found->second);
  }
  if (senders_.size() > max_senders) {
    by_id_.erase(senders_.back().id);
    senders_.pop_back();
  }
  letter = {from, to, static_cast<sealed_content>(content), std::move(*plain)};
  return unsealed::letter;
}

}  // namespace careteam::redis
