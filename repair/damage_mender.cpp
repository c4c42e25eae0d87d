#include "repair/damage_mender.h"

#include <algorithm>

#include "base/mutant.h"
#include "repair/ownership.h"
#include "replication/replica_codec.h"

namespace parley::repair {
namespace {

constexpr std::size_t kWaitingMost = 1024;
constexpr std::size_t kAtOnce = 4;
// Between two keys: thousands of damaged records must not crowd out foreground work.
constexpr Duration kPace = 5ms;
constexpr Duration kFirstPause = 200ms;
constexpr Duration kPauseMost = 10s;

}  // namespace

DamageMender::DamageMender(const RepairWorld& world)
    : world_(world),
      timer_(world.loop),
      ended_(world.metrics, "damaged_records_total",
             "Damaged records of this node: mended from the other owners; mended in doubt, from "
             "fewer than are sure to know every acknowledged write, as others are damaged too; "
             "lost, for no owner held anything; tries put off because too few owners answered.",
             {"result"}),
      waiting_(world.metrics, "damaged_records_waiting", "Damaged records waiting to be mended.",
               [this] { return static_cast<double>(entries_.size()); }) {
  for (const char* result : {"mended", "mended_in_doubt", "lost", "put_off"}) ended_.with({result});
}

void DamageMender::add(const storage::RecordKey& key) {
  if (entries_.contains(key)) return;
  if (entries_.size() >= kWaitingMost && !make_room()) return;
  Entry entry{world_.loop.now(), kFirstPause, false, nullptr};
  if (entries_.try_emplace(key, std::move(entry)).second) wake(world_.loop.now());
}

// The one whose next try is furthest away leaves: it waits for an owner that is down, perhaps for
// days, and must not keep out what can be mended now. It is met, and told, again.
bool DamageMender::make_room() {
  auto last = entries_.end();
  for (auto at = entries_.begin(); at != entries_.end(); ++at) {
    if (at->second.under_way || at->second.due <= world_.loop.now()) continue;
    if (last == entries_.end() || at->second.due > last->second.due) last = at;
  }
  if (last == entries_.end()) return false;
  entries_.erase(last);
  return true;
}

void DamageMender::look_soon() {
  for (auto& [key, entry] : entries_) {
    entry.due = world_.loop.now();
    entry.pause = kFirstPause;
  }
  wake(world_.loop.now());
}

void DamageMender::wake(Instant when) {
  const Instant at = std::max<Instant>(when, world_.loop.now() + kPace);
  if (timer_.pending() && wake_at_ <= at) return;
  wake_at_ = at;
  timer_.at(at, [this] { look(); });
}

void DamageMender::look() {
  // Those put off at once count too: a turn stays short however many are due.
  for (std::size_t begun = 0; begun < kAtOnce && under_way_ < kAtOnce; ++begun) {
    auto next = entries_.end();
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (at->second.under_way) continue;
      if (next == entries_.end() || at->second.due < next->second.due) next = at;
    }
    if (next == entries_.end()) return;
    if (next->second.due > world_.loop.now()) return wake(next->second.due);
    begin(next);
  }
}

void DamageMender::begin(EntryAt at) {
  const storage::RecordKey& key = at->first;
  at->second.under_way = true;
  ++under_way_;
  const auto view = world_.view();
  const auto* record = view == nullptr ? nullptr : keyspace_record(*view, key.keyspace);
  if (record == nullptr) return try_later(at);
  const auto plan =
      replication::plan_replicas(*view, record->id, key.key, {replication::Level::Kind::All, 0});
  if (!plan) return try_later(at);
  if (!plan->self) return end(at);  // its owners are others now, and none of them asks for it
  at->second.asking = std::make_unique<Asking>(plan->owners.size());
  DamageMending& mending = at->second.asking->mending;
  for (const replication::PlannedOwner& owner : plan->owners) {
    if (!owner.self && !owner.up) mending.silent();
  }
  // Whole sets must not travel in vain: nobody is asked while too few are up.
  if (mending.step() != DamageMending::Step::TryAgain) {
    for (const replication::PlannedOwner& owner : plan->owners) {
      if (!owner.self && owner.up) ask(at, owner, *plan);
    }
  }
  settle(at);
}

