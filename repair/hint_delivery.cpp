#include "repair/hint_delivery.h"

#include <algorithm>

#include "base/mutant.h"
#include "repair/ownership.h"

namespace parley::repair {
namespace {

constexpr std::size_t kStreamsMost = 8;
constexpr std::size_t kBatchRowsMost = 512;
constexpr std::size_t kReportedMost = 1024;
constexpr Duration kSoon = 10ms;

KeyedSet copy_of(const storage::HintRow& row) { return {row.key.record.key, row.value}; }

}  // namespace

HintDelivery::HintDelivery(const RepairWorld& world, CopySender& sender,
                           std::function<void(const NodeId&)> left_over)
    : world_(world),
      sender_(sender),
      left_over_(std::move(left_over)),
      timer_(world.loop),
      delivered_(world.metrics, "hints_delivered_total",
                 "Hints that their target holds durably now."),
      readdressed_(world.metrics, "hints_readdressed_total",
                   "Hints whose target owned the key no more, now held by its owners."),
      useless_(world.metrics, "hints_useless_total",
               "Hints found damaged; they stay, and anti-entropy repairs their target.") {}

void HintDelivery::start() {
  started_ = true;
  look();
}

void HintDelivery::look_soon() {
  if (started_) timer_.after(kSoon, [this] { look(); });
}

void HintDelivery::look() {
  timer_.after(world_.options.hint_retry(), [this] { look(); });
  const auto view = world_.view();
  if (view == nullptr) return;
  std::vector<NodeId> fresh;
  for (const auto& [target, totals] : world_.hints.totals()) {
    if (totals.hints == 0 || !view->is_up(target) || streams_.contains(target)) continue;
    if (PARLEY_MUTANT(hints_never_delivered)) continue;
    if (streams_.size() >= kStreamsMost) break;
    streams_[target] = {};
    fresh.push_back(target);
  }
  for (const NodeId& target : fresh) pump(target);
}

void HintDelivery::pump(const NodeId& target) {
  Stream& stream = streams_.at(target);
  if (stream.ended) {
    if (stream.in_flight == 0 && !stream.listing) streams_.erase(target);
    return;
  }
  if (stream.listing || stream.in_flight >= world_.options.hint_batches_in_flight()) return;
  stream.listing = true;
  world_.hints.list(target, stream.after, kBatchRowsMost, world_.options.batch_bytes(),
                    alive_.guard([this, target](Result<std::vector<storage::HintRow>> listed) {
                      on_listed(target, std::move(listed));
                    }));
}

void HintDelivery::on_listed(const NodeId& target, Result<std::vector<storage::HintRow>> listed) {
  Stream& stream = streams_.at(target);
  stream.listing = false;
  if (!listed || listed->empty()) {
    stream.ended = true;
    return pump(target);
  }
  stream.after = listed->back().key;
  const Rows rows = deliverable(std::move(*listed));
  if (!rows->empty() && !stream.ended) send(target, rows);
  pump(target);
}

HintDelivery::Rows HintDelivery::deliverable(std::vector<storage::HintRow> listed) {
  auto rows = std::make_shared<std::vector<storage::HintRow>>();
  for (storage::HintRow& row : listed) {
    if (row.damaged) {
      useless(row, "it failed its checksum");
      continue;
    }
    // One message is of one keyspace; another's rows wait for the next look.
    const bool fits = rows->empty() || rows->front().key.record.keyspace == row.key.record.keyspace;
    if (fits) rows->push_back(std::move(row));
  }
  return rows;
}

void HintDelivery::send(const NodeId& target, Rows rows) {
  ++streams_.at(target).in_flight;
  if (PARLEY_MUTANT(hint_erased_before_ack)) {
    for (const storage::HintRow& row : *rows) erase(target, row);
  }
  std::vector<KeyedSet> copies;
  std::transform(rows->begin(), rows->end(), std::back_inserter(copies), copy_of);
  const auto keyspace = rows->front().key.record.keyspace;
  sender_.send(target, runtime::Verb::DeliverHints, keyspace, std::move(copies),
               alive_.guard([this, target, rows](Result<StoreReply> reply) {
                 on_sent(target, rows, reply);
               }));
}

void HintDelivery::on_sent(const NodeId& target, const Rows& rows,
                           const Result<StoreReply>& reply) {
  if (!reply) {
    world_.log.debug("hint.not_delivered", {{"target", target}, {"why", reply.error().message}});
    stop(target);
    if (PARLEY_MUTANT(failed_batch_keeps_its_stream)) return;
    return release(target);
  }
  std::vector<storage::HintRow> moved;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const storage::HintRow& row = (*rows)[i];
    switch (reply->outcomes[PARLEY_MUTANT(first_outcome_for_all_hints) ? 0 : i]) {
      case StoreOutcome::Stored:
        delivered_.add();
        erase(target, row);
        break;
      case StoreOutcome::NotOwner: moved.push_back(row); break;
      case StoreOutcome::Failed: stop(target); break;
      case StoreOutcome::Damaged: break;  // it stays for a later look, and holds no other up
      case StoreOutcome::Refused: useless(row, "its target refused it as no version set"); break;
    }
  }
  if (!moved.empty()) readdress(target, std::move(moved));
  release(target);
}

