#include "api/console_facts.h"

#include <capnp/compat/json.h>
#include <capnp/message.h>
#include <kj/exception.h>

#include <algorithm>

#include "api/client_codec.h"
#include "api/cluster_admin_rows.h"
#include "api/console.capnp.h"
#include "api/console_links.h"
#include "base/metric.h"
#include "ring/ring.h"

namespace parley::api {
namespace {

namespace words = console_schema;
using client::text_for;

template <typename Number>
double real(Number n) {
  return static_cast<double>(n);
}
unsigned count(std::size_t n) { return static_cast<unsigned>(n); }

template <typename Message, typename Fill>
std::string json_of(Fill fill) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<Message>();
  fill(root);
  const capnp::JsonCodec codec;
  const kj::String text = codec.encode(root.asReader());
  return {text.begin(), text.size()};
}

struct PairSums {
  std::int64_t oldest_ms = -1;
  std::uint32_t pairs = 0, never = 0;
  bool syncing = false;

  void add(const client::RepairRow& row) {
    ++pairs;
    syncing |= row.running;
    if (row.last_sync_ms < 0)
      ++never;
    else
      oldest_ms = std::max(oldest_ms, row.last_sync_ms);
  }
};

void write_faults(const std::vector<client::FaultRow>& in, words::Cluster::Node::Builder node) {
  auto out = node.initFaults(count(in.size()));
  for (unsigned i = 0; i < in.size(); ++i) {
    out[i].setId(real(in[i].id));
    out[i].setText(text_for(in[i].text));
    out[i].setNote(text_for(in[i].spec.note));
    out[i].setLeftMs(real(in[i].left_ms));
    out[i].setKind(text_for(in[i].spec.kind));
  }
}

void write_word(const NodeWord& in, words::Cluster::Node::Builder out) {
  out.setAnswers(true);
  out.setReady(text_for(in.info.ready));
  out.setVersion(text_for(in.info.version));
  out.setUptimeMs(real(in.info.uptime_ms));
  out.setHintsKept(real(in.info.hints));
  double requests = 0;
  for (const client::WorkRow& row : in.info.work) {
    requests += real(row.ok) + real(row.refused) + real(row.unknown);
  }
  out.setRequests(requests);
  out.setFaultsAllowed(in.faults.has_value());
  if (in.faults) write_faults(*in.faults, out);
}

void write_node(const ConsoleFacts& facts, const client::StatusRow& row,
                words::Cluster::Node::Builder out) {
  out.setAddress(text_for(row.address));
  out.setNode(text_for(row.node));
  out.setStatus(text_for(row.status));
  out.setRack(text_for(row.rack));
  out.setDc(text_for(row.dc));
  out.setLoadBytes(real(row.load_bytes));
  out.setOwns(row.owns);
  out.setTokens(row.tokens);
  out.setHintsFor(real(row.hints_for));
  out.setFaultCount(real(row.faults));
  out.setLastHeardMs(-1);
  out.setRttMs(-1);
  for (const client::GossipRow& heard : facts.gossip) {
    if (heard.node != row.node) continue;
    out.setLiveness(text_for(heard.liveness));
    out.setLastHeardMs(real(heard.last_heard_ms));
    out.setRttMs(heard.rtt_ms);
  }
  PairSums sums;
  for (const client::RepairRow& pair : facts.repair.rows) {
    if (pair.holder == row.address) sums.add(pair);
  }
  out.setOldestSyncMs(sums.never > 0 ? -1 : real(sums.oldest_ms));
  out.setCoOwners(sums.pairs);
  out.setSyncing(sums.syncing);
  const auto word = facts.words.find(row.address);
  if (word != facts.words.end()) write_word(word->second, out);
}

void write_links(const ConsoleFacts& facts, words::Cluster::Builder cluster) {
  std::vector<std::string> addresses;
  for (const client::StatusRow& row : facts.status.nodes) addresses.push_back(row.address);
  FaultsByAddress faults;
  for (const auto& [address, word] : facts.words) {
    if (word.faults && !word.faults->empty()) faults[address] = *word.faults;
  }
  const auto links = links_of(addresses, faults);
  auto out = cluster.initLinks(count(links.size()));
  for (unsigned i = 0; i < links.size(); ++i) {
    out[i].setA(text_for(links[i].a));
    out[i].setB(text_for(links[i].b));
    out[i].setToB(static_cast<words::Cluster::Link::State>(links[i].to_b));
    out[i].setToA(static_cast<words::Cluster::Link::State>(links[i].to_a));
    client::write_texts(links[i].because, out[i].initBecause(count(links[i].because.size())));
  }
}

void write_hints(std::vector<client::HintRow> rows, words::Cluster::Builder cluster) {
  cluster.setHintRows(count(rows.size()));
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& one, const auto& other) { return one.hints > other.hints; });
  rows.resize(std::min(rows.size(), kHintRowsMost));
  auto out = cluster.initHints(count(rows.size()));
  for (unsigned i = 0; i < rows.size(); ++i) {
    out[i].setHolder(text_for(rows[i].holder));
    out[i].setTarget(text_for(rows[i].target));
    out[i].setHints(real(rows[i].hints));
    out[i].setSoleHints(real(rows[i].sole_hints));
    out[i].setBytes(real(rows[i].bytes));
    out[i].setOldestMs(real(rows[i].oldest_ms));
  }
}

