// The only source of chance. Seeded by whoever builds it, so a simulator replays every choice.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"

namespace parley {

// xoshiro256** (Blackman and Vigna, 2018) seeded from 32 bytes. Not a cipher: what must not be
// guessed comes from secret().
class Random {
 public:
  explicit Random(ByteView seed32);
  // For tests and simulators.
  explicit Random(std::uint64_t seed);

  std::uint64_t next();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit();

  template <typename Id>
  Id id() {
    Id fresh;
    do {
      for (std::size_t i = 0; i < 16; i += 8) {
        const std::uint64_t word = next();
        for (std::size_t j = 0; j < 8; ++j) {
          fresh.octets[i + j] = static_cast<std::uint8_t>(word >> (8 * j));
        }
      }
    } while (fresh.is_nil());
    return fresh;
  }

  // 32 bytes that cannot be guessed from any other output of this object.
  Bytes secret(ByteView purpose) const;
  // An independent generator for one concern, so that a draw added there shifts nothing here.
  Random fork(ByteView purpose);

 private:
  Bytes seed_;
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace parley
