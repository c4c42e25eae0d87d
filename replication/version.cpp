#include "replication/version.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "base/mutant.h"

namespace parley::replication {
namespace {

constexpr std::uint8_t kSetFormat = 1;
constexpr std::uint8_t kContextFormat = 1;
constexpr std::uint8_t kStampedContextFormat = 2;
constexpr std::uint8_t kFlagTombstone = 1;
constexpr std::uint8_t kFlagOp = 2;
constexpr std::uint8_t kFlagStamp = 4;
constexpr std::uint8_t kFlagsKnown = kFlagTombstone | kFlagOp | kFlagStamp;
// storage id, epoch, counter
constexpr std::size_t kEntryBytes = 16 + 8 + 8;
// actor index, counter, flags, extension length, value length
constexpr std::size_t kSiblingBytesLeast = 4 + 8 + 1 + 2 + 4;

Error malformed(const char* what) {
  return {ErrorCode::InvalidArgument, std::string("malformed version set: ") + what, 0};
}

void write_entries(ByteWriter& out, const VersionVector& context) {
  out.number(static_cast<std::uint32_t>(context.entries().size()));
  for (const auto& [actor, counter] : context.entries()) {
    out.raw(actor.storage.view());
    out.number(actor.epoch);
    out.number(counter);
  }
}

// Appends to `actors` in order; nothing is allocated for an entry that is not in the input.
Status read_entries(ByteReader& in, VersionVector& context, std::vector<Actor>& actors) {
  const auto count = in.number<std::uint32_t>();
  if (!in.ok() || count > in.left() / kEntryBytes) return malformed("the context is cut off");
  actors.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    Actor actor;
    actor.storage = *StorageId::from_bytes(in.raw(16));  // they are there: counted above
    actor.epoch = in.number<std::uint64_t>();
    const auto counter = in.number<std::uint64_t>();
    if (actor.storage.is_nil()) return malformed("an actor without a storage id");
    if (counter == 0) return malformed("a counter of zero");
    if (!actors.empty() && !(actors.back() < actor)) return malformed("actors out of order");
    actors.push_back(actor);
    context.add(Dot{actor, counter});
  }
  return Done{};
}

Result<Sibling> read_sibling(ByteReader& in, const VersionVector& context,
                             const std::vector<Actor>& actors) {
  Sibling sibling;
  const auto index = in.number<std::uint32_t>();
  sibling.dot.counter = in.number<std::uint64_t>();
  const auto flags = in.number<std::uint8_t>();
  if (!in.ok()) return malformed("a sibling is cut off");
  if (index >= actors.size()) return malformed("a sibling of an unknown actor");
  sibling.dot.actor = actors[index];
  if (sibling.dot.counter == 0) return malformed("a counter of zero");
  if (!context.covers(sibling.dot)) return malformed("a sibling outside its context");
  if ((flags & ~kFlagsKnown) != 0) return malformed("unknown flags");
  sibling.tombstone = (flags & kFlagTombstone) != 0;
  if ((flags & kFlagOp) != 0) {
    const auto op = OpId::from_bytes(in.raw(16));
    if (!op || op->is_nil()) return malformed("a nil op-id");
    sibling.op = *op;
  }
  if ((flags & kFlagStamp) != 0) {
    sibling.stamp = in.number<std::uint64_t>();
    if (sibling.stamp == 0 || sibling.stamp > kStampMost) return malformed("an impossible stamp");
  }
  const auto extension = in.number<std::uint16_t>();
  if (extension != 0) return malformed("an extension that this version does not know");
  sibling.value = Bytes(in.sized());
  if (!in.ok()) return malformed("a sibling is cut off");
  if (sibling.tombstone && !sibling.value.empty()) return malformed("a tombstone with a value");
  return sibling;
}

// One dot is one write, so equal dots have equal contents. Bytes that break this (damage that a
// checksum missed) must still merge the same way everywhere, or replicas would differ for ever.
const Sibling& same_dot_winner(const Sibling& a, const Sibling& b) {
  const auto rank = [](const Sibling& s) { return std::tie(s.tombstone, s.op, s.value); };
  return rank(a) < rank(b) ? b : a;
}

const Sibling& last_writer(const Sibling& a, const Sibling& b) {
  const auto when = [](const Sibling& s) { return std::tie(s.stamp, s.dot); };
  if (PARLEY_MUTANT(lww_merge_by_dot)) return a.dot < b.dot ? b : a;
  if (when(a) == when(b)) return same_dot_winner(a, b);
  return when(a) < when(b) ? b : a;
}

}  // namespace

