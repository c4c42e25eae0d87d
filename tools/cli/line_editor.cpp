#include "tools/cli/line_editor.h"

#include <histedit.h>

#include <algorithm>
#include <clocale>
#include <cstdio>

#include "tools/cli/shell_history.h"

namespace parley::cli {
namespace {

constexpr std::size_t kColumns = 80;

std::string common_prefix(const std::vector<std::string>& words) {
  std::string out = words.front();
  for (const std::string& word : words) {
    const auto differ = std::mismatch(out.begin(), out.end(), word.begin(), word.end());
    out.erase(differ.first, out.end());
  }
  return out;
}

// Below the line, in columns.
void list(const std::vector<std::string>& words) {
  std::size_t width = 0;
  for (const std::string& word : words) width = std::max(width, word.size() + 2);
  const std::size_t each_row = std::max<std::size_t>(1, kColumns / width);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i % each_row == 0) std::fputc('\n', stdout);
    std::printf("%-*s", static_cast<int>(width), words[i].c_str());
  }
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

}  // namespace

struct LineEditor::Parts {
  EditLine* line = nullptr;
  History* history = nullptr;
  HistEvent event{};
  Complete complete;
  std::string prompt;
  bool given_up = false;

  static Parts& of(EditLine* line) {
    Parts* parts = nullptr;
    el_get(line, EL_CLIENTDATA, &parts);
    return *parts;
  }
  static char* show_prompt(EditLine* line) { return of(line).prompt.data(); }

  static unsigned char give_up(EditLine* line, int) {
    of(line).given_up = true;
    std::fputs("^C\n", stdout);
    std::fflush(stdout);
    return CC_EOF;  // with what was typed thrown away
  }

  static unsigned char complete_word(EditLine* line, int) {
    const LineInfo* now = el_line(line);
    const Offer offer = of(line).complete(std::string(now->buffer, now->cursor));
    if (offer.words.empty()) return CC_REFRESH_BEEP;
    std::string word = common_prefix(offer.words);
    const bool whole = offer.words.size() == 1;
    if (whole) word += ' ';
    // Of another case than what was typed: the word takes the place of the prefix.
    const bool continues = word.starts_with(offer.prefix);
    if (word.size() > offer.prefix.size() || !continues) {
      if (word.size() < offer.prefix.size()) return CC_REFRESH_BEEP;
      el_deletestr(line, static_cast<int>(offer.prefix.size()));
      if (el_insertstr(line, word.c_str()) == -1) return CC_ERROR;
      return CC_REFRESH;
    }
    list(offer.words);
    return CC_REDISPLAY;
  }
};

LineEditor::LineEditor(const std::vector<std::string>& past, Complete complete)
    : parts_(std::make_unique<Parts>()) {
  std::setlocale(LC_CTYPE, "");  // what a character is
  parts_->complete = std::move(complete);
  parts_->history = history_init();
  history(parts_->history, &parts_->event, H_SETSIZE, static_cast<int>(ShellHistory::kLinesMost));
  history(parts_->history, &parts_->event, H_SETUNIQUE, 1);
  parts_->line = el_init("parley", stdin, stdout, stderr);
  el_set(parts_->line, EL_CLIENTDATA, parts_.get());
  el_set(parts_->line, EL_PROMPT, &Parts::show_prompt);
  el_set(parts_->line, EL_EDITOR, "emacs");
  el_set(parts_->line, EL_SIGNAL, 1);
  el_set(parts_->line, EL_HIST, ::history, parts_->history);
  el_set(parts_->line, EL_ADDFN, "parley-complete", "Complete the word", &Parts::complete_word);
  el_set(parts_->line, EL_ADDFN, "parley-give-up", "Give the line up", &Parts::give_up);
  el_set(parts_->line, EL_BIND, "^I", "parley-complete", nullptr);
  el_set(parts_->line, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  // While a line is edited Ctrl-C is a key like others: it ends the line, not the program.
  el_set(parts_->line, EL_SETTY, "-d", "-isig", nullptr);
  el_set(parts_->line, EL_BIND, "^C", "parley-give-up", nullptr);
  el_source(parts_->line, nullptr);  // a person's own ~/.editrc
  for (const std::string& line : past) remember(line);
}

LineEditor::~LineEditor() {
  el_end(parts_->line);
  history_end(parts_->history);
}

std::optional<std::string> LineEditor::read(const std::string& prompt) {
  parts_->prompt = prompt;
  parts_->given_up = false;
  int length = 0;
  // Before the prompt invites to type: else the first key may still be taken as a signal.
  el_set(parts_->line, EL_PREP_TERM, 1);
  const char* text = el_gets(parts_->line, &length);
  if (parts_->given_up) return "";
  if (text == nullptr || length <= 0) return std::nullopt;
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return line;
}

void LineEditor::remember(const std::string& line) {
  history(parts_->history, &parts_->event, H_ENTER, line.c_str());
}

}  // namespace parley::cli
