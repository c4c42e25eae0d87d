// A node's store with somebody listening: tells what becomes of one key's record and hints, and
// changes nothing, not even the number of events.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "storage/store.h"

namespace parley::sim {

using Tell = std::function<void(const std::string& line)>;

// `node`: its address, for the lines. Values are named by their writes.
std::unique_ptr<storage::Store> tap_store(std::unique_ptr<storage::Store> store, std::string node,
                                          Bytes key, Tell tell);

}  // namespace parley::sim
