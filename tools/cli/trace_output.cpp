#include "tools/cli/trace_output.h"

#include <fmt/format.h>

namespace parley::cli {

Json trace_json(const std::vector<client::TraceRow>& rows) {
  Json out = Json::array();
  for (const auto& row : rows) {
    const bool answered = row.answered_us >= 0;
    out.push_back({{"node", row.node},
                   {"address", row.address},
                   {"what", row.what},
                   {"sent_us", row.sent_us},
                   {"answered_us", answered ? Json(row.answered_us) : Json(nullptr)},
                   {"outcome", answered ? Json(row.outcome) : Json(nullptr)}});
  }
  return out;
}

std::string trace_text(const std::string& title, const std::vector<client::TraceRow>& rows) {
  const auto millis = [](std::int64_t micros) {
    return fmt::format("{:.2f}", static_cast<double>(micros) / 1000);
  };
  std::vector<std::vector<std::string>> table = {{"ADDRESS", "WHAT", "SENT MS", "ANSWERED", "HOW"}};
  for (const auto& row : rows) {
    const bool answered = row.answered_us >= 0;
    table.push_back({row.address, row.what, millis(row.sent_us),
                     answered ? millis(row.answered_us) : "-", answered ? row.outcome : "not yet"});
  }
  return title + "\n" + table_text(table);
}

}  // namespace parley::cli
