// What the loop asks of the writer, and what the writer tells the loop. Plain data.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "runtime/loop.h"
#include "storage/hint_ledger.h"
#include "storage/store.h"

namespace parley::storage {

struct UpdateRecord {
  RecordKey key;
  Decide decide;
  Durability durability = Durability::Fsync;
  Completion<Updated> done;
};
struct UpdateHint {
  HintKey key;
  bool sole = false;
  WallTime now;
  Decide decide;
  Completion<Updated> done;
};
struct EraseHint {
  HintKey key;
  std::uint64_t digest = 0;
  Completion<bool> done;
};
struct DropHints {
  std::optional<NodeId> target;
  std::optional<HintKey> after;  // where the next slice begins
  std::uint64_t dropped = 0;     // by the slices before
  Completion<std::uint64_t> done;
};
struct PutNamed {
  Bytes name, value;
  Completion<Done> done;
};
// A reader met a row that fails its checksum: look again and mark it (digest 0).
struct MarkRecord {
  RecordKey key;
};
struct MarkHint {
  HintKey key;
};
using WriteRequest =
    std::variant<UpdateRecord, UpdateHint, EraseHint, DropHints, PutNamed, MarkRecord, MarkHint>;

struct RecordChange {
  RecordKey key;
  std::uint64_t before = 0, after = 0;
};
struct HintChange {
  NodeId target;
  std::optional<HintShare> before, after;
};
struct NamedChange {
  Bytes name;
  std::optional<Bytes> before, after;
};
using Change = std::variant<RecordChange, HintChange, NamedChange>;

// What one group did, in commit order: the loop applies and tells all changes, then runs the
// completions.
struct Delivery {
  std::vector<Change> changes;
  std::vector<runtime::Task> completions;
};

}  // namespace parley::storage
