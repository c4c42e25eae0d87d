// The decider, and a model: what a majority acked stays in every majority's answers, whatever is
// damaged and mended, for as long as one sound copy of it is left.
#include "repair/damage_mending.h"

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "replication/epoch_range.h"
#include "replication/mint.h"
#include "tests/catch.h"

namespace parley::repair {
namespace {

using replication::VersionSet;
using Step = DamageMending::Step;

VersionSet set_of(std::uint8_t storage) {
  replication::Actor actor;
  actor.storage.octets[0] = storage;
  actor.epoch = 2;
  VersionSet set;
  set.write({}, {replication::Dot{actor, 1}, false, {}, "v"});
  return set;
}

}  // namespace

TEST_CASE("damage mending: waits for all, and needs a majority's complement", "[repair][damage]") {
  struct Row {
    std::size_t owners;
    std::string said;  // a: has a, b: has b, -: has nothing, x: damaged too, .: silent
    Step step;
  };
  const Row rows[] = {
      {1, "", Step::Lost},
      {2, "a", Step::Mend},
      {2, ".", Step::TryAgain},
      {2, "-", Step::Lost},
      {2, "x", Step::Lost},
      {3, "a", Step::Wait},
      {3, "x", Step::Wait},
      {3, ".", Step::TryAgain},  // whatever the other says
      {3, "a.", Step::TryAgain},
      {3, "a-", Step::Mend},
      {3, "ab", Step::Mend},
      {3, "ax", Step::MendInDoubt},
      {3, "--", Step::Lost},
      {3, "xx", Step::Lost},
      {3, "-x", Step::Lost},
      {3, "-.", Step::TryAgain},
      {3, "x.", Step::TryAgain},
      {3, "..", Step::TryAgain},
      {4, "a-.", Step::Mend},
      {4, "ax.", Step::TryAgain},
      {4, "axx", Step::MendInDoubt},
      {4, "--.", Step::TryAgain},
      {5, ".", Step::Wait},
      {5, "..", Step::TryAgain},
      {5, ".x", Step::TryAgain},
      {5, "ab-.", Step::Mend},
      {5, "ab..", Step::TryAgain},
      {5, "abx.", Step::TryAgain},
      {5, "abx-", Step::Mend},
      {5, "axxx", Step::MendInDoubt},
      {5, "a-xx", Step::MendInDoubt},
      {5, "---.", Step::TryAgain},
      {5, "---x", Step::Lost},
      {5, "abb", Step::Wait},
  };
  for (const Row& row : rows) {
    DamageMending mending(row.owners);
    VersionSet expected;
    for (const char one : row.said) {
      if (one == 'x') {
        mending.damaged();
      } else if (one == '.') {
        mending.silent();
      } else {
        const VersionSet set = one == '-' ? VersionSet{} : set_of(static_cast<std::uint8_t>(one));
        mending.answered(set);
        expected.merge(set);
      }
    }
    INFO(row.owners << " owners, the others said \"" << row.said << "\"");
    CHECK(mending.step() == row.step);
    CHECK(mending.merged() == expected);
  }
}

namespace {

// N replicas of one key. Writes are acked by those that stored them; copies are lost, come late or
// never; records are damaged and mended by the rule.
class History {
 public:
  History(Random& random, std::size_t owners) : random_(random), owners_(owners) {
    for (Node& node : nodes()) {
      node.storage = random_.id<StorageId>();
      node.range.confirm(node.range.mark());
    }
  }
  // Empty when everything held.
  std::string run() {
    for (std::uint64_t i = 8 + random_.below(17); i > 0 && failure_.empty(); --i) step();
    return failure_;
  }

 private:
  struct Node {
    StorageId storage;
    replication::EpochRange range{replication::EpochMark{}, 64};
    storage::Found found;
    bool written_off = false;
  };
  struct Write {
    replication::Dot dot;
    std::size_t acks = 0;
    bool lost = false;  // no sound copy is left: nothing can be asked of it any more
  };
  struct Copy {
    std::size_t to = 0, write = 0;
    Bytes set;
  };

  std::vector<Node>& nodes() {
    if (nodes_.empty()) nodes_.resize(owners_);
    return nodes_;
  }
  std::size_t majority() const { return owners_ / 2 + 1; }
  Node& any_node() { return nodes_[random_.below(owners_)]; }
  static std::optional<VersionSet> sound(const Node& node) {
    if (node.found.condition == storage::Condition::Damaged) return std::nullopt;
    return replication::local_state(node.found).set;
  }

