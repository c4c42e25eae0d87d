// The one byte form of the records that all nodes must know. Digests are made over it, it travels
// inside messages, and membership's state on disk is made of it.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "membership/held_keyspace.h"
#include "membership/view.h"

namespace parley::membership {

Bytes encode_record(const NodeRecord& record);
// nullopt for what no encode_record wrote: every length, order and enum is checked.
std::optional<NodeRecord> decode_record(ByteView bytes);

// Of form 1 while both levels have one version: this is what earlier versions of Parley wrote.
Bytes encode_keyspace(const HeldKeyspace& keyspace);
std::optional<HeldKeyspace> decode_keyspace(ByteView bytes);

// What membership keeps over a restart.
struct SavedState {
  ClusterId cluster;
  std::string cluster_name;
  Bytes cluster_key;
  bool joined = false;            // some other member has our record (or we founded)
  std::vector<NodeRecord> nodes;  // ours is one of them
  std::vector<HeldKeyspace> keyspaces;
  // Of the lives that `nodes` name, where known: another life of the same generation is then told
  // from them by members that were restarted in between.
  std::map<NodeId, std::uint64_t> nonces;
  bool operator==(const SavedState&) const = default;
};
Bytes encode_state(const SavedState& state);
// InvalidArgument for a damaged, foreign or newer form.
Result<SavedState> decode_state(ByteView bytes);

}  // namespace parley::membership
