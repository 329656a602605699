#include "store/chain.hpp"

#include <openssl/evp.h>

#include "store/contract.hpp"

namespace careteam::store {

// Fetched once: an implicit fetch for every digest costs more than hashing a short entry.
chain_hasher::chain_hasher() : md_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
  require(md_ && context_, "OpenSSL offers SHA-256");
}

chain_value chain_hasher::next(const chain_value& previous, std::string_view bytes) {
  chain_value link;
  unsigned int size = 0;
  const bool hashed = EVP_DigestInit_ex2(context_.get(), md_.get(), nullptr) == 1 &&
                      EVP_DigestUpdate(context_.get(), previous.data(), previous.size()) == 1 &&
                      EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1 &&
                      EVP_DigestFinal_ex(context_.get(), link.data(), &size) == 1;
  require(hashed && size == link.size(), "SHA-256 cannot fail");
  return link;
}

chain_value chain_hasher::snapshot_digest(std::uint64_t version, std::string_view bytes) {
  chain_value place{};
  for (std::size_t i = 0; i < 8; ++i) place[i] = static_cast<std::uint8_t>(version >> (56 - 8 * i));
  return next(place, bytes);
}

void chain_hasher::free_md::operator()(evp_md_st* md) const {
  EVP_MD_free(md);
}
void chain_hasher::free_context::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

}  // namespace careteam::store
