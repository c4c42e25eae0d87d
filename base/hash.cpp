#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <xxhash.h>

#include <memory>

#include "base/check.h"

namespace parley {
namespace {

struct FreeMac {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

// Looking the algorithm up takes longer than a short message: once a thread.
EVP_MAC_CTX* hmac_sha256() {
  static thread_local const auto context = [] {
    const std::unique_ptr<EVP_MAC, FreeMac> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    std::unique_ptr<EVP_MAC_CTX, FreeMac> made(EVP_MAC_CTX_new(mac.get()));
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                                 OSSL_PARAM_construct_end()};
    PARLEY_CHECK(made != nullptr && EVP_MAC_CTX_set_params(made.get(), params) == 1);
    return made;
  }();
  return context.get();
}

}  // namespace

std::uint64_t hash64(ByteView bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Bytes mac256(ByteView key, ByteView message) {
  // An empty view may have no address, and none would mean "the key before".
  static constexpr unsigned char kNone = 0;
  const auto* bytes = key.empty() ? &kNone : reinterpret_cast<const unsigned char*>(key.data());
  EVP_MAC_CTX* context = hmac_sha256();
  Bytes out(32, '\0');
  std::size_t length = 0;
  const bool done = EVP_MAC_init(context, bytes, key.size(), nullptr) == 1 &&
                    EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(message.data()),
                                   message.size()) == 1 &&
                    EVP_MAC_final(context, reinterpret_cast<unsigned char*>(out.data()), &length,
                                  out.size()) == 1;
  PARLEY_CHECK(done && length == out.size());
  return out;
}

Bytes mac128(ByteView key, ByteView message) { return mac256(key, message).substr(0, 16); }

Bytes sha256(ByteView bytes) {
  Bytes out(32, '\0');
  const bool done =
      EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr,
                 EVP_sha256(), nullptr) == 1;
  PARLEY_CHECK(done);
  return out;
}

bool equal_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace parley
