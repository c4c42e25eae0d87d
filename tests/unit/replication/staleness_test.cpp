// The prediction of staleness: against closed forms, its laws, and what coordinators really do.
#include <cmath>
#include <limits>

#include "replication/staleness.h"
#include "tests/catch.h"

namespace parley::replication {
namespace {

constexpr std::size_t kTrials = 40'000;
constexpr double kClose = 0.01;  // four times the deviation of a share of so many trials

LatencyBuckets constant(double ms) { return {{ms, ms, 1}}; }

// In 4000 buckets of equal weight; the mean is `ms`.
LatencyBuckets exponential(double ms) {
  LatencyBuckets out;
  constexpr int kBuckets = 4000;
  const auto quantile = [&](int i) { return -ms * std::log1p(-static_cast<double>(i) / kBuckets); };
  for (int i = 0; i + 1 < kBuckets; ++i) out.push_back({quantile(i), quantile(i + 1), 1});
  out.push_back({quantile(kBuckets - 1), quantile(kBuckets - 1) + ms, 1});
  return out;
}

// All ways and disks take no time.
StalenessModel still(std::size_t nodes, std::vector<std::vector<std::size_t>> ranges) {
  StalenessModel model;
  model.nodes.resize(nodes);
  for (ModelNode& node : model.nodes) node.to.resize(nodes);
  for (auto& owners : ranges) model.ranges.push_back({std::move(owners), 1});
  return model;
}

template <typename Change>
void each_link(StalenessModel& model, Change change) {
  for (ModelNode& node : model.nodes) {
    for (ModelLink& link : node.to) change(link);
  }
}

Staleness predict(const StalenessModel& model, std::uint64_t seed = 1) {
  return predict_staleness(model, kTrials, Random(seed));
}

bool never(const Trials& trials) { return std::isinf(trials.values().front()); }

}  // namespace

TEST_CASE("staleness: one of three, exponential ways: 1 - e^(-t/m) at the first ack",
          "[replication]") {
  auto model = still(3, {{0, 1, 2}});
  each_link(model, [](ModelLink& link) { link.write_out = exponential(10); });
  const Staleness out = predict(model);
  for (const double t : {0.0, 1.0, 5.0, 10.0, 30.0, 60.0}) {
    INFO(t);
    // The minter has it at once, and the reader, another owner, reads its own copy.
    CHECK(std::abs(out.fresh_after(1, 1).share_within(t) - (1 - std::exp(-t / 10))) < kClose);
    // The second ack is that of the faster of two copies: half of all readers have that one.
    CHECK(std::abs(out.fresh_after(1, 2).share_within(t) - (1 - std::exp(-t / 10) / 2)) < kClose);
    // A read of two asks the minter, or else meets the faster of two copies.
    CHECK(std::abs(out.fresh_after(2, 1).share_within(t) - (1 - std::exp(-t / 5) / 2)) < kClose);
  }
  CHECK(out.fresh_after(1, 1).quantile(0.999) == Approx(10 * std::log(1000)).epsilon(0.1));
  CHECK(out.write_ms(1).quantile(0.999) == 0);
  CHECK(out.write_ms(2).quantile(0.5) == Approx(5 * std::log(2)).epsilon(0.05));
  CHECK(out.write_ms(3).quantile(0.5) == Approx(-10 * std::log(1 - std::sqrt(0.5))).epsilon(0.05));
}

TEST_CASE("staleness: the way of an ack and of a question give a write time, that of an answer not",
          "[replication]") {
  auto model = still(3, {{0, 1, 2}});
  each_link(model, [](ModelLink& link) {
    link.write_out = constant(50);
    link.write_back = constant(20);
  });
  auto share = [&](std::size_t read, std::size_t write, double t) {
    return predict(model).fresh_after(read, write).share_within(t);
  };
  CHECK(share(1, 1, 49) == 0);
  CHECK(share(1, 1, 51) == 1);
  CHECK(share(1, 2, 0) == 1);  // both copies are there 20 ms before the ack
  // Now read from a fourth node, which asks the first owner: the questions take 30 ms.
  model = still(4, {{0, 1, 2}});
  each_link(model, [](ModelLink& link) {
    link.write_out = constant(50);
    link.read_out = constant(30);
    link.read_back = constant(500);
  });
  model.read_hedge_ms = 10'000;
  // Stale where another owner mints it: of 12 pairs of writer and reader, these have the reader on
  // the fourth node and the writer on the second or third: until 20 ms. Owners that read their
  // own copy of what another minted: 2 writers each, and the fourth node's writes, which the
  // first owner mints, for the other two: until 50 ms.
  CHECK(share(1, 1, 0) == Approx(2.0 / 12).margin(kClose));
  CHECK(share(1, 1, 21) == Approx(4.0 / 12).margin(kClose));
  CHECK(share(1, 1, 51) == 1);
}

TEST_CASE("staleness: a write is passed to an owner first, a read goes to the first owner",
          "[replication]") {
  auto model = still(2, {{0}});
  model.nodes[0].mint = constant(2);
  model.nodes[0].read = constant(1);
  each_link(model, [](ModelLink& link) {
    link.write_out = constant(5);
    link.write_back = constant(6);
    link.read_out = constant(3);
    link.read_back = constant(4);
  });
  const Staleness out = predict(model);
  CHECK(out.n() == 1);
  CHECK(out.write_ms(1).quantile(0.4) == 2);
  CHECK(out.write_ms(1).quantile(0.6) == 5 + 2 + 6);
  CHECK(out.read_ms(1).quantile(0.4) == 1);
  CHECK(out.read_ms(1).quantile(0.6) == 3 + 1 + 4);
  CHECK(out.fresh_after(1, 1).share_within(0) == 1);
}

TEST_CASE("staleness: a write waits for the minter's disk and then for the others'",
          "[replication]") {
  auto model = still(3, {{0, 1, 2}});
  for (ModelNode& node : model.nodes) {
    node.mint = constant(7);
    node.merge = constant(9);
  }
  const Staleness out = predict(model);
  CHECK(out.write_ms(1).quantile(1) == 7);
  CHECK(out.write_ms(2).quantile(0) == 7 + 9);
  CHECK(out.fresh_after(1, 1).share_within(8.9) == 0);
  CHECK(out.fresh_after(1, 1).share_within(9.1) == 1);
}

TEST_CASE("staleness: a read asks one owner more for each hedge", "[replication]") {
  auto model = still(4, {{0, 1, 2}});
  model.nodes[3].to[0].read_out = constant(1000);
  model.nodes[3].to[1].read_back = constant(45);
  model.nodes[3].to[2].read_out = constant(7);
  // Read by the fourth node: the first owner is silent, 30 ms later the second is asked, which
  // takes 45, and 30 ms later the third, which takes 7.
  const Staleness out = predict(model);
  CHECK(out.read_ms(1).quantile(0.7) == 0);  // by owners
  CHECK(out.read_ms(1).quantile(1) == 60 + 7);
  CHECK(out.read_ms(2).quantile(1) == 45);  // the second at once; the third after 30, done at 37
  model.read_hedge_ms = 10'000;
  CHECK(predict(model).read_ms(1).quantile(1) == 1000);
}

TEST_CASE("staleness: a passed write is passed again where the first owner is silent",
          "[replication]") {
  auto model = still(3, {{0, 1}});
  model.nodes[2].to[0].write_out = constant(5000);
  model.nodes[2].to[1].write_out = constant(2);
  model.nodes[2].to[1].write_back = constant(3);
  const Staleness out = predict(model);
  CHECK(out.write_ms(1).quantile(0.6) == 0);
  CHECK(out.write_ms(1).quantile(1) == 300 + 2 + 3);
}

TEST_CASE("staleness: an owner that is down is not asked, and its hint is waited for",
          "[replication]") {
  auto model = still(3, {{0, 1, 2}});
  for (ModelNode& node : model.nodes) node.mint = constant(4);
  model.nodes[1].up = false;
  const Staleness out = predict(model);
  CHECK(out.write_ms(1).quantile(0) == 8);
  CHECK(out.write_ms(2).quantile(1) == 8);
  CHECK(never(out.write_ms(3)));
  CHECK(never(out.read_ms(3)));
  CHECK(out.read_ms(2).quantile(1) == 0);
  CHECK(never(out.fresh_after(3, 1)));
  CHECK(out.fresh_after(2, 2).share_within(0) == 1);
}

TEST_CASE("staleness: keys with other owners count by their share", "[replication]") {
  auto model = still(3, {{0}, {1}});
  model.ranges[1].share = 3;
  model.nodes[1].mint = constant(10);
  CHECK(predict(model).write_ms(1).share_within(5) == Approx(0.25).margin(kClose));
}

TEST_CASE("staleness: laws of all models", "[replication]") {
  Random random(std::uint64_t{3});
  for (int round = 0; round < 12; ++round) {
    const std::size_t n = 1 + random.below(5);
    const std::size_t nodes = n + random.below(3);
    std::vector<std::vector<std::size_t>> ranges;
    for (int i = 0; i < 4; ++i) {
      std::vector<std::size_t> owners;
      while (owners.size() < n) {
        const std::size_t node = random.below(nodes);
        if (std::find(owners.begin(), owners.end(), node) == owners.end()) owners.push_back(node);
      }
      ranges.push_back(owners);
    }
    auto model = still(nodes, ranges);
    // A hedged question may come later than one asked at once, and so see more.
    model.read_hedge_ms = model.pass_hedge_ms = 1e9;
    const auto any = [&] { return exponential(random.unit() * 20); };
    each_link(model, [&](ModelLink& link) { link = {any(), any(), any(), any()}; });
    for (ModelNode& node : model.nodes) node.mint = node.merge = node.read = any();
    const Staleness out = predict_staleness(model, 2000, random.fork("trials"));
    for (std::size_t r = 1; r <= n; ++r) {
      for (std::size_t w = 1; w <= n; ++w) {
        const Trials& fresh = out.fresh_after(r, w);
        if (r + w > n) CHECK(fresh.values().back() == 0);
        double before = 0;
        for (const double t : {0.0, 1.0, 5.0, 20.0, 100.0}) {
          const double share = fresh.share_within(t);
          CHECK(share >= before);
          if (r > 1) CHECK(share >= out.fresh_after(r - 1, w).share_within(t));
          if (w > 1) CHECK(share >= out.fresh_after(r, w - 1).share_within(t));
          before = share;
        }
      }
      if (r > 1) CHECK(out.read_ms(r).quantile(0.5) >= out.read_ms(r - 1).quantile(0.5));
      if (r > 1) CHECK(out.write_ms(r).quantile(0.5) >= out.write_ms(r - 1).quantile(0.5));
    }
  }
}

TEST_CASE("staleness: the same seed gives the same, another one nearly", "[replication]") {
  auto model = still(5, {{0, 1, 2}, {3, 4, 0}});
  each_link(model, [](ModelLink& link) { link.write_out = exponential(10); });
  const auto one = predict(model, 1).fresh_after(1, 1).values();
  CHECK(one == predict(model, 1).fresh_after(1, 1).values());
  CHECK(one != predict(model, 2).fresh_after(1, 1).values());
  CHECK(std::abs(Trials(one).share_within(5) -
                 predict(model, 2).fresh_after(1, 1).share_within(5)) < 2 * kClose);
}

TEST_CASE("staleness: trials are read as shares and quantiles", "[replication]") {
  const Trials trials({3, 1, 2, std::numeric_limits<double>::infinity()});
  CHECK(trials.share_within(0.5) == 0);
  CHECK(trials.share_within(2) == 0.5);
  CHECK(trials.share_within(100) == 0.75);
  CHECK(trials.quantile(0) == 1);
  CHECK(trials.quantile(0.5) == 2);
  CHECK(trials.quantile(0.75) == 3);
  CHECK(std::isinf(trials.quantile(1)));
}

}  // namespace parley::replication
