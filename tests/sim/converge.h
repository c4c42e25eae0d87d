// The end of a run: nothing is broken any more, and after bounded time nothing differs.
#pragma once

#include <string>

#include "tests/sim/scene.h"

namespace parley::sim {

// Every key of the history equal on all its replicas, as the nodes themselves say, and no hint
// left. Fails as `converge`.
bool converge(Scene& scene);

// Every key can be read at `all`, and holds what it must.
void judge_values(Scene& scene);

}  // namespace parley::sim
