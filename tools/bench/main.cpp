// parley-bench: micro-benchmarks of the deciders, or `--cluster [SECONDS [NAME]]` for five real
// nodes.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>

#include "base/random.h"
#include "replication/context_token.h"
#include "replication/read_merge.h"
#include "replication/version.h"
#include "ring/ring.h"
#include "tools/bench/cluster_bench.h"

namespace parley::bench {
namespace {

std::vector<ring::RingRecord> records_of(std::size_t nodes) {
  Random random(1);
  std::vector<ring::RingRecord> records;
  auto built = ring::Ring::build(records);
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto node = random.id<NodeId>();
    records.push_back(
        {node, 1, ring::RingStatus::Normal, "r", ring::allocate_slots(*built, node, 64)});
    built = ring::Ring::build(records);
  }
  return records;
}

replication::VersionSet set_with(std::size_t siblings) {
  Random random(2);
  replication::VersionSet set;
  for (std::size_t i = 0; i < siblings; ++i) {
    set.write({}, {{{random.id<StorageId>(), 1}, 1}, false, {}, Bytes(100, 'v')});
  }
  return set;
}

// A joiner's slots and then the ring with them, as each node builds it.
void ring_build(benchmark::State& state) {
  const auto records = records_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(ring::Ring::build(records));
}
BENCHMARK(ring_build)->Arg(5)->Arg(50)->Arg(200)->Unit(benchmark::kMicrosecond);

void allocate_slots(benchmark::State& state) {
  const auto built = ring::Ring::build(records_of(static_cast<std::size_t>(state.range(0))));
  const auto joiner = Random(4).id<NodeId>();
  for (auto _ : state) benchmark::DoNotOptimize(ring::allocate_slots(*built, joiner, 64));
}
BENCHMARK(allocate_slots)->Arg(5)->Arg(50)->Arg(200)->Unit(benchmark::kMicrosecond);

void preference_list(benchmark::State& state) {
  const auto built = ring::Ring::build(records_of(static_cast<std::size_t>(state.range(0))));
  Slot slot = 0;
  for (auto _ : state) benchmark::DoNotOptimize(built->preference_list(slot += 257, 3));
}
BENCHMARK(preference_list)->Arg(5)->Arg(100);

void version_set_merge(benchmark::State& state) {
  const auto a = set_with(static_cast<std::size_t>(state.range(0)));
  const auto b = set_with(1);
  for (auto _ : state) {
    auto merged = a;
    merged.merge(b);
    benchmark::DoNotOptimize(merged);
  }
}
BENCHMARK(version_set_merge)->Arg(1)->Arg(8);

void version_set_codec(benchmark::State& state) {
  const auto set = set_with(1);
  for (auto _ : state) benchmark::DoNotOptimize(replication::VersionSet::decode(set.encode()));
}
BENCHMARK(version_set_codec);

// Two replicas answer one read with the same set, the second and the first both from afar.
void read_merge_equal(benchmark::State& state) {
  replication::VersionSet set;
  Random random(3);
  for (int i = 0; i < 4; ++i) {
    set.write({}, {{{random.id<StorageId>(), 1}, 1},
                   false,
                   {},
                   Bytes(static_cast<std::size_t>(state.range(0)) / 4, 'v')});
  }
  const Bytes key = "key", bytes = set.encode();
  for (auto _ : state) {
    replication::ReadMerge merge(key, 3, {0, 1, 2}, 2, 2);
    merge.step();
    merge.to_ask();
    for (const std::size_t owner : {0, 1}) {
      (void)merge.answered(owner, replication::ReadAnswer::received(key, bytes));
      benchmark::DoNotOptimize(merge.step());
    }
    benchmark::DoNotOptimize(merge.agreed());
    benchmark::DoNotOptimize(merge.stale());
  }
}
BENCHMARK(read_merge_equal)->Arg(100)->Arg(4 << 20);

void context_token(benchmark::State& state) {
  const auto set = set_with(1);
  const Bytes key(32, 'k');
  const KeyspaceId keyspace{};
  for (auto _ : state) {
    const auto token = replication::seal_context(key, keyspace, "key", set.context());
    benchmark::DoNotOptimize(replication::open_context(key, keyspace, "key", token));
  }
}
BENCHMARK(context_token);

}  // namespace
}  // namespace parley::bench

int main(int argc, char** argv) {
  if (argc >= 2 && std::strcmp(argv[1], "--cluster") == 0) {
    return parley::bench::run_cluster_bench(argc >= 3 ? std::atof(argv[2]) : 3.0,
                                            argc >= 4 ? argv[3] : "");
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
