#include "redis/cluster_key.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <boost/system/error_code.hpp>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <stdexcept>

namespace careteam::redis {

secret_key::~secret_key() {
  OPENSSL_cleanse(value_.data(), value_.size());
}

secret_key secret_key::derive(std::string_view label, std::string_view text) const {
  std::string input(label);
  input.push_back('\0');  // So that no label and text run into each other.
  input += text;
  secret_key derived;
  unsigned int length = 0;
  const auto* done = HMAC(EVP_sha256(), value_.data(), static_cast<int>(value_.size()),
                          reinterpret_cast<const unsigned char*>(input.data()), input.size(), derived.value_.data(), &length);
  if (done == nullptr || length != size) throw std::runtime_error("HMAC-SHA256 failed");
  return derived;
}

boost::system::result<secret_key> read_cluster_key(const std::string& path) {
  using boost::system::error_code;
  using boost::system::generic_category;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) return error_code(errno, generic_category());
  std::setbuf(file.get(), nullptr);  // No second copy of the key.
  std::array<char, 2 * secret_key::size + 2> content{};
  const std::size_t count = std::fread(content.data(), 1, content.size(), file.get());
  const bool failed = std::ferror(file.get()) != 0;
  std::string_view text(content.data(), count);
  secret_key::bytes key{};
  bool valid = text.size() == secret_key::size;
  if (valid) {
    std::copy(text.begin(), text.end(), key.begin());
  } else {
    if (text.ends_with('\n')) text.remove_suffix(1);
    valid = text.size() == 2 * secret_key::size;
    for (std::size_t i = 0; valid && i < key.size(); ++i) {
      const char* digits = text.data() + 2 * i;
      const auto parsed = std::from_chars(digits, digits + 2, key[i], 16);
      valid = parsed.ec == std::errc{} && parsed.ptr == digits + 2;
    }
  }
  const secret_key found(key);
  OPENSSL_cleanse(content.data(), content.size());
  OPENSSL_cleanse(key.data(), key.size());
  if (failed) return error_code(EIO, generic_category());
  if (!valid) return error_code(EINVAL, generic_category());
  return found;
}

}  // namespace careteam::redis
