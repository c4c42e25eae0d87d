// A Loop whose wall clock is off by what a FaultTable says; all else is the other loop's.
#pragma once

#include <utility>

#include "runtime/fault_table.h"
#include "runtime/loop.h"

namespace parley::runtime {

class SkewedLoop final : public Loop {
 public:
  SkewedLoop(Loop& loop, const FaultTable& table) : loop_(loop), table_(table) {}
  Instant now() const override { return loop_.now(); }
  WallTime wall() const override {
    return {loop_.wall().millis + to_millis(table_.clock_offset())};
  }
  void post(Task task) override { loop_.post(std::move(task)); }
  TimerId start_timer(Instant at, Task task) override {
    return loop_.start_timer(at, std::move(task));
  }
  void cancel_timer(TimerId id) override { loop_.cancel_timer(id); }
  Duration lag() const override { return loop_.lag(); }

 private:
  Loop& loop_;
  const FaultTable& table_;
};

}  // namespace parley::runtime
