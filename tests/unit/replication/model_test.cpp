// Mint, merge and read against an ideal model: a state is the set of writes it knows, a write has
// the set of writes that its client had seen, and alive is what no known write had seen. Three
// replicas and a coordinator that is no replica, with loss, duplication and reordering of
// messages, power loss, restarts, wiped disks, forgotten and restored records, and damaged ones
// that are mended from some of the others or given up. (That mending loses no acked write is the
// model of tests/unit/repair/damage_mending_test.cpp.)
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "replication/epoch_range.h"
#include "replication/mint.h"
#include "tests/catch.h"

namespace parley::replication {
namespace {

using Events = std::uint64_t;  // bit i: write number i

struct Event {
  Dot dot;
  Events past = 0;
  OpId op;
};

// A record beside what the ideal says that it knows.
struct Copy {
  storage::Found found;
  Events known = 0;
};
struct Message {
  Bytes set;
  Events known = 0;
};
struct Seen {
  VersionVector context;
  Events known = 0;
};
struct Machine {
  StorageId storage;
  EpochMark mark;  // on disk
  EpochRange range{EpochMark{}, 1};
  Copy now, durable;
};

constexpr std::uint64_t kBlock = 3;  // small: the lease runs out in the middle of histories
constexpr std::size_t kReplicas = 3;

class History {
 public:
  explicit History(Random& random) : random_(random) {
    for (Machine& m : machines_) new_disk(m);
  }
  // Empty when everything held; else what did not.
  std::string run() {
    const std::uint64_t steps = 6 + random_.below(9);
    for (std::uint64_t i = 0; i < steps && failure_.empty(); ++i) step();
    if (failure_.empty()) settle();
    return failure_.empty() ? "" : failure_ + "\n" + trail_;
  }

 private:
  void note(const char* what, std::size_t machine) {
    trail_.append(what).append(" ").append(1, static_cast<char>('0' + machine)).append("; ");
  }
  void fail(const char* what) {
    if (failure_.empty()) failure_ = what;
  }
  bool chance(std::uint64_t one_in) { return random_.below(one_in) == 0; }

  void boot(Machine& m) {
    std::destroy_at(&m.range);
    std::construct_at(&m.range, m.mark, kBlock);
    lease(m);
  }
  void new_disk(Machine& m) {
    m.storage = random_.id<StorageId>();
    m.mark = EpochMark{};
    m.now = m.durable = Copy{};
    boot(m);
  }
  void lease(Machine& m) {
    m.mark = m.range.mark();
    m.range.confirm(m.mark);
  }

  void step() {
    const std::size_t at = random_.below(kReplicas);
    Machine& m = machines_[at];
    switch (random_.below(21)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: return mint(m, at);
      case 5:
      case 6:
      case 7:
      case 8:
      case 9: return deliver(m, at);
      case 10:
      case 11: return read(m, at);
      case 12: return mint_hint();
      case 13:
      case 14:
        if (m.now.found.condition != storage::Condition::Sound) return;
        note("send", at);
        return messages_.push_back({m.now.found.value, m.now.known});
      case 15: note("wipe", at); return new_disk(m);
      case 16:
        note("forget", at);
        m.now = Copy{};
        if (chance(2)) m.now.found.condition = storage::Condition::Damaged;
        m.durable = m.now;
        return;
      case 17:
        note("power loss", at);
        m.now = m.durable;
        return boot(m);
      case 18:
        note("restart", at);
        m.durable = m.now;
        return boot(m);
      case 19: return mend(m, at);
      default: return restore_or_save(m, at);
    }
  }

  void restore_or_save(Machine& m, std::size_t at) {
    if (backups_.empty() || chance(2)) return backups_.push_back(m.durable);
    note("restore", at);
    const Copy copy = backups_[random_.below(backups_.size())];
    new_disk(m);
    m.now = m.durable = copy;
  }

  void mend(Machine& m, std::size_t at) {
    if (m.now.found.condition != storage::Condition::Damaged) return;
    note("mend", at);
    Message together;
    VersionSet set;
    for (std::size_t i = 0; i < kReplicas; ++i) {
      const LocalState other = local_state(machines_[i].now.found);
      if (i == at || other.condition != storage::Condition::Sound || chance(4)) continue;
      set.merge(other.set);
      together.known |= machines_[i].now.known;
    }
    m.now = Copy{};  // OnDamage::Replace
    if (set.empty()) return;
    together.set = set.encode();
    merge(m, together, storage::Durability::Fsync);
  }

