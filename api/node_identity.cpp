#include "api/node_identity.h"

#include <algorithm>

#include "base/codec.h"
#include "base/mutant.h"
#include "replication/storage_identity.h"

namespace parley::api {
namespace {

constexpr ByteView kName = "identity";
constexpr ByteView kRetiredName = "retired_copy";
constexpr ByteView kRebuildName = "rebuild";
constexpr std::uint8_t kFormat = 1;

Bytes encode(const NodeIdentity& identity) {
  ByteWriter out;
  out.number(kFormat);
  out.raw(identity.node.view());
  out.number(identity.generation);
  return out.take();
}

Result<NodeIdentity> decode(ByteView bytes) {
  ByteReader in(bytes);
  const auto format = in.number<std::uint8_t>();
  const auto node = NodeId::from_bytes(in.raw(16));
  const auto generation = in.number<std::uint64_t>();
  if (!in.complete() || format != kFormat || !node || node->is_nil() || generation == 0) {
    return Error{ErrorCode::Damaged, "the stored identity of this node is unreadable"};
  }
  return NodeIdentity{*node, generation};
}

// The generation that must be exceeded; 0: the directory is whole.
Result<Generation> stored_rebuild(const storage::Store& store) {
  const auto stored = store.named(kRebuildName);
  if (!stored) return Generation{0};
  ByteReader in(*stored);
  const auto format = in.number<std::uint8_t>();
  const auto later = in.number<std::uint64_t>();
  if (!in.complete() || format != kFormat) {
    return Error{ErrorCode::Damaged, "the stored mark of this node's rebuild is unreadable"};
  }
  return later;
}

void store_rebuild(storage::Store& store, Generation later, std::function<void(Status)> done) {
  ByteWriter out;
  out.number(kFormat);
  out.number(later);
  store.put_named(Bytes(kRebuildName), out.take(), std::move(done));
}

void save(storage::Store& store, const NodeIdentity& identity,
          std::function<void(Result<NodeIdentity>)> done) {
  store.put_named(Bytes(kName), encode(identity),
                  [identity, done = std::move(done)](const Result<Done>& saved) {
                    if (!saved.ok()) {
                      return done(Error{saved.error().code,
                                        "cannot start, as the generation of this life cannot be "
                                        "written: " +
                                            saved.error().message});
                    }
                    done(identity);
                  });
}

}  // namespace

void begin_rebuild(storage::Store& store, Generation later, std::function<void(Status)> done) {
  store_rebuild(store, later, std::move(done));
}

void end_rebuild(storage::Store& store, std::function<void(Status)> done) {
  store_rebuild(store, 0, std::move(done));
}

void retire_copy(storage::Store& store, std::function<void()> done) {
  store.put_named(Bytes(kRetiredName), "1",
                  [done = std::move(done)](const Result<Done>&) { done(); });
}

void begin_life(storage::Store& store, Random& random,
                std::function<void(Result<NodeIdentity>)> done) {
  if (store.named(kRetiredName)) {
    return done(Error{ErrorCode::StaleCopy,
                      "this data directory is a copy of that of a node that ran elsewhere: wipe "
                      "it and start as a new node"});
  }
  const auto rebuild = stored_rebuild(store);
  if (!rebuild.ok()) return done(rebuild.error());
  NodeIdentity identity;
  if (const auto stored = store.named(kName)) {
    const auto decoded = decode(*stored);
    if (!decoded.ok()) return done(decoded.error());
    identity = *decoded;
  } else {
    identity.node = random.id<NodeId>();
  }
  identity.generation = std::max(identity.generation, *rebuild) + 1;
  if (PARLEY_MUTANT(generation_not_raised) && identity.generation > 1) --identity.generation;
  if (identity.generation == 0) {
    return done(Error{ErrorCode::StaleCopy, "no generation is left for this node's id"});
  }
  if (*rebuild == 0) return save(store, identity, std::move(done));
  identity.rebuilding = true;
  replication::renew_storage_identity(
      store, random, [&store, identity, done = std::move(done)](const Status& renewed) {
        if (!renewed.ok()) return done(renewed.error());
        save(store, identity, done);
      });
}

}  // namespace parley::api
