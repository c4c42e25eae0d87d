#include "api/client_connection.h"

#include <capnp/rpc-twoparty.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "runtime/kj_port.h"

namespace parley::client {

namespace {

constexpr Duration kDialTimeout = 3s;
constexpr Duration kBackOffLeast = 50ms, kBackOffMost = 1s;
// A merge refuses nothing, so a key may hold what several minters allowed each: as much as a frame
// between nodes. Reading every pointer twice must still be possible.
constexpr std::size_t kReplyBytesMost = 33_MiB;
constexpr std::uint64_t kTraversalWordsMost = 2 * kReplyBytesMost / 8 + 1_MiB;
constexpr int kNestingMost = 32;

capnp::ReaderOptions reader_options() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = kTraversalWordsMost;
  options.nestingLimit = kNestingMost;
  return options;
}

runtime::KjStreamLimits stream_limits() {
  runtime::KjStreamLimits limits;
  limits.message_bytes_most = kReplyBytesMost;
  return limits;
}

}  // namespace

struct ClientConnection::Session {
  explicit Session(std::unique_ptr<runtime::Connection> connection)
      : stream(runtime::kj_stream(std::move(connection), stream_limits())),
        vats(*stream, capnp::rpc::twoparty::Side::CLIENT, reader_options()),
        rpc(capnp::makeRpcClient(vats)) {
    capnp::MallocMessageBuilder message(8);
    auto server = message.getRoot<capnp::rpc::twoparty::VatId>();
    server.setSide(capnp::rpc::twoparty::Side::SERVER);
    parley = kj::heap(rpc.bootstrap(server).castAs<api::schema::Parley>());
    key_value = kj::heap(parley->keyValueRequest().send().getService());
  }

  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork vats;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;
  kj::Own<api::schema::Parley::Client> parley;
  kj::Own<api::schema::KeyValue::Client> key_value;
  kj::Own<api::schema::Admin::Client> admin;  // asked for when first used
  kj::Promise<void> watch = nullptr;
};

ClientConnection::ClientConnection(Endpoint endpoint, runtime::Loop& loop,
                                   runtime::Network& network)
    : endpoint_(std::move(endpoint)), loop_(loop), network_(network) {}

ClientConnection::~ClientConnection() = default;

void ClientConnection::when_ready(std::function<void(Status)> ready) {
  waiting_.push_back(std::move(ready));
  if (session_ != nullptr) {
    loop_.post(lifetime_.guard([this] {
      // It may have broken since: then dial once more.
      if (session_ != nullptr)
        tell_waiting(Done{});
      else
        dial();
    }));
  } else if (loop_.now() < dial_not_before_) {
    loop_.post(lifetime_.guard([this] {
      if (session_ == nullptr && !dialling_) tell_waiting(last_error_);
    }));
  } else {
    dial();
  }
}

void ClientConnection::dial() {
  if (std::exchange(dialling_, true)) return;
  network_.connect("", endpoint_, kDialTimeout,
                   lifetime_.guard([this](Result<std::unique_ptr<runtime::Connection>> result) {
                     dialled(std::move(result));
                   }));
}

void ClientConnection::dialled(Result<std::unique_ptr<runtime::Connection>> result) {
  dialling_ = false;
  if (!result) {
    back_off_ = std::clamp(back_off_ * 2, kBackOffLeast, kBackOffMost);
    dial_not_before_ = loop_.now() + back_off_;
    last_error_ = {ErrorCode::Unreachable, to_text(endpoint_) + ": " + result.error().message, 0};
    return tell_waiting(last_error_);
  }
  back_off_ = {};
  session_ = std::make_unique<Session>(std::move(*result));
  auto session_ended = lifetime_.guard([this] { broken(); });
  session_->watch = session_->vats.onDisconnect()
                        .then([session_ended]() mutable { session_ended(); },
                              [session_ended](kj::Exception&&) mutable { session_ended(); })
                        .eagerlyEvaluate(nullptr);
  tell_waiting(Done{});
}

void ClientConnection::tell_waiting(const Status& status) {
  for (auto& ready : std::exchange(waiting_, {})) ready(status);
}

void ClientConnection::broken() {
  // The session cannot be destroyed inside one of its own promises, nor outlive the port: it stays
  // ours until a later turn, or until this connection goes.
  dying_.push_back(std::move(session_));
  loop_.post(lifetime_.guard([this] { dying_.clear(); }));
}

api::schema::KeyValue::Client ClientConnection::key_value() {
  PARLEY_CHECK(session_ != nullptr);
  return *session_->key_value;
}

api::schema::Admin::Client ClientConnection::admin() {
  PARLEY_CHECK(session_ != nullptr);
  if (session_->admin.get() == nullptr) {
    session_->admin = kj::heap(session_->parley->adminRequest().send().getService());
  }
  return *session_->admin;
}

}  // namespace parley::client