Stamp next_stamp(WallTime wall, Stamp seen) {
  constexpr std::int64_t kMillisMost = static_cast<std::int64_t>(kStampMost >> 17);
  const auto millis = static_cast<Stamp>(std::clamp<std::int64_t>(wall.millis, 0, kMillisMost));
  if (PARLEY_MUTANT(stamp_ignores_wall)) return seen + 1;
  return std::max(millis << 16, PARLEY_MUTANT(stamp_from_wall_only) ? 1 : seen + 1);
}

std::string to_text(const Dot& dot) {
  return to_hex(dot.actor.storage.view()) + ":" + std::to_string(dot.actor.epoch) + ":" +
         std::to_string(dot.counter);
}

std::uint64_t VersionVector::counter(const Actor& actor) const {
  const auto at = std::ranges::lower_bound(entries_, actor, {}, &Entry::first);
  return at == entries_.end() || at->first != actor ? 0 : at->second;
}

bool VersionVector::covers(const VersionVector& other) const {
  return std::all_of(other.entries_.begin(), other.entries_.end(),
                     [this](const auto& entry) { return entry.second <= counter(entry.first); });
}

void VersionVector::add(const Dot& dot) {
  if (dot.counter == 0) return;  // no write has counter zero; an entry of zero has no encoding
  const auto at = std::ranges::lower_bound(entries_, dot.actor, {}, &Entry::first);
  if (at == entries_.end() || at->first != dot.actor) {
    entries_.emplace(at, dot.actor, dot.counter);
  } else {
    at->second = std::max(at->second, dot.counter);
  }
}

void VersionVector::merge(const VersionVector& other) {
  if (covers(other)) return;
  std::vector<Entry> all;
  all.reserve(entries_.size() + other.entries_.size());
  auto own = entries_.begin();
  for (const Entry& entry : other.entries_) {
    for (; own != entries_.end() && own->first < entry.first; ++own) all.push_back(*own);
    all.push_back(entry);
    if (own == entries_.end() || own->first != entry.first) continue;
    all.back().second = std::max(own->second, entry.second);
    ++own;
  }
  all.insert(all.end(), own, entries_.end());
  entries_ = std::move(all);
}

// Collapsing happens here, on the way to a reader, and never in merge(): a retry that was dropped
// in favour of a lesser dot would look superseded by everyone who has seen its dot, although
// nothing supersedes it once that lesser dot is itself replaced. Merge order would then decide
// what survives, so merge() would not be associative.
std::vector<Sibling> VersionSet::visible() const {
  std::vector<Sibling> out;
  std::set<OpId> shown;
  for (const Sibling& sibling : siblings_) {  // by dot, so the first of an op-id has the least
    if (sibling.op.is_nil() || shown.insert(sibling.op).second) out.push_back(sibling);
  }
  return out;
}

std::size_t VersionSet::value_bytes() const {
  std::size_t sum = 0;
  for (const Sibling& sibling : siblings_) sum += sibling.value.size();
  return sum;
}

void VersionSet::write(const VersionVector& seen, Sibling sibling) {
  PARLEY_CHECK(sibling.dot.counter > 0);
  PARLEY_CHECK(!context_.covers(sibling.dot) && !seen.covers(sibling.dot));
  PARLEY_CHECK(sibling.stamp == 0 || sibling.stamp > stamp());
  std::erase_if(siblings_,
                [&](const Sibling& held) { return sibling.stamp != 0 || seen.covers(held.dot); });
  // Sound although `seen` may name writes that never came here: it is the context of whole sets,
  // so every write it covers was either shown to the client, who replaces it now, or had been
  // replaced before by a write that it covers too.
  context_.merge(seen);
  context_.add(sibling.dot);
  const auto at =
      std::lower_bound(siblings_.begin(), siblings_.end(), sibling.dot,
                       [](const Sibling& held, const Dot& dot) { return held.dot < dot; });
  siblings_.insert(at, std::move(sibling));
}

bool VersionSet::keep_latest(const VersionSet& other) {
  const auto unseen = [](const VersionSet& by, const VersionSet& of) {
    return !of.siblings_.empty() && !by.context_.covers(of.siblings_.front().dot);
  };
  const bool discards = unseen(*this, other) && unseen(other, *this);
  std::vector<Sibling> all = std::move(siblings_);
  all.insert(all.end(), other.siblings_.begin(), other.siblings_.end());
  const Sibling* latest = &all.front();
  for (const Sibling& one : all) latest = &last_writer(*latest, one);
  siblings_ = {*latest};
  context_.merge(other.context_);
  return discards;
}

