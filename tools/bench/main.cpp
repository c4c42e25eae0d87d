// parley-bench: micro-benchmarks of the deciders, or `--cluster` for five real nodes.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>

#include "base/random.h"
#include "replication/context_token.h"
#include "replication/version.h"
#include "ring/ring.h"
#include "tools/bench/cluster_bench.h"

namespace parley::bench {
namespace {

std::shared_ptr<const ring::Ring> ring_of(std::size_t nodes) {
  Random random(1);
  std::vector<ring::RingRecord> records;
  auto built = ring::Ring::build(records);
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto node = random.id<NodeId>();
    records.push_back(
        {node, 1, ring::RingStatus::Normal, "r", ring::allocate_slots(*built, node, 64)});
    built = ring::Ring::build(records);
  }
  return built;
}

replication::VersionSet set_with(std::size_t siblings) {
  Random random(2);
  replication::VersionSet set;
  for (std::size_t i = 0; i < siblings; ++i) {
    set.write({}, {{{random.id<StorageId>(), 1}, 1}, false, {}, Bytes(100, 'v')});
  }
  return set;
}

void preference_list(benchmark::State& state) {
  const auto built = ring_of(static_cast<std::size_t>(state.range(0)));
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
    return parley::bench::run_cluster_bench(argc >= 3 ? std::atof(argv[2]) : 3.0);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
