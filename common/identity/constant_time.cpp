#include "identity/constant_time.hpp"

#include <openssl/crypto.h>

namespace careteam::identity {

bool equal_in_constant_time(std::string_view one, std::string_view other) noexcept {
  if (one.size() != other.size()) return false;
  return CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace careteam::identity
