// Production's deciders for the explorer: minting, merging, reading, counting and hints, over
// version sets that are kept once and named by numbers. The deciders are functions of what they
// are given, so each is asked once for each question and its answer is kept: `recheck` asks again
// every time and compares.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "replication/hint_merge.h"
#include "replication/mint.h"
#include "replication/read_merge.h"
#include "replication/write_quorum.h"
#include "tests/catch.h"

namespace parley::sim {

inline constexpr std::size_t kReplicas = 3, kMajority = 2, kClients = 2;
inline constexpr std::size_t kWritesOfClient = 2, kWritesMost = kClients * kWritesOfClient;
using SetId = std::uint32_t;  // 0 is the empty set: a record that is not there
// A write's name: the replica that minted it and which of its mints it was. It does not depend on
// what other replicas did before.
using Slots = std::uint16_t;  // a set of names
inline std::size_t slot_of_mint(std::size_t replica, std::size_t number) {
  return replica * kWritesMost + number;
}
inline Slots bit(std::size_t slot) { return static_cast<Slots>(1U << slot); }

// Not REQUIRE: it costs more than the states do.
inline void demand(bool holds, const char* what) {
  if (!holds) FAIL(what);
}

// One replica's record and its epochs.
struct Local {
  SetId set = 0;
  std::uint8_t floor = 0, next = 0;
  bool operator==(const Local&) const = default;
};

struct Minting {
  Local after;
  std::uint8_t epoch = 0, counter = 0;  // of the dot
  bool operator==(const Minting&) const = default;
};

// What a majority read of two replicas returned, and whom it had to repair before.
struct Reading {
  SetId merged = 0;
  std::array<bool, kReplicas> repairs{};
  bool operator==(const Reading&) const = default;
};

class Deciders {
 public:
  explicit Deciders(bool recheck = false) : recheck_(recheck) { intern({}); }

  const replication::VersionSet& set(SetId id) const { return sets_[id]; }
  // The names of the set's siblings.
  Slots live(SetId id) const { return live_[id]; }
  bool covers(SetId id, std::size_t replica, std::uint8_t epoch, std::uint8_t counter) const {
    return sets_[id].context().covers({{storage_of(replica), epoch}, counter});
  }
  // All that b has seen, a has seen.
  bool covers(SetId a, SetId b) {
    return remember(covering_, key(a, b),
                    [&] { return sets_[a].context().covers(sets_[b].context()); });
  }
  SetId join(SetId a, SetId b) {
    if (a == b) return a;
    return remember(joined_, key(std::min(a, b), std::max(a, b)), [&] {
      replication::VersionSet both = sets_[a];
      both.merge(sets_[b]);
      return intern(both);
    });
  }

  Local merge(const Local& local, SetId incoming, std::size_t replica) {
    return remember(merged_, key(local.set, incoming) << 12 | bounds_key(local, replica),
                    [&] { return merge_now(local, incoming, replica); });
  }
  Minting mint(const Local& local, SetId seen, std::size_t replica, std::size_t number) {
    return remember(minted_,
                    (key(local.set, seen) << 12 | bounds_key(local, replica)) << 2 | number,
                    [&] { return mint_now(local, seen, replica, number); });
  }
  // The first two of `order` answer, in this order; the third is up.
  Reading read(SetId first, SetId second, std::size_t order_from) {
    return remember(read_, key(first, second) << 2 | order_from,
                    [&] { return read_now(first, second, order_from); });
  }
  // `acked`: by replica. Is the write acknowledged?
  bool reached(unsigned acked) const { return reached_.at(acked); }
  // A hint's row after another set for the same target; 0: there was none.
  SetId hint(SetId row, SetId incoming) {
    return remember(hinted_, key(row, incoming), [&] { return hint_now(row, incoming); });
  }
  // As the writer's transaction erases: only what it was asked to erase.
  bool erases(SetId row, SetId listed) const {
    return row != 0 && record_digest(row) == record_digest(listed);
  }
  std::size_t sets() const { return sets_.size(); }

 private:
  static constexpr const char* kKey = "key";

  static StorageId storage_of(std::size_t replica) {
    StorageId id;
    id.octets[0] = static_cast<std::uint8_t>(replica + 1);
    return id;
  }
  // Room for 2^24 sets; checked by intern().
  static std::uint64_t key(SetId a, SetId b) { return std::uint64_t{a} << 24 | b; }
  static std::uint64_t bounds_key(const Local& local, std::size_t replica) {
    return std::uint64_t{local.floor} << 7 | std::uint64_t{local.next} << 2 | replica;
  }

  template <typename Table, typename Ask>
  typename Table::mapped_type remember(Table& table, std::uint64_t question, const Ask& ask) {
    const auto found = table.find(question);
    if (found == table.end()) {
      const auto answer = ask();
      table.emplace(question, answer);
      return answer;
    }
    if (recheck_) demand(found->second == ask(), "a decider changed its mind");
    return found->second;
  }

  SetId intern(const replication::VersionSet& set) {
    const auto [at, fresh] = ids_.emplace(set.encode(), static_cast<SetId>(sets_.size()));
    if (!fresh) return at->second;
    demand(sets_.size() < (1U << 20), "too many sets for the keys of the tables");
    Slots live = 0;
    for (const auto& sibling : set.siblings()) {
      demand(sibling.value.size() == 1, "a value that nobody wrote");
      live |= bit(static_cast<std::uint8_t>(sibling.value[0]));
    }
    sets_.push_back(set);
    live_.push_back(live);
    return at->second;
  }

