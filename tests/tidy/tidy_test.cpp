// Lints the tree: who may include whom (read out of ARCHITECTURE.md), sizes, words that do not
// belong. After TigerBeetle's src/tidy.zig.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace {

namespace fs = std::filesystem;
const fs::path kRoot = PARLEY_SOURCE_DIR;
const std::vector<std::string> kFloors = {"base",       "runtime",     "ring",   "storage",
                                          "membership", "replication", "repair", "api"};

struct SourceFile {
  std::string path;  // from the root
  std::vector<std::string> lines;
};

std::vector<SourceFile> sources_under(const std::vector<std::string>& folders) {
  std::vector<SourceFile> out;
  for (const auto& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const auto extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp") continue;
      SourceFile file{fs::relative(entry.path(), kRoot).string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      out.push_back(std::move(file));
    }
  }
  return out;
}

std::vector<std::string> all_folders() {
  std::vector<std::string> out = kFloors;
  out.insert(out.end(), {"tools", "tests"});
  return out;
}

// The block ```layers ... ``` of ARCHITECTURE.md: "floor: what it may include".
std::map<std::string, std::set<std::string>> layer_table() {
  std::map<std::string, std::set<std::string>> table;
  std::ifstream in(kRoot / "ARCHITECTURE.md");
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      inside = line == "```layers";
      continue;
    }
    const auto colon = line.find(':');
    if (!inside || colon == std::string::npos) continue;
    std::istringstream words(line.substr(colon + 1));
    auto& allowed = table[line.substr(0, colon)];
    for (std::string word; words >> word;) allowed.insert(word);
  }
  return table;
}

std::string code_of(const std::string& line) { return line.substr(0, line.find("//")); }

}  // namespace

TEST_CASE("tree: no floor includes what the layer table does not allow") {
  const auto table = layer_table();
  REQUIRE(table.size() >= kFloors.size());
  const std::regex include(R"re(^\s*#include "([a-z]+)/)re");
  std::vector<std::string> folders = kFloors;
  folders.push_back("tools");
  for (const auto& file : sources_under(folders)) {
    const std::string floor = file.path.substr(0, file.path.find('/'));
    const auto& allowed = table.at(floor);
    for (const auto& line : file.lines) {
      std::smatch found;
      if (!std::regex_search(line, found, include) || found[1] == floor) continue;
      INFO(file.path << ": " << line);
      CHECK(allowed.contains(found[1]));
    }
  }
}

TEST_CASE("tree: third-party names stay in their room") {
  struct Room {
    std::regex name;
    std::regex allowed;
  };
  const std::vector<Room> rooms = {
      {std::regex(R"(#include <asio)"), std::regex(R"(^runtime/asio_)")},
      {std::regex(R"(#include <(kj|capnp)/)"),
       std::regex(R"(^(runtime/kj_|api/|[a-z]+/[a-z_]*codec))")},
      {std::regex(R"(#include <sqlite3)"), std::regex(R"(^storage/sqlite_)")},
      {std::regex(R"(#include <spdlog)"), std::regex(R"(^base/log\.cpp$)")},
      {std::regex(R"(#include <catch2)"), std::regex(R"(^$)")},
      {std::regex(R"(#include <openssl)"), std::regex(R"(^base/)")},
      {std::regex(R"(#include <xxhash)"), std::regex(R"(^base/)")},
      {std::regex(R"(#include <histedit)"), std::regex(R"(^tools/cli/line_editor\.cpp$)")},
  };
  std::vector<std::string> folders = kFloors;
  folders.push_back("tools");
  for (const auto& file : sources_under(folders)) {
    for (const auto& line : file.lines) {
      for (const auto& room : rooms) {
        if (!std::regex_search(line, room.name)) continue;
        INFO(file.path << ": " << line);
        CHECK(std::regex_search(file.path, room.allowed));
      }
    }
  }
}

