// `parley completion`: what bash and zsh offer with the script that it prints.
#include <sstream>

#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;

namespace {

const std::string kParley = local::program_folder() + "/parley";

// What bash offers for the last word, one a line.
std::string bash_offers(const std::string& typed) {
  const std::string text = "source <(" + kParley +
                           " completion bash) || exit 9\n"
                           "COMP_WORDS=(" +
                           typed +
                           "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                           "complete -p parley | grep -q ' -F _parley ' || exit 9\n"
                           "_parley; printf '%s\\n' \"${COMPREPLY[@]}\"\n";
  const auto run = local::run({"bash", "-c", text});
  INFO(typed << ": " << run.err);
  REQUIRE(run.exit_code == 0);
  CHECK(run.err.empty());
  return run.out;
}

// As zsh calls it, but for compadd, which prints.
std::string zsh_offers(const std::string& typed) {
  const std::string text =
      "compdef() { :; }; compadd() { eval \"print -rl -- \\${$2[@]}\"; }\n"
      "source <(" +
      kParley +
      " completion zsh) || exit 9\n"
      "words=(" +
      typed + "); CURRENT=${#words}; _parley\n";
  const auto run = local::run({"zsh", "-f", "-c", text});
  INFO(typed << ": " << run.err);
  REQUIRE(run.exit_code == 0);
  CHECK(run.err.empty());
  return run.out;
}

}  // namespace

TEST_CASE("completion: bash completes verbs, options and their values", "[completion]") {
  CHECK(bash_offers("parley s") == "status\nshell\n");
  CHECK(bash_offers("parley -o json hi") == "hints\n");
  CHECK(bash_offers("parley get -c ''") == "all\nquorum\none\nany\n");
  CHECK(bash_offers("parley get k --consistency q") == "quorum\n");
  CHECK(bash_offers("parley put k v --keyspace ''") == "default\n");
  CHECK(bash_offers("parley put k v --b") == "--blind\n");
  CHECK(bash_offers("parley get k --b") == "\n");
  CHECK(bash_offers("parley hints ''") == "drop\n");
  CHECK(bash_offers("parley consistency set --write a") == "all\nany\n");
  CHECK(bash_offers("parley -o ''") == "table\njson\nraw\n");
  CHECK(bash_offers("parley get k --timeout ''") == "\n");
  CHECK(bash_offers("parley put get ''") == "\n");  // a key may be called like a verb
  CHECK(bash_offers("parley completion ''") == "bash\nzsh\n");
}

TEST_CASE("completion: zsh completes the same", "[completion]") {
  if (local::run({"sh", "-c", "command -v zsh"}).exit_code != 0) {
    WARN("zsh is not installed: its script was not run");
    return;
  }
  CHECK(zsh_offers("parley get -c ''") == "all\nquorum\none\nany\n");
  CHECK(zsh_offers("parley hints ''") == "drop\n");
  CHECK(zsh_offers("parley put k v --keyspace ''") == "default\n");
}

TEST_CASE("completion: another shell is refused", "[completion]") {
  const auto run = local::run({kParley, "completion", "fish"});
  CHECK(run.exit_code == 2);
  CHECK(run.out.empty());
  CHECK(run.err == "parley: completion is for bash or zsh, not 'fish'\n");
}

TEST_CASE("completion: no help is wider than 80 columns", "[completion]") {
  // Every verb that completion knows, and what stands under it.
  const auto text = local::run({kParley, "completion", "bash"}).out;
  const auto begin = text.find("/put|"), end = text.find(')', begin);
  REQUIRE((begin != std::string::npos && end != std::string::npos));
  std::istringstream places(text.substr(begin, end - begin));
  std::size_t verbs = 0;
  for (std::string place; std::getline(places, place, '|'); ++verbs) {
    std::vector<std::string> words = {kParley};
    std::istringstream names(place);
    for (std::string name; std::getline(names, name, '/');) {
      if (!name.empty()) words.push_back(name);
    }
    words.push_back("--help");
    const auto help = local::run(words);
    CHECK(help.exit_code == 0);
    std::istringstream lines(help.out);
    for (std::string line; std::getline(lines, line);) {
      INFO(place << ": " << line);
      CHECK(line.size() <= 80);
    }
  }
  CHECK(verbs > 30);
}