void write_repair(const std::vector<client::RepairRow>& rows, words::Cluster::Repair::Builder out) {
  PairSums sums;
  const client::RepairRow* oldest = nullptr;
  std::uint32_t running = 0, differed = 0;
  double keys = 0;
  for (const client::RepairRow& row : rows) {
    sums.add(row);
    if (row.last_sync_ms >= 0 && (oldest == nullptr || row.last_sync_ms > oldest->last_sync_ms)) {
      oldest = &row;
    }
    running += row.running ? 1 : 0;
    differed += row.last_sync_ms >= 0 && !row.equal ? 1 : 0;
    keys += real(row.keys_total);
  }
  out.setOldestMs(real(sums.oldest_ms));
  if (oldest != nullptr) {
    out.setOldestHolder(text_for(oldest->holder));
    out.setOldestPeer(text_for(oldest->peer));
  }
  out.setPairs(sums.pairs);
  out.setNever(sums.never);
  out.setRunning(running);
  out.setDiffered(differed);
  out.setKeys(keys);
}

void write_work(const std::vector<client::WorkRow>& rows, words::Cluster::Builder cluster) {
  auto out = cluster.initWork(count(rows.size()));
  for (unsigned i = 0; i < rows.size(); ++i) {
    out[i].setOp(text_for(rows[i].op));
    out[i].setLevel(text_for(rows[i].level));
    out[i].setOk(real(rows[i].ok));
    out[i].setRefused(real(rows[i].refused));
    out[i].setUnknown(real(rows[i].unknown));
    auto buckets = out[i].initBuckets(count(rows[i].buckets.size()));
    for (unsigned b = 0; b < rows[i].buckets.size(); ++b) buckets.set(b, real(rows[i].buckets[b]));
  }
  auto bounds = cluster.initBounds(count(Histogram::kBounds.size()));
  for (unsigned i = 0; i < Histogram::kBounds.size(); ++i) bounds.set(i, Histogram::kBounds[i]);
}

Error no_order(std::string why) { return {ErrorCode::InvalidArgument, std::move(why)}; }

}  // namespace

