// What can be wrong with one direction of one link. Plain values; at rest when default-made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/units.h"

namespace parley::runtime {

struct LinkFault {
  bool cut = false;      // nothing passes; streams neither move nor end
  double drop = 0;       // share of datagrams that vanish, of writes to a stream that are resent
  double duplicate = 0;  // share of datagrams that arrive twice
  double reorder = 0;    // share of datagrams that later ones overtake
  double corrupt = 0;    // share of datagrams, or writes to a stream, with one bit flipped
  Duration delay{0};     // at least
  Duration jitter{0};    // and up to so much more
  std::uint64_t bytes_per_second = 0;  // 0: no limit

  bool operator==(const LinkFault&) const = default;
  bool at_rest() const { return *this == LinkFault{}; }
  // Both at once.
  LinkFault operator+(const LinkFault& other) const;
  // InvalidArgument: shares outside 0..1, times outside 0..1 min, a limit below 1 KiB a second.
  Status check() const;
};

// "cut", "drop 30 %, delay 50 ms to 70 ms".
std::string to_text(const LinkFault& fault);

// `least`, and up to `jitter` more by chance.
Duration drawn_delay(Duration least, Duration jitter, Random& random);

// One direction's memory: when does what is sent now arrive.
class FaultyLane {
 public:
  explicit FaultyLane(Random random) : random_(std::move(random)) {}

  // A datagram. It may overtake others.
  Instant datagram_due(const LinkFault& fault, std::size_t bytes, Instant now);
  // A piece of a stream: never before what was sent before. A lost piece is sent again after
  // 200 ms, then twice that, as TCP does.
  Instant piece_due(const LinkFault& fault, std::size_t bytes, Instant now);
  bool chance(double share) { return share > 0 && random_.unit() < share; }
  // How long what is sent now waits before the line takes it: what a limit adds to the delay.
  Duration backlog(Instant now) const { return line_free_ > now ? line_free_ - now : Duration{0}; }
  void maybe_corrupt(const LinkFault& fault, Bytes& bytes);
  // The line is sound again: what was sent before holds up nothing.
  void forget() { line_free_ = last_due_ = {}; }

 private:
  Duration travel(const LinkFault& fault, std::size_t bytes, Instant now);

  Random random_;
  Instant line_free_{}, last_due_{};
};

}  // namespace parley::runtime