  MintRequest request(Events& seen) {
    MintRequest out;
    if (!contexts_.empty() && !chance(3)) {
      const Seen& from = contexts_[random_.below(contexts_.size())];
      out.seen = from.context;
      seen = from.known;
    }
    if (!chance(4)) out.value = "v";
    if (chance(3)) out.op.octets[0] = static_cast<std::uint8_t>(1 + random_.below(2));
    if (chance(3)) out.durability = storage::Durability::Memory;
    return out;
  }

  // The ideal's side of a mint; returns what is known afterwards.
  Events add_event(const MintDecision& minted, const MintRequest& request, Events known,
                   Events seen) {
    for (const Event& event : events_) {
      if (event.dot == minted.dot) fail("a dot was minted twice");
    }
    events_.push_back({minted.dot, seen, request.op});
    return known | seen | Events{1} << (events_.size() - 1);
  }

  void mint(Machine& m, std::size_t at) {
    note("mint", at);
    Events seen = 0;
    const MintRequest asked = request(seen);
    if (chance(2)) lease(m);
    const auto local = local_state(m.now.found);
    const auto minted = decide_mint(local, asked, m.storage, m.range, limits_);
    const bool damaged = local.condition == storage::Condition::Damaged;
    if (!minted) {
      const ErrorCode code = minted.error().code;
      if (code != (damaged ? ErrorCode::Damaged : ErrorCode::NotReady)) fail("a mint was refused");
      return;
    }
    if (damaged) fail("a mint onto a damaged record");
    if (draw_of(minted->dot.actor.epoch) >= m.mark.end && minted->dot.actor.storage == m.storage) {
      fail("an epoch beyond the lease");
    }
    if (minted->again) return check_again(m, asked, *minted);
    m.now.known = add_event(*minted, asked, m.now.known, seen);
    store(m, minted->set.encode(), asked.durability);
    messages_.push_back({m.now.found.value, m.now.known});
  }

  void check_again(const Machine& m, const MintRequest& asked, const MintDecision& minted) {
    const Dot* least = nullptr;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if ((live(m.now.known) >> i & 1) == 0 || events_[i].op != asked.op) continue;
      if (least == nullptr || events_[i].dot < *least) least = &events_[i].dot;
    }
    if (least == nullptr || minted.dot != *least) fail("`again` names a wrong dot");
  }

  void mint_hint() {
    note("hint", kReplicas);
    Machine& m = machines_[kReplicas];
    Events seen = 0;
    const MintRequest asked = request(seen);
    lease(m);
    const auto minted = decide_mint(LocalState{}, asked, m.storage, m.range, limits_);
    if (!minted) return fail("a mint for `any` was refused");
    const Events known = add_event(*minted, asked, 0, seen);
    messages_.push_back({minted->set.encode(), known});
  }

  void store(Machine& m, Bytes bytes, storage::Durability durability) {
    m.now.found = {storage::Condition::Sound, std::move(bytes), 1};
    if (durability == storage::Durability::Fsync) m.durable = m.now;
    check(m.now);
  }

  void deliver(Machine& m, std::size_t at) {
    if (messages_.empty()) return;
    note("deliver", at);
    const Message message = messages_[random_.below(messages_.size())];
    merge(m, message, chance(3) ? storage::Durability::Memory : storage::Durability::Fsync);
  }

  void merge(Machine& m, const Message& message, storage::Durability durability) {
    const auto incoming = VersionSet::decode(message.set);
    if (!incoming) return fail("own bytes do not decode");
    for (int tries = 0;; ++tries) {
      const auto merged =
          decide_merge(local_state(m.now.found), *incoming, m.storage, m.range.bounds());
      if (m.now.found.condition == storage::Condition::Damaged) {
        if (merged.ok()) fail("a merge onto a damaged record");
        return;
      }
      if (merged->forgotten) {
        if (tries == 1) return fail("a raised floor did not help");
        m.range.raise_floor(*merged->forgotten);
        lease(m);
        continue;
      }
      m.now.known |= message.known;
      if (merged->changed) return store(m, merged->set.encode(), durability);
      return check(m.now);
    }
  }

