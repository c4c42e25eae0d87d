// What KJ objects of this folder share with the KjPort of their thread.
#pragma once

#include "runtime/loop.h"

namespace parley::runtime {

// The Loop of the KjPort that lives on this thread (KJ promises find their event loop the same
// way). A bug when there is none.
Loop& loop_of_kj_port();

}  // namespace parley::runtime
