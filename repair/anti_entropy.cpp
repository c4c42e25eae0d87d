#include "repair/anti_entropy.h"

#include <algorithm>
#include <utility>

#include "repair/ownership.h"

namespace parley::repair {
namespace {

// While a peer mends what it found, comparing with it from here would move the same keys twice.
constexpr Duration kPeerMends = 300ms;

}  // namespace

AntiEntropy::AntiEntropy(const RepairWorld& world, SlotIndex& index, SharedCache& cache,
                         Random random)
    : world_(world),
      index_(index),
      cache_(cache),
      schedule_(world.options.sync_interval(), std::move(random), world.loop.now()),
      timer_(world.loop),
      rounds_total_(world.metrics, "anti_entropy_rounds_total",
                    "Comparisons that this node began and that ended, by result.", {"result"}),
      keys_total_(world.metrics, "anti_entropy_keys_total",
                  "Version sets that anti-entropy begun here moved.", {"direction"}),
      oldest_(world.metrics, "anti_entropy_oldest_sync_seconds",
              "Longest time since a finished comparison, among the nodes that share slots.",
              [this] { return to_seconds(schedule_.oldest(world_.loop.now())); }) {
  for (const char* result : {"equal", "different", "failed"}) rounds_total_.with({result});
  for (const char* direction : {"pulled", "pushed"}) keys_total_.with({direction});
}

std::function<bool(const NodeId&)> AntiEntropy::liveness() const {
  return
      [view = world_.view()](const NodeId& node) { return view != nullptr && view->is_up(node); };
}

void AntiEntropy::start() {
  started_ = true;
  view_changed();
}

void AntiEntropy::view_changed() {
  if (!started_) return;
  const auto view = world_.view();
  if (view == nullptr || view->ring == nullptr) return;
  if (view->ring->digest() != ring_digest_) {
    ring_digest_ = view->ring->digest();
    std::vector<NodeId> peers = view->ring->nodes();
    std::erase(peers, view->self);
    schedule_.set_peers(peers, world_.loop.now());
  }
  drop_the_gone(*view);
  tell_compared();
  schedule_next();
}

void AntiEntropy::compare_soon(const NodeId& peer) {
  schedule_.want(peer, world_.loop.now() + SyncSchedule::kSoon);
  schedule_next();
}

void AntiEntropy::compared_by(const NodeId& peer, bool equal) {
  const Instant now = world_.loop.now();
  if (equal) {
    schedule_.found_equal(peer, now);
    return tell_compared();
  }
  schedule_.put_off(peer, now + kPeerMends);
  schedule_next();
}

void AntiEntropy::schedule_next() {
  if (!started_ || run_ != nullptr) return;
  // Without a view (this node doubts its own life) there is nobody to compare with, and what is due
  // stays due: the next view goes on.
  if (world_.view() == nullptr) return timer_.cancel();
  timer_.at(schedule_.wake(liveness()), [this] { begin_next(); });
}

void AntiEntropy::begin_next() {
  const auto view = world_.view();
  if (view != nullptr && view->ring != nullptr && run_ == nullptr) {
    const auto peer = schedule_.begin(world_.loop.now(), liveness());
    if (peer) begin_with(*peer, *view);
  }
  schedule_next();
}

void AntiEntropy::begin_with(const NodeId& peer, const membership::View& view) {
  const auto shared = cache_.get(view, storage::kDefaultKeyspace, peer);
  const auto* member = view.find(peer);
  const auto* record = keyspace_record(view, storage::kDefaultKeyspace);
  if (member == nullptr || record == nullptr) {
    // Not known yet: try again later.
    return schedule_.failed(peer, world_.loop.now());
  }
  if (shared->empty()) {
    schedule_.drop_peer(peer);
    return leave_rounds(peer, UINT64_MAX, 0);  // nothing to compare: whoever waits need not
  }
  ++runs_begun_;
  running_with_ = peer;
  running_under_ = view.ring->digest();
  const SyncPeer with{peer, member->record.peer(), record->id, view.ring->digest()};
  run_ = std::make_unique<SyncRun>(
      world_, index_, shared, with,
      [this, peer](const SyncOutcome& outcome) { on_ended(peer, outcome); });
  run_->start();
}

void AntiEntropy::on_ended(const NodeId& peer, const SyncOutcome& outcome) {
  run_.reset();
  const Instant now = world_.loop.now();
  const std::uint64_t keys = outcome.pulled + outcome.pushed;
  keys_total_.with({"pulled"}).add(outcome.pulled);
  keys_total_.with({"pushed"}).add(outcome.pushed);
  if (outcome.took_all && running_under_ == ring_digest_)
    schedule_.took_all(peer, outcome.damaged_there);
  if (outcome.error) {
    rounds_total_.with({"failed"}).add();
    schedule_.failed(peer, now);
    world_.log.debug("anti_entropy.failed",
                     {{"peer", peer}, {"keys", keys}, {"why", outcome.error->message}});
  } else {
    rounds_total_.with({outcome.equal ? "equal" : "different"}).add();
    schedule_.finished(peer, now, outcome.equal, keys);
    if (keys > 0) {
      world_.log.info("anti_entropy.mended",
                      {{"peer", peer}, {"pulled", outcome.pulled}, {"pushed", outcome.pushed}});
    }
    leave_rounds(peer, runs_begun_, keys);
  }
  tell_compared();
  schedule_next();
}

void AntiEntropy::run_round(Duration timeout, std::function<void(Result<std::uint64_t>)> done) {
  const auto round = rounds_.emplace(rounds_.end(), world_.loop);
  round->done = std::move(done);
  round->first_run = runs_begun_ + 1;
  const auto is_up = liveness();
  for (const auto& [node, peer] : schedule_.peers()) {
    if (!is_up(node)) continue;
    round->waiting.insert(node);
  }
  for (const NodeId& node : round->waiting) schedule_.want(node, world_.loop.now());
  if (round->waiting.empty()) timeout = Duration{0};
  round->timer.after(timeout, [this, round] {
    if (round->waiting.empty()) return end_round(round, result_of(*round));
    end_round(round, Error{ErrorCode::Unknown,
                           "some comparisons did not end in time; they go on in the background"});
  });
  schedule_next();
}

void AntiEntropy::drop_the_gone(const membership::View& view) {
  for (auto round = rounds_.begin(); round != rounds_.end();) {
    const auto next = std::next(round);
    const std::size_t before = round->waiting.size();
    std::erase_if(round->waiting, [&](const NodeId& peer) {
      if (!schedule_.peers().contains(peer)) return true;  // off the ring: it shares nothing
      if (view.is_up(peer)) return false;
      const auto* member = view.find(peer);
      round->missed += (round->missed.empty() ? "" : ", ") +
                       (member == nullptr ? to_text(peer) : member->record.address);
      return true;
    });
    if (before != 0 && round->waiting.empty()) end_round(round, result_of(*round));
    round = next;
  }
}

Result<std::uint64_t> AntiEntropy::result_of(const Round& round) {
  if (round.missed.empty()) return round.keys;
  return Error{ErrorCode::Unknown, "not compared, as they went down: " + round.missed};
}

void AntiEntropy::leave_rounds(const NodeId& peer, std::uint64_t run, std::uint64_t keys) {
  for (auto round = rounds_.begin(); round != rounds_.end();) {
    const auto next = std::next(round);
    if (run >= round->first_run) {
      const bool was_waiting = round->waiting.erase(peer) > 0;
      if (was_waiting) round->keys += keys;
      if (was_waiting && round->waiting.empty()) end_round(round, result_of(*round));
    }
    round = next;
  }
}

void AntiEntropy::end_round(RoundAt round, Result<std::uint64_t> result) {
  world_.loop.post(
      alive_.guard([done = std::move(round->done), result = std::move(result)] { done(result); }));
  rounds_.erase(round);
}

Comparisons AntiEntropy::comparisons() const {
  Comparisons out;
  const auto view = world_.view();
  if (!started_ || view == nullptr || view->ring == nullptr) return out;
  out.known = view->ring->digest() == ring_digest_ &&
              keyspace_record(*view, storage::kDefaultKeyspace) != nullptr;
  if (!out.known) return out;
  for (const auto& [node, peer] : schedule_.peers()) {
    if (cache_.get(*view, storage::kDefaultKeyspace, node)->empty()) continue;
    ++out.co_owners;
    if (!peer.took_all) out.missing.push_back(node);
    out.damaged_there += peer.damaged_there;
  }
  return out;
}

void AntiEntropy::when_compared(std::function<void()> done) {
  compared_ = std::move(done);
  tell_compared();
}

void AntiEntropy::tell_compared() {
  if (!compared_) return;
  const Comparisons so_far = comparisons();
  if (!so_far.known || !so_far.missing.empty()) return;
  world_.loop.post(alive_.guard(std::exchange(compared_, nullptr)));
}

std::vector<SyncRow> AntiEntropy::status() const {
  std::vector<SyncRow> rows;
  const auto view = world_.view();
  const Instant now = world_.loop.now();
  for (const auto& [node, peer] : schedule_.peers()) {
    SyncRow row;
    row.peer = node;
    const auto* member = view == nullptr ? nullptr : view->find(node);
    if (member != nullptr) row.address = member->record.address;
    if (peer.finished) row.last_sync_ms = to_millis(now - *peer.finished);
    row.keys_last = peer.keys_last;
    row.keys_total = peer.keys_total;
    row.running = run_ != nullptr && running_with_ == node;
    row.equal = peer.equal;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace parley::repair
