// The end of a run: nothing is broken any more, and after bounded time nothing differs.
#pragma once

#include <string>

#include "tests/sim/scene.h"

namespace parley::sim {

// Every key of the history equal on all its replicas, as the nodes themselves say, and no hint
// left. Fails as `converge`.
bool converge(Scene& scene);

// Every node takes every other one for alive, and knows of no more. Fails as `members`.
bool agree_on_members(Scene& scene);
// Every node serves, and all hold the same records, so that each knows that the others do. Fails as
// `members`.
bool agree_on_views(Scene& scene);
// Soon every node shows the same default levels, ones that may last. Fails as `defaults`.
bool agree_on_defaults(Scene& scene);

// A second round of anti-entropy over equal copies sends no key. Fails as `second-round`.
bool repair_is_quiet(Scene& scene);

// Nobody asks anything any more: no queue holds anything, no call is under way, no hint is left.
// Fails as `at-rest`.
void must_be_at_rest(Scene& scene);

// Every key can be read at `all`, and holds what it must.
void judge_values(Scene& scene);

}  // namespace parley::sim
