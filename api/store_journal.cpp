#include "api/store_journal.h"

namespace parley::api {
namespace {

constexpr ByteView kName = "membership";
constexpr Duration kRetryAfter = 200ms;

}  // namespace

std::optional<Bytes> StoreJournal::stored() const { return store_.named(kName); }

void StoreJournal::save(Bytes state, std::function<void()> done) {
  store_.put_named(
      Bytes(kName), state, lifetime_.guard([this, state, done](const Result<Done>& saved) {
        if (saved.ok()) return done();
        log_.warn("journal.retry", {{"reason", saved.error().message}});
        loop_.start_timer(loop_.now() + kRetryAfter,
                          lifetime_.guard([this, state, done] { save(state, done); }));
      }));
}

}  // namespace parley::api
