// What each level would answer for one key at this moment, and why, from what its replicas said
// when they were asked just now. Pure. A forecast: the next request may meet another moment.
#pragma once

#include <string>
#include <vector>

#include "api/client.h"

namespace parley::cli {

struct ReplicaNow {
  std::string address;
  bool up = false;       // to the node asked
  bool answers = false;  // it did, just now, and serves, with a sound record or none
  bool exists = false;
  std::string digest;
  std::uint64_t hints = 0;
};

struct Forecast {
  std::string level;
  std::size_t required = 0;
  // ok; unavailable: refused at once, nothing is sent; doubtful: enough are up to the node asked,
  // and too few of them answered just now: unavailable or unknown when the time is over.
  std::string get, put;
  std::string get_why, put_why;
};

// In preference order; the rows of `inspect` and the nodes of `status`, as one node gave them.
std::vector<ReplicaNow> replicas_now(const client::InspectResult& inspected,
                                     const client::ClusterStatus& status);

// all, quorum, one, any, and each number from 1 to N.
std::vector<Forecast> forecast(const std::vector<ReplicaNow>& replicas);

}  // namespace parley::cli
