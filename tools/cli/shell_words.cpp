#include "tools/cli/shell_words.h"

#include <optional>
#include <string_view>
#include <utility>

namespace parley::cli {
namespace {

class Splitter {
 public:
  explicit Splitter(const std::string& line) : line_(line) {}

  Result<std::vector<std::string>> run() {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (is_blank(c)) {
        end_word();
      } else if (c == '#' && !word_) {
        break;
      } else if (const Status sound = take(c); !sound) {
        return sound.error();
      }
    }
    end_word();
    return std::move(words_);
  }

 private:
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  void end_word() {
    if (word_) words_.push_back(*std::exchange(word_, std::nullopt));
  }

  Status take(char c) {
    if (!word_) word_.emplace();
    if (c == '\'' || c == '"') return take_quoted(c);
    if (c == '\\') {
      if (at_ == line_.size()) return wrong("a backslash ends the line");
      c = line_[at_++];
    }
    return add(c);
  }

  Status take_quoted(char quote) {
    while (at_ < line_.size()) {
      char c = line_[at_++];
      if (c == quote) return Done{};
      const bool escapes = quote == '"' && c == '\\' && at_ < line_.size() &&
                           std::string_view("\"\\$`").find(line_[at_]) != std::string_view::npos;
      if (escapes) c = line_[at_++];
      if (const Status sound = add(c); !sound) return sound;
    }
    return wrong(std::string("a quote is not closed: ") + quote);
  }

  Status add(char c) {
    if (c == '\0') return wrong("a line cannot hold a zero byte; give the key as --hex");
    *word_ += c;
    return Done{};
  }

  static Error wrong(std::string why) { return {ErrorCode::InvalidArgument, std::move(why)}; }

  const std::string& line_;
  std::size_t at_ = 0;
  std::optional<std::string> word_;
  std::vector<std::string> words_;
};

}  // namespace

Result<std::vector<std::string>> shell_words(const std::string& line) {
  return Splitter(line).run();
}

}  // namespace parley::cli
