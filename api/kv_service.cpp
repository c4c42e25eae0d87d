#include "api/kv_service.h"

#include <kj/debug.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "api/client_codec.h"
#include "api/kv_codec.h"
#include "base/mutant.h"

namespace parley::api {

namespace {

using replication::ReadReply;
using replication::WriteReply;

// A reply message holds at most 8 MiB; one key's values at most 4 MiB.
constexpr std::size_t kReplyBytesMost = 7_MiB;

// A promise whose callback may come late, never, or after the client is gone.
template <typename T>
struct Expected {
  kj::Promise<T> promise = nullptr;
  std::function<void(T)> done;
};

template <typename T>
Expected<T> expect(CallGate::TicketPtr ticket) {
  auto pair = kj::newPromiseAndFulfiller<T>();
  auto fulfiller = std::make_shared<kj::Own<kj::PromiseFulfiller<T>>>(kj::mv(pair.fulfiller));
  return {kj::mv(pair.promise),
          [fulfiller, ticket](T value) { (*fulfiller)->fulfill(kj::mv(value)); }};
}

// The replies of one batch, until all are in.
template <typename Reply>
struct Batch {
  std::vector<Reply> replies;
  std::size_t left = 0;
  std::function<void(std::vector<Reply>)> done;

  void take(std::size_t index, Reply reply) {
    replies[index] = std::move(reply);
    if (--left == 0) done(std::move(replies));
  }
};

std::size_t bytes_of(schema::Write::Reader write) {
  return write.getKey().size() + write.getValue().size() + write.getContext().size();
}

Status check_batch(std::size_t items, std::size_t bytes) {
  if (items > client::kBatchItemsMost) {
    return Error{ErrorCode::TooLarge,
                 "a batch of " + std::to_string(items) + " items; the most is " +
                     std::to_string(client::kBatchItemsMost),
                 0};
  }
  if (items > 1 && bytes > client::kBatchBytesMost) {
    return Error{ErrorCode::TooLarge,
                 "a batch of " + std::to_string(bytes) + " bytes; the most is " +
                     std::to_string(client::kBatchBytesMost),
                 0};
  }
  return Done{};
}

}  // namespace

void ServeState::require_open() const {
  if (!open) {
    kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "this node has stopped serving"));
  }
}

Duration timeout_of(std::uint32_t timeout_ms, const ServeOptions& options) {
  const Duration wanted =
      timeout_ms == 0 ? kTimeoutUsual : Duration(std::chrono::milliseconds(timeout_ms));
  return std::min<Duration>(wanted, options.timeout_most());
}

Result<membership::ViewPtr> KvService::ready_view() const {
  auto view = state_->world.view();
  if (view != nullptr) return view;
  return Error{ErrorCode::NotReady, "this node is not serving yet: " + state_->world.waiting_for(),
               500};
}

Result<KvService::Terms> KvService::terms(schema::WriteOptions::Reader options) const {
  auto out = terms(options.getKeyspace(), options.getLevel(), options.getTimeoutMs(), false);
  if (!out) return out;
  out->trace = options.getTrace();
  switch (options.getDurability()) {
    case schema::Durability::FSYNC: return out;
    case schema::Durability::MEMORY: out->durability = storage::Durability::Memory; return out;
  }
  return Error{ErrorCode::Unsupported, "unknown durability", 0};
}

Result<KvService::Terms> KvService::terms(schema::ReadOptions::Reader options) const {
  auto out = terms(options.getKeyspace(), options.getLevel(), options.getTimeoutMs(), true);
  if (out) out->trace = options.getTrace();
  return out;
}

Result<KvService::Terms> KvService::terms(capnp::Text::Reader keyspace, schema::Level::Reader level,
                                          std::uint32_t timeout_ms, bool is_read) const {
  const auto view = ready_view();
  if (!view) return view.error();
  const auto found = find_keyspace(**view, client::text_of(keyspace));
  if (!found) return found.error();
  const auto wanted = read_level(level);
  if (!wanted) return wanted.error();
  Terms out;
  out.keyspace = (*found)->id;
  out.deadline = state_->world.loop.now() + timeout_of(timeout_ms, state_->world.options);
  out.level = known_level(keyspace, level, is_read).value_or(replication::Level{});
  return out;
}

std::optional<replication::Level> KvService::known_level(
    schema::WriteOptions::Reader options) const {
  return known_level(options.getKeyspace(), options.getLevel(), false);
}

