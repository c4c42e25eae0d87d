// Demos on a terminal: the table below the text is drawn anew in its place, and leaves no traces.
#include "tests/process/demo_stage.h"
#include "tests/process/terminal.h"

using namespace parley;
using namespace parley::process_test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kTable = "   node answers sees  links hints for it";
constexpr const char* kUp = "A\r\033[J";

TerminalRun demo_on_terminal(const std::string& name, std::vector<std::string> environment,
                             unsigned short columns = 100, unsigned short rows = 40) {
  const DemoStage stage;
  for (const std::string& entry : stage.environment()) environment.push_back(entry);
  return run_on_terminal({local::program_folder() + "/parley", "demo", name}, environment, columns,
                         rows, 120s);
}

std::size_t tables_on(const std::vector<std::string>& screen) {
  return static_cast<std::size_t>(
      std::count_if(screen.begin(), screen.end(),
                    [](const std::string& line) { return line.starts_with(kTable); }));
}

bool has_line(const std::vector<std::string>& screen, const std::string& wanted) {
  return std::any_of(screen.begin(), screen.end(), [&](const std::string& line) {
    return line.find(wanted) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("demo: the table is drawn anew in its place (on a terminal)", "[demo_terminal]") {
  const auto run = demo_on_terminal("hints", {"TERM=xterm", "NO_COLOR="});
  INFO(run.sent);
  CHECK(run.exit_code == 0);
  CHECK(run.sent.find(kUp) != std::string::npos);
  CHECK(run.sent.find("\033[32mok") != std::string::npos);
  CHECK(tables_on(run.screen) == 1);  // the last one
  for (const std::string text : {"1. 3 nodes start", "   ok  200 acknowledged at quorum",
                                 "4. n3 comes back", "   n3   yes     123", "It holds: "}) {
    INFO(text);
    CHECK(has_line(run.screen, text));
  }
}

TEST_CASE("demo: no colours (NO_COLOR), and nothing but text (a dumb or narrow terminal)",
          "[demo_terminal]") {
  const auto plain = demo_on_terminal("lost-hints", {"TERM=xterm", "NO_COLOR=1"});
  CHECK(plain.exit_code == 0);
  CHECK(plain.sent.find("\033[32m") == std::string::npos);
  CHECK(plain.sent.find("\033[0m") == std::string::npos);
  CHECK(plain.sent.find(kUp) != std::string::npos);

  const auto dumb = demo_on_terminal("lost-hints", {"TERM=dumb", "NO_COLOR="});
  CHECK(dumb.exit_code == 0);
  CHECK(dumb.sent.find('\033') == std::string::npos);
  CHECK(tables_on(dumb.screen) > 1);  // one a step

  const auto narrow = demo_on_terminal("lost-hints", {"TERM=xterm", "NO_COLOR=1"}, 79, 40);
  CHECK(narrow.exit_code == 0);
  CHECK(narrow.sent.find('\033') == std::string::npos);
}

TEST_CASE("demo: what cannot be printed is no success", "[demo_terminal]") {
  const DemoStage stage;
  const RunResult full =
      local::run({"sh", "-c", local::program_folder() + "/parley demo lost-hints >/dev/full"}, "",
                 120s, stage.environment());
  CHECK(full.exit_code == 9);
  CHECK(full.err == "parley: not all could be printed or recorded\n");
}
