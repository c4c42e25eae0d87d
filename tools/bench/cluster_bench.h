// Five real nodes on loopback under one and under many writers: throughput, fsyncs and server CPU
// per acknowledged operation.
#pragma once

#include <string>

namespace parley::bench {

// Prints a table of the operations whose name begins with `only`; exit code.
int run_cluster_bench(double seconds_each, const std::string& only);

}  // namespace parley::bench
