// From an operator's words to what each node is told: "fault partition 1,2 / 3,4,5". Pure.
#pragma once

#include <string>
#include <vector>

#include "api/client.h"
#include "base/result.h"
#include "tools/cli/command_line.h"

namespace parley::cli {

// A node that can be named: by its address, its place in the list (3 or n3), or the beginning of
// its id (4 digits at least).
struct NamedNode {
  std::string address, node;
  std::uint16_t client_port = 0;
};

// In the order of the rows of `status`, so that the third one there is 3 here.
std::vector<NamedNode> nodes_of(const client::ClusterStatus& status);

// "1,2" or "all": places in `nodes`. InvalidArgument for a name that nobody, or more than one, has.
Result<std::vector<std::size_t>> find_nodes(const std::vector<NamedNode>& nodes,
                                            const std::string& words);

struct FaultOrder {
  std::size_t node = 0;  // place in the list of nodes
  client::FaultSpec spec;
};

// `verb`: partition, drop, delay, oneway, duplicate, reorder, corrupt, limit, slow-disk, pause,
// skew. One order for each node concerned and each of its faults. InvalidArgument says what is
// wrong with the words.
Result<std::vector<FaultOrder>> plan_faults(const std::string& verb, const FaultWords& words,
                                            const std::vector<NamedNode>& nodes);

}  // namespace parley::cli
