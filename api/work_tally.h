// WorkTally: what nodes did since they were first heard of, summed so that it only grows: a node
// that is silent for a while, or starts again, takes nothing away. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/client.h"

namespace parley::api {

class WorkTally {
 public:
  // `rows`: all that the node did in the life of this generation.
  void add(const std::string& address, std::uint64_t generation,
           const std::vector<client::WorkRow>& rows);
  // By op, then level.
  std::vector<client::WorkRow> totals() const;

 private:
  using Kind = std::pair<std::string, std::string>;  // op, level
  struct Heard {
    std::uint64_t generation = 0;
    std::map<Kind, client::WorkRow> rows;
  };
  std::map<std::string, Heard> heard_;  // by address
  std::map<Kind, client::WorkRow> totals_;
};

}  // namespace parley::api