std::string cluster_json(const ConsoleFacts& facts) {
  return json_of<words::Cluster>([&facts](words::Cluster::Builder out) {
    out.setName(text_for(facts.status.cluster_name));
    out.setSelf(text_for(facts.self.address));
    out.setVersion(text_for(facts.self.version));
    out.setReady(text_for(facts.self.ready));
    out.setUptimeMs(real(facts.self.uptime_ms));
    out.setGeneration(real(facts.self.generation));
    out.setRingDigest(text_for(facts.status.ring_digest));
    out.setViewsAgree(facts.status.views_agree);
    const auto own = facts.words.find(facts.self.address);
    out.setFaultsAllowed(own != facts.words.end() && own->second.faults.has_value());
    auto nodes = out.initNodes(count(facts.status.nodes.size()));
    for (unsigned i = 0; i < facts.status.nodes.size(); ++i) {
      write_node(facts, facts.status.nodes[i], nodes[i]);
    }
    write_links(facts, out);
    write_hints(facts.hints.rows, out);
    write_repair(facts.repair.rows, out.initRepair());
    write_work(facts.work, out);
    client::write_texts(facts.status.no_answer,
                        out.initNoAnswer(count(facts.status.no_answer.size())));
    out.setNotAsked(count(facts.not_asked));
  });
}

std::string ring_json(const client::RingInfo& ring) {
  return json_of<words::Ring>([&ring](words::Ring::Builder out) {
    out.setDigest(text_for(ring.digest));
    std::map<std::string, unsigned> places;
    for (const client::RingRow& row : ring.vnodes) places.emplace(row.address, 0);
    auto addresses = out.initAddresses(count(places.size()));
    unsigned next = 0;
    for (auto& [address, place] : places) {
      addresses.set(next, text_for(address));
      place = next++;
    }
    auto slots = out.initSlots(count(ring.vnodes.size()));
    auto owners = out.initOwners(count(ring.vnodes.size()));
    for (unsigned i = 0; i < ring.vnodes.size(); ++i) {
      slots.set(i, static_cast<std::uint16_t>(ring.vnodes[i].slot));
      owners.set(i, static_cast<std::uint16_t>(places.at(ring.vnodes[i].address)));
    }
  });
}

std::string key_json(const std::string& keyspace, const Bytes& key,
                     const client::InspectResult& found) {
  return json_of<words::Key>([&](words::Key::Builder out) {
    const Token token = ring::token_of(key);
    out.setKeyspace(text_for(keyspace));
    out.setSlot(static_cast<std::uint16_t>(slot_of(token)));
    out.setToken(text_for(digest_text(token)));
    out.setExists(found.exists);
    out.setDiverged(found.diverged);
    auto replicas = out.initReplicas(count(found.replicas.size()));
    for (unsigned i = 0; i < found.replicas.size(); ++i) {
      const client::InspectRow& row = found.replicas[i];
      replicas[i].setAddress(text_for(row.address));
      replicas[i].setState(state_of(row));
      replicas[i].setVersion(text_for(row.version));
      replicas[i].setDigest(text_for(row.digest));
      replicas[i].setHintsPending(real(row.hints_pending));
    }
  });
}

std::string said_json(const std::string& text) {
  return json_of<words::Said>([&text](auto& out) { out.setText(text_for(text)); });
}

std::string refusal_json(const std::string& text) {
  return json_of<words::Refusal>([&text](auto& out) { out.setError(text_for(text)); });
}

Result<ConsoleOrder> read_order(ByteView json) {
  ConsoleOrder order;
  try {
    capnp::MallocMessageBuilder message;
    auto in = message.initRoot<words::Order>();
    const capnp::JsonCodec codec;
    codec.decode(kj::arrayPtr(json.data(), json.size()), in);
    const auto said = in.asReader();
    const std::string what = client::text_of(said.getDo());
    order.a = client::text_of(said.getA());
    order.b = client::text_of(said.getB());
    if (what != "cut" && what != "heal") return no_order("an order is to cut or to heal");
    order.what = what == "cut" ? ConsoleOrder::What::Cut : ConsoleOrder::What::Heal;
  } catch (const kj::Exception&) {
    return no_order("this is no order");
  }
  const bool link = !order.a.empty() && !order.b.empty();
  if (order.what == ConsoleOrder::What::Cut && !link) return no_order("a cut wants two nodes");
  if (order.a.empty() && !order.b.empty()) return no_order("the one node is to be `a`");
  if (link && order.a == order.b) return no_order("a node has no link to itself");
  return order;
}

}  // namespace parley::api
