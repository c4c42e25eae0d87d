#include "tools/cli/help_format.h"

#include <map>
#include <sstream>
#include <string>

namespace parley::cli {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kNameColumns = 28;

std::string wrapped(const std::string& text, std::size_t width) {
  std::istringstream words(text);
  std::string out;
  std::size_t column = 0;
  for (std::string word; words >> word;) {
    if (column > 0 && column + 1 + word.size() > width) {
      out += '\n';
      column = 0;
    }
    if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

class HelpFormat final : public CLI::Formatter {
 public:
  HelpFormat() { column_width(kNameColumns); }
  std::string make_option_desc(const CLI::Option* option) const override {
    return wrapped(option->get_description(), kColumns - kNameColumns);
  }
  std::string make_subcommand(const CLI::App* verb) const override {
    std::ostringstream out;
    CLI::detail::format_help(out, verb->get_name(),
                             wrapped(verb->get_description(), kColumns - kNameColumns),
                             kNameColumns);
    return out.str();
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_format() { return std::make_shared<HelpFormat>(); }

void group_verbs(CLI::App& app) {
  static const std::map<std::string, std::string> kGroups = {{"put", "Data"},
                                                             {"get", "Data"},
                                                             {"del", "Data"},
                                                             {"shell", "Data"},
                                                             {"inspect", "Truth"},
                                                             {"endpoints", "Truth"},
                                                             {"conflicts", "Truth"},
                                                             {"consistency", "Truth"},
                                                             {"status", "Cluster"},
                                                             {"ring", "Cluster"},
                                                             {"info", "Cluster"},
                                                             {"gossip", "Cluster"},
                                                             {"hints", "Cluster"},
                                                             {"repair", "Cluster"},
                                                             {"fault", "Breaking and trying"},
                                                             {"demo", "Breaking and trying"},
                                                             {"cluster", "Breaking and trying"}};
  for (CLI::App* verb : app.get_subcommands({})) {
    const auto group = kGroups.find(verb->get_name());
    verb->group(group == kGroups.end() ? "Other" : group->second);
  }
}

}  // namespace parley::cli
