// The causal contexts that replies may carry. Pure.
#pragma once

#include "replication/version.h"

namespace parley::replication {

// Covers `seen` and the write's own dot, and with it retries of the same op. A counter says that
// all below it was seen; where that would cover a live sibling that the writer never saw, the dot
// is left out: the next write with this context then adds a sibling instead of destroying one.
// Where the last writer wins, the stamp is that of the write.
CausalContext context_after_write(const CausalContext& seen, const Dot& dot, const VersionSet& set);

// The context that a reader of `set` may carry away: all that was seen; where no token would have
// room for that and one more actor, what the set's siblings say by themselves. A part is as true
// as the whole: what it leaves out is gone from here, and goes elsewhere when this set gets there.
VersionVector context_of_read(const VersionSet& set);

}  // namespace parley::replication
