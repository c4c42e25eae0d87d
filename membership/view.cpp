#include "membership/view.h"

#include <algorithm>

namespace parley::membership {

const char* to_text(Liveness liveness) {
  switch (liveness) {
    case Liveness::Alive: return "alive";
    case Liveness::Suspect: return "suspect";
    case Liveness::Dead: return "dead";
    case Liveness::Left: return "left";
  }
  return "unknown";
}

const char* to_text(ConflictRule rule) {
  return rule == ConflictRule::LastWriterWins ? "lww" : "siblings";
}

std::optional<ConflictRule> parse_conflict_rule(std::string_view text) {
  for (const ConflictRule rule : {ConflictRule::Siblings, ConflictRule::LastWriterWins}) {
    if (text == to_text(rule)) return rule;
  }
  return std::nullopt;
}

const Member* View::find(const NodeId& node) const {
  const auto at =
      std::lower_bound(members.begin(), members.end(), node,
                       [](const Member& m, const NodeId& id) { return m.record.node < id; });
  return at == members.end() || at->record.node != node ? nullptr : &*at;
}

const Member* View::find_peer(const Endpoint& peer) const {
  const Member* found = nullptr;
  for (const Member& member : members) {
    if (member.record.peer() != peer) continue;
    // An address that was taken over belongs to whoever is up there.
    if (found == nullptr || (!found->is_up() && member.is_up())) found = &member;
  }
  return found;
}

const KeyspaceRecord* View::keyspace(std::string_view name) const {
  for (const KeyspaceRecord& record : keyspaces) {
    if (record.name == name) return &record;
  }
  return nullptr;
}

const KeyspaceRecord* View::keyspace(const KeyspaceId& id) const {
  for (const KeyspaceRecord& record : keyspaces) {
    if (record.id == id) return &record;
  }
  return nullptr;
}

bool View::is_up(const NodeId& node) const {
  if (node == self) return true;
  const Member* member = find(node);
  return member != nullptr && member->is_up();
}

}  // namespace parley::membership