std::optional<replication::Level> KvService::known_level(
    schema::ReadOptions::Reader options) const {
  return known_level(options.getKeyspace(), options.getLevel(), true);
}

std::optional<replication::Level> KvService::known_level(capnp::Text::Reader keyspace,
                                                         schema::Level::Reader level,
                                                         bool is_read) const {
  const auto wanted = read_level(level);
  if (!wanted || *wanted) return wanted ? *wanted : std::nullopt;
  const auto view = ready_view();
  if (!view) return std::nullopt;
  const auto found = find_keyspace(**view, client::text_of(keyspace));
  if (!found) return std::nullopt;
  const auto kept = replication::level_from_code(is_read != PARLEY_MUTANT(default_levels_mixed_up)
                                                     ? (*found)->read_level
                                                     : (*found)->write_level);
  return kept.value_or(replication::Level{});  // a newer node's word: quorum is safe
}

Result<replication::WriteRequest> KvService::write_request(schema::Write::Reader write,
                                                           bool is_delete,
                                                           const Terms& terms) const {
  auto request = read_write(write, is_delete);
  if (!request) return request;
  request->keyspace = terms.keyspace;
  request->level = terms.level;
  request->durability = terms.durability;
  request->deadline = terms.deadline;
  request->trace = terms.trace;
  return request;
}

kj::Promise<WriteReply> KvService::written(schema::Write::Reader write, bool is_delete,
                                           schema::WriteOptions::Reader options) {
  const auto shared = terms(options);
  if (!shared) return refused_write(shared.error(), known_level(options));
  auto request = write_request(write, is_delete, *shared);
  if (!request) return refused_write(request.error(), shared->level);
  const auto ticket = state_->gate.enter(connection_, 1, bytes_of(write));
  if (!ticket) return refused_write(ticket.error(), shared->level);
  auto reply = expect<WriteReply>(*ticket);
  state_->world.coordinator.write(std::move(*request), std::move(reply.done));
  return kj::mv(reply.promise);
}

template <typename Context>
kj::Promise<void> KvService::write(Context context, bool is_delete) {
  state_->require_open();
  const auto params = context.getParams();
  auto reply = written(params.getWrite(), is_delete, params.getOptions());
  context.releaseParams();
  context.allowCancellation();
  return reply.then([context](WriteReply&& done) mutable {
    write_result(done, context.getResults(room_for(reply_bytes(done))).initResult());
  });
}

kj::Promise<void> KvService::put(PutContext context) { return write(context, false); }
kj::Promise<void> KvService::delete_(DeleteContext context) { return write(context, true); }

kj::Promise<void> KvService::get(GetContext context) {
  state_->require_open();
  const auto params = context.getParams();
  const auto level = known_level(params.getOptions());
  const auto refuse = [&context, level](const Error& error) {
    write_result(refused_read(error, level), context.getResults().initResult());
    return kj::READY_NOW;
  };
  const auto shared = terms(params.getOptions());
  if (!shared) return refuse(shared.error());
  const auto ticket = state_->gate.enter(connection_, 1, params.getKey().size());
  if (!ticket) return refuse(ticket.error());
  auto reply = expect<ReadReply>(*ticket);
  state_->world.coordinator.read({shared->keyspace, client::bytes_of(params.getKey()),
                                  shared->level, shared->deadline, shared->trace},
                                 std::move(reply.done));
  context.releaseParams();
  context.allowCancellation();
  return reply.promise.then(
      [state = state_, connection = connection_, context](ReadReply&& done) mutable {
        state->require_open();
        const Status room =
            state->gate.admit_answer(*connection, reply_bytes(done), state->world.loop.now());
        if (!room) done = refused_read(room.error(), done.level);
        write_result(done, context.getResults(room_for(reply_bytes(done))).initResult());
      });
}

