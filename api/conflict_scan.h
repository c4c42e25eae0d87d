// Which keys have several live values: one node's part, from its own records, and the parts of all
// nodes as one page.
#pragma once

#include <functional>
#include <vector>

#include "api/client.h"
#include "api/peer_admin.h"
#include "base/lifetime.h"
#include "runtime/loop.h"
#include "storage/store.h"

namespace parley::api {

// Rows of a page: what a client asks for, within limits.
std::size_t conflict_rows_of(std::size_t limit);

// Looks at the records in slices, each a short turn, until the page is full, the time is over (one
// slice comes in any case) or there are no more. `done` comes once, in a later turn, unless `alive`
// dies first; it must die before the store. Errors: what the store says. Damaged records are passed
// over.
void scan_conflicts(storage::Store& store, runtime::Loop& loop, const Lifetime& alive,
                    storage::KeyspaceNumber keyspace, ConflictQuestion question,
                    std::function<void(Result<ConflictPart>)> done);

// Pure. What several parts say of a key is merged; what lies behind the place up to which all of
// them have looked waits for the next page. Without `no_answer`.
client::ConflictPage conflict_page(std::vector<ConflictPart> parts,
                                   const ConflictQuestion& question);

}  // namespace parley::api