TEST_CASE("tree: time, chance and threads come in through constructors") {
  const std::regex banned(
      R"(system_clock|steady_clock|random_device|sleep_for|sleep_until|std::thread|std::jthread)"
      R"(|co_await|co_return|co_yield|\.detach\(\)|\[=\])");
  const std::regex rooms(R"(^(runtime/asio_|runtime/os_|storage/|api/client))");
  for (const auto& file : sources_under(kFloors)) {
    if (std::regex_search(file.path, rooms)) continue;
    for (const auto& line : file.lines) {
      if (!std::regex_search(code_of(line), banned)) continue;
      // kj promises are detached with an error handler; that is not a thread.
      if (line.find(".detach([") != std::string::npos) continue;
      FAIL_CHECK(file.path << ": " << line);
    }
  }
}

TEST_CASE("tree: nothing that is built as Parley has a mutant") {
  // base/mutant.h says `false` unless the word is defined already, and only the switch does so: by
  // a forced include, for one target, of a file that lies with the tests.
  const std::regex defines(R"(^\s*#\s*(define|undef)\s+PARLEY_MUTANT\b)");
  std::vector<std::string> definers;
  for (const auto& file : sources_under(all_folders())) {
    const bool header = file.path.ends_with(".h");
    const bool planter = file.path == "base/mutant.h" || file.path.starts_with("tests/");
    for (const auto& line : file.lines) {
      if (std::regex_search(line, defines)) definers.push_back(file.path);
      INFO(file.path << ": " << line);
      // A header's would differ between files of one program.
      CHECK((planter || !header || line.find("PARLEY_MUTANT") == std::string::npos));
    }
  }
  std::sort(definers.begin(), definers.end());
  CHECK(definers == std::vector<std::string>{"base/mutant.h", "tests/sim/mutant_switch.h"});
  for (const char* name : {"CMakeLists.txt", "tools/tools.cmake", "tests/tests.cmake"}) {
    std::ifstream in(kRoot / name);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    INFO(name);
    CHECK(std::regex_search(text, std::regex("mutant_switch")) ==
          (std::string(name) == "tests/tests.cmake"));
    CHECK(text.find("-DPARLEY_MUTANT") == std::string::npos);
    CHECK(text.find("PARLEY_MUTANT=") == std::string::npos);
  }
}

TEST_CASE("tree: files stay under 500 lines, lines under 101 columns") {
  for (const auto& file : sources_under(all_folders())) {
    INFO(file.path);
    CHECK(file.lines.size() <= 500);
    for (const auto& line : file.lines) {
      INFO(line);
      CHECK(line.size() <= 100);
    }
  }
}

TEST_CASE("tree: functions stay under 71 lines") {
  // A definition begins at a line in column 0 (or 2 inside a class) that ends with '{' and ends at
  // the '}' of the same indentation: what clang-format makes of this tree.
  const std::regex opens(R"(^( ?)( ?)[A-Za-z~].*\) ?(const|override|noexcept|final| )*\{$)");
  // A lambda ends otherwise ("});") and counts with the function around it.
  const std::regex lambda(R"(\[[^\]]*\] ?\()");
  for (const auto& file : sources_under(all_folders())) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (!std::regex_match(line, opens) || std::regex_search(line, lambda)) continue;
      if (line.find("TEST_CASE") != std::string::npos) continue;
      const std::string indent = line.substr(0, line.find_first_not_of(' '));
      const auto end =
          std::find_if(file.lines.begin() + static_cast<std::ptrdiff_t>(i), file.lines.end(),
                       [&](const std::string& l) { return l == indent + "}"; });
      const auto length = end - (file.lines.begin() + static_cast<std::ptrdiff_t>(i)) + 1;
      INFO(file.path << ":" << i + 1 << " " << line);
      CHECK(length <= 70);
    }
  }
}

TEST_CASE("tree: no word for a class that has no idea of its own, nothing left open") {
  const std::regex vague(R"(\b(class|struct) \w*(Manager|Helper|Util|Impl)\b)");
  // Spelled apart so that this file does not find itself.
  const std::regex open(std::string("\\b(TO") + "DO|FIX" + "ME|X" + "XX|HA" + "CK)\\b");
  for (const auto& file : sources_under(all_folders())) {
    for (const auto& line : file.lines) {
      INFO(file.path << ": " << line);
      CHECK_FALSE(std::regex_search(line, vague));
      CHECK_FALSE(std::regex_search(line, open));
    }
  }
}

