#include "api/cluster_admin_service.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/cluster_admin_rows.h"
#include "api/conflict_scan.h"
#include "base/check.h"
#include "replication/replica_plan.h"

namespace parley::api {

namespace {

using membership::View;
using runtime::Verb;

// A peer that is slow to say how much it holds is left out, and named, rather than waited for.
constexpr Duration kShortQuestionMost = 500ms;
constexpr Duration kRepairRoundMost = 60s;

Duration short_question(Duration timeout) {
  return std::min<Duration>(kShortQuestionMost, timeout / 2);
}

// Replies to `respond` what `decode` made of a request, or the reason why not.
template <typename T>
bool refuse_malformed(const Result<T>& request, const runtime::Responder& respond) {
  if (!request) respond(request.error());
  return !request;
}

// The addresses of those whose answer is none, sorted.
template <typename T>
std::vector<std::string> silent_of(const View& view, const std::map<NodeId, Result<T>>& answers) {
  std::vector<std::string> out;
  for (const auto& [node, answer] : answers) {
    if (!answer) out.push_back(view.find(node)->record.address);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

template <typename T>
struct ClusterAdminService::RoundOf final : Round {
  Answers<T> answers;
  std::size_t left = 0;
};

ClusterAdminService::ClusterAdminService(ClusterAdminWorld world) : world_(std::move(world)) {
  serve_peers();
}

ClusterAdminService::~ClusterAdminService() {
  for (const Verb verb : {Verb::PeerHints, Verb::PeerDropHints, Verb::PeerRepair,
                          Verb::PeerRepairStatus, Verb::PeerLoad, Verb::PeerConflicts}) {
    world_.rpc.serve(verb, runtime::Admission::Members, nullptr);
  }
  for (const auto& round : rounds_) round->calls.clear();
}

template <typename T>
void ClusterAdminService::ask_peers(const View& view, Verb verb, const Bytes& body,
                                    Duration timeout, Result<T> (*decode)(ByteView),
                                    std::function<void(Answers<T>)> done) {
  const auto round = std::make_shared<RoundOf<T>>();
  const auto place = rounds_.insert(rounds_.end(), round);
  const auto finish = [this, round, place, done = std::move(done)] {
    // A call's handle cannot be destroyed inside its own callback.
    world_.loop.post(lifetime_.guard([this, round, place, done] {
      round->calls.clear();
      rounds_.erase(place);
      done(std::move(round->answers));
    }));
  };
  for (const membership::Member& member : view.members) {
    if (member.record.node == view.self || !member.is_up()) continue;
    ++round->left;
  }
  if (round->left == 0) return finish();
  runtime::CallOptions options;
  options.timeout = timeout;
  for (const membership::Member& member : view.members) {
    const NodeId node = member.record.node;
    if (node == view.self || !member.is_up()) continue;
    round->calls.push_back(world_.rpc.call(
        member.record.peer(), verb, body, options,
        lifetime_.guard([round = round.get(), node, decode, finish](Result<Bytes> reply) {
          round->answers.emplace(node, reply ? decode(*reply) : Result<T>(reply.error()));
          if (--round->left == 0) finish();
        })));
  }
}

template <typename T>
void ClusterAdminService::fail_later(Done<T> done, Error error) {
  world_.loop.post(lifetime_.guard(
      [done = std::move(done), error = std::move(error)]() mutable { done(std::move(error)); }));
}

Result<membership::ViewPtr> ClusterAdminService::ready_view() const {
  auto view = world_.gossiper.view();
  if (view != nullptr) return view;
  return Error{ErrorCode::NotReady,
               "not a member of a cluster yet: " + world_.gossiper.waiting_for(), 500};
}

void ClusterAdminService::serve_peers() {
  const auto serve = [this](Verb verb, auto handler) {
    world_.rpc.serve(verb, runtime::Admission::Members, lifetime_.guard(std::move(handler)));
  };
  serve(Verb::PeerHints, [this](const runtime::RpcRequest&, runtime::Responder respond) {
    respond(encode_hint_totals(own_hints()));
  });
  serve(Verb::PeerLoad, [this](const runtime::RpcRequest&, runtime::Responder respond) {
    respond(encode_load_reply(own_load()));
  });
  serve(Verb::PeerRepairStatus, [this](const runtime::RpcRequest&, runtime::Responder respond) {
    respond(encode_sync_rows(own_sync()));
  });
  serve(Verb::PeerDropHints, [this](const runtime::RpcRequest& in, runtime::Responder respond) {
    const auto target = decode_drop_request(in.body);
    if (refuse_malformed(target, respond)) return;
    world_.replication.hints().drop(*target, [respond](Result<std::uint64_t> dropped) {
      respond(dropped ? Result<Bytes>(encode_drop_reply(*dropped)) : dropped.error());
    });
  });
  serve(Verb::PeerConflicts, [this](const runtime::RpcRequest& in, runtime::Responder respond) {
    auto question = decode_conflict_question(in.body);
    if (refuse_malformed(question, respond)) return;
    own_conflicts(std::move(*question), [respond](Result<ConflictPart> part) {
      respond(part ? Result<Bytes>(encode_conflict_part(*part)) : part.error());
    });
  });
  serve(Verb::PeerRepair, [this](const runtime::RpcRequest& in, runtime::Responder respond) {
    const auto wait = decode_repair_request(in.body);
    if (refuse_malformed(wait, respond)) return;
    const Duration left = in.deadline - world_.loop.now();
    world_.repair.run_round(
        *wait ? left : kRepairRoundMost, [respond, wait = *wait](Result<std::uint64_t> keys) {
          if (!wait) return;
          respond(keys ? Result<Bytes>(encode_repair_reply(*keys)) : keys.error());
        });
    if (!*wait) respond(encode_repair_reply(0));
  });
}

PeerLoad ClusterAdminService::own_load() const {
  return {world_.store.bytes_on_disk(), world_.faults ? world_.faults->active() : 0};
}

Result<FaultDesk*> ClusterAdminService::fault_desk() const {
  if (world_.faults != nullptr) return world_.faults;
  return Error{ErrorCode::Refused,
               "node " + world_.self().address + " was not started with --allow-faults"};
}

Result<std::vector<client::FaultRow>> ClusterAdminService::faults() {
  const auto desk = fault_desk();
  if (!desk) return desk.error();
  return (*desk)->faults();
}

Result<std::uint64_t> ClusterAdminService::inject_fault(const client::FaultSpec& spec) {
  const auto desk = fault_desk();
  if (!desk) return desk.error();
  return (*desk)->inject(spec);
}

Result<std::uint64_t> ClusterAdminService::heal_faults(std::uint64_t id, const std::string& peer,
                                                       const std::string& note) {
  const auto desk = fault_desk();
  if (!desk) return desk.error();
  return (*desk)->heal(id, peer, note);
}

Result<client::NodeLatencies> ClusterAdminService::latencies() {
  const auto view = ready_view();
  if (!view) return view.error();
  return node_latencies(**view, world_.replication.latencies());
}

std::vector<PeerHintTotal> ClusterAdminService::own_hints() const {
  std::vector<PeerHintTotal> out;
  const WallTime now = world_.loop.wall();
  for (const auto& [target, totals] : world_.replication.hints().totals()) {
    if (totals.hints == 0) continue;
    out.push_back({target, totals.hints, totals.sole_hints, totals.bytes,
                   std::max<std::int64_t>(0, now.millis - totals.oldest.millis)});
  }
  return out;
}

std::vector<PeerSyncRow> ClusterAdminService::own_sync() const {
  std::vector<PeerSyncRow> out;
  for (const repair::SyncRow& row : world_.repair.status()) {
    out.push_back(
        {row.peer, row.last_sync_ms, row.keys_last, row.keys_total, row.running, row.equal});
  }
  return out;
}

client::ClusterStatus ClusterAdminService::status_of(
    const View& view, const Answers<std::vector<PeerHintTotal>>& hints) const {
  std::map<NodeId, std::uint64_t> hints_for;
  for (const auto& total : own_hints()) hints_for[total.target] += total.hints;
  for (const auto& [holder, totals] : hints) {
    if (!totals) continue;
    for (const auto& total : *totals) hints_for[total.target] += total.hints;
  }
  client::ClusterStatus out;
  for (const membership::Member& member : view.members) {
    client::StatusRow row = status_row(view, member);
    const auto said = loads_.find(member.record.node);
    PeerLoad load = said == loads_.end() ? PeerLoad{} : said->second;
    if (member.record.node == view.self) load = own_load();
    row.load_bytes = load.bytes_on_disk;
    row.faults = load.faults;
    const auto waiting = hints_for.find(member.record.node);
    if (waiting != hints_for.end()) row.hints_for = waiting->second;
    out.nodes.push_back(std::move(row));
  }
  sort_by_address(out.nodes);
  out.ring_digest = digest_text(view.ring->digest());
  out.views_agree = world_.gossiper.views_agree();
  out.cluster_name = view.cluster_name;
  out.cluster_id = to_text(view.cluster);
  return out;
}

void ClusterAdminService::status(Duration timeout, Done<client::ClusterStatus> done) {
  const auto view = ready_view();
  if (!view) return fail_later(std::move(done), view.error());
  const Duration patience = short_question(timeout);
  struct Both {
    bool loads = false;
    std::vector<std::string> silent;
    std::optional<Answers<std::vector<PeerHintTotal>>> hints;
  };
  const auto both = std::make_shared<Both>();
  const auto finish = [this, view = *view, both, done = std::move(done)] {
    if (!both->loads || !both->hints) return;
    client::ClusterStatus out = status_of(*view, *both->hints);
    const auto silent = silent_of(*view, *both->hints);
    std::set_union(silent.begin(), silent.end(), both->silent.begin(), both->silent.end(),
                   std::back_inserter(out.no_answer));
    done(std::move(out));
  };
  ask_peers<PeerLoad>(**view, Verb::PeerLoad, {}, patience, decode_load_reply,
                      [this, view = *view, both, finish](Answers<PeerLoad> answers) {
                        both->silent = silent_of(*view, answers);
                        for (const auto& [node, load] : answers) {
                          if (load) loads_[node] = *load;
                        }
                        both->loads = true;
                        finish();
                      });
  ask_peers<std::vector<PeerHintTotal>>(
      **view, Verb::PeerHints, {}, patience, decode_hint_totals,
      [both, finish](Answers<std::vector<PeerHintTotal>> answers) {
        both->hints = std::move(answers);
        finish();
      });
}

Result<client::RingInfo> ClusterAdminService::ring() {
  const auto view = ready_view();
  if (!view) return view.error();
  return ring_info(**view);
}

client::NodeInfo ClusterAdminService::info() { return world_.self(); }

std::vector<client::GossipRow> ClusterAdminService::gossip() {
  std::vector<client::GossipRow> out;
  for (const membership::GossipRow& row : world_.gossiper.gossip()) out.push_back(gossip_row(row));
  sort_by_address(out);
  return out;
}

Result<std::vector<client::ReplicaAddress>> ClusterAdminService::endpoints(
    const std::string& keyspace, const Bytes& key) {
  const auto view = ready_view();
  if (!view) return view.error();
  return replicas_of(**view, keyspace, key);
}

void ClusterAdminService::inspect(const std::string& keyspace, Bytes key, Duration timeout,
                                  Done<client::InspectResult> done) {
  const auto view = ready_view();
  if (!view) return fail_later(std::move(done), view.error());
  const auto found = find_keyspace(**view, keyspace);
  if (!found) return fail_later(std::move(done), found.error());
  world_.replication.coordinator().inspect(
      (*found)->id, std::move(key), world_.loop.now() + timeout,
      [done = std::move(done)](const replication::InspectReply& reply) {
        done(inspect_result(reply));
      });
}

void ClusterAdminService::hints(Duration timeout, Done<client::Gathered<client::HintRow>> done) {
  const auto view = ready_view();
  if (!view) return fail_later(std::move(done), view.error());
  ask_peers<std::vector<PeerHintTotal>>(
      **view, Verb::PeerHints, {}, short_question(timeout), decode_hint_totals,
      [this, view = *view, done = std::move(done)](Answers<std::vector<PeerHintTotal>> answers) {
        answers.emplace(view->self, own_hints());
        client::Gathered<client::HintRow> out;
        out.no_answer = silent_of(*view, answers);
        for (const auto& [holder, totals] : answers) {
          if (!totals) continue;
          for (const auto& total : *totals) out.rows.push_back(hint_row(*view, holder, total));
        }
        done(std::move(out));
      });
}

void ClusterAdminService::drop_hints(const std::string& target, Duration timeout,
                                     Done<std::uint64_t> done) {
  const auto view = ready_view();
  if (!view) return fail_later(std::move(done), view.error());
  const auto node = find_target(**view, target);
  if (!node) return fail_later(std::move(done), node.error());
  // Nodes that do not answer may keep theirs: then the answer is no success.
  ask_peers<std::uint64_t>(
      **view, Verb::PeerDropHints, encode_drop_request(*node), timeout / 2, decode_drop_reply,
      [this, node = *node, done = std::move(done)](const Answers<std::uint64_t>& answers) {
        std::uint64_t sum = 0;
        std::size_t silent = 0;
        for (const auto& [holder, dropped] : answers) {
          sum += dropped ? *dropped : 0;
          silent += dropped ? 0 : 1;
        }
        world_.replication.hints().drop(node, [done, sum, silent](Result<std::uint64_t> dropped) {
          if (!dropped) return done(dropped);
          if (silent == 0) return done(sum + *dropped);
          done(Error{ErrorCode::Unknown, std::to_string(sum + *dropped) + " hints dropped, but " +
                                             std::to_string(silent) +
                                             " nodes that are up did not answer"});
        });
      });
}

void ClusterAdminService::repair(bool wait, Duration timeout, Done<std::uint64_t> done) {
  const auto view = ready_view();
  if (!view) return fail_later(std::move(done), view.error());
  // Answers must be back before the operator stops waiting.
  const Duration patience = wait ? timeout - timeout / 10 : short_question(timeout);
  const auto sum = std::make_shared<RepairSum>();
  const auto finish = [sum, wait, done = std::move(done)] {
    if (sum->own && sum->peers) done(sum->result(wait));
  };
  world_.repair.run_round(wait ? patience : kRepairRoundMost,
                          lifetime_.guard([sum, wait, finish](const Result<std::uint64_t>& keys) {
                            if (!wait) return;
                            sum->add(keys);
                            sum->own = true;
                            finish();
                          }));
  if (!wait) sum->own = true;
  ask_peers<std::uint64_t>(**view, Verb::PeerRepair, encode_repair_request(wait), patience,
                           decode_repair_reply,
                           [sum, finish](const Answers<std::uint64_t>& answers) {
                             for (const auto& [node, keys] : answers) sum->add(keys);
                             sum->peers = true;
                             finish();
                           });
}

void ClusterAdminService::repair_status(Duration timeout,
                                        Done<client::Gathered<client::RepairRow>> done) {
  const auto view = ready_view();
  if (!view) return fail_later(std::move(done), view.error());
  ask_peers<std::vector<PeerSyncRow>>(
      **view, Verb::PeerRepairStatus, {}, short_question(timeout), decode_sync_rows,
      [this, view = *view, done = std::move(done)](Answers<std::vector<PeerSyncRow>> answers) {
        answers.emplace(view->self, own_sync());
        client::Gathered<client::RepairRow> out;
        out.no_answer = silent_of(*view, answers);
        for (const auto& [holder, rows] : answers) {
          if (!rows) continue;
          for (const auto& row : *rows) out.rows.push_back(repair_row(*view, holder, row));
        }
        done(std::move(out));
      });
}

void ClusterAdminService::own_conflicts(ConflictQuestion question,
                                        std::function<void(Result<ConflictPart>)> done) {
  const auto view = ready_view();
  if (!view) return done(view.error());
  const auto number = replication::keyspace_number(**view, question.keyspace);
  if (!number) return done(Error{ErrorCode::NotFound, "no such keyspace"});
  scan_conflicts(world_.store, world_.loop, lifetime_, *number, std::move(question),
                 std::move(done));
}

void ClusterAdminService::conflicts(const std::string& keyspace, Bytes after, std::size_t limit,
                                    Duration timeout, Done<client::ConflictPage> done) {
  const auto view = ready_view();
  if (!view) return fail_later(std::move(done), view.error());
  const auto found = find_keyspace(**view, keyspace);
  if (!found) return fail_later(std::move(done), found.error());
  const ConflictQuestion question{(*found)->id, std::move(after), conflict_rows_of(limit),
                                  timeout / 2};
  const auto own = std::make_shared<Result<ConflictPart>>(ConflictPart{});
  const auto both = std::make_shared<std::optional<Answers<ConflictPart>>>();
  const auto left = std::make_shared<int>(2);
  const auto finish = [view = *view, question, own, both, left, done = std::move(done)] {
    if (--*left > 0) return;
    if (!*own) return done(own->error());
    std::vector<ConflictPart> parts = {std::move(**own)};
    client::ConflictPage page;
    for (auto& [node, part] : **both) {
      if (part) parts.push_back(std::move(*part));
    }
    page = conflict_page(std::move(parts), question);
    page.no_answer = silent_of(*view, **both);
    done(std::move(page));
  };
  own_conflicts(question, [own, finish](Result<ConflictPart> part) {
    *own = std::move(part);
    finish();
  });
  ask_peers<ConflictPart>(**view, Verb::PeerConflicts, encode_conflict_question(question),
                          timeout - timeout / 5, decode_conflict_part,
                          [both, finish](Answers<ConflictPart> answers) {
                            *both = std::move(answers);
                            finish();
                          });
}

Result<client::KeyspaceInfo> ClusterAdminService::keyspace(const std::string& name) {
  const auto view = ready_view();
  if (!view) return view.error();
  const auto found = find_keyspace(**view, name);
  if (!found) return found.error();
  return keyspace_info(**found);
}

void ClusterAdminService::set_consistency(const std::string& name, const std::string& read_level,
                                          const std::string& write_level, Duration timeout,
                                          Done<client::KeyspaceInfo> done) {
  const auto view = ready_view();
  if (!view) return fail_later(std::move(done), view.error());
  const auto found = find_keyspace(**view, name);
  if (!found) return fail_later(std::move(done), found.error());
  const auto change = parse_levels(**found, read_level, write_level);
  if (!change) return fail_later(std::move(done), change.error());
  world_.gossiper.change_keyspace((*found)->id, *change, timeout - timeout / 10,
                                  [done = std::move(done)](const auto& stored) {
                                    if (stored.ok()) return done(keyspace_info(*stored));
                                    done(stored.error());
                                  });
}

}  // namespace parley::api