void DamageMender::ask(EntryAt at, const replication::PlannedOwner& owner,
                       const replication::ReplicaPlan& plan) {
  Asking& asking = *at->second.asking;
  Bytes body =
      replication::encode_read_copy_request({{plan.keyspace, plan.key.key, plan.owner_ids()}});
  const runtime::CallOptions options{world_.options.call_timeout(), runtime::Channel::Bulk,
                                     plan.ring_digest};
  asking.calls.push_back(
      world_.rpc.call(owner.peer, runtime::Verb::ReadCopy, std::move(body), options,
                      alive_.guard([this, key = at->first](const Result<Bytes>& answer) {
                        on_answer(key, answer);
                      })));
}

void DamageMender::on_answer(const storage::RecordKey& key, const Result<Bytes>& answer) {
  const auto at = entries_.find(key);
  PARLEY_CHECK(at != entries_.end() && at->second.asking != nullptr);
  DamageMending& mending = at->second.asking->mending;
  if (answer) {
    const auto reply = replication::decode_read_copy_reply(*answer);
    const bool absent = reply.ok() && reply->set.empty();
    const auto set = reply.ok() && !absent
                         ? replication::VersionSet::decode(reply->set)
                         : Result<replication::VersionSet>(replication::VersionSet{});
    if (reply.ok() && set.ok()) {
      mending.answered(*set);
    } else {
      mending.silent();
    }
  } else if (answer.error().code == ErrorCode::Damaged) {
    mending.damaged();
  } else {
    mending.silent();
  }
  settle(at);
}

void DamageMender::settle(EntryAt at) {
  using Step = DamageMending::Step;
  const Step step = at->second.asking->mending.step();
  if (step == Step::Wait) return;
  const auto asking = std::move(at->second.asking);  // to the end: this may be its last answer
  switch (step) {
    case Step::Wait: return;
    case Step::Mend:
    case Step::MendInDoubt: return mend(at, asking->mending.merged(), step == Step::MendInDoubt);
    case Step::Lost: return write_off(at);
    case Step::TryAgain: return try_later(at);
  }
}

void DamageMender::mend(EntryAt at, const replication::VersionSet& set, bool in_doubt) {
  world_.replica.mend(
      at->first, set.encode(),
      alive_.guard([this, in_doubt, key = at->first](const Result<storage::Updated>& mended) {
        const auto entry = entries_.find(key);
        if (!mended) return try_later(entry);
        if (mended->changed) note_mended(key, in_doubt);
        end(entry);
      }));
}

void DamageMender::note_mended(const storage::RecordKey& key, bool in_doubt) {
  const Bytes text = to_hex(ByteView(key.key).substr(0, 64));
  ended_.with({in_doubt ? "mended_in_doubt" : "mended"}).add();
  if (!in_doubt) return world_.log.info("damage.mended", {{"key", text}});
  world_.log.error("damage.mended_in_doubt",
                   {{"key", text},
                    {"why",
                     "records of other owners are damaged too: an acknowledged write that "
                     "only damaged ones held is missing"}});
}

void DamageMender::write_off(EntryAt at) {
  world_.replica.write_off(at->first);
  ended_.with({"lost"}).add();
  world_.log.error("damage.lost",
                   {{"key", to_hex(ByteView(at->first.key).substr(0, 64))},
                    {"why", "no other owner holds the key; reads of it fail until it is written"}});
  end(at);
}

void DamageMender::try_later(EntryAt at) {
  Entry& entry = at->second;
  ended_.with({"put_off"}).add();
  entry.under_way = false;
  --under_way_;
  entry.due = world_.loop.now() + entry.pause;
  entry.pause = std::min<Duration>(2 * entry.pause, kPauseMost);
  wake(world_.loop.now());
}

void DamageMender::end(EntryAt at) {
  entries_.erase(at);
  if (!PARLEY_MUTANT(mended_record_keeps_its_turn)) --under_way_;
  wake(world_.loop.now());
}

}  // namespace parley::repair
