#include "tests/sim/told.h"

#include <algorithm>
#include <cstdio>

namespace parley::sim {

std::string text_of(std::vector<Told> lines) {
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Told& a, const Told& b) { return a.at < b.at; });
  std::string out;
  for (const Told& line : lines) {
    char time[32];
    std::snprintf(time, sizeof time, "%10.3f  ", to_seconds(line.at.time_since_epoch()) - 1000);
    out += time + line.what + "\n";
  }
  return out;
}

}  // namespace parley::sim
