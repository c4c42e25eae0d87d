// StoreJournal: membership's state, kept among the store's named values. A driver.
#pragma once

#include "base/lifetime.h"
#include "base/log.h"
#include "membership/gossiper.h"
#include "runtime/loop.h"
#include "storage/store.h"

namespace parley::api {

class StoreJournal final : public membership::Journal {
 public:
  StoreJournal(storage::Store& store, runtime::Loop& loop, Logger log)
      : store_(store), loop_(loop), log_(log) {}

  std::optional<Bytes> stored() const;
  // A full or busy store is tried again until it takes the state; other failures end the process
  // in the store itself.
  void save(Bytes state, std::function<void()> done) override;

 private:
  storage::Store& store_;
  runtime::Loop& loop_;
  const Logger log_;
  Lifetime lifetime_;
};

}  // namespace parley::api
