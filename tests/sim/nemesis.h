// What goes wrong in one run: each seed turns on a random part of the faults and draws when they
// come. Everything that it breaks it can mend.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/lifetime.h"
#include "tests/sim/sim_process.h"

namespace parley::sim {

enum class Fault : std::uint8_t {
  Kill,
  PowerCut,
  Pause,
  Cut,        // all links of some nodes to the others
  OneWay,     // one direction between two nodes
  Flap,       // a link goes and comes
  Loss,       // datagrams lost, twice, late
  Corrupt,    // bits flip on the wire
  Slow,       // one link, or one disk
  Skew,       // wall clocks jump
  DiskError,  // a write or an fsync fails
  DiskFull,   // for a while
  Damage,     // a record of one node's rots, again and again
  OldCopy,    // a node's disk is put back to an earlier day
  CountOfFaults,
};
const char* to_text(Fault fault);

class Nemesis {
 public:
  // `on`: the faults of this seed.
  Nemesis(fake::World& world, std::vector<std::unique_ptr<SimProcess>>& nodes,
          std::vector<Fault> on, Duration mean_pause, Random random);

  // Which of the faults a seed has. Some are alone, because what is promised under them depends on
  // what else goes on.
  static std::vector<Fault> draw(Random& random);

  void start();
  // What has ended by itself is started again. To be called now and then, from outside a callback.
  void supervise();
  // No further fault; those that are stay.
  void stop();
  // Everything works again: links, clocks, processes.
  void heal();
  // What was done, one line each.
  const std::vector<std::string>& story() const { return story_; }

 private:
  void strike();
  void strike_process(Fault fault, SimProcess& victim);
  void strike_disk(Fault fault, SimProcess& victim);
  void put_old_copy_back();
  void strike_link(Fault fault);
  void later(Duration most, std::function<void()> task);
  void start_again(SimProcess& victim);
  void tell(const std::string& line);
  SimProcess& any_node() { return *nodes_[random_.below(nodes_.size())]; }
  Duration up_to(Duration most) {
    return Duration(
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most.count()) + 1)));
  }

  fake::World& world_;
  std::vector<std::unique_ptr<SimProcess>>& nodes_;
  const std::vector<Fault> on_;
  const Duration mean_pause_;
  Random random_;
  fake::Node& host_;
  bool stopped_ = false;
  std::size_t bad_disk_;  // the one whose records rot
  std::size_t old_copy_;  // whose disk is put back, once
  std::optional<DiskImage> backup_;
  bool put_back_ = false;
  std::vector<std::string> story_;
  Lifetime alive_;
};

}  // namespace parley::sim
