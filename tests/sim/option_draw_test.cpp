#include "tests/sim/option_draw.h"

#include <map>
#include <set>

#include "base/hash.h"
#include "tests/catch.h"

namespace parley::sim {
namespace {

constexpr std::uint64_t kSeeds = 200;

Draw draw_of(std::uint64_t seed) {
  return [seed](const std::string& concern) { return Random(hash64(concern, seed)); };
}

using Texts = std::map<std::string, std::string>;
Texts texts_of(const api::NodeConfig& config) {
  Texts out;
  for (const OptionGroup* group : config.groups()) {
    for (const OptionBase* option : group->options()) {
      out[group->name() + "." + option->name()] = option->text();
    }
  }
  return out;
}

Texts drawn(std::uint64_t seed, const std::string& address, Mode mode = Mode::Safety) {
  api::NodeConfig config;
  draw_options(config, address, mode, draw_of(seed));
  CHECK(config.check().ok());
  return texts_of(config);
}

}  // namespace

TEST_CASE("option draw: some seed turns each option, some turns it for one node alone",
          "[option_draw]") {
  const Texts usual = texts_of(api::NodeConfig{});
  std::set<std::string> turned, alone;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Texts one = drawn(seed, "127.0.0.1"), other = drawn(seed, "127.0.0.2");
    for (const auto& [name, text] : usual) {
      if (one.at(name) != text) turned.insert(name);
      if (one.at(name) != other.at(name)) alone.insert(name);
    }
  }
  for (const auto& [name, text] : usual) {
    INFO(name);
    CHECK(turned.contains(name));
    CHECK((alone.contains(name) || name == "replication.hint_age_most"));
  }
}

TEST_CASE("option draw: the same seed draws the same, another one others", "[option_draw]") {
  CHECK(drawn(7, "127.0.0.1") == drawn(7, "127.0.0.1"));
  CHECK(drawn(7, "127.0.0.1") != drawn(8, "127.0.0.1"));
}

TEST_CASE("option draw: only safety runs have queues that fill", "[option_draw]") {
  const std::string queue = "replication.in_flight_most";
  std::size_t tight = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    tight += drawn(seed, "127.0.0.1").at(queue) == "2" ? 1 : 0;
    CHECK(drawn(seed, "127.0.0.1", Mode::Liveness).at(queue) != "2");
  }
  CHECK(tight > 0);
}

}  // namespace parley::sim
