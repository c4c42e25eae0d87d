#include "api/console_links.h"

namespace parley::api {
namespace {

// What is lost of one direction. Two faults may each cut one kind of traffic.
struct Lane {
  bool streams_cut = false, datagrams_cut = false, bad = false;

  void add(const client::FaultSpec& spec) {
    const bool cuts = spec.cut || spec.drop >= 1;
    streams_cut |= cuts && spec.traffic != "gossip";
    datagrams_cut |= cuts && spec.traffic != "peer";
    bad = true;
  }
  LinkState state() const {
    if (streams_cut && datagrams_cut) return LinkState::Cut;
    return bad ? LinkState::Bad : LinkState::Sound;
  }
};

// `near` has the faults: its "out" is what it sends to `far`.
void add(const std::string& near, const std::string& far, const FaultsByAddress& faults, Lane& out,
         Lane& in, std::vector<std::string>& because) {
  const auto found = faults.find(near);
  if (found == faults.end()) return;
  for (const client::FaultRow& row : found->second) {
    const client::FaultSpec& spec = row.spec;
    if (spec.kind != "link" || (!spec.peer.empty() && spec.peer != far)) continue;
    if (spec.direction != "in") out.add(spec);
    if (spec.direction != "out") in.add(spec);
    because.push_back(near + ": " + row.text);
  }
}

}  // namespace

std::vector<LinkNews> links_of(const std::vector<std::string>& addresses,
                               const FaultsByAddress& faults) {
  std::vector<LinkNews> out;
  if (faults.empty()) return out;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    for (std::size_t j = i + 1; j < addresses.size(); ++j) {
      LinkNews link{addresses[i], addresses[j], {}, {}, {}};
      Lane to_b, to_a;
      add(link.a, link.b, faults, to_b, to_a, link.because);
      add(link.b, link.a, faults, to_a, to_b, link.because);
      link.to_b = to_b.state();
      link.to_a = to_a.state();
      if (!link.because.empty()) out.push_back(std::move(link));
    }
  }
  return out;
}

}  // namespace parley::api
