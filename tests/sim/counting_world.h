// Counts what a node asks of the interfaces that the simulator replaces: calls of Loop, Network,
// Connection, DatagramSocket and Store, and the callbacks that come back through them.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "runtime/loop.h"
#include "runtime/network.h"
#include "storage/store.h"

namespace parley::sim {

struct Calls {
  std::uint64_t interface = 0;  // virtual calls
  std::uint64_t callbacks = 0;  // std::function made, carried and called
  std::uint64_t clock = 0;      // of the virtual calls: now() and wall()
};

class CountingLoop final : public runtime::Loop {
 public:
  CountingLoop(runtime::Loop& inner, Calls& calls) : inner_(inner), calls_(calls) {}
  Instant now() const override {
    ++calls_.clock;
    return counted().now();
  }
  WallTime wall() const override {
    ++calls_.clock;
    return counted().wall();
  }
  void post(runtime::Task task) override {
    ++calls_.callbacks;
    counted().post(std::move(task));
  }
  runtime::TimerId start_timer(Instant at, runtime::Task task) override {
    ++calls_.callbacks;
    return counted().start_timer(at, std::move(task));
  }
  void cancel_timer(runtime::TimerId id) override { counted().cancel_timer(id); }
  Duration lag() const override { return counted().lag(); }

 private:
  runtime::Loop& counted() const {
    ++calls_.interface;
    return inner_;
  }
  runtime::Loop& inner_;
  Calls& calls_;
};

class CountingConnection final : public runtime::Connection {
 public:
  CountingConnection(std::unique_ptr<runtime::Connection> inner, Calls& calls)
      : inner_(std::move(inner)), calls_(calls) {}
  void listen_to(std::function<void(ByteView)> on_bytes,
                 std::function<void(const Error&)> on_closed) override {
    counted().listen_to(
        [&calls = calls_, on_bytes = std::move(on_bytes)](ByteView bytes) {
          ++calls.callbacks;
          on_bytes(bytes);
        },
        std::move(on_closed));
  }
  void send(Bytes bytes) override { counted().send(std::move(bytes)); }
  std::size_t unsent_bytes() const override { return counted().unsent_bytes(); }
  void set_reading(bool on) override { counted().set_reading(on); }
  Endpoint remote() const override { return counted().remote(); }

 private:
  runtime::Connection& counted() const {
    ++calls_.interface;
    return *inner_;
  }
  std::unique_ptr<runtime::Connection> inner_;
  Calls& calls_;
};

class CountingNet final : public runtime::Network {
 public:
  CountingNet(runtime::Network& inner, Calls& calls) : inner_(inner), calls_(calls) {}
  Result<std::unique_ptr<runtime::Listener>> listen(
      const Endpoint& at,
      std::function<void(std::unique_ptr<runtime::Connection>)> on_accept) override {
    return inner_.listen(at, [this, on_accept = std::move(on_accept)](auto connection) {
      on_accept(std::make_unique<CountingConnection>(std::move(connection), calls_));
    });
  }
  void connect(const std::string& local_address, const Endpoint& to, Duration timeout,
               std::function<void(Result<std::unique_ptr<runtime::Connection>>)> done) override {
    inner_.connect(local_address, to, timeout, [this, done = std::move(done)](auto connection) {
      if (!connection.ok()) return done(std::move(connection));
      done(std::unique_ptr<runtime::Connection>(
          std::make_unique<CountingConnection>(std::move(*connection), calls_)));
    });
  }
  // Gossip is no request's.
  Result<std::unique_ptr<runtime::DatagramSocket>> bind_datagrams(
      const Endpoint& at,
      std::function<void(const Endpoint& from, ByteView)> on_datagram) override {
    return inner_.bind_datagrams(at, std::move(on_datagram));
  }

 private:
  runtime::Network& inner_;
  Calls& calls_;
};

class CountingStore final : public storage::Store {
 public:
  CountingStore(std::unique_ptr<storage::Store> inner, Calls& calls)
      : inner_(std::move(inner)), calls_(calls) {}
  void finish() override { inner_->finish(); }
  void get(storage::RecordKey key, storage::Completion<storage::Found> done) override {
    ++calls_.callbacks;
    counted().get(std::move(key), std::move(done));
  }
  void update(storage::RecordKey key, storage::Decide decide, storage::Durability durability,
              storage::Completion<storage::Updated> done) override {
    calls_.callbacks += 2;
    counted().update(std::move(key), std::move(decide), durability, std::move(done));
  }
  void list_slot(storage::KeyspaceNumber keyspace, Slot slot,
                 std::optional<storage::RecordKey> after, std::size_t limit,
                 storage::Completion<std::vector<storage::ListedKey>> done) override {
    counted().list_slot(keyspace, slot, std::move(after), limit, std::move(done));
  }
  void list_records(storage::KeyspaceNumber keyspace, std::optional<storage::RecordKey> after,
                    std::size_t limit, std::size_t bytes_limit,
                    storage::Completion<std::vector<storage::ListedRecord>> done) override {
    counted().list_records(keyspace, std::move(after), limit, bytes_limit, std::move(done));
  }
  bool holds_data() const override { return counted().holds_data(); }
  std::uint64_t undone() const override { return counted().undone(); }
  std::uint64_t bytes_on_disk() const override { return counted().bytes_on_disk(); }
  void observe(storage::RecordObserver* observer) override { counted().observe(observer); }
  std::vector<storage::SlotDigest> take_slot_digests(storage::KeyspaceNumber keyspace) override {
    return counted().take_slot_digests(keyspace);
  }
  void update_hint(storage::HintKey key, bool sole, WallTime now, storage::Decide decide,
                   storage::Completion<storage::Updated> done) override {
    counted().update_hint(std::move(key), sole, now, std::move(decide), std::move(done));
  }
  void erase_hint(storage::HintKey key, std::uint64_t digest,
                  storage::Completion<bool> done) override {
    counted().erase_hint(std::move(key), digest, std::move(done));
  }
  void list_hints(NodeId target, std::optional<storage::HintKey> after, std::size_t limit,
                  std::size_t bytes_limit,
                  storage::Completion<std::vector<storage::HintRow>> done) override {
    counted().list_hints(target, std::move(after), limit, bytes_limit, std::move(done));
  }
  void find_hints(storage::RecordKey key,
                  storage::Completion<std::vector<storage::HintRow>> done) override {
    counted().find_hints(std::move(key), std::move(done));
  }
  void drop_hints(std::optional<NodeId> target, storage::Completion<std::uint64_t> done) override {
    counted().drop_hints(target, std::move(done));
  }
  const std::map<NodeId, storage::HintTotals>& hint_totals() const override {
    return counted().hint_totals();
  }
  std::optional<Bytes> named(ByteView name) const override { return counted().named(name); }
  void put_named(Bytes name, Bytes value, storage::Completion<Done> done) override {
    counted().put_named(std::move(name), std::move(value), std::move(done));
  }

 private:
  storage::Store& counted() const {
    ++calls_.interface;
    return *inner_;
  }
  std::unique_ptr<storage::Store> inner_;
  Calls& calls_;
};

}  // namespace parley::sim
