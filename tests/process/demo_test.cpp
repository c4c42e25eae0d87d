// The demos: every claim holds, and the words are for a terminal of 80 columns.
#include <sstream>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;
using namespace std::chrono_literals;

namespace {

RunResult demo(std::vector<std::string> words) {
  words.insert(words.begin(), {local::program_folder() + "/parley", "demo"});
  return local::run(words, "", 300s);
}

void check_columns(const std::string& text) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) CHECK(line.size() <= 100);
}

}  // namespace

TEST_CASE("demo: each one shows what it claims", "[demo]") {
  for (const std::string name : {"partition", "oneway", "lost-hints"}) {
    const auto result = demo({name});
    INFO(name << "\n" << result.out << result.err);
    CHECK(result.exit_code == 0);
    CHECK(result.out.find(" NO ") == std::string::npos);
    CHECK(result.out.find("claims") != std::string::npos);
    check_columns(result.out);
  }
}

TEST_CASE("demo: the list names them all, and another name is refused", "[demo]") {
  const auto list = demo({"list"});
  CHECK(list.exit_code == 0);
  for (const std::string name : {"levels", "partition", "oneway", "lost-hints"}) {
    CHECK(list.out.find(name) != std::string::npos);
  }
  CHECK(demo({}).out == list.out);
  const auto unknown = demo({"nothing"});
  CHECK(unknown.exit_code == 2);
  CHECK(unknown.err.find("there is no demo 'nothing'") != std::string::npos);
  CHECK(demo({"levels", "--fast"}).exit_code == 2);
}
