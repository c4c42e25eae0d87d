// What each level does when five nodes fall apart in every possible way, and when any one direction
// of any one link is lost: measured on whole nodes in virtual time, with the faults of
// `parley fault`, and compared cell by cell with docs/consistency.md.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "api/fault_desk.h"
#include "runtime/kj_port.h"
#include "tests/catch.h"
#include "tests/sim/door.h"
#include "tests/sim/sim_process.h"

namespace parley::sim {
namespace {

constexpr std::size_t kNodes = 5;
constexpr std::size_t kOwners = 3;  // the first three
constexpr const char* kBegin = "<!-- levels -->\n";
constexpr const char* kEnd = "<!-- /levels -->\n";
// In the order of the table's columns; a number is the level that needs as many of three.
const std::vector<std::vector<std::string>> kLevels = {
    {"all", "3"}, {"quorum", "2"}, {"one", "1"}, {"any"}};

// Groups of nodes that see each other; each way to part five nodes once.
std::vector<std::vector<std::size_t>> all_partitions() {
  std::vector<std::vector<std::size_t>> out;  // the group of each node
  const std::function<void(std::vector<std::size_t>, std::size_t)> grow =
      [&](std::vector<std::size_t> group, std::size_t groups) {
        if (group.size() == kNodes) return out.push_back(group);
        for (std::size_t next = 0; next <= groups; ++next) {
          auto longer = group;
          longer.push_back(next);
          grow(longer, std::max(groups, next + 1));
        }
      };
  grow({}, 0);
  return out;
}

std::string text_of(const std::vector<std::size_t>& group) {
  std::string text;
  for (std::size_t g = 0; g <= *std::max_element(group.begin(), group.end()); ++g) {
    text += g == 0 ? "" : " /";
    for (std::size_t i = 0; i < kNodes; ++i) {
      if (group[i] == g) text += (text.empty() ? "" : " ") + std::to_string(i + 1);
    }
  }
  return text;
}

class Five {
 public:
  Five()
      : world_(1),
        kj_(world_.node("kj").loop()),
        vfs_(2, [this] { return world_.node("kj").loop().wall(); }) {
    std::vector<Endpoint> seeds;
    for (std::size_t i = 0; i < kNodes; ++i) seeds.push_back({address(i), 7401});
    for (std::size_t i = 0; i < kNodes; ++i) {
      nodes_.push_back(
          std::make_unique<SimProcess>(world_, kj_, vfs_, address(i), seeds, Random(i), nullptr));
      nodes_.back()->config().allow_faults = true;
      nodes_.back()->start();
    }
    for (std::size_t i = 0; i < kNodes; ++i) {
      doors_.push_back(std::make_unique<Door>(world_, nodes_[i]->client_endpoint(), Random(i)));
    }
    REQUIRE(world_.run_until(
        [this] {
          return std::all_of(nodes_.begin(), nodes_.end(), [](auto& one) { return one->ready(); });
        },
        60s));
    all_see(std::vector<std::size_t>(kNodes, 0));
  }

  // The next key whose owners are nodes 1, 2 and 3, in this order.
  std::string next_key() {
    for (;;) {
      const std::string key = "key" + std::to_string(keys_++);
      const auto held = doors_[0]->inspect(key);
      REQUIRE(held.ok());
      bool right = held->replicas.size() == 3;
      for (std::size_t i = 0; right && i < 3; ++i) right = held->replicas[i].address == address(i);
      if (right) return key;
    }
  }
  void cut(std::size_t a, std::size_t b, const std::string& direction) {
    client::FaultSpec spec;
    spec.peer = address(b);
    spec.direction = direction;
    spec.cut = true;
    REQUIRE(nodes_[a]->fault_desk()->inject(spec).ok());
  }
  void heal() {
    for (auto& node : nodes_) REQUIRE(node->fault_desk()->heal(0, "").ok());
    all_see(std::vector<std::size_t>(kNodes, 0));
  }
  // Until each node takes those of its group for alive and all others for dead.
  void all_see(const std::vector<std::size_t>& group) {
    for (int i = 0; i < 600; ++i) {
      bool agree = true;
      for (std::size_t a = 0; agree && a < kNodes; ++a) agree = sees(a, group);
      if (agree) return;
      world_.run_for(100ms);
    }
    FAIL("the members of " + text_of(group) + " do not agree");
  }
  void pass(Duration span) { world_.run_for(span); }
  Door& door(std::size_t i) { return *doors_[i]; }

 private:
  static std::string address(std::size_t i) { return "127.0.0." + std::to_string(i + 1); }

  bool sees(std::size_t a, const std::vector<std::size_t>& group) {
    const auto rows = doors_[a]->gossip();
    REQUIRE(rows.ok());
    for (const auto& row : *rows) {
      for (std::size_t b = 0; b < kNodes; ++b) {
        if (b == a || row.address != address(b)) continue;
        if (row.liveness != (group[a] == group[b] ? "alive" : "dead")) return false;
      }
    }
    return true;
  }

