// A demo runs in a child of this process, so that nothing of it is left however it ends: not a
// node, not a file. And one runs at a time, as two would take each other's processor: of those that
// share a lock file. That is $PARLEY_DEMO_LOCK, else parley-demo.lock in $XDG_RUNTIME_DIR, else
// parley-demo-UID.lock in the directory for temporary files; so of one user, not of the machine.
#pragma once

#include <functional>

namespace parley::demo {

// The exit code of `play`, or 130 when interrupted; 4 while another demo holds the lock, 2 if
// there can be no such file.
int run_supervised(const std::function<int()>& play);

}  // namespace parley::demo
