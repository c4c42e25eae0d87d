#include "api/client_batch.h"

#include <map>

namespace parley::client {

std::vector<std::vector<std::size_t>> cut_batch(const std::vector<BatchItem>& items,
                                                std::size_t items_most, std::size_t bytes_most) {
  struct Open {
    std::size_t group = 0;
    std::size_t bytes = 0;
  };
  std::vector<std::vector<std::size_t>> groups;
  std::map<std::optional<Endpoint>, Open> open;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto found = open.find(items[i].home);
    const bool fits = found != open.end() && groups[found->second.group].size() < items_most &&
                      found->second.bytes + items[i].bytes <= bytes_most;
    if (!fits) {
      open[items[i].home] = {groups.size(), 0};
      groups.emplace_back();
    }
    Open& into = open[items[i].home];
    groups[into.group].push_back(i);
    into.bytes += items[i].bytes;
  }
  return groups;
}

}  // namespace parley::client
