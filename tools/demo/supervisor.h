// A demo runs in a child of this process, so that nothing of it is left however it ends: not a
// node, not a file. And one runs at a time, as two would take each other's processor.
#pragma once

#include <functional>

namespace parley::demo {

// The exit code of `play`, or 130 when interrupted; 2 while another demo runs on this machine.
int run_supervised(const std::function<int()>& play);

}  // namespace parley::demo
