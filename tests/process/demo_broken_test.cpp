// A demo whose property is broken fails, and says which claim did not hold. What is broken is the
// store: parleyd-mutants, with one of the planted bugs of tests/sim/mutant_switch.h.
#include "tests/process/demo_stage.h"

using namespace parley;
using namespace parley::process_test;

namespace {

// A folder where parley and parley-demo are as they were built, and parleyd is the mutant.
std::string programs_with_mutants(const DemoStage& stage) {
  const std::string built = local::program_folder(), folder = stage.file("bin");
  std::filesystem::create_directory(folder);
  for (const std::string name : {"/parley", "/parley-demo"}) {
    std::filesystem::copy_file(built + name, folder + name);
  }
  std::filesystem::create_symlink(built + "/parleyd-mutants", folder + "/parleyd");
  return folder;
}

}  // namespace

TEST_CASE("demo: fails when what it shows is broken, and names the claim", "[demo_broken]") {
  struct Broken {
    std::string demo, mutant, claim;
  };
  const std::vector<Broken> kBroken = {
      {"hints", "hints_never_delivered", "all hints are handed over and erased"},
      {"lost-hints", "different_roots_taken_for_equal", "all 200 keys are equal"},
      {"shopping-cart", "merge_drops_sibling", "siblings: all five items"},
      {"levels", "quorum_off_by_one", "put -c quorum"},
      {"partition", "merge_drops_sibling", "n1 at all: "},
      {"oneway", "ack_counted_when_sent", "put at all: unknown"},
      {"any", "any_keeps_nothing", "two nodes keep a hint for each of the three"},
      {"clock-skew", "last_write_wins", "get at all: "},
      {"power-cut", "membership_not_saved", "started again"},
  };
  const DemoStage stage;
  const std::string programs = programs_with_mutants(stage);
  for (const Broken& broken : kBroken) {
    const auto result = stage.run({broken.demo}, {"PARLEY_MUTANT=" + broken.mutant}, programs);
    INFO(broken.demo << " " << broken.mutant << "\n" << result.out << result.err);
    CHECK(result.exit_code == 1);
    const auto verdict = result.out.find("\nIt does not hold: ");
    REQUIRE(verdict != std::string::npos);
    const auto named = result.out.find("NO ", verdict);
    REQUIRE(named != std::string::npos);
    CHECK(result.out.find(broken.claim, named) != std::string::npos);
  }
  // It is the planted bug that does it, and not the program.
  const auto sound = stage.run({"any"}, {"PARLEY_MUTANT=none"}, programs);
  INFO(sound.out << sound.err);
  CHECK(sound.exit_code == 0);
}