kj::Promise<void> KvService::putMany(PutManyContext context) {
  state_->require_open();
  const auto params = context.getParams();
  const auto refuse = [&context](const Error& error) {
    client::write_failure(error, context.getResults().initFailure());
    return kj::READY_NOW;
  };
  const auto writes = params.getWrites();
  const std::size_t items = writes.size();
  // Before a look at any item: the count itself may be hostile.
  if (const Status sound = check_batch(items, 0); !sound) return refuse(sound.error());
  std::size_t bytes = 0;
  for (const auto write : writes) bytes += bytes_of(write);
  if (const Status sound = check_batch(items, bytes); !sound) return refuse(sound.error());
  const auto shared = terms(params.getOptions());
  if (!shared) return refuse(shared.error());
  const auto ticket = state_->gate.enter(connection_, items, bytes);
  if (!ticket) return refuse(ticket.error());
  if (items == 0) return kj::READY_NOW;

  auto all = expect<std::vector<WriteReply>>(*ticket);
  const auto batch = std::make_shared<Batch<WriteReply>>(
      Batch<WriteReply>{std::vector<WriteReply>(items), items, std::move(all.done)});
  for (unsigned i = 0; i < items; ++i) {
    auto request = write_request(writes[i], writes[i].getIsDelete(), *shared);
    if (!request) {
      batch->take(i, refused_write(request.error(), shared->level));
      continue;
    }
    request->trace = false;  // the traces of a batch have no room in one message
    state_->world.coordinator.write(
        std::move(*request), [batch, i](WriteReply reply) { batch->take(i, std::move(reply)); });
  }
  context.releaseParams();
  context.allowCancellation();
  return all.promise.then([context](std::vector<WriteReply>&& replies) mutable {
    std::size_t room = 0;
    for (const WriteReply& reply : replies) room += reply_bytes(reply);
    auto results =
        context.getResults(room_for(room)).initResults(static_cast<unsigned>(replies.size()));
    for (unsigned i = 0; i < replies.size(); ++i) write_result(replies[i], results[i]);
  });
}

kj::Promise<void> KvService::getMany(GetManyContext context) {
  state_->require_open();
  const auto params = context.getParams();
  const auto refuse = [&context](const Error& error) {
    client::write_failure(error, context.getResults().initFailure());
    return kj::READY_NOW;
  };
  const auto keys = params.getKeys();
  const std::size_t items = keys.size();
  if (const Status sound = check_batch(items, 0); !sound) return refuse(sound.error());
  std::size_t bytes = 0;
  for (const auto key : keys) bytes += key.size();
  if (const Status sound = check_batch(items, bytes); !sound) return refuse(sound.error());
  const auto shared = terms(params.getOptions());
  if (!shared) return refuse(shared.error());
  const auto ticket = state_->gate.enter(connection_, items, bytes);
  if (!ticket) return refuse(ticket.error());
  if (items == 0) return kj::READY_NOW;

  auto all = expect<std::vector<ReadReply>>(*ticket);
  const auto batch = std::make_shared<Batch<ReadReply>>(
      Batch<ReadReply>{std::vector<ReadReply>(items), items, std::move(all.done)});
  for (unsigned i = 0; i < items; ++i) {
    state_->world.coordinator.read(
        {shared->keyspace, client::bytes_of(keys[i]), shared->level, shared->deadline},
        [batch, i](ReadReply reply) { batch->take(i, std::move(reply)); });
  }
  context.releaseParams();
  context.allowCancellation();
  return all.promise.then([state = state_, connection = connection_,
                           context](std::vector<ReadReply>&& replies) mutable {
    state->require_open();
    auto results = context.getResults().initResults(static_cast<unsigned>(replies.size()));
    std::size_t used = 0;
    for (unsigned i = 0; i < replies.size(); ++i) {
      const std::size_t more = reply_bytes(replies[i]);
      const Status room =
          used + more > kReplyBytesMost
              ? Error{ErrorCode::Overloaded, "no more room in this reply", 1}
              : state->gate.admit_answer(*connection, more, state->world.loop.now());
      if (!room) replies[i] = refused_read(room.error(), replies[i].level);
      used += reply_bytes(replies[i]);
      write_result(replies[i], results[i]);
    }
  });
}

kj::Promise<void> KvService::topology(TopologyContext context) {
  state_->require_open();
  const auto refuse = [&context](const Error& error) {
    client::write_failure(error, context.getResults().initFailure());
    return kj::READY_NOW;
  };
  const auto view = ready_view();
  if (!view) return refuse(view.error());
  const auto keyspace = find_keyspace(**view, client::text_of(context.getParams().getKeyspace()));
  if (!keyspace) return refuse(keyspace.error());
  write_topology(**view, **keyspace, context.getResults().initTopology());
  return kj::READY_NOW;
}

}  // namespace parley::api
