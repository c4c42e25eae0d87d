// The administration half of the client library: one request, one answer.
#include "api/client_codec.h"
#include "api/client_thread.h"

namespace parley::client {

namespace {

// `read` turns a response without a failure into the value.
template <typename T, typename Request, typename Read>
kj::Promise<Result<T>> ask(Request request, Read read) {
  return request.send().then([read](auto&& response) -> Result<T> {
    if (auto failure = read_failure(response.getFailure())) return *std::move(failure);
    return read(response);
  });
}

using AdminClient = api::schema::Admin::Client;

}  // namespace

Result<ClusterStatus> Client::status() {
  return core_->admin<ClusterStatus>([](AdminClient admin, std::uint32_t timeout_ms) {
    auto request = admin.statusRequest();
    request.setTimeoutMs(timeout_ms);
    return ask<ClusterStatus>(std::move(request),
                              [](auto& in) { return read_struct(in.getStatus()); });
  });
}

Result<RingInfo> Client::ring() {
  return core_->admin<RingInfo>([](AdminClient admin, std::uint32_t) {
    return ask<RingInfo>(admin.ringRequest(), [](auto& in) { return read_struct(in.getRing()); });
  });
}

Result<NodeInfo> Client::info() {
  return core_->admin<NodeInfo>([](AdminClient admin, std::uint32_t) {
    return ask<NodeInfo>(admin.infoRequest(), [](auto& in) { return read_struct(in.getInfo()); });
  });
}

Result<std::vector<GossipRow>> Client::gossip() {
  using Rows = std::vector<GossipRow>;
  return core_->admin<Rows>([](AdminClient admin, std::uint32_t) {
    return ask<Rows>(admin.gossipRequest(),
                     [](auto& in) { return read_rows<GossipRow>(in.getRows()); });
  });
}

Result<std::vector<ReplicaAddress>> Client::endpoints(Bytes key, std::string keyspace) {
  using Rows = std::vector<ReplicaAddress>;
  if (const Status sound = check_size(key.size()); !sound) return sound.error();
  return core_->admin<Rows>([key, keyspace](AdminClient admin, std::uint32_t) {
    auto request = admin.endpointsRequest();
    request.setKeyspace(text_for(keyspace));
    request.setKey(data_of(key));
    return ask<Rows>(std::move(request),
                     [](auto& in) { return read_rows<ReplicaAddress>(in.getReplicas()); });
  });
}

Result<InspectResult> Client::inspect(Bytes key, std::string keyspace) {
  if (const Status sound = check_size(key.size()); !sound) return sound.error();
  return core_->admin<InspectResult>([key, keyspace](AdminClient admin, std::uint32_t timeout_ms) {
    auto request = admin.inspectRequest();
    request.setKeyspace(text_for(keyspace));
    request.setKey(data_of(key));
    request.setTimeoutMs(timeout_ms);
    return ask<InspectResult>(std::move(request),
                              [](auto& in) { return read_struct(in.getResult()); });
  });
}

Result<Gathered<HintRow>> Client::hints() {
  using Rows = Gathered<HintRow>;
  return core_->admin<Rows>([](AdminClient admin, std::uint32_t timeout_ms) {
    auto request = admin.hintsRequest();
    request.setTimeoutMs(timeout_ms);
    return ask<Rows>(std::move(request), [](auto& in) {
      return Rows{read_rows<HintRow>(in.getRows()), read_texts(in.getNoAnswer())};
    });
  });
}

Result<std::uint64_t> Client::drop_hints(std::string target) {
  return core_->admin<std::uint64_t>(
      [target](AdminClient admin, std::uint32_t timeout_ms) {
        auto request = admin.dropHintsRequest();
        request.setTarget(text_for(target));
        request.setTimeoutMs(timeout_ms);
        return ask<std::uint64_t>(std::move(request), [](auto& in) { return in.getDropped(); });
      },
      std::nullopt, true, Purpose::Change);
}

Result<std::uint64_t> Client::repair(bool wait) {
  const Duration most = core_->options().timeout;
  return core_->admin<std::uint64_t>(
      [wait](AdminClient admin, std::uint32_t timeout_ms) {
        auto request = admin.repairRequest();
        request.setWait(wait);
        request.setTimeoutMs(timeout_ms);
        return ask<std::uint64_t>(std::move(request), [](auto& in) { return in.getKeys(); });
      },
      most, !wait, Purpose::Change);
}

Result<Gathered<RepairRow>> Client::repair_status() {
  using Rows = Gathered<RepairRow>;
  return core_->admin<Rows>([](AdminClient admin, std::uint32_t timeout_ms) {
    auto request = admin.repairStatusRequest();
    request.setTimeoutMs(timeout_ms);
    return ask<Rows>(std::move(request), [](auto& in) {
      return Rows{read_rows<RepairRow>(in.getRows()), read_texts(in.getNoAnswer())};
    });
  });
}

Result<ConflictPage> Client::conflicts(std::string keyspace, Bytes after, std::uint32_t limit,
                                       std::optional<Duration> timeout) {
  if (const Status sound = check_size(after.size()); !sound) return sound.error();
  return core_->admin<ConflictPage>(
      [keyspace, after, limit](AdminClient admin, std::uint32_t timeout_ms) {
        auto request = admin.conflictsRequest();
        request.setKeyspace(text_for(keyspace));
        request.setAfter(data_of(after));
        request.setLimit(limit);
        request.setTimeoutMs(timeout_ms);
        return ask<ConflictPage>(std::move(request), [](auto& in) {
          return ConflictPage{read_rows<ConflictRow>(in.getRows()), bytes_of(in.getNext()),
                              read_texts(in.getNoAnswer())};
        });
      },
      timeout.value_or(core_->options().timeout));
}

Result<KeyspaceInfo> Client::keyspace(std::string name) {
  return core_->admin<KeyspaceInfo>([name](AdminClient admin, std::uint32_t) {
    auto request = admin.keyspaceRequest();
    request.setName(text_for(name));
    return ask<KeyspaceInfo>(std::move(request),
                             [](auto& in) { return read_struct(in.getKeyspace()); });
  });
}

Result<KeyspaceInfo> Client::set_consistency(std::string name, std::string read_level,
                                             std::string write_level) {
  for (const std::string& level : {read_level, write_level}) {
    if (const Status sound = check_level_text(level); !sound) return sound.error();
  }
  return core_->admin<KeyspaceInfo>(
      [name, read_level, write_level](AdminClient admin, std::uint32_t timeout_ms) {
        auto request = admin.setConsistencyRequest();
        request.setName(text_for(name));
        parley::client::write_level(read_level, request.initReadLevel());
        parley::client::write_level(write_level, request.initWriteLevel());
        request.setTimeoutMs(timeout_ms);
        return ask<KeyspaceInfo>(std::move(request),
                                 [](auto& in) { return read_struct(in.getKeyspace()); });
      },
      std::nullopt, true, Purpose::Change);
}

Result<std::vector<FaultRow>> Client::faults() {
  using Rows = std::vector<FaultRow>;
  return core_->admin<Rows>([](AdminClient admin, std::uint32_t) {
    return ask<Rows>(admin.faultsRequest(),
                     [](auto& in) { return read_rows<FaultRow>(in.getRows()); });
  });
}

Result<std::uint64_t> Client::inject_fault(FaultSpec spec) {
  if (const Status sound = check_fault(spec); !sound) return sound.error();
  return core_->admin<std::uint64_t>([spec](AdminClient admin, std::uint32_t) {
    auto request = admin.injectFaultRequest();
    write_struct(spec, request.initFault());
    return ask<std::uint64_t>(std::move(request), [](auto& in) { return in.getId(); });
  });
}

Result<std::uint64_t> Client::heal_faults(std::uint64_t id, std::string peer, std::string note) {
  return core_->admin<std::uint64_t>([id, peer, note](AdminClient admin, std::uint32_t) {
    auto request = admin.healFaultsRequest();
    request.setId(id);
    request.setPeer(text_for(peer));
    request.setNote(text_for(note));
    return ask<std::uint64_t>(std::move(request), [](auto& in) { return in.getHealed(); });
  });
}

Result<NodeLatencies> Client::latencies() {
  return core_->admin<NodeLatencies>([](AdminClient admin, std::uint32_t) {
    return ask<NodeLatencies>(admin.latenciesRequest(),
                              [](auto& in) { return read_struct(in.getLatencies()); });
  });
}

}  // namespace parley::client
