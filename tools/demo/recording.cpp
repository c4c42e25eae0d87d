#include "tools/demo/recording.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace parley::demo {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kColumns = 80, kRows = 40;

// A file holds what a terminal would get: there, a line ends with both.
std::string for_terminal(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\r\n" : std::string(1, c);
  return out;
}

}  // namespace

bool Recording::begin(const std::string& file, const std::string& title) {
  out_.open(file, std::ios::trunc);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const Json head = {{"version", 2},
                     {"width", kColumns},
                     {"height", kRows},
                     {"timestamp", std::chrono::duration_cast<std::chrono::seconds>(now).count()},
                     {"title", title}};
  out_ << head.dump() << '\n' << std::flush;
  begun_ = std::chrono::steady_clock::now();
  return out_.good();
}

void Recording::add(const std::string& text) {
  if (!out_.is_open() || text.empty()) return;
  const std::chrono::duration<double> at = std::chrono::steady_clock::now() - begun_;
  const Json words = for_terminal(text);
  out_ << fmt::format("[{:.3f}, \"o\", {}]\n", at.count(),
                      words.dump(-1, ' ', false, Json::error_handler_t::replace));
}

bool Recording::sound() { return !out_.is_open() || (out_ << std::flush).good(); }

}  // namespace parley::demo
