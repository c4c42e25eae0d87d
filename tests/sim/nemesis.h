// What goes wrong in one run: each seed turns on a random part of the faults and draws when they
// come. Everything that it breaks it can mend.
//
// Each strike has a number, and draws from its own source of chance: a run in which some of them do
// not happen is otherwise as like the whole as it can be.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/lifetime.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_process.h"
#include "tests/sim/told.h"

namespace parley::sim {

enum class Fault : std::uint8_t {
  Kill,
  PowerCut,
  Pause,
  Cut,          // all links of some nodes to the others
  OneWay,       // one direction between two nodes
  Flap,         // a link goes and comes
  Loss,         // datagrams lost, twice, late
  Corrupt,      // bits flip on the wire
  Slow,         // one link
  Skew,         // wall clocks jump
  DiskError,    // a write or an fsync fails
  DiskFull,     // for a while
  ReadError,    // a read fails
  Restarts,     // killed again and again as soon as it starts
  Drift,        // both clocks of a node run too fast, or too slowly
  SlowCpu,      // every turn of a node takes time
  Swizzle,      // the links of a node go one after another, and come back in another order
  Partial,      // two groups do not see each other, and the rest sees both
  ClientCut,    // clients and nodes do not see each other
  Damage,       // a record of one node's rots, again and again
  OldCopy,      // a node's disk is put back to an earlier day, of this life or of one before
  Wipe,         // a node's disk is emptied, once
  ClientKill,   // a client's process ends amid its calls, and another one begins
  ClientPause,  // and stops for a while
  Firewall,     // datagrams pass between two nodes and streams do not, or the reverse
  Founding,     // nodes and links fail while the cluster forms
  Stranger,     // another cluster knocks at this one's doors
  ClientLink,   // the links between clients and a node are slow, or lose packets
  Operator,     // what `parley fault` does to a node
  Stop,         // a node is told to stop, does so, and starts again
  CountOfFaults,
};
// What a run has or has not, beside its strikes.
inline constexpr Fault kOfTheWholeRun[] = {Fault::Founding, Fault::Stranger};
const char* to_text(Fault fault);
std::optional<Fault> fault_of(const std::string& text);

struct Strike {
  std::size_t number = 0;  // from 1 on; from kStirring on: of the strangers; from
                           // kFounding on: while the cluster formed;
                           // from kFrozen on: what stays when all else is frozen
  Fault fault{};
};

struct NemesisOptions {
  std::vector<Fault> on;                      // the faults of this run
  std::optional<std::set<std::size_t>> only;  // the numbers of the strikes that happen
  Duration mean_pause = 3s;
  std::uint64_t seed = 0;
  std::function<void()> new_client = [] {};
  std::function<std::string(Random&)> stir_strangers;  // of a run with Stranger
};

class Nemesis {
 public:
  static constexpr std::size_t kStirring = 10'001;
  static constexpr std::size_t kFounding = 20'001;
  static constexpr std::size_t kFrozen = 30'001;

  using Clients = std::vector<std::unique_ptr<SimClient>>;

  Nemesis(fake::World& world, std::vector<std::unique_ptr<SimProcess>>& nodes, Clients& clients,
          NemesisOptions options);

  // Which of the faults a seed has. Some are alone, because what is promised under them depends on
  // what else goes on.
  static std::vector<Fault> draw(Random random);

  // Of a run with Founding: starts the nodes, one now and one then, amid trouble; heal() ends it.
  void start_founding();
  void start();
  // What has ended by itself is started again. To be called now and then, from outside a callback.
  void supervise();
  // Everything works again: links, clocks, processes.
  void heal();
  // No further fault, and none goes away. The core is healed within itself and towards the clients;
  // to each of the others something more happens. From then on supervise() looks after the core.
  void freeze(const std::set<std::string>& core);

