// Changes of keyspaces: levels of the next version, here and on a majority of the ring's members.
//
// Why what was told ok stands until a later change of the same level: what a member holds of a
// level only grows (held_keyspace.h), by whatever way it comes, and a member counts for a change
// that holds the change's own version and level once that is durable. Two majorities share a
// member. It held the first change when that was told ok, so a second one that it counts for is not
// below it, and takes its place everywhere.
#include <utility>

#include "base/mutant.h"
#include "membership/gossiper_internal.h"
#include "membership/membership_codec.h"

namespace parley::membership {
namespace {

// A change of the same level made elsewhere a moment ago takes one more; several at one moment take
// turns by chance.
constexpr unsigned kAttemptsMost = 8;
constexpr Duration kPauseMost = 20ms;  // before the second; more before each further one

}  // namespace

// One change under way: of all its attempts.
struct GossiperDriver::KeyspaceSetting {
  KeyspaceId id;
  KeyspaceChange change;
  Instant deadline;
  std::function<void(Result<KeyspaceRecord>)> done;
  unsigned attempts = 0;
  bool waits = false;  // for the next one: what else is answered to the last changes nothing
  bool over = false;
  // Of this attempt.
  HeldKeyspace record;
  std::size_t needed = 0, taken = 0, open = 0;

  void end(Result<KeyspaceRecord> result) {
    if (!std::exchange(over, true)) done(std::move(result));
  }
  // As soon as something was sent it may prevail, whatever happened since.
  void fail(ErrorCode code, std::string why) {
    end(Error{attempts == 0 ? code : ErrorCode::Unknown, std::move(why)});
  }
};

void GossiperDriver::change_keyspace(const KeyspaceId& id, const KeyspaceChange& change,
                                     Duration timeout,
                                     std::function<void(Result<KeyspaceRecord>)> done) {
  auto setting = std::make_shared<KeyspaceSetting>();
  setting->id = id;
  setting->change = change;
  setting->deadline = loop_.now() + timeout;
  setting->done = std::move(done);
  // A disk, our own too, may take for ever.
  loop_.start_timer(setting->deadline, lifetime_.guard([setting] {
    setting->fail(ErrorCode::Unknown, "too few members stored the keyspace in time");
  }));
  loop_.post(lifetime_.guard([this, setting] { try_keyspace(setting); }));
}

void GossiperDriver::try_keyspace(const std::shared_ptr<KeyspaceSetting>& setting) {
  if (!view_ || leaving_) {
    return setting->fail(ErrorCode::Unavailable, "this node is no member of a cluster");
  }
  const auto held = records_.keyspaces().find(setting->id);
  if (held == records_.keyspaces().end()) {
    return setting->fail(ErrorCode::NotFound, "there is no such keyspace");
  }
  const auto& ring_nodes = records_.ring()->nodes();
  std::vector<Endpoint> others;
  for (const NodeId& node : ring_nodes) {
    if (node != self_.node && view_->is_up(node)) others.push_back(records_.find(node)->peer());
  }
  const std::size_t members =
      PARLEY_MUTANT(keyspace_majority_of_the_up) ? others.size() + 1 : ring_nodes.size();
  const std::size_t needed = members / 2 + 1;
  if (others.size() + 1 < needed) {
    return setting->fail(ErrorCode::Unavailable, std::to_string(others.size() + 1) +
                                                     " of the ring's members are up, " +
                                                     std::to_string(needed) + " are needed");
  }
  setting->record = with_change(held->second, setting->change);
  setting->needed = PARLEY_MUTANT(keyspace_set_alone) ? 1 : needed;
  setting->taken = 0;
  setting->waits = false;
  setting->open = others.size() + 1;
  SwimOutbox out;
  out.changed = records_.merge(setting->record);
  const unsigned attempt = ++setting->attempts;
  save([this, setting, attempt] {
    keyspace_held(setting, attempt, records_.keyspaces().at(setting->id));
  });
  for (const Endpoint& other : others) {
    call(other, runtime::Verb::KeyspaceSet, encode_keyspace_set(setting->record),
         setting->deadline - loop_.now(), [this, setting, attempt](const Result<Bytes>& answer) {
           if (!answer.ok() || answer->empty()) {
             return keyspace_answered(*setting, attempt, answer.ok());
           }
           const auto theirs = decode_keyspace_set(*answer);
           if (!theirs.ok()) return keyspace_answered(*setting, attempt, false);
           SwimOutbox news;
           news.changed = records_.merge(*theirs);
           if (news.changed) save([] {});
           carry_out(std::move(news));
           keyspace_held(setting, attempt, *theirs);
         });
  }
  carry_out(std::move(out));
}

// What a member holds, durably. If that is not our change, it is made again, over what we have
// heard by then: at once, before a majority may have taken this one, for others that are silent
// could keep us waiting for it.
void GossiperDriver::keyspace_held(const std::shared_ptr<KeyspaceSetting>& setting,
                                   unsigned attempt, const HeldKeyspace& held) {
  if (stands(setting->record, setting->change, held)) {
    return keyspace_answered(*setting, attempt, true);
  }
  if (setting->over || setting->waits || attempt != setting->attempts) return;
  if (setting->attempts >= kAttemptsMost) {
    return setting->fail(ErrorCode::Unknown, "others change the keyspace at the same time");
  }
  const auto most = static_cast<std::uint64_t>((setting->attempts * kPauseMost).count());
  const Duration pause(static_cast<std::int64_t>(random_.below(most)));
  setting->waits = true;
  loop_.start_timer(loop_.now() + pause, lifetime_.guard([this, setting] {
    if (!setting->over) try_keyspace(setting);
  }));
}

void GossiperDriver::keyspace_answered(KeyspaceSetting& setting, unsigned attempt, bool taken) {
  if (setting.waits || attempt != setting.attempts) return;
  --setting.open;
  setting.taken += taken ? 1 : 0;
  // Ours has what was told ok before by now: some member of this majority held it, and said so.
  if (setting.taken >= setting.needed) {
    return setting.end(records_.keyspaces().at(setting.id).record);
  }
  if (setting.taken + setting.open >= setting.needed) return;
  setting.fail(ErrorCode::Unknown, std::to_string(setting.taken) + " of " +
                                       std::to_string(setting.needed) +
                                       " members stored the keyspace");
}

}  // namespace parley::membership
