#include "api/fault_desk.h"

#include <utility>

namespace parley::api {
namespace {

using runtime::BadLink;
using runtime::Direction;
using runtime::SkewedClock;
using runtime::SlowDisk;
using runtime::Traffic;

// Time for the answer to leave before the loop stands still.
constexpr Duration kPauseDelay = 50ms;
// Nobody shall forget a fault.
constexpr Duration kReminder = 60s;
// Longer than any range allows, and far from overflow.
constexpr std::uint64_t kMillisMost = 1000ull * 3600 * 24 * 1000;

Error invalid(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }

Duration span_of(std::uint64_t millis) {
  return std::chrono::milliseconds(std::min(millis, kMillisMost));
}
std::uint64_t millis_of(Duration span) { return static_cast<std::uint64_t>(to_millis(span)); }

Result<BadLink> link_of(const client::FaultSpec& spec) {
  BadLink link;
  link.peer = spec.peer;
  if (spec.direction == "out")
    link.direction = Direction::Out;
  else if (spec.direction == "in")
    link.direction = Direction::In;
  else if (spec.direction != "both")
    return invalid("a direction is both, out or in, not '" + spec.direction + "'");
  if (spec.traffic == "peer")
    link.traffic = Traffic::Peer;
  else if (spec.traffic == "gossip")
    link.traffic = Traffic::Gossip;
  else if (spec.traffic != "all")
    return invalid("traffic is all, peer or gossip, not '" + spec.traffic + "'");
  link.fault = {spec.cut,
                spec.drop,
                spec.duplicate,
                spec.reorder,
                spec.corrupt,
                span_of(spec.delay_ms),
                span_of(spec.jitter_ms),
                spec.bytes_per_second};
  return link;
}

void describe(const BadLink& link, client::FaultSpec& out) {
  out.kind = "link";
  out.peer = link.peer;
  out.direction = link.direction == Direction::Out  ? "out"
                  : link.direction == Direction::In ? "in"
                                                    : "both";
  out.traffic = link.traffic == Traffic::Peer     ? "peer"
                : link.traffic == Traffic::Gossip ? "gossip"
                                                  : "all";
  out.cut = link.fault.cut;
  out.drop = link.fault.drop;
  out.duplicate = link.fault.duplicate;
  out.reorder = link.fault.reorder;
  out.corrupt = link.fault.corrupt;
  out.delay_ms = millis_of(link.fault.delay);
  out.jitter_ms = millis_of(link.fault.jitter);
  out.bytes_per_second = link.fault.bytes_per_second;
}
void describe(const SlowDisk& disk, client::FaultSpec& out) {
  out.kind = "slow_disk";
  out.delay_ms = millis_of(disk.delay);
  out.jitter_ms = millis_of(disk.jitter);
}
void describe(const SkewedClock& clock, client::FaultSpec& out) {
  out.kind = "skew";
  out.skew_ms = to_millis(clock.offset);
}

}  // namespace

Result<runtime::Fault> fault_of(const client::FaultSpec& spec) {
  runtime::Fault fault;
  fault.note = spec.note;
  fault.lasts = span_of(spec.for_ms);
  if (spec.kind == "link") {
    const auto link = link_of(spec);
    if (!link) return link.error();
    fault.what = *link;
  } else if (spec.kind == "slow_disk") {
    fault.what = SlowDisk{span_of(spec.delay_ms), span_of(spec.jitter_ms)};
  } else if (spec.kind == "skew") {
    const auto most = static_cast<std::int64_t>(kMillisMost);
    fault.what =
        SkewedClock{std::chrono::milliseconds(std::max(-most, std::min(most, spec.skew_ms)))};
  } else {
    return invalid("there is no fault '" + spec.kind + "'");
  }
  return fault;
}

client::FaultSpec spec_of(const runtime::Fault& fault) {
  client::FaultSpec spec;
  std::visit([&spec](const auto& what) { describe(what, spec); }, fault.what);
  spec.note = fault.note;
  spec.for_ms = millis_of(fault.lasts);
  return spec;
}

FaultDesk::FaultDesk(runtime::Loop& loop, runtime::Network& wire, Random random, Logger log,
                     MetricRegistry& metrics, std::function<void(Duration)> stall)
    : real_loop_(loop),
      log_(log),
      stall_(std::move(stall)),
      random_(std::move(random)),
      skewed_(loop, table_),
      network_(wire, loop, table_, random_.fork("network")),
      end_timer_(loop),
      reminder_(loop),
      pause_timer_(loop),
      active_(metrics, "faults_active", "Faults that an operator has put on this node.",
              [this] { return static_cast<double>(table_.active().size()); }),
      injected_(metrics, "faults_injected_total",
                "Faults that an operator has put on this node since it started.") {
  log_.warn("fault.allowed", {{"note", "clients may break this node: parley fault"}});
}

std::unique_ptr<storage::Store> FaultDesk::wrap(std::unique_ptr<storage::Store> store) {
  auto slow = std::make_unique<storage::SlowStore>(std::move(store), real_loop_, table_,
                                                   random_.fork("disk"));
  store_ = slow.get();
  return slow;
}

std::vector<client::FaultRow> FaultDesk::faults() const {
  std::vector<client::FaultRow> out;
  const Instant now = real_loop_.now();
  for (const runtime::ActiveFault& active : table_.active()) {
    client::FaultRow row;
    row.id = active.id;
    row.spec = spec_of(active.fault);
    row.text = to_text(active.fault);
    row.left_ms = active.ends ? std::max<std::int64_t>(0, to_millis(*active.ends - now)) : -1;
    out.push_back(std::move(row));
  }
  return out;
}

Result<std::uint64_t> FaultDesk::inject(const client::FaultSpec& spec) {
  if (spec.kind == "pause") return pause(span_of(spec.for_ms));
  auto fault = fault_of(spec);
  if (!fault) return fault.error();
  const std::string text = to_text(*fault);
  const auto id = table_.add(std::move(*fault), real_loop_.now());
  if (!id) return id;
  injected_.add();
  log_.warn("fault.injected",
            {{"id", *id}, {"fault", text}, {"for_ms", spec.for_ms}, {"note", spec.note}});
  changed();
  return id;
}

Result<std::uint64_t> FaultDesk::pause(Duration span) {
  if (span <= 0ns || span > kPauseMost) return invalid("a pause lasts up to 5 min");
  if (!stall_) return Error{ErrorCode::Refused, "this node cannot be paused"};
  if (pause_timer_.pending()) {
    return Error{ErrorCode::Overloaded, "a pause is about to begin", kPauseDelay / 1ms};
  }
  injected_.add();
  log_.warn("fault.pause", {{"for_ms", to_millis(span)}});
  pause_timer_.after(kPauseDelay, [this, span] { stall_(span); });
  return 0;
}

Result<std::uint64_t> FaultDesk::heal(std::uint64_t id, const std::string& peer,
                                      const std::string& note) {
  std::uint64_t healed = 0;
  if (id == 0) {
    healed = note.empty() ? table_.heal(peer) : table_.heal_noted(note);
  } else if (table_.heal_one(id)) {
    healed = 1;
  } else {
    return Error{ErrorCode::NotFound, "this node has no fault " + std::to_string(id)};
  }
  if (healed > 0) {
    log_.warn("fault.healed", {{"faults", healed}, {"left", table_.active().size()}});
    changed();
  }
  return healed;
}

void FaultDesk::changed() {
  network_.table_changed();
  if (store_ != nullptr) store_->table_changed();
  arm();
}

void FaultDesk::arm() {
  if (const auto end = table_.next_end()) {
    end_timer_.at(*end, [this] {
      for (const auto& over : table_.expire(real_loop_.now())) {
        log_.warn("fault.over", {{"id", over.id}, {"fault", to_text(over.fault)}});
      }
      changed();
    });
  } else {
    end_timer_.cancel();
  }
  if (table_.active().empty()) return reminder_.cancel();
  if (reminder_.pending()) return;
  reminder_.after(kReminder, [this] {
    log_.warn("fault.active", {{"faults", table_.active().size()}});
    arm();
  });
}

}  // namespace parley::api