  struct Epochs final : replication::EpochSource {
    explicit Epochs(const Local& local) : limits{local.floor, 0, local.next, 0} {}
    replication::EpochBounds bounds() const override { return limits; }
    std::optional<std::uint64_t> draw() override { return limits.next++; }
    replication::EpochBounds limits;
  };
  static replication::LocalState state_of(const replication::VersionSet& set) {
    if (set.empty()) return {};
    return {storage::Condition::Sound, set};
  }
  static Local local_of(SetId set, const replication::EpochBounds& bounds) {
    demand(bounds.next < 32 && bounds.floor < 32, "more epochs than the tables have room for");
    return {set, static_cast<std::uint8_t>(bounds.floor), static_cast<std::uint8_t>(bounds.next)};
  }

  // As the Replica does it: the floor rises before the merge.
  Local merge_now(const Local& local, SetId incoming, std::size_t replica) {
    Epochs epochs(local);
    const auto own = storage_of(replica);
    auto decision = *decide_merge(state_of(set(local.set)), set(incoming), own, epochs.limits);
    if (decision.forgotten) {
      epochs.limits.floor = *decision.forgotten + 1;
      epochs.limits.next = std::max(epochs.limits.next, epochs.limits.floor);
      decision = *decide_merge(state_of(set(local.set)), set(incoming), own, epochs.limits);
      demand(!decision.forgotten, "a merge that never happens");
    }
    return local_of(decision.changed ? intern(decision.set) : local.set, epochs.limits);
  }

  Minting mint_now(const Local& local, SetId seen, std::size_t replica, std::size_t number) {
    Epochs epochs(local);
    replication::MintRequest request;
    request.value = Bytes(1, static_cast<char>(slot_of_mint(replica, number)));
    request.seen = set(seen).context();
    const auto decision = decide_mint(state_of(set(local.set)), request, storage_of(replica),
                                      epochs, {64, std::size_t{1} << 20});
    demand(decision.ok(), "a mint that was refused");
    const auto& dot = decision->dot;
    demand(dot.actor.storage == storage_of(replica), "a dot of somebody else");
    demand(dot.actor.epoch < 64 && dot.counter < 64, "a dot beyond the tables");
    return {local_of(intern(decision->set), epochs.limits),
            static_cast<std::uint8_t>(dot.actor.epoch), static_cast<std::uint8_t>(dot.counter)};
  }

  Reading read_now(SetId first, SetId second, std::size_t from) {
    const std::vector<std::size_t> order{from, (from + 1) % kReplicas, (from + 2) % kReplicas};
    replication::ReadMerge merge(kKey, kReplicas, order, kMajority, kMajority);
    using Step = replication::ReadMerge::Step;
    demand(merge.step() == Step::Ask, "a read without a question");
    demand(merge.to_ask() == std::vector{order[0], order[1]}, "a read that asks others");
    for (const auto& [owner, held] : {std::pair{order[0], first}, std::pair{order[1], second}}) {
      const auto answer = held == 0 ? replication::ReadAnswer::none()
                                    : replication::ReadAnswer::received(kKey, set(held).encode());
      demand(merge.answered(owner, answer).ok(), "an answer that was refused");
    }
    Reading reading;
    if (merge.step() == Step::Repair) {
      for (const std::size_t owner : merge.to_repair()) {
        reading.repairs[owner] = true;
        merge.repaired(owner);
      }
    }
    demand(merge.step() == Step::Answer, "a read that does not end");
    reading.merged = intern(merge.merged());
    return reading;
  }

  SetId hint_now(SetId row, SetId incoming) {
    storage::Found found;
    if (row != 0) {
      found = {storage::Condition::Sound, set(row).encode(), record_digest(row)};
    }
    const auto bytes = decide_hint(found, set(incoming), set(incoming).encode());
    if (!bytes) return row;
    const auto after = replication::VersionSet::decode(*bytes);
    demand(after.ok(), "a hint that is no version set");
    return intern(*after);
  }
  std::uint64_t record_digest(SetId id) const {
    return storage::record_digest(kKey, sets_[id].encode());
  }

  static std::array<bool, 1U << kReplicas> verdicts() {
    std::array<bool, 1U << kReplicas> out{};
    for (unsigned acked = 0; acked < out.size(); ++acked) {
      replication::WriteQuorum quorum(kReplicas, kMajority, false);
      for (std::size_t i = 0; i < kReplicas; ++i) {
        quorum.asked(i);
        if ((acked >> i & 1U) != 0) quorum.acked(i, storage::Durability::Fsync);
      }
      out[acked] = quorum.verdict() == replication::Verdict::Reached;
    }
    return out;
  }

  const bool recheck_;
  const std::array<bool, 1U << kReplicas> reached_ = verdicts();
  std::unordered_map<Bytes, SetId> ids_;
  std::vector<replication::VersionSet> sets_;
  std::vector<Slots> live_;
  std::unordered_map<std::uint64_t, SetId> joined_, hinted_;
  std::unordered_map<std::uint64_t, bool> covering_;
  std::unordered_map<std::uint64_t, Local> merged_;
  std::unordered_map<std::uint64_t, Minting> minted_;
  std::unordered_map<std::uint64_t, Reading> read_;
};

}  // namespace parley::sim
