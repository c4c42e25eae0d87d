// README: the two commands come first, and its C++ example compiles and runs as printed.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/process/own_cluster.h"

using namespace parley;
using namespace parley::process_test;

namespace {

std::string source_file(const std::string& path) {
  return local::read_file(std::string(PARLEY_SOURCE_DIR) + "/" + path);
}

// The text of the first ```cpp block.
std::string example() {
  const std::string readme = source_file("README.md");
  const auto begin = readme.find("```cpp\n");
  REQUIRE(begin != std::string::npos);
  const auto start = begin + 7;
  return readme.substr(start, readme.find("```", start) - start);
}

// The lines after "$ " of the section with this title.
std::vector<std::string> commands_under(const std::string& title) {
  std::string readme = source_file("README.md");
  const auto begin = readme.find("\n## " + title + "\n");
  REQUIRE(begin != std::string::npos);
  std::istringstream lines(readme.substr(begin + 1, readme.find("\n## ", begin + 1) - begin));
  std::vector<std::string> out;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("$ ")) out.push_back(line.substr(2));
  }
  return out;
}

}  // namespace

TEST_CASE("readme: shows the two commands first", "[readme]") {
  const std::string readme = source_file("README.md");
  const auto block = readme.find("```");
  REQUIRE(block != std::string::npos);
  const std::string first = readme.substr(block, readme.find("```", block + 3) - block);
  CHECK(first.find("./dev demo") != std::string::npos);
  CHECK(first.find("./dev test") != std::string::npos);
}

TEST_CASE("readme: the C++ example compiles and runs", "[readme]") {
  LocalClusterOptions options;
  options.nodes = 3;
  LocalCluster cluster(options);
  REQUIRE(cluster.start());
  std::string program = example();
  CHECK(std::count(program.begin(), program.end(), '\n') <= 20);
  // The printed example talks to the default endpoint; here the cluster has an address of its own.
  const std::string endpoint = "127.0.0.1:7400";
  const auto at = program.find(endpoint);
  REQUIRE(at != std::string::npos);
  program.replace(at, endpoint.size(), cluster.client_endpoint(0));
  local::ScratchDirectory scratch;
  std::ofstream(scratch.path() + "/example.cpp") << program;
  const std::string build = local::program_folder() + "/..";
  std::vector<std::string> compile = {"c++",
                                      "-std=c++20",
                                      "-I",
                                      PARLEY_SOURCE_DIR,
                                      scratch.path() + "/example.cpp",
                                      "-o",
                                      scratch.path() + "/example"};
  std::istringstream flags(PARLEY_EXAMPLE_LINK);
  for (std::string flag; flags >> flag;) compile.push_back(flag);
  const RunResult compiled = local::run(compile, {}, 120s);
  INFO(compiled.err);
  REQUIRE(compiled.exit_code == 0);
  const RunResult ran = local::run({scratch.path() + "/example"});
  INFO(ran.out << ran.err);
  CHECK(ran.exit_code == 0);
  CHECK(ran.out.find("hello") != std::string::npos);
}

TEST_CASE("readme: the cluster to try things on does what is printed", "[readme]") {
  const OwnCluster cluster;  // for what it leaves behind
  const auto commands = commands_under("A cluster to try things on");
  REQUIRE(commands.size() > 10);
  std::string script = "set -e\ncd '" + cluster.scratch() + "'\nPATH='" + local::program_folder() +
                       "':$PATH\nunset PARLEY_CLUSTER_DIR PARLEY_ENDPOINTS\n";
  for (const std::string& command : commands) script += "echo '$ '\n" + command + "\n";
  const RunResult ran = local::run({"sh", "-c", script}, {}, 120s);
  INFO(ran.out << ran.err);
  CHECK(ran.exit_code == 0);
  for (const std::string text :
       {"started n1 to n5: 5 of 5 nodes up and ready\n", "STATUS as n1 sees it\n",
        "started n2: 5 of 5 nodes up and ready\n"}) {
    CHECK(ran.err.find(text) != std::string::npos);
  }
  for (const std::string text :
       {"$ \nok\n", "$ \nn2 killed (pid ", "$ \nn3 paused\n", "$ \nn3 resumed\n",
        "\nn5 is ready (pid ", "$ \nstopped n1 to n5\n",
        "$ \nnothing was running\ndata removed\n"}) {
    INFO(text);
    CHECK(ran.out.find(text) != std::string::npos);
  }
  CHECK_FALSE(std::filesystem::exists(cluster.scratch() + "/parley-cluster"));
}

TEST_CASE("readme: another project may add the folder and link parley_client", "[readme]") {
  local::ScratchDirectory scratch;
  const std::string from = scratch.path() + "/app", into = scratch.path() + "/built";
  std::filesystem::create_directory(from);
  std::ofstream(from + "/CMakeLists.txt") << "cmake_minimum_required(VERSION 3.25)\n"
                                             "project(app LANGUAGES C CXX)\n"
                                             "add_subdirectory(" PARLEY_SOURCE_DIR
                                             " parley)\n"
                                             "add_executable(app app.cpp)\n"
                                             "target_link_libraries(app parley_client)\n"
                                             "add_executable(part part.cpp)\n"
                                             "target_link_libraries(part parley_base)\n";
  std::ofstream(from + "/app.cpp") << example();
  std::ofstream(from + "/part.cpp")
      << "#include \"base/bytes.h\"\n"
         "int main() { return parley::to_hex(\"a\") == \"61\" ? 0 : 1; }\n";
  const RunResult configured = local::run({"cmake", "-S", from, "-B", into, "-G", "Ninja"});
  INFO(configured.out << configured.err);
  REQUIRE(configured.exit_code == 0);
  // Not all of it, which takes as long as a build: what is linked, and what is generated.
  const RunResult built = local::run(
      {"cmake", "--build", into, "--target", "part", "parley/generated/api/parley.capnp.h"}, {},
      300s);
  INFO(built.out << built.err);
  REQUIRE(built.exit_code == 0);
  CHECK(local::run({into + "/part"}).exit_code == 0);
}

TEST_CASE("readme: docs/options.md lists what parleyd declares", "[readme]") {
  const RunResult printed = local::run({local::program_folder() + "/parleyd", "--print-options"});
  REQUIRE(printed.exit_code == 0);
  CHECK(source_file("docs/options.md").find(printed.out) != std::string::npos);
}
