// What the faults that nodes have say about the links between them. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/client.h"

namespace parley::api {

// Cut: nothing passes, neither streams nor datagrams. Bad: any lesser fault.
enum class LinkState : std::uint8_t { Sound, Bad, Cut };

struct LinkNews {
  std::string a, b;  // addresses, in the order of the nodes
  LinkState to_b = LinkState::Sound, to_a = LinkState::Sound;
  std::vector<std::string> because;  // "127.0.0.2: cut to and from 127.0.0.3"
};

using FaultsByAddress = std::map<std::string, std::vector<client::FaultRow>>;

// Links on which at least one direction is not sound, by either end's faults.
std::vector<LinkNews> links_of(const std::vector<std::string>& addresses,
                               const FaultsByAddress& faults);

}  // namespace parley::api
