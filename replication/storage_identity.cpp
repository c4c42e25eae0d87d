#include "replication/storage_identity.h"

#include <utility>

namespace parley::replication {
namespace {

constexpr ByteView kName = "storage_id";

}  // namespace

Result<StorageIdentity> open_storage_identity(storage::Store& store, Random& random,
                                              std::function<void(Status)> done) {
  if (const auto bytes = store.named(kName)) {
    const auto id = StorageId::from_bytes(*bytes);
    if (!id || id->is_nil()) {
      return Error{ErrorCode::Damaged, "the storage id on disk is unreadable", 0};
    }
    done(Done{});
    return StorageIdentity{*id, false};
  }
  const auto id = random.id<StorageId>();
  store.put_named(Bytes(kName), Bytes(id.view()), std::move(done));
  return StorageIdentity{id, true};
}

void renew_storage_identity(storage::Store& store, Random& random,
                            std::function<void(Status)> done) {
  store.put_named(Bytes(kName), Bytes(random.id<StorageId>().view()), std::move(done));
}

}  // namespace parley::replication
