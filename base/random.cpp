#include "base/random.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"

namespace parley {
namespace {

Bytes widen(std::uint64_t seed) {
  Bytes out(32, '\0');
  std::memcpy(out.data(), &seed, sizeof seed);
  return out;
}

}  // namespace

Random::Random(ByteView seed32) : seed_(seed32) {
  PARLEY_CHECK(seed32.size() == 32);
  const Bytes state = mac256(seed_, "xoshiro state");
  std::memcpy(state_.data(), state.data(), 32);
}

Random::Random(std::uint64_t seed) : Random(ByteView(widen(seed))) {}

std::uint64_t Random::next() {
  const std::uint64_t out = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return out;
}

std::uint64_t Random::below(std::uint64_t bound) {
  PARLEY_CHECK(bound > 0);
  // Reject the tail that would make small values likelier.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t draw = next();
  while (draw >= limit) draw = next();
  return draw % bound;
}

double Random::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

Bytes Random::secret(ByteView purpose) const {
  return mac256(seed_, Bytes("secret:").append(purpose));
}

Random Random::fork(ByteView purpose) {
  Bytes label("fork:");
  const std::uint64_t salt = next();
  label.append(reinterpret_cast<const char*>(&salt), sizeof salt).append(purpose);
  return Random(ByteView(mac256(seed_, label)));
}

}  // namespace parley
