#include "api/client_listener.h"

#include <capnp/rpc-twoparty.h>

#include <utility>

#include "api/admin_service.h"
#include "runtime/kj_port.h"

namespace parley::api {

namespace {

// A request is at most 8 MiB (1 Mi words); every pointer may be read about four times.
constexpr std::uint64_t kTraversalWordsMost = 4u << 20;
constexpr int kNestingMost = 32;
// Requests of one connection that are read but not yet answered: past it its socket waits.
constexpr std::size_t kFlowWordsMost = 4u << 20;

capnp::ReaderOptions reader_options() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = kTraversalWordsMost;
  options.nestingLimit = kNestingMost;
  return options;
}

// What a connection gets first.
class Bootstrap final : public schema::Parley::Server {
 public:
  Bootstrap(schema::KeyValue::Client key_value, schema::Admin::Client admin)
      : key_value_(kj::mv(key_value)), admin_(kj::mv(admin)) {}

  kj::Promise<void> keyValue(KeyValueContext context) override {
    context.getResults().setService(key_value_);
    return kj::READY_NOW;
  }
  kj::Promise<void> admin(AdminContext context) override {
    context.getResults().setService(admin_);
    return kj::READY_NOW;
  }

 private:
  schema::KeyValue::Client key_value_;
  schema::Admin::Client admin_;
};

ServeStatePtr make_state(KvWorld world) {
  CallLimits limits;
  limits.connection_calls_most = world.options.calls_most();
  limits.connection_unread_most = world.options.unread_bytes_most();
  limits.unread_most = 2 * limits.connection_unread_most;  // no client alone fills the node
  return std::make_shared<ServeState>(std::move(world), limits);
}

}  // namespace

struct ClientListener::Session {
  Session(std::unique_ptr<runtime::Connection> connection, const runtime::KjStreamLimits& limits,
          schema::Parley::Client bootstrap)
      : stream(runtime::kj_stream(std::move(connection), limits)),
        vats(*stream, capnp::rpc::twoparty::Side::SERVER, reader_options()),
        rpc(capnp::makeRpcServer(vats, kj::mv(bootstrap))) {
    rpc.setFlowLimit(kFlowWordsMost);
  }

  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork vats;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;
  kj::Promise<void> watch = nullptr;
};

ClientListener::ClientListener(KvWorld world, ClusterAdmin& admin, Logger log,
                               MetricRegistry& metrics)
    : state_(make_state(std::move(world))),
      admin_(admin),
      log_(log.on_floor("api")),
      connections_gauge_(metrics, "client_connections", "Client connections open.",
                         [this] { return static_cast<double>(sessions_.size()); }),
      calls_gauge_(metrics, "client_calls_in_flight", "Client calls under way (items of batches).",
                   [this] { return static_cast<double>(state_->gate.calls()); }),
      unread_gauge_(metrics, "client_unread_bytes",
                    "Answers unread by clients that are behind with reading.",
                    [this] { return static_cast<double>(state_->gate.unread()); }),
      accepted_(metrics, "client_connections_total", "Client connections taken."),
      turned_away_(metrics, "client_connections_refused_total",
                   "Client connections closed at once: too many."),
      messages_refused_(metrics, "client_messages_refused_total",
                        "Client messages over a limit or with a hostile segment table."),
      given_up_(metrics, "client_connections_given_up_total",
                "Client connections closed for silence where a message or a read was due.") {}

ClientListener::~ClientListener() { state_->open = false; }

Result<std::unique_ptr<ClientListener>> ClientListener::open(const Endpoint& at, KvWorld world,
                                                             ClusterAdmin& admin,
                                                             runtime::Network& network, Logger log,
                                                             MetricRegistry& metrics) {
  std::unique_ptr<ClientListener> out(
      new ClientListener(std::move(world), admin, std::move(log), metrics));
  auto listener = network.listen(
      at, out->lifetime_.guard([self = out.get()](std::unique_ptr<runtime::Connection> incoming) {
        self->accept(std::move(incoming));
      }));
  if (!listener) return listener.error();
  out->listener_ = std::move(*listener);
  return out;
}

runtime::KjStreamLimits ClientListener::limits_for(const runtime::Connection& connection,
                                                   const CallGate::ConnectionPtr& calls) {
  const ServeOptions& options = state_->world.options;
  const std::string from = to_text(connection.remote());
  runtime::KjStreamLimits limits;
  limits.answers_first = true;
  limits.first_message_most = options.first_message_most();
  limits.message_most = options.message_most();
  limits.write_stall_most = options.unread_most();
  limits.on_refused = lifetime_.guard([this, from](const Error& error) {
    messages_refused_.add();
    log_.info("client.message_refused", {{"from", from}, {"reason", error.message}});
  });
  limits.on_given_up = lifetime_.guard([this, from](const Error& error) {
    given_up_.add();
    log_.info("client.given_up", {{"from", from}, {"reason", error.message}});
  });
  limits.on_output = [state = state_, calls](std::size_t written, std::size_t unread) {
    state->gate.note_output(*calls, written, unread);
  };
  return limits;
}

void ClientListener::accept(std::unique_ptr<runtime::Connection> connection) {
  if (sessions_.size() >= state_->world.options.connections_most()) return turned_away_.add();
  accepted_.add();
  const std::uint64_t id = ++sessions_begun_;
  const auto calls = std::make_shared<CallGate::ConnectionCalls>();
  const runtime::KjStreamLimits limits = limits_for(*connection, calls);
  schema::Parley::Client bootstrap = kj::heap<Bootstrap>(
      kj::heap<KvService>(state_, calls), kj::heap<AdminService>(admin_, state_, calls));
  auto session = std::make_unique<Session>(std::move(connection), limits, kj::mv(bootstrap));
  auto ended = lifetime_.guard([this, id] { forget(id); });
  session->watch =
      session->vats.onDisconnect()
          .then([ended]() mutable { ended(); }, [ended](kj::Exception&&) mutable { ended(); })
          .eagerlyEvaluate(nullptr);
  sessions_.emplace(id, std::move(session));
}

void ClientListener::forget(std::uint64_t session) {
  // A session cannot be destroyed inside one of its own promises.
  state_->world.loop.post(lifetime_.guard([this, session] { sessions_.erase(session); }));
}

void ClientListener::drain() {
  listener_.reset();
  state_->gate.close();
}

}  // namespace parley::api
