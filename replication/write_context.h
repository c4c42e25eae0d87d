// The causal context that a write's reply may carry. Pure.
#pragma once

#include "replication/version.h"

namespace parley::replication {

// Covers `seen` and the write's own dot, and with it retries of the same op. A counter says that
// all below it was seen; where that would cover a live sibling that the writer never saw, the dot
// is left out: the next write with this context then adds a sibling instead of destroying one.
VersionVector context_after_write(const VersionVector& seen, const Dot& dot, const VersionSet& set);

}  // namespace parley::replication