  // Nodes of which nobody can demand that they serve while others are away: a record that rotted
  // is mended, and a rebuild ends, only with the help of all owners.
  std::set<std::string> unfit() const;
  bool has(Fault fault) const;
  // Whose disk was emptied. It is another node now, and the cluster, which has data, takes none in.
  bool is_lost(const SimProcess& node) const { return &node == lost_; }
  // The disk that is put back is of a life before the last one, which others can know.
  bool old_copy_shows() const { return old_copy_shows_; }
  // The disk of this node has lost something.
  std::function<void(const std::string& address)> on_loss;
  // What was done.
  const std::vector<Told>& story() const { return story_; }
  const std::vector<Strike>& strikes() const { return strikes_; }

 private:
  // A strike under way: which, and what it draws from.
  struct Stroke {
    Strike strike;
    Random random;
    bool lasting = false;  // never undone
    Duration up_to(Duration most) {
      return Duration(
          static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most.count()) + 1)));
    }
  };

  // One strike after the other. Those of the whole run have plans of their own, so that the others
  // stay as they are without them.
  struct Plan {
    Random random;
    std::vector<Fault> faults;
    Duration mean_pause;
    std::size_t number;  // of the next strike
  };
  void follow(std::shared_ptr<Plan> plan);
  std::optional<Stroke> begin(std::size_t number, Fault fault);
  void strike(Stroke stroke);
  // One node; false: this fault is about links.
  bool strike_at(Stroke& stroke, SimProcess& victim);
  void strike_lives(Stroke& stroke, SimProcess& victim);
  void stop(Stroke& stroke, SimProcess& victim);
  void cut_at_work(Stroke& stroke, SimProcess& victim);
  void strike_time(Stroke& stroke, SimProcess& victim);
  void strike_disk(Stroke& stroke, SimProcess& victim);
  void wipe(Stroke& stroke, SimProcess& victim);
  void put_old_copy_back(Stroke& stroke, SimProcess& victim);
  void strike_link(Stroke& stroke, SimProcess& one, SimProcess& other);
  void cut(Stroke& stroke, SimProcess& one, SimProcess& other);
  void filter(Stroke& stroke, const std::string& a, const std::string& b);
  void filter_all(Stroke& stroke, SimProcess& one);
  void swizzle(Stroke& stroke, SimProcess& victim);
  void part(Stroke& stroke);
  bool strike_clients(Stroke& stroke, SimProcess& node);
  void order(Stroke& stroke, SimProcess& node);
  SimClient* living_client(Stroke& stroke);
  void kill_client(Stroke& stroke);
  void pause_client(Stroke& stroke);
  void cut_clients(Stroke& stroke, SimProcess& node);
  void slow_clients(Stroke& stroke, SimProcess& node);
  void strike_outside(const std::set<std::string>& core);
  void heal_inside(const std::set<std::string>& core);
  void heal_node(SimProcess& node);
  void after(Duration pause, std::function<void()> task);
  void undo_later(Stroke& stroke, Duration most, std::function<void()> task);
  void undo_perhaps(Stroke& stroke, std::function<void()> task);
  void start_again(SimProcess& victim);
  void tell(const Stroke& stroke, const std::string& what);
  void tell(const std::string& line);
  SimProcess& node_for(std::uint64_t draw) { return *nodes_[draw % nodes_.size()]; }

  fake::World& world_;
  std::vector<std::unique_ptr<SimProcess>>& nodes_;
  Clients& clients_;
  const NemesisOptions options_;
  fake::Node& host_;
  std::optional<std::set<std::string>> core_;
  std::uint64_t bad_disk_;  // the one whose records rot
  std::uint64_t old_copy_;  // whose disk is put back, once
  bool old_copy_shows_;
  std::optional<DiskImage> backup_;
  bool put_back_ = false;
  const SimProcess* lost_ = nullptr;
  std::vector<Strike> strikes_;
  std::vector<Told> story_;
  Lifetime alive_;
};

}  // namespace parley::sim
