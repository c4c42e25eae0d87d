// Which bug is planted in parleyd-mutants: the environment's PARLEY_MUTANT says it.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/sim/mutant_switch.h"

namespace parley::sim {
namespace {

Mutant named_in_environment() {
  const char* variable = std::getenv("PARLEY_MUTANT");
  const std::string wanted = variable != nullptr ? variable : "none";
#define PARLEY_MUTANT_NAMED(name, what) \
  if (wanted == #name) return Mutant::name;
  PARLEY_MUTANTS(PARLEY_MUTANT_NAMED)
#undef PARLEY_MUTANT_NAMED
  if (wanted == "none") return Mutant::none;
  std::fprintf(stderr, "there is no mutant %s\n", wanted.c_str());
  std::abort();
}

}  // namespace

Mutant planted = named_in_environment();

}  // namespace parley::sim
