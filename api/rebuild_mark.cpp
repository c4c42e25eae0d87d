#include "api/rebuild_mark.h"

#include <algorithm>
#include <utility>

#include "api/node_identity.h"

namespace parley::api {
namespace {

constexpr Duration kRetryAfter = 1s;  // a full disk; nothing is served meanwhile

}  // namespace

void RebuildMark::begin(Generation later, std::function<void()> done) {
  later_ = std::max(later_, later);
  done_ = std::move(done);
  write();
}

void RebuildMark::end(std::function<void()> done) {
  if (later_ > 0) return;
  done_ = std::move(done);
  write();
}

// The store takes writes in their order, and only the last one asked for is answered or tried
// again: an older one never comes last.
void RebuildMark::write() {
  retry_.cancel();
  const auto written = lifetime_.guard([this, asked = ++asked_](const Status& marked) {
    if (asked != asked_) return;
    if (marked.ok()) return std::exchange(done_, nullptr)();
    log_.warn("node.rebuild_not_marked", {{"reason", marked.error().message}});
    retry_.after(kRetryAfter, [this] { write(); });
  });
  if (later_ > 0) return begin_rebuild(store_, later_, written);
  end_rebuild(store_, written);
}

}  // namespace parley::api
