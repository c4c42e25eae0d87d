// StoreJournal: membership's state, kept among the store's named values. A driver.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/lifetime.h"
#include "base/log.h"
#include "membership/gossiper.h"
#include "runtime/loop.h"
#include "storage/store.h"

namespace parley::api {

class StoreJournal final : public membership::Journal {
 public:
  StoreJournal(storage::Store& store, runtime::Loop& loop, Logger log)
      : store_(store), log_(log), retry_(loop) {}

  std::optional<Bytes> stored() const;
  // One save is under way at a time and the newest state waits behind it, so an older one can
  // never come last. A full or busy store is tried again until it takes the state; other failures
  // end the process in the store itself.
  void save(Bytes state, std::function<void()> done) override;

 private:
  using Waiting = std::vector<std::function<void()>>;
  void write();

  storage::Store& store_;
  const Logger log_;
  runtime::Timer retry_;
  std::optional<Bytes> newest_;
  Waiting waiting_;  // for `newest_`
  bool writing_ = false;
  Lifetime lifetime_;
};

}  // namespace parley::api