bool VersionSet::merge(const VersionSet& other) {
  if (stamp() != 0 || other.stamp() != 0) return keep_latest(other);
  std::vector<Sibling> out;
  auto mine = siblings_.begin();
  auto theirs = other.siblings_.begin();
  while (mine != siblings_.end() || theirs != other.siblings_.end()) {
    const bool mine_first =
        theirs == other.siblings_.end() || (mine != siblings_.end() && mine->dot < theirs->dot);
    if (mine_first) {
      // Seen there and not live there: something that they know has replaced it.
      if (!other.context_.covers(mine->dot) || PARLEY_MUTANT(merge_keeps_replaced)) {
        out.push_back(std::move(*mine));
      }
      ++mine;
    } else if (mine == siblings_.end() || theirs->dot < mine->dot) {
      const bool dropped = PARLEY_MUTANT(merge_drops_sibling) && !out.empty();
      if (!context_.covers(theirs->dot) && !dropped) out.push_back(*theirs);
      ++theirs;
    } else {
      out.push_back(same_dot_winner(*mine, *theirs));
      ++mine;
      ++theirs;
    }
  }
  siblings_ = std::move(out);
  context_.merge(other.context_);
  return false;
}

VersionSet VersionSet::without_values() const {
  VersionSet out = *this;
  for (Sibling& sibling : out.siblings_) sibling.value.clear();
  return out;
}

Bytes VersionSet::encode() const {
  const auto& actors = context_.entries();
  ByteWriter out;
  out.number(kSetFormat);
  write_entries(out, context_);
  out.number(static_cast<std::uint32_t>(siblings_.size()));
  for (const Sibling& sibling : siblings_) {
    const auto at =
        std::ranges::lower_bound(actors, sibling.dot.actor, {}, &VersionVector::Entry::first);
    const auto index = std::distance(actors.begin(), at);
    out.number(static_cast<std::uint32_t>(index));
    out.number(sibling.dot.counter);
    const std::uint8_t flags = static_cast<std::uint8_t>((sibling.tombstone ? kFlagTombstone : 0) |
                                                         (sibling.op.is_nil() ? 0 : kFlagOp) |
                                                         (sibling.stamp == 0 ? 0 : kFlagStamp));
    out.number(flags);
    if (!sibling.op.is_nil()) out.raw(sibling.op.view());
    if (sibling.stamp != 0) out.number(sibling.stamp);
    out.number(std::uint16_t{0});
    out.sized(sibling.value);
  }
  return out.take();
}

Result<VersionSet> VersionSet::decode(ByteView bytes) {
  ByteReader in(bytes);
  if (in.number<std::uint8_t>() != kSetFormat) return malformed("unknown format");
  VersionSet set;
  std::vector<Actor> actors;
  const Status entries = read_entries(in, set.context_, actors);
  if (!entries) return entries.error();
  const auto count = in.number<std::uint32_t>();
  if (!in.ok() || count > in.left() / kSiblingBytesLeast) {
    return malformed("the siblings are cut off");
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    Result<Sibling> sibling = read_sibling(in, set.context_, actors);
    if (!sibling) return sibling.error();
    if (!set.siblings_.empty() && !(set.siblings_.back().dot < sibling->dot)) {
      return malformed("siblings out of order");
    }
    if (!set.siblings_.empty() && (sibling->stamp != 0 || set.stamp() != 0)) {
      return malformed("a sibling beside one with a stamp");
    }
    set.siblings_.push_back(std::move(*sibling));
  }
  if (!in.complete()) return malformed("bytes after the end");
  // Of the writes that a context covers at least the latest is live. A set without one would
  // erase what others hold and put nothing in its place.
  if (set.siblings_.empty() && !set.context_.empty())
    return malformed("a context without siblings");
  return set;
}

Bytes encode_context(const CausalContext& context) {
  ByteWriter out;
  out.number(context.stamp == 0 ? kContextFormat : kStampedContextFormat);
  if (context.stamp != 0) out.number(context.stamp);
  write_entries(out, context.vector);
  return out.take();
}

Result<CausalContext> decode_context(ByteView bytes) {
  ByteReader in(bytes);
  const auto format = in.number<std::uint8_t>();
  CausalContext context;
  if (format == kStampedContextFormat) {
    context.stamp = in.number<std::uint64_t>();
    if (context.stamp == 0 || context.stamp > kStampMost) return malformed("an impossible stamp");
  } else if (format != kContextFormat) {
    return malformed("unknown format");
  }
  std::vector<Actor> actors;
  const Status entries = read_entries(in, context.vector, actors);
  if (!entries) return entries.error();
  if (!in.complete()) return malformed("bytes after the end");
  return context;
}

}  // namespace parley::replication
