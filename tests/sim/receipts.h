// Can a reply be true by itself? Counts, states and names of receipts against what was asked and
// who owns the key. Pure; what the disks say is truth.h.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/records.h"

namespace parley::sim {

// `owners`: addresses in preference order; empty: not known, and not checked. One line for each
// thing that is wrong.
std::vector<std::string> judge_receipt(const WriteRecord& write, const client::WriteResult& result,
                                       const std::vector<std::string>& owners);
std::vector<std::string> judge_receipt(const ReadRecord& read,
                                       const std::vector<std::string>& owners);

}  // namespace parley::sim
