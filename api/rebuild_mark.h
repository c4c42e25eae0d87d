// RebuildMark: the durable mark of node_identity.h, begin_rebuild and end_rebuild, written until it
// is written. A driver.
#pragma once

#include <functional>

#include "base/ids.h"
#include "base/lifetime.h"
#include "base/log.h"
#include "runtime/loop.h"
#include "storage/store.h"

namespace parley::api {

class RebuildMark {
 public:
  RebuildMark(storage::Store& store, runtime::Loop& loop, Logger log)
      : store_(store), log_(log), retry_(loop) {}

  // The next life rebuilds, above the highest generation that begin() was ever told. `done`: it is
  // durable; of a begin() that another one follows it may never come.
  void begin(Generation later, std::function<void()> done);
  // The rebuild is over: the next life is whole. Does nothing after begin(), `done` neither: news
  // of another life outlasts the end of a rebuild that did not know of it.
  void end(std::function<void()> done);

 private:
  void write();

  storage::Store& store_;
  const Logger log_;
  runtime::Timer retry_;
  Generation later_ = 0;  // what is to be durable; 0: the end
  std::uint64_t asked_ = 0;
  std::function<void()> done_;
  Lifetime lifetime_;
};

}  // namespace parley::api