  void read(Machine& m, std::size_t at) {
    note("read", at);
    VersionSet set;
    Events known = 0;
    for (const Machine* from : {&m, &machines_[random_.below(kReplicas)]}) {
      const LocalState local = local_state(from->now.found);
      if (local.condition != storage::Condition::Sound) continue;
      set.merge(local.set);
      known |= from->now.known;
    }
    compare(set, known);
    contexts_.push_back({set.context(), known});
  }

  Events live(Events known) const {
    Events gone = 0;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if ((known >> i & 1) != 0) gone |= events_[i].past;
    }
    return known & ~gone;
  }

  void check(const Copy& copy) {
    const LocalState local = local_state(copy.found);
    if (local.condition != storage::Condition::Sound) {
      if (copy.known != 0) fail("a sound record is unreadable");
      return;
    }
    compare(local.set, copy.known);
  }

  // The set is exactly what the ideal knows: no write lost, none back from the dead.
  void compare(const VersionSet& set, Events known) {
    const Events alive = live(known);
    std::size_t count = 0;
    std::set<Dot> shown;
    std::map<OpId, Dot> least;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const Event& event = events_[i];
      if (set.context().covers(event.dot) != ((known >> i & 1) != 0)) fail("context differs");
      if ((alive >> i & 1) == 0) continue;
      ++count;
      bool found = false;
      for (const Sibling& s : set.siblings()) found = found || s.dot == event.dot;
      if (!found) fail("a live write is missing");
      if (event.op.is_nil()) {
        shown.insert(event.dot);
        continue;
      }
      const auto [entry, fresh] = least.try_emplace(event.op, event.dot);
      if (!fresh && event.dot < entry->second) entry->second = event.dot;
    }
    if (count != set.siblings().size()) fail("a replaced write is back");
    for (const auto& [op, dot] : least) shown.insert(dot);
    const auto visible = set.visible();
    bool same = visible.size() == shown.size();
    for (const Sibling& s : visible) same = same && shown.count(s.dot) == 1;
    if (!same) fail("a reader sees something else");
  }

  // Everything that survives meets everything else, in a random order.
  void settle() {
    Events all = 0;
    for (std::size_t i = 0; i < kReplicas; ++i) all |= machines_[i].now.known;
    std::vector<Message> surviving;
    for (std::size_t i = 0; i < kReplicas; ++i) {
      const Copy& copy = machines_[i].now;
      if (copy.found.condition == storage::Condition::Sound) {
        surviving.push_back({copy.found.value, copy.known});
      }
    }
    for (std::size_t i = surviving.size(); i > 1; --i) {
      std::swap(surviving[i - 1], surviving[random_.below(i)]);
    }
    for (Machine& m : machines_) {
      if (m.now.found.condition == storage::Condition::Damaged) m.now = Copy{};
    }
    for (std::size_t i = 0; i < kReplicas; ++i) {
      for (std::size_t j = 0; j < surviving.size(); ++j) {
        merge(machines_[i], surviving[(i + j) % surviving.size()], storage::Durability::Fsync);
      }
      if (machines_[i].now.known != all) fail("the ideal itself did not converge");
      if (machines_[i].now.found.value != machines_[0].now.found.value) fail("bytes differ");
    }
  }

  Random& random_;
  const MintLimits limits_{64, 4_MiB};
  Machine machines_[kReplicas + 1];
  std::vector<Event> events_;
  std::vector<Message> messages_;
  std::vector<Seen> contexts_;
  std::vector<Copy> backups_;
  std::string failure_, trail_;
};

std::uint64_t histories_wanted() {
  if (const char* text = std::getenv("PARLEY_HISTORIES")) return std::strtoull(text, nullptr, 10);
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  return 1'000'000;
#else
  return 50'000;
#endif
}

}  // namespace

TEST_CASE("versions: mint, merge and read equal the ideal over random histories", "[model]") {
  constexpr std::uint64_t kChunk = 1000;  // a seed each, so that a failure is quick to run again
  const std::uint64_t wanted = histories_wanted();
  for (std::uint64_t done = 0; done < wanted; ++done) {
    static thread_local std::optional<Random> random;
    if (done % kChunk == 0) random.emplace(done);
    const std::string failure = History(*random).run();
    if (!failure.empty()) {
      INFO("history " << done << " of the seed " << done / kChunk * kChunk);
      FAIL(failure);
    }
  }
  SUCCEED();
}

}  // namespace parley::replication
