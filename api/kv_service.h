// KvService: the KeyValue interface of parley.capnp for one client connection, over the
// Coordinator. Translates and limits; decides nothing about replicas. A driver; loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/call_gate.h"
#include "api/node_config.h"
#include "api/parley.capnp.h"
#include "membership/view.h"
#include "replication/coordinator.h"
#include "runtime/loop.h"

namespace parley::api {

struct KvWorld {
  const ServeOptions& options;
  runtime::Loop& loop;
  replication::Coordinator& coordinator;
  std::function<membership::ViewPtr()> view;  // nullptr while not serving
  std::function<std::string()> waiting_for;   // then: why
};

// Clients that ask for no timeout get this one.
inline constexpr Duration kTimeoutUsual = 2s;
// One call's deadline: what the client asks for, within limits.
Duration timeout_of(std::uint32_t timeout_ms, const ServeOptions& options);

// What the services of all connections share. It outlives the listener while calls end; nothing
// behind its references is touched once `open` is false.
struct ServeState {
  ServeState(KvWorld a_world, const CallLimits& limits) : world(std::move(a_world)), gate(limits) {}
  KvWorld world;
  CallGate gate;
  bool open = true;

  // DISCONNECTED once closed: capnp may dispatch a call that it took before.
  void require_open() const;
};
using ServeStatePtr = std::shared_ptr<ServeState>;

class KvService final : public schema::KeyValue::Server {
 public:
  KvService(ServeStatePtr state, CallGate::ConnectionPtr connection)
      : state_(std::move(state)), connection_(std::move(connection)) {}

  kj::Promise<void> put(PutContext context) override;
  kj::Promise<void> delete_(DeleteContext context) override;
  kj::Promise<void> get(GetContext context) override;
  kj::Promise<void> putMany(PutManyContext context) override;
  kj::Promise<void> getMany(GetManyContext context) override;
  kj::Promise<void> topology(TopologyContext context) override;

 private:
  // What every request of one call shares.
  struct Terms {
    KeyspaceId keyspace;
    replication::Level level;
    storage::Durability durability = storage::Durability::Fsync;
    Instant deadline;
    bool trace = false;
  };
  Result<Terms> terms(schema::WriteOptions::Reader options) const;
  Result<Terms> terms(schema::ReadOptions::Reader options) const;
  Result<Terms> terms(capnp::Text::Reader keyspace, schema::Level::Reader level,
                      std::uint32_t timeout_ms, bool is_read) const;
  // What was asked for, else the keyspace's default; nullopt while that is not known.
  std::optional<replication::Level> known_level(schema::WriteOptions::Reader options) const;
  std::optional<replication::Level> known_level(schema::ReadOptions::Reader options) const;
  std::optional<replication::Level> known_level(capnp::Text::Reader keyspace,
                                                schema::Level::Reader level, bool is_read) const;
  Result<membership::ViewPtr> ready_view() const;
  Result<replication::WriteRequest> write_request(schema::Write::Reader write, bool is_delete,
                                                  const Terms& terms) const;
  kj::Promise<replication::WriteReply> written(schema::Write::Reader write, bool is_delete,
                                               schema::WriteOptions::Reader options);
  // The whole call: put and delete differ in nothing else.
  template <typename Context>
  kj::Promise<void> write(Context context, bool is_delete);

  const ServeStatePtr state_;
  const CallGate::ConnectionPtr connection_;
};

}  // namespace parley::api