  fake::World world_;
  runtime::KjPort kj_;
  SimVfs vfs_;
  std::vector<std::unique_ptr<SimProcess>> nodes_;
  std::vector<std::unique_ptr<Door>> doors_;
  std::size_t keys_ = 0;
};

// Which nodes answered ok, for each column; a level by name and by number must do the same.
struct Row {
  std::string name;
  std::vector<std::string> writes, reads;
};

std::string cell(const std::vector<std::size_t>& nodes) {
  std::string text;
  for (const std::size_t node : nodes) {
    text += (text.empty() ? "" : " ") + std::to_string(node + 1);
  }
  return text.empty() ? "-" : text;
}

// `refusal`: how a write ends that is not ok. `by_chance`: a link between two owners is lost one
// way, so a write at `all` of who is no owner depends on which owner takes it.
Row measure(Five& five, std::string name, client::Outcome refusal, bool by_chance = false) {
  Row row{std::move(name), {}, {}};
  const std::string key = five.next_key();
  // `any` last among the writes: the reads then find a hint where there is no owner.
  for (const auto& levels : kLevels) {
    std::vector<std::vector<std::size_t>> ok(levels.size());
    for (std::size_t l = 0; l < levels.size(); ++l) {
      for (std::size_t node = 0; node < kNodes; ++node) {
        Door& door = five.door(node);
        const auto put = door.write({key, "value", std::nullopt}, levels[l], door.mint_op());
        INFO(row.name << ": put at " << levels[l] << " by node " << node + 1);
        if (put.outcome == client::Outcome::Ok) {
          ok[l].push_back(node);
        } else {
          CHECK(put.outcome == refusal);
        }
      }
    }
    const bool open = by_chance && levels.front() == "all";
    for (auto& one : ok) {
      if (open) std::erase_if(one, [](std::size_t node) { return node >= kOwners; });
      CHECK(one == ok.front());
    }
    row.writes.push_back(cell(ok.front()) + (open ? " (4 5)" : ""));
  }
  for (const auto& levels : kLevels) {
    std::vector<std::vector<std::size_t>> ok(levels.size());
    for (std::size_t l = 0; l < levels.size(); ++l) {
      for (std::size_t node = 0; node < kNodes; ++node) {
        const auto get = five.door(node).read(key, levels[l]);
        INFO(row.name << ": get at " << levels[l] << " by node " << node + 1);
        if (get.outcome != client::Outcome::Ok) continue;
        ok[l].push_back(node);
        // What is read is there; what `any` finds with no owner at hand is marked.
        CHECK(get.found);
        CHECK((levels[l] == "any" || !get.from_hint));
      }
    }
    for (const auto& one : ok) CHECK(one == ok.front());
    row.reads.push_back(cell(ok.front()));
  }
  return row;
}

std::string text_of(const std::vector<Row>& rows) {
  std::string text =
      "| links | put `all`, `3` | put `quorum`, `2` | put `one`, `1` | put `any` "
      "| get `all`, `3` | get `quorum`, `2` | get `one`, `1` | get `any` |\n"
      "|---|---|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    text += "| " + row.name;
    for (const auto& cells : {row.writes, row.reads}) {
      for (const std::string& one : cells) text += " | " + one;
    }
    text += " |\n";
  }
  return text;
}

std::string table_of_docs() {
  std::ifstream file(std::string(PARLEY_SOURCE_DIR) + "/docs/consistency.md");
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  const auto begin = text.find(kBegin);
  const auto end = text.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos) return "";
  return text.substr(begin + std::strlen(kBegin), end - begin - std::strlen(kBegin));
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

}  // namespace

TEST_CASE("levels table: every partition of five nodes and every one-way cut do as documented",
          "[levels_table]") {
  Five five;
  std::vector<Row> rows;
  const auto partitions = all_partitions();
  REQUIRE(partitions.size() == 52);
  for (const auto& group : partitions) {
    for (std::size_t a = 0; a < kNodes; ++a) {
      for (std::size_t b = 0; b < kNodes; ++b) {
        if (group[a] != group[b]) five.cut(a, b, "both");
      }
    }
    five.all_see(group);
    rows.push_back(measure(five, text_of(group), client::Outcome::NotWritten));
    five.heal();
  }
  for (std::size_t a = 0; a < kNodes; ++a) {
    for (std::size_t b = 0; b < kNodes; ++b) {
      if (a == b) continue;
      five.cut(a, b, "out");
      five.cut(b, a, "in");
      five.pass(5s);  // connections end; the members still see each other, through third ones
      rows.push_back(measure(five, fmt::format("{} > {} lost", a + 1, b + 1),
                             client::Outcome::Unknown, a < kOwners && b < kOwners));
      five.heal();
    }
  }
  const std::string measured = text_of(rows);
  // To put into the page when a promise changes.
  if (measured != table_of_docs()) std::ofstream("levels-table.md") << measured;
  const auto seen = lines_of(measured), promised = lines_of(table_of_docs());
  CHECK(seen.size() == promised.size());
  for (std::size_t i = 0; i < std::min(seen.size(), promised.size()); ++i) {
    CHECK(seen[i] == promised[i]);
  }
}

}  // namespace parley::sim
