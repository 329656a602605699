#include "coordination/digest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

namespace careteam::coordination {

store::uuid_bytes digest_of(std::string_view bytes) {
  // Fetched once and kept: looking an algorithm up costs as much as hashing a message.
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  unsigned char whole[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!sha256 || EVP_Digest(bytes.data(), bytes.size(), whole, &size, sha256, nullptr) != 1) {
    throw std::runtime_error("SHA-256 is not available");
  }
  store::uuid_bytes half;
  std::copy_n(whole, half.size(), half.begin());
  return half;
}

store::uuid_bytes digest_of(const v1::Command& command) {
  return digest_of(command.SerializeAsString());
}

}  // namespace careteam::coordination
