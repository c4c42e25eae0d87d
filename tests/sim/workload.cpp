#include "tests/sim/workload.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "ring/ring.h"

namespace parley::sim {
namespace {

unsigned& weight(WorkloadOptions& options, Act act) {
  return options.weights[static_cast<std::size_t>(act)];
}

bool one_in(Random& random, std::uint64_t n) { return random.below(n) == 0; }

void draw_levels(WorkloadOptions& options, Random& random) {
  switch (random.below(4)) {
    case 0: options.levels = {"quorum"}; break;
    case 1: options.levels = {"quorum", "2", "all", "3", ""}; break;
    default:
      options.levels = {"all", "quorum", "quorum", "one", "any", "2", "1", "3", "", "quorum"};
  }
  if (one_in(random, 8)) options.levels.push_back("4");  // more than a key can ever have
}

struct Name {
  Slot slot = 0;
  std::string text;
};

// Of a hundred thousand names so many, in the order of the ring. A few of each hundred share a
// slot.
std::vector<Name> draw_names(Random& random) {
  constexpr std::uint64_t kNames = 4000, kOf = 100'000;
  const std::uint64_t first = random.below(kOf - kNames);
  std::vector<Name> names;
  names.reserve(kNames);
  for (std::uint64_t i = 0; i < kNames; ++i) {
    std::string text = "key" + std::to_string(first + i);
    names.push_back({slot_of(ring::token_of(text)), std::move(text)});
  }
  std::stable_sort(names.begin(), names.end(),
                   [](const Name& a, const Name& b) { return a.slot < b.slot; });
  return names;
}

// Those that share a slot with the one after or before them.
void pairs_first(std::vector<Name>& names) {
  std::vector<Name> pairs, others;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool paired = (i > 0 && names[i - 1].slot == names[i].slot) ||
                        (i + 1 < names.size() && names[i + 1].slot == names[i].slot);
    (paired ? pairs : others).push_back(names[i]);
  }
  names = std::move(pairs);
  names.insert(names.end(), others.begin(), others.end());
}

}  // namespace

Act WorkloadOptions::draw_act(Random& random) const {
  std::uint64_t at = random.below(std::accumulate(weights.begin(), weights.end(), 0U));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (at < weights[i]) return static_cast<Act>(i);
    at -= weights[i];
  }
  return Act::Get;
}

const std::string& WorkloadOptions::draw_key(Random& random) const {
  if (random.unit() < hot) return keys.front();
  return keys[random.below(keys.size())];
}

std::vector<std::string> draw_key_names(Random random, std::size_t count) {
  std::vector<Name> names = draw_names(random);
  PARLEY_CHECK(count <= kKeysMost);
  std::rotate(names.begin(),
              names.begin() + static_cast<std::ptrdiff_t>(random.below(names.size())), names.end());
  switch (random.below(4)) {
    case 0: break;  // neighbours
    case 1: pairs_first(names); break;
    default:
      for (std::size_t i = 0; i < count; ++i) {
        std::swap(names[i], names[i + random.below(names.size() - i)]);
      }
  }
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(names[i].text);
  return out;
}

WorkloadOptions draw_workload(Random& random, const Random& names, std::size_t clients) {
  WorkloadOptions out;
  out.keys = draw_key_names(names, 1 + random.below(12));
  draw_levels(out, random);
  // About ten calls a second over all of them, and more.
  out.pause_most = Duration(240ms) * static_cast<std::int64_t>(clients);
  out.timeouts =
      one_in(random, 3) ? std::vector<Duration>{200ms, 1s, 2s, 5s} : std::vector<Duration>{2s};
  weight(out, Act::Get) = 3;
  weight(out, Act::Replace) = 3;
  for (const Act act : {Act::Stale, Act::Chain, Act::Blind, Act::Delete, Act::Add, Act::PutMany,
                        Act::GetMany, Act::Check}) {
    if (one_in(random, 2)) weight(out, act) = 1 + static_cast<unsigned>(random.below(3));
  }
  if (one_in(random, 8)) weight(out, Act::Forge) = 1;
  if (one_in(random, 8)) weight(out, Act::Delete) = 10;  // storms of deletes and new values
  if (weight(out, Act::Add) > 0) {
    const std::size_t sets = 1 + random.below(2);
    Random named = Random(names).fork("sets");
    for (std::size_t i = 0; i < sets; ++i) {
      out.sets.push_back("set" + std::to_string(i * 1000 + named.below(1000)));
    }
  }
  if (one_in(random, 4)) out.hot = 0.8;
  if (one_in(random, 12)) out.large = 0.03;
  if (one_in(random, 8)) out.memory = 0.3;
  if (one_in(random, 2)) out.retry_unknown = 0.5;
  if (one_in(random, 4)) out.retry_ok = 0.1;
  out.learn_ring = !one_in(random, 3);
  out.one_node = one_in(random, 4);
  if (out.one_node) out.learn_ring = false;
  return out;
}

}  // namespace parley::sim
