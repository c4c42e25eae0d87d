// Changes of keyspaces: a record of the next version here and on a majority of the ring's members.
#include <algorithm>

#include "membership/gossiper_internal.h"
#include "membership/membership_codec.h"

namespace parley::membership {
namespace {

// A change made elsewhere at the same moment takes one; whoever meets more is in a crowd.
constexpr unsigned kAttemptsMost = 4;

}  // namespace

// One change under way: of all its attempts.
struct GossiperDriver::KeyspaceSetting {
  KeyspaceId id;
  KeyspaceChange change;
  Instant deadline;
  std::function<void(Result<KeyspaceRecord>)> done;
  unsigned attempts = 0;
  // Of this attempt.
  KeyspaceRecord record;
  std::size_t needed = 0, taken = 0, open = 0;
  bool passed = false;  // a member holds a later record
  bool over = false;
};

void GossiperDriver::change_keyspace(const KeyspaceId& id, KeyspaceChange change, Duration timeout,
                                     std::function<void(Result<KeyspaceRecord>)> done) {
  auto setting = std::make_shared<KeyspaceSetting>();
  setting->id = id;
  setting->change = std::move(change);
  setting->deadline = loop_.now() + timeout;
  setting->done = std::move(done);
  loop_.post(lifetime_.guard([this, setting] { try_keyspace(setting); }));
}

void GossiperDriver::try_keyspace(const std::shared_ptr<KeyspaceSetting>& setting) {
  const auto fail = [&setting](ErrorCode code, std::string why) {
    setting->over = true;
    setting->done(Error{code, std::move(why)});
  };
  if (!view_ || leaving_) {
    return fail(ErrorCode::Unavailable, "this node is no member of a cluster yet");
  }
  const auto held = records_.keyspaces().find(setting->id);
  if (held == records_.keyspaces().end()) {
    return fail(ErrorCode::NotFound, "there is no such keyspace");
  }
  const auto& ring_nodes = records_.ring()->nodes();
  const std::size_t needed = ring_nodes.size() / 2 + 1;
  std::vector<Endpoint> others;
  for (const NodeId& node : ring_nodes) {
    if (node != self_.node && view_->is_up(node)) others.push_back(records_.find(node)->peer());
  }
  if (others.size() + 1 < needed) {
    return fail(setting->attempts == 0 ? ErrorCode::Unavailable : ErrorCode::Unknown,
                std::to_string(others.size() + 1) + " of the ring's members are up, " +
                    std::to_string(needed) + " are needed");
  }
  setting->record = setting->change(held->second);
  setting->record.version = held->second.version + 1;
  setting->needed = needed;
  setting->taken = 0;
  setting->open = others.size() + 1;
  setting->passed = false;
  SwimOutbox out;
  out.changed = records_.merge(setting->record);
  const unsigned attempt = ++setting->attempts;
  save([this, setting, attempt] { keyspace_answered(setting, attempt, Bytes()); });
  const Duration left = setting->deadline - loop_.now();
  for (const Endpoint& other : others) {
    call(other, runtime::Verb::KeyspaceSet, encode_keyspace_set(setting->record), left,
         [this, setting, attempt](const Result<Bytes>& answer) {
           keyspace_answered(setting, attempt, answer);
         });
  }
  carry_out(std::move(out));
}

void GossiperDriver::keyspace_answered(const std::shared_ptr<KeyspaceSetting>& setting,
                                       unsigned attempt, const Result<Bytes>& answer) {
  if (answer.ok() && !answer->empty()) {
    const auto later = decode_keyspace_set(*answer);
    SwimOutbox out;
    out.changed = later.ok() && records_.merge(*later);
    if (out.changed) save([] {});
    carry_out(std::move(out));
  }
  if (setting->over || attempt != setting->attempts) return;
  --setting->open;
  const bool later_stands = answer.ok() && !answer->empty();
  setting->taken += answer.ok() && !later_stands ? 1 : 0;
  setting->passed = setting->passed || later_stands;
  if (setting->taken >= setting->needed) {
    setting->over = true;
    return setting->done(setting->record);
  }
  if (setting->taken + setting->open >= setting->needed) return;
  // A majority is out of reach. With what is known now, once more.
  const bool again = setting->passed && setting->attempts < kAttemptsMost;
  if (again && loop_.now() < setting->deadline) return try_keyspace(setting);
  setting->over = true;
  setting->done(Error{ErrorCode::Unknown, std::to_string(setting->taken) + " of " +
                                              std::to_string(setting->needed) +
                                              " members stored the keyspace in time"});
}

}  // namespace parley::membership
