// Some nodes with a Repair each, on virtual time and in memory.
#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "repair/repair.h"
#include "tests/unit/repair/memory_floor.h"

namespace parley::repair::test {

inline std::string key_name(std::uint64_t i) { return "key-" + std::to_string(i); }

class Cluster {
 public:
  struct Member {
    NodeId id;
    Endpoint at;
    std::unique_ptr<MemoryStore> store;
    std::unique_ptr<MemoryReplica> replica;
    std::unique_ptr<MemoryHints> hints;
    std::unique_ptr<MemoryRpc> rpc;
    std::unique_ptr<MetricRegistry> metrics;
    std::unique_ptr<Repair> repair;
    membership::ViewPtr view;
    std::uint64_t ring_salt = 0;  // another ring than the others'
  };

  explicit Cluster(std::size_t size) {
    keyspace_.id.octets.fill(9);
    keyspace_.name = "default";
    Random random(7);
    for (std::size_t i = 0; i < size; ++i) {
      membership::Member member;
      member.record.node.octets[0] = static_cast<std::uint8_t>(i + 1);
      member.record.address = "127.0.0." + std::to_string(i + 1);
      member.record.peer_port = 7401;
      member.record.ring.node = member.record.node;
      member.record.ring.version = 1;
      member.record.ring.status = ring::RingStatus::Normal;
      std::set<Slot> slots;
      while (slots.size() < 32) slots.insert(static_cast<Slot>(random.below(kSlotCount)));
      member.record.ring.slots.assign(slots.begin(), slots.end());
      members_.push_back(member);
    }
    nodes.resize(size);
    for (std::size_t i = 0; i < size; ++i) make(i);
  }
  ~Cluster() {
    for (auto& node : nodes) node.repair.reset();
  }

  void start(std::size_t i) {
    Member& node = nodes[i];
    RepairWorld world_of{options,
                         loop(i),
                         *node.rpc,
                         *node.store,
                         *node.replica,
                         *node.hints,
                         [&node] { return node.view; },
                         Logger{},
                         *node.metrics};
    node.repair = make_repair(std::move(world_of), Random(i + 100));
    node.store->observe(node.repair.get());
    node.repair->start();
  }
  void start() {
    for (std::size_t i = 0; i < nodes.size(); ++i) start(i);
  }
  void stop(std::size_t i) {
    nodes[i].store->observe(nullptr);
    nodes[i].repair.reset();
  }
  runtime::Loop& loop(std::size_t i) { return world.node(nodes[i].at.address).loop(); }

  // As all the others see it; it answers nothing while down.
  void set_up(std::size_t i, bool up) {
    const bool returned = up && !members_[i].is_up();
    members_[i].liveness = up ? membership::Liveness::Alive : membership::Liveness::Dead;
    if (up) {
      board.down.erase(nodes[i].at);
    } else {
      board.down.insert(nodes[i].at);
    }
    publish();
    for (std::size_t j = 0; j < nodes.size(); ++j) {
      if (!nodes[j].repair) continue;
      nodes[j].repair->view_changed(nodes[j].view);
      if (returned && j != i) nodes[j].repair->member_returned(nodes[i].id);
    }
  }
  void publish() {
    for (auto& node : nodes) node.view = view_for(node);
  }
  // Takes a node off the ring in the eyes of every node.
  void take_off_ring(std::size_t i) {
    members_[i].record.ring.status = ring::RingStatus::Left;
    ++members_[i].record.ring.version;
    publish();
    for (auto& node : nodes) {
      if (node.repair) node.repair->view_changed(node.view);
    }
  }

  std::vector<std::size_t> owners_of(const Bytes& key) const {
    std::vector<std::size_t> out;
    for (const NodeId& id :
         nodes.back().view->ring->preference_list(slot_of(ring::token_of(key)), 3)) {
      out.push_back(static_cast<std::size_t>(id.octets[0] - 1));
    }
    return out;
  }
  // From now on a damaged record that is met gets, soon, the letters of all other owners: as
  // DamageMender does it, which has tests of its own (version sets are no letters).
  void mend_when_met() {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      nodes[i].replica->met_damage = [this, i](const Bytes& key) {
        loop(i).post([this, i, key] {
          Bytes all;
          for (const std::size_t owner : owners_of(key)) {
            if (owner != i) all = letters_union(all, nodes[owner].store->value(key).value_or(""));
          }
          nodes[i].store->put(key, all);
        });
      };
    }
  }
  // True when every key has the letters of all its owners' copies together, on all of them.
  bool all_equal(const std::map<Bytes, Bytes>& expected) const {
    for (const auto& [key, letters] : expected) {
      for (const std::size_t i : owners_of(key)) {
        if (nodes[i].store->value(key) != letters) return false;
      }
    }
    return true;
  }
  // Looks every 20 virtual milliseconds: after every event would be slow.
  bool soon(const std::function<bool()>& done, Duration limit) {
    for (const Instant end = world.now() + limit; world.now() < end && !done();) {
      world.run_for(20ms);
    }
    return done();
  }
  // One whole comparison with every co-owner, begun by each node; the keys that travelled.
  std::uint64_t round() {
    std::uint64_t keys = 0;
    std::size_t ended = 0;
    for (auto& node : nodes) {
      node.repair->run_round(20s, [&](Result<std::uint64_t> moved) {
        PARLEY_CHECK(moved.ok());
        keys += *moved;
        ++ended;
      });
    }
    PARLEY_CHECK(world.run_until([&] { return ended == nodes.size(); }, 30s));
    return keys;
  }

  fake::World world;
  RepairOptions options;
  Switchboard board;
  std::vector<Member> nodes;

 private:
  void make(std::size_t i) {
    Member& node = nodes[i];
    node.id = members_[i].record.node;
    node.at = members_[i].record.peer();
    node.store = std::make_unique<MemoryStore>(loop(i));
    node.replica = std::make_unique<MemoryReplica>(*node.store);
    node.hints = std::make_unique<MemoryHints>(loop(i));
    node.rpc = std::make_unique<MemoryRpc>(board, loop(i), node.id, node.at);
    node.metrics = std::make_unique<MetricRegistry>();
    node.view = view_for(node);
  }
  membership::ViewPtr view_for(const Member& node) const {
    auto view = std::make_shared<membership::View>();
    view->self = node.id;
    view->members = members_;
    view->keyspaces = {keyspace_};
    std::vector<ring::RingRecord> records;
    for (const auto& member : members_) records.push_back(member.record.ring);
    if (node.ring_salt != 0) records[0].rack = std::to_string(node.ring_salt);
    view->ring = ring::Ring::build(records);
    return view;
  }

  membership::KeyspaceRecord keyspace_;
  std::vector<membership::Member> members_;
};

}  // namespace parley::repair::test
