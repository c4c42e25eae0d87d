// Five real nodes on loopback under one and under many writers: throughput, fsyncs and server CPU
// per acknowledged operation.
#pragma once

namespace parley::bench {

// Prints a table; exit code.
int run_cluster_bench(double seconds_each);

}  // namespace parley::bench
