#include "tools/cli/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace parley::cli {
namespace {

constexpr std::size_t kColumns = 80;

std::size_t widest(const std::string& table) {
  std::size_t most = 0;
  for (std::size_t begin = 0; begin < table.size();) {
    const auto end = std::min(table.find('\n', begin), table.size());
    most = std::max(most, end - begin);
    begin = end + 1;
  }
  return most;
}

}  // namespace

Json millis_json(double ms) {
  if (!std::isfinite(ms)) return nullptr;
  return std::round(ms * 1000) / 1000;
}

std::string millis_text(double ms) {
  if (!std::isfinite(ms)) return "never";
  return fmt::format("{:.{}f} ms", ms, ms >= 100 ? 0 : ms >= 10 ? 1 : 2);
}

std::string share_text(double share) {
  const double percent = share * 100;
  if (share >= 1) return "100 %";
  if (percent > 99.99) return ">99.99 %";
  if (percent >= 99) return fmt::format("{:.2f} %", std::floor(percent * 100) / 100);
  return fmt::format("{:.1f} %", percent);
}

std::string predicted_share_text(double share, bool by_design) {
  return share >= 1 && !by_design ? ">99.99 %" : share_text(share);
}

std::string folded_table_text(const std::vector<std::vector<std::string>>& rows,
                              std::size_t fixed) {
  const std::size_t columns = rows.front().size();
  std::string out;
  for (std::size_t from = fixed; from < columns;) {
    std::string fits;
    std::size_t to = from;
    while (to < columns) {
      std::vector<std::vector<std::string>> part;
      for (const auto& row : rows) {
        std::vector<std::string> cells(row.begin(),
                                       row.begin() + static_cast<std::ptrdiff_t>(fixed));
        cells.insert(cells.end(), row.begin() + static_cast<std::ptrdiff_t>(from),
                     row.begin() + static_cast<std::ptrdiff_t>(to + 1));
        part.push_back(std::move(cells));
      }
      std::string text = table_text(part);
      if (to > from && widest(text) > kColumns) break;
      fits = std::move(text);
      ++to;
    }
    out += (out.empty() ? "" : "\n") + fits;
    from = to;
  }
  return out;
}

std::string bar_text(double share, std::size_t width) {
  const auto full = static_cast<std::size_t>(
      std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(width)));
  return std::string(full, '#') + std::string(width - full, '-');
}

double share_error(std::size_t hits, std::size_t of) {
  if (of == 0) return 1;
  constexpr double kZ = 1.96;
  const auto n = static_cast<double>(of);
  const double share = static_cast<double>(hits) / n;
  const double spread = std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  return kZ * spread / (1 + kZ * kZ / n);
}

}  // namespace parley::cli