  void step() {
    switch (random_.below(8)) {
      case 0:
      case 1: return write();
      case 2:
      case 3:
      case 4: return deliver();
      case 5: return damage();
      case 6: return mend();
      default: return read();
    }
  }
  replication::LocalState state(const Node& node) const {
    return replication::local_state(node.found, node.written_off ? replication::OnDamage::Replace
                                                                 : replication::OnDamage::Refuse);
  }
  void store(Node& node, const VersionSet& set) {
    node.found = {storage::Condition::Sound, set.encode(), 1};
    node.written_off = false;
  }

  void write() {
    Node& node = any_node();
    replication::MintRequest request;
    request.value = "v";
    const auto minted =
        replication::decide_mint(state(node), request, node.storage, node.range, {64, 4_MiB});
    if (!minted) return;
    store(node, minted->set);
    writes_.push_back({minted->dot, 1, false});
    for (std::size_t i = 0; i < owners_; ++i) {
      if (&nodes_[i] != &node) copies_.push_back({i, writes_.size() - 1, minted->set.encode()});
    }
  }
  void deliver() {
    if (copies_.empty()) return;
    const std::size_t which = random_.below(copies_.size());
    const Copy copy = copies_[which];
    copies_.erase(copies_.begin() + static_cast<std::ptrdiff_t>(which));
    if (merge(nodes_[copy.to], *VersionSet::decode(copy.set))) ++writes_[copy.write].acks;
  }
  bool merge(Node& node, const VersionSet& set) {
    while (true) {
      auto merged = replication::decide_merge(state(node), set, node.storage, node.range.bounds());
      if (!merged) return false;
      if (merged->forgotten) {
        node.range.raise_floor(*merged->forgotten);
        node.range.confirm(node.range.mark());
        continue;
      }
      if (merged->changed) store(node, merged->set);
      return true;
    }
  }
  void damage() {
    Node& node = any_node();
    if (node.found.condition == storage::Condition::Missing) return;
    node.found = {storage::Condition::Damaged, "", 0};
    for (Write& one : writes_) {
      bool held = false;
      for (const Node& other : nodes_) {
        const auto set = sound(other);
        held = held || (set && set->context().covers(one.dot));
      }
      one.lost = one.lost || !held;
    }
  }
  void mend() {
    Node& node = any_node();
    if (node.found.condition != storage::Condition::Damaged || node.written_off) return;
    DamageMending mending(owners_);
    for (const Node& other : nodes_) {
      if (&other == &node) continue;
      const auto set = sound(other);
      if (random_.below(4) == 0) {
        mending.silent();
      } else if (set) {
        mending.answered(*set);
      } else {
        mending.damaged();
      }
    }
    if (mending.step() == Step::Lost) node.written_off = true;
    // In doubt means that those who held an acked write are damaged or gone: then it is lost.
    if (mending.step() != Step::Mend && mending.step() != Step::MendInDoubt) return;
    node.found = {};
    if (!merge(node, mending.merged())) failure_ = "a mend was refused";
  }
  // Any majority that answers.
  void read() {
    VersionSet merged;
    std::size_t answers = 0;
    const std::size_t first = random_.below(owners_);
    const bool backwards = random_.below(2) == 0;
    for (std::size_t i = 0; i < owners_ && answers < majority(); ++i) {
      const auto set = sound(nodes_[(first + (backwards ? owners_ - i : i)) % owners_]);
      if (!set) continue;
      merged.merge(*set);
      ++answers;
    }
    if (answers < majority()) return;
    for (const Write& one : writes_) {
      if (one.lost || one.acks < majority()) continue;
      if (!merged.context().covers(one.dot)) failure_ = "a majority does not see an acked write";
    }
  }

  Random& random_;
  const std::size_t owners_;
  std::vector<Node> nodes_;
  std::vector<Write> writes_;
  std::vector<Copy> copies_;
  std::string failure_;
};

std::uint64_t histories_wanted() {
  if (const char* text = std::getenv("PARLEY_HISTORIES")) return std::strtoull(text, nullptr, 10);
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  return 200'000;
#else
  return 20'000;
#endif
}

}  // namespace

TEST_CASE("damage mending: no majority misses an acked write over random histories",
          "[repair][damage][model]") {
  constexpr std::uint64_t kChunk = 1000;  // a seed each
  std::optional<Random> random;
  for (std::uint64_t done = 0; done < histories_wanted(); ++done) {
    if (done % kChunk == 0) random.emplace(done);
    const std::size_t owners = 1 + done % 5;
    const std::string failure = History(*random, owners).run();
    if (failure.empty()) continue;
    INFO("history " << done << " of the seed " << done / kChunk * kChunk << ", N = " << owners);
    FAIL(failure);
  }
  SUCCEED();
}

}  // namespace parley::repair
