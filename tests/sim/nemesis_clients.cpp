// What happens to clients and on their way to the nodes. A client is a process like any other.
#include "tests/sim/nemesis.h"

namespace parley::sim {
namespace {

constexpr Duration kClientCutMost = 15s;
constexpr Duration kClientPausedMost = 8s;
constexpr Duration kRebornMost = 2s;
constexpr Duration kSlowMost = 200ms;
// The kernel sends a lost packet again after 200 ms or more, and what follows waits for it.
constexpr Duration kResendMost = 400ms;

}  // namespace

bool Nemesis::strike_clients(Stroke& stroke, SimProcess& node) {
  switch (stroke.strike.fault) {
    case Fault::ClientCut: cut_clients(stroke, node); return true;
    case Fault::ClientKill: kill_client(stroke); return true;
    case Fault::ClientPause: pause_client(stroke); return true;
    case Fault::ClientLink: slow_clients(stroke, node); return true;
    default: return false;
  }
}

// Null: none is left, or it stands still.
SimClient* Nemesis::living_client(Stroke& stroke) {
  std::vector<SimClient*> living;
  for (const auto& client : clients_) {
    if (!client->dead()) living.push_back(client.get());
  }
  if (living.empty()) return nullptr;
  SimClient* const one = living[stroke.random.below(living.size())];
  return one->host().paused() ? nullptr : one;
}

// Whoever comes in its place has another name and knows nothing of what it did.
void Nemesis::kill_client(Stroke& stroke) {
  SimClient* const client = living_client(stroke);
  if (client == nullptr) return;
  const bool machine = stroke.random.below(2) == 0;
  tell(stroke, client->address() + (machine ? " with its machine" : ""));
  client->die(machine);
  undo_later(stroke, kRebornMost, [this] {
    options_.new_client();
    tell("client " + clients_.back()->address());
  });
}

void Nemesis::pause_client(Stroke& stroke) {
  SimClient* const client = living_client(stroke);
  if (client == nullptr) return;
  tell(stroke, client->address());
  client->host().pause();
  undo_later(stroke, kClientPausedMost, [client] { client->host().resume(); });
}

void Nemesis::cut_clients(Stroke& stroke, SimProcess& node) {
  tell(stroke, node.address());
  for (const auto& client : clients_) {
    const auto way = stroke.random.below(4);
    if (way == 0) continue;
    const std::string a = way == 1 ? client->address() : node.address();
    const std::string b = way == 1 ? node.address() : client->address();
    if (way == 3) {
      world_.cut(a, b);
      undo_later(stroke, kClientCutMost, [this, a, b] { world_.mend(a, b); });
    } else {
      world_.cut_one_way(a, b);
      undo_later(stroke, kClientCutMost, [this, a, b] { world_.mend_one_way(a, b); });
    }
  }
}

// Slow links, or such as lose packets, which on a stream is the same but for a wide spread. No
// flipped bits: clients speak Cap'n Proto over TCP, and what its checksum lets pass (as does a
// machine between that computes it anew) nothing above can tell from what was sent. Nodes have
// checksums of their own, for what they keep is for good.
void Nemesis::slow_clients(Stroke& stroke, SimProcess& node) {
  tell(stroke, node.address());
  for (const auto& client : clients_) {
    const auto way = stroke.random.below(4);
    const bool lossy = stroke.random.below(2) == 0;
    const Duration least = stroke.up_to(kSlowMost);
    const Duration spread = stroke.up_to(kSlowMost);
    if (way == 0) continue;
    const auto apply = [&](const std::string& from, const std::string& to) {
      fake::LinkRules& link = world_.rules(from, to);
      if (!lossy) link.latency_least = least;
      link.latency_most = lossy ? kResendMost : least + spread;
    };
    const std::string a = client->address(), b = node.address();
    if (way != 1) apply(a, b);
    if (way != 2) apply(b, a);
    undo_perhaps(stroke, [this, a, b] {
      world_.forget_own_rules(a, b);
      world_.forget_own_rules(b, a);
    });
  }
}

}  // namespace parley::sim
