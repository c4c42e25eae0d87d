// `parley shell`: where the lines come from.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string_view>

#include "tools/cli/exit_code.h"
#include "tools/cli/line_editor.h"
#include "tools/cli/shell_history.h"
#include "tools/cli/shell_session.h"
#include "tools/cli/verbs.h"

namespace parley::cli {
namespace {

constexpr std::size_t kLineBytesMost = 8_MiB;

enum class Got : std::uint8_t { Line, TooLong, Nothing };

// One line of standard input. What is too long is read to its end and left out.
Got read_line(std::string& line) {
  line.clear();
  bool too_long = false;
  int c = std::fgetc(stdin);
  if (c == EOF) return Got::Nothing;
  for (; c != EOF && c != '\n'; c = std::fgetc(stdin)) {
    too_long = too_long || line.size() == kLineBytesMost;
    if (!too_long) line += static_cast<char>(c);
  }
  return too_long ? Got::TooLong : Got::Line;
}

bool can_print() {
  std::fflush(stdout);
  return std::ferror(stdout) == 0;
}

int run_commands(ShellSession& session, const std::vector<std::string>& commands) {
  int first_failure = kOk;
  for (const std::string& command : commands) {
    const int code = session.run(command);
    if (first_failure == kOk) first_failure = code;
    if (!can_print() || session.ended()) break;
  }
  return first_failure;
}

int run_script(ShellSession& session) {
  int first_failure = kOk;
  std::string line;
  for (std::size_t number = 1;; ++number) {
    const Got got = read_line(line);
    if (got == Got::Nothing) break;
    int code = kUsage;
    if (got == Got::TooLong) {
      std::fprintf(stderr, "parley: the line is longer than %zu bytes\n", kLineBytesMost);
    } else {
      code = session.run(line);
    }
    if (code != kOk) std::fprintf(stderr, "parley: line %zu ended with %d\n", number, code);
    if (first_failure == kOk) first_failure = code;
    if (!can_print() || session.ended()) break;
  }
  if (std::ferror(stdin) != 0) {
    std::fprintf(stderr, "parley: cannot read the shell's lines from standard input\n");
    if (first_failure == kOk) first_failure = kUsage;
  }
  return first_failure;
}

// While a line is carried out: an answer is under way, and what it will be is worth knowing.
volatile std::sig_atomic_t interrupts = 0;  // of this line
void on_interrupt(int) {
  if (interrupts != 0) _exit(kInterrupted);
  interrupts = 1;
  constexpr std::string_view kText =
      "\nparley: an answer is awaited until its deadline; Ctrl-C again leaves the shell\n";
  [[maybe_unused]] const auto told = write(STDERR_FILENO, kText.data(), kText.size());
}

int run_terminal(ShellSession& session) {
  const int greeted = session.greet();
  if (greeted != kOk) return greeted;
  const ShellHistory history(ShellHistory::usual_file());
  LineEditor editor(history.load(), [&session](const std::string& before_cursor) {
    LineEditor::Offer offer;
    offer.words = session.complete(before_cursor, offer.prefix);
    return offer;
  });
  while (!session.ended() && can_print()) {
    auto line = editor.read("parley:" + session.keyspace() + "> ");
    if (!line) {
      std::fputc('\n', stdout);
      break;
    }
    line->erase(line->find_last_not_of(" \t") + 1);
    if (ShellHistory::is_kept(*line)) {
      editor.remember(*line);
      history.add(*line);
    }
    interrupts = 0;
    std::signal(SIGINT, on_interrupt);
    session.run(*line);
  }
  return can_print() ? kOk : kInternal;
}

}  // namespace

int shell(const CommandLine& line, const Verbs& verbs) {
  const bool given = !line.shell.commands.empty();
  const bool terminal = !given && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
  ShellSession session(line, verbs, !given);
  if (given) return run_commands(session, line.shell.commands);
  return terminal ? run_terminal(session) : run_script(session);
}

}  // namespace parley::cli