// A batch counts as under way until its rows are gone, so that erasing cannot fall behind.
void HintDelivery::erase(const NodeId& target, const storage::HintRow& row) {
  ++streams_.at(target).in_flight;
  world_.hints.erase(row.key, row.digest, alive_.guard([this, target](Result<bool> erased) {
    if (!erased) stop(target);
    release(target);
  }));
}

void HintDelivery::readdress(const NodeId& target, std::vector<storage::HintRow> moved) {
  const auto view = world_.view();
  if (view == nullptr) return stop(target);
  const auto rows = std::make_shared<std::vector<storage::HintRow>>(std::move(moved));
  auto missing = std::make_shared<std::vector<std::size_t>>(rows->size());
  std::map<NodeId, std::vector<std::size_t>> by_owner;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const auto& record = (*rows)[i].key.record;
    const auto nodes = owners(*view, record.keyspace, record.token);
    // By this node's ring it is still an owner: the two rings have yet to agree.
    if (std::find(nodes.begin(), nodes.end(), target) != nodes.end()) continue;
    (*missing)[i] = nodes.size();
    for (const NodeId& node : nodes) by_owner[node].push_back(i);
  }
  for (const auto& [owner, which] : by_owner) {
    if (view->is_up(owner)) send_to_owner(target, owner, rows, missing, which);
  }
}

void HintDelivery::send_to_owner(const NodeId& target, const NodeId& owner, const Rows& rows,
                                 std::shared_ptr<std::vector<std::size_t>> missing,
                                 const std::vector<std::size_t>& which) {
  ++streams_.at(target).in_flight;
  std::vector<KeyedSet> copies;
  for (const std::size_t i : which) copies.push_back(copy_of((*rows)[i]));
  sender_.send(owner, runtime::Verb::DeliverHints, rows->front().key.record.keyspace,
               std::move(copies),
               alive_.guard([this, target, rows, missing, which](Result<StoreReply> reply) {
                 for (std::size_t n = 0; reply.ok() && n < which.size(); ++n) {
                   const std::size_t i = which[n];
                   const bool stored = reply->outcomes[n] == StoreOutcome::Stored;
                   if (!stored || --(*missing)[i] > 0) continue;
                   readdressed_.add();
                   erase(target, (*rows)[i]);
                 }
                 release(target);
               }));
}

void HintDelivery::useless(const storage::HintRow& row, const char* why) {
  if (reported_.size() >= kReportedMost || !reported_.insert(row.key).second) return;
  left_over_(row.key.target);
  useless_.add();
  world_.log.warn("hint.useless",
                  {{"target", row.key.target}, {"key", to_hex(row.key.record.key)}, {"why", why}});
}

void HintDelivery::stop(const NodeId& target) { streams_.at(target).ended = true; }

void HintDelivery::release(const NodeId& target) {
  --streams_.at(target).in_flight;
  pump(target);
}

}  // namespace parley::repair
