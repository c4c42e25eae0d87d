#include "api/console_links.h"

#include <algorithm>

namespace parley::api {
namespace {

LinkState state_of(const client::FaultSpec& spec) {
  return spec.cut || spec.drop >= 1 ? LinkState::Cut : LinkState::Bad;
}

void worsen(LinkState& state, LinkState by) { state = std::max(state, by); }

// `near` has the faults: its "out" is what it sends to `far`.
void add(const std::string& near, const std::string& far, const FaultsByAddress& faults,
         LinkState& out, LinkState& in, std::vector<std::string>& because) {
  const auto found = faults.find(near);
  if (found == faults.end()) return;
  for (const client::FaultRow& row : found->second) {
    const client::FaultSpec& spec = row.spec;
    if (spec.kind != "link" || (!spec.peer.empty() && spec.peer != far)) continue;
    if (spec.direction != "in") worsen(out, state_of(spec));
    if (spec.direction != "out") worsen(in, state_of(spec));
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
      add(link.a, link.b, faults, link.to_b, link.to_a, link.because);
      add(link.b, link.a, faults, link.to_a, link.to_b, link.because);
      if (!link.because.empty()) out.push_back(std::move(link));
    }
  }
  return out;
}

}  // namespace parley::api
