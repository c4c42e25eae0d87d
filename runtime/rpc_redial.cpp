#include "runtime/rpc_redial.h"

#include <algorithm>

#include "base/mutant.h"

namespace parley::runtime {

void Redial::on_failed(Instant now) {
  retry_at_ = now + pause_;
  pause_ = std::min(pause_ * 2, pause_most_);
}

void Redial::on_broken(Instant now) {
  pause_ = kPauseLeast;
  retry_at_ = now + pause_;
}

void Redial::on_connected() {
  pause_ = kPauseLeast;
  retry_at_.reset();
}

void Redial::on_recovered() {
  pause_ = kPauseLeast;
  attempted_at_.reset();
}

bool Redial::call_may_dial(Instant now) const {
  if (PARLEY_MUTANT(never_redials) && attempted_at_) return false;
  return !attempted_at_ || now - *attempted_at_ >= kPauseLeast;
}

bool Redial::retry_due(Instant now) const {
  return retry_at_ && !PARLEY_MUTANT(never_redials) && now >= *retry_at_ && wanted_lately(now);
}

bool Redial::wanted_lately(Instant now) const {
  return wanted_at_ && now - *wanted_at_ <= kWantedFor;
}

}  // namespace parley::runtime
