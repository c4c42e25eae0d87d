// What the clients of one run do: a mix of kinds of calls, keys and levels that each seed draws.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/units.h"

namespace parley::sim {

enum class Act : std::uint8_t {
  Get,
  Replace,  // get, then put with its context
  Stale,    // put with the context of an earlier get
  Chain,    // put with the context of the own last write
  Blind,    // put without a context
  Delete,   // get, then delete with its context; at times put again at once
  Add,      // an element to a set: get, join the siblings, put with the context
  PutMany,  // a batch, with the contexts of earlier gets
  GetMany,
  Check,  // put, then a get at a majority at once
  Forge,  // put with a context of another key, or with a flipped bit
  CountOfActs,
};

struct WorkloadOptions {
  std::vector<std::string> keys;
  std::vector<std::string> sets;    // keys of sets
  std::vector<std::string> levels;  // drawn for each call
  std::vector<Duration> timeouts;   // too
  Duration pause_most{};            // between a call's end and the next
  std::array<unsigned, static_cast<std::size_t>(Act::CountOfActs)> weights{};
  double hot = 0;  // of all calls go to the first key
  std::size_t value_bytes_most = 64;
  double large = 0;  // puts of up to large_bytes_most
  std::size_t large_bytes_most = 100 * 1024;
  double memory = 0;                       // writes with durability `memory`
  double retry_unknown = 0, retry_ok = 0;  // the same op-id and bytes once more, elsewhere
  bool learn_ring = true;                  // else each client keeps to one node while it answers
  bool one_node = false;                   // it knows no other, but for retries
  bool cut_batches = false;                // of all keys at times, by the library's sender

  Act draw_act(Random& random) const;
  const std::string& draw_key(Random& random) const;
};

inline constexpr std::size_t kKeysMost = 1000;

// The first so many keys of a run, kKeysMost at most: anywhere, or neighbours on the ring, or in
// pairs that share a slot. Fewer are the beginning of more.
std::vector<std::string> draw_key_names(Random random, std::size_t count);

// Swarm: a random part of all that a client can do, each with a weight of its own. The keys are the
// first of draw_key_names(`names`).
WorkloadOptions draw_workload(Random& random, const Random& names, std::size_t clients);

}  // namespace parley::sim
