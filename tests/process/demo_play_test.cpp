// The demos: every claim holds, and the words are for a terminal of 80 columns.
#include <sstream>

#include "tests/process/demo_stage.h"

using namespace parley;
using namespace parley::process_test;

TEST_CASE("demo: each one shows what it claims", "[demo_play]") {
  const DemoStage stage;
  std::istringstream list(stage.run({"list"}).out);
  std::size_t played = 0;
  for (std::string line; std::getline(list, line); ++played) {
    const std::string name = line.substr(0, line.find(' '));
    const auto result = stage.run({name});
    INFO(name << "\n" << result.out << result.err);
    CHECK(result.exit_code == 0);
    CHECK(result.out.find(" NO ") == std::string::npos);
    CHECK(result.out.find("\nIt holds: ") != std::string::npos);
    CHECK(result.out.find("node answers sees  links hints for it") != std::string::npos);
    CHECK(result.out.find("level    puts ok   gets ok") != std::string::npos);
    std::istringstream out(result.out);
    for (std::string text; std::getline(out, text);) CHECK(text.size() <= 80);
  }
  CHECK(played == 12);
}
