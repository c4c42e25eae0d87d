// One node's Swim among peers that the test plays.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "membership/swim.h"

namespace parley::membership {

inline NodeId id(std::uint8_t n) {
  NodeId out;
  out.octets[0] = n;
  return out;
}
inline Endpoint at(std::uint8_t n) { return {"127.0.0." + std::to_string(n), 7401}; }
inline constexpr std::uint8_t kMe = 1;

struct Bench {
  explicit Bench(std::uint8_t peers = 4, SwimOptions options = {})
      : swim(options, id(kMe), 7, 99, Random(1)) {
    for (std::uint8_t n = 2; n < 2 + peers; ++n) {
      swim.learn(now, at(n), {id(n), 1, 0, Liveness::Alive, {}, 0}, out);
    }
    answer_all();
    run(1ms);
  }
  Datagram from(std::uint8_t n, DatagramKind kind = DatagramKind::Gossip,
                std::vector<Claim> updates = {}) const {
    Datagram d;
    d.kind = kind;
    d.sender = id(n);
    d.generation = 1;
    d.nonce = n;
    d.updates = std::move(updates);
    return d;
  }
  void hear(const Datagram& d) { swim.on_datagram(now, at(d.sender.octets[0]), d, out); }
  // The peers (but those `silent`) ack every ping sent so far.
  void answer_all(const std::vector<std::uint8_t>& silent = {}) {
    const auto sends = std::exchange(out.sends, {});
    for (const auto& send : sends) {
      if (send.datagram.kind != DatagramKind::Ping) continue;
      const std::uint8_t n = send.datagram.target.octets[0];
      if (std::find(silent.begin(), silent.end(), n) != silent.end()) continue;
      Datagram ack = from(n, DatagramKind::Ack);
      ack.incarnation = swim.peers().at(id(n)).claim.incarnation;
      ack.generation = swim.peers().at(id(n)).claim.generation;
      ack.sequence = send.datagram.sequence;
      hear(ack);
    }
  }
  // Ticks on time; peers but the silent answer.
  void run(Duration span, const std::vector<std::uint8_t>& silent = {}) {
    const Instant end = now + span;
    while (true) {
      const Instant wake = std::min(end, std::max(now, swim.next_wake()));
      now = wake;
      swim.on_tick(now, Duration(0), out);
      answer_all(silent);
      if (now >= end) return;
      if (swim.next_wake() <= now) now += 1ms;
    }
  }
  std::size_t count(DatagramKind kind) const {
    return static_cast<std::size_t>(
        std::count_if(out.sends.begin(), out.sends.end(),
                      [&](const auto& s) { return s.datagram.kind == kind; }));
  }
  bool told(std::uint8_t whom, const Claim& claim) const {
    return std::any_of(out.sends.begin(), out.sends.end(), [&](const auto& s) {
      const auto& updates = s.datagram.updates;
      return s.to == at(whom) && std::find(updates.begin(), updates.end(), claim) != updates.end();
    });
  }
  Claim belief(std::uint8_t n) const { return swim.peers().at(id(n)).claim; }

  Instant now{Duration(1s)};
  SwimOutbox out;
  Swim swim;
};

inline Claim claim(std::uint8_t n, Liveness liveness, Incarnation incarnation = 0,
                   Generation generation = 1, std::uint8_t accuser = 0) {
  return {id(n), generation, incarnation, liveness, accuser == 0 ? NodeId{} : id(accuser), 0};
}

}  // namespace parley::membership