TEST_CASE("tree: every schema has a test with golden bytes") {
  std::string tests;
  for (const auto& file : sources_under({"tests"})) {
    for (const auto& line : file.lines) tests += line + "\n";
  }
  for (const auto& floor : kFloors) {
    for (const auto& entry : fs::directory_iterator(kRoot / floor)) {
      if (entry.path().extension() != ".capnp") continue;
      const std::string stem = entry.path().stem().string();
      INFO(floor << "/" << stem << ".capnp");
      CHECK(fs::exists(kRoot / "tests/unit" / floor));
      CHECK(tests.find("golden") != std::string::npos);
      CHECK(tests.find(stem) != std::string::npos);
    }
  }
}

TEST_CASE("tree: the changelog has its shape") {
  std::ifstream in(kRoot / "CHANGELOG.md");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  CHECK(text.starts_with("# Changelog"));
  CHECK(text.find("## Unreleased") != std::string::npos);
}

TEST_CASE("tree: every option is documented in docs/options.md") {
  std::ifstream in(kRoot / "docs/options.md");
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::regex option(R"re(Option \w+\{\*this, "(\w+)")re");
  for (const auto& file : sources_under(kFloors)) {
    for (const auto& line : file.lines) {
      std::smatch found;
      if (!std::regex_search(line, found, option)) continue;
      INFO(found[1]);
      CHECK(text.find(std::string(found[1])) != std::string::npos);
    }
  }
}

namespace {

std::string text_in(const char* path) {
  std::ifstream in(kRoot / path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// "checker seeds", and options if there are some, by mutant.
std::map<std::string, std::string> recorded_mutants() {
  std::map<std::string, std::string> out;
  std::istringstream text(text_in("tests/sim/mutants.txt"));
  for (std::string line; std::getline(text, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string mutant, seed, rest;
    words >> mutant >> seed;
    std::getline(words >> std::ws, rest);
    out[mutant] = rest;
  }
  return out;
}

}  // namespace

TEST_CASE("tree: the table of planted bugs says what the record and the list of them say") {
  const std::string text = text_in("docs/simulation.md");
  const std::string mark = "<!-- mutants -->", end = "<!-- /mutants -->";
  const auto first = text.find(mark), last = text.find(end);
  REQUIRE((first < last && last != std::string::npos));
  const std::regex row(R"re(\| `(\w+)` \| (.+) \| (\S+) \| (\d+)(, `(.+)`)? \|)re");
  std::map<std::string, std::string> rows, what;
  std::istringstream table(text.substr(first + mark.size(), last - first - mark.size()));
  for (std::string line; std::getline(table, line);) {
    if (!line.starts_with("| `")) continue;
    INFO(line);
    std::smatch found;
    REQUIRE(std::regex_match(line, found, row));
    const std::string options = found[6].matched ? " " + std::string(found[6]) : "";
    rows[found[1]] = std::string(found[3]) + " " + std::string(found[4]) + options;
    what[found[1]] = found[2];
  }
  const auto compare = [](const auto& table_says, const auto& others) {
    for (const auto& [name, said] : others) {
      INFO(name);
      CHECK((table_says.contains(name) ? table_says.at(name) : "not in the table") == said);
    }
    CHECK(table_says.size() == others.size());
  };
  compare(rows, recorded_mutants());
  const std::string list = text_in("tests/sim/mutant_switch.h");
  const std::regex planted(R"re(X\((\w+),[\s\\]*"([^"]+)"\))re");
  std::map<std::string, std::string> listed;
  for (std::sregex_iterator at(list.begin(), list.end(), planted); at != std::sregex_iterator();
       ++at) {
    listed[(*at)[1]] = (*at)[2];
  }
  compare(what, listed);
}
