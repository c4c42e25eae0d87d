// Planted bugs. `parley-sim-mutants` compiles the files that hold some once more, with a switch in
// place of this `false`, and plants one at a time: a simulator that finds none of them would prove
// nothing. What is built as Parley has no mutant: nothing but this header defines the word there.
#pragma once

#ifndef PARLEY_MUTANT
#define PARLEY_MUTANT(name) false
#endif
