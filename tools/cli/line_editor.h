// LineEditor: one line at a time from a person at a terminal, with history and Tab. The only place
// that knows libedit.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace parley::cli {

class LineEditor {
 public:
  // What may stand in place of the last word of the text before the cursor; sorted.
  struct Offer {
    std::string prefix;  // of that word, as typed
    std::vector<std::string> words;
  };
  using Complete = std::function<Offer(const std::string& before_cursor)>;

  // `past`: earlier lines, oldest first.
  LineEditor(const std::vector<std::string>& past, Complete complete);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // nullopt at the end of input. A line that was given up (Ctrl-C) is an empty one.
  std::optional<std::string> read(const std::string& prompt);
  void remember(const std::string& line);

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace parley::cli
