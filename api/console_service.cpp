#include "api/console_service.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace parley::api {
namespace {

// Half of it is a peer's time to answer (cluster_admin_service.cpp).
constexpr Duration kQuestion = 1s;
constexpr Duration kKeyQuestion = 2s;

client::FaultSpec cut_of(const std::string& peer) {
  client::FaultSpec fault;
  fault.peer = peer;
  fault.cut = true;
  fault.note = "console";
  return fault;
}

bool has_cut(const NodeWord& word, const std::string& peer) {
  return word.faults &&
         std::any_of(word.faults->begin(), word.faults->end(),
                     [&peer](const client::FaultRow& row) { return row.spec == cut_of(peer); });
}

}  // namespace

struct ConsoleService::Gathering {
  std::uint64_t epoch = 0;
  ConsoleFacts facts;
  std::optional<Error> error;
  std::size_t left = 0;
};

struct ConsoleService::Ends {
  std::size_t left = 2;
  std::string cut_at;
};

struct ConsoleService::Healing {
  std::uint64_t healed = 0;
  std::size_t left = 0, told = 0;
  std::string silent;
};

ConsoleService::ConsoleService(ClusterAdmin& admin, runtime::KjPort& port, runtime::Loop& loop,
                               runtime::Network& network)
    : admin_(admin), loop_(loop), lines_(port, loop, network) {}

void ConsoleService::cluster(Done<std::string> done) {
  waiting_.push_back({epoch_, std::move(done)});
  if (gathering_) return;
  if (loop_.now() < good_until_) {
    gathering_ = true;
    return loop_.post(lifetime_.guard([this, epoch = epoch_] { gathered(epoch, last_); }));
  }
  gather();
}

void ConsoleService::gather() {
  gathering_ = true;
  const auto gathering = std::make_shared<Gathering>();
  gathering->epoch = epoch_;
  gathering->left = 3;
  const auto note = [this, gathering](auto&& answer, auto& place) {
    if (answer)
      place = std::move(*answer);
    else
      gathering->error = answer.error();
    if (--gathering->left == 0) ask_others(gathering);
  };
  admin_.status(kQuestion, lifetime_.guard([note, gathering](auto answer) {
    note(std::move(answer), gathering->facts.status);
  }));
  admin_.hints(kQuestion, lifetime_.guard([note, gathering](auto answer) {
    note(std::move(answer), gathering->facts.hints);
  }));
  admin_.repair_status(kQuestion, lifetime_.guard([note, gathering](auto answer) {
    note(std::move(answer), gathering->facts.repair);
  }));
}

void ConsoleService::ask_others(const std::shared_ptr<Gathering>& gathering) {
  if (gathering->error) return gathered(gathering->epoch, *gathering->error);
  ConsoleFacts& facts = gathering->facts;
  facts.self = admin_.info();
  facts.gossip = admin_.gossip();
  nodes_.clear();
  for (const client::StatusRow& row : facts.status.nodes) {
    nodes_[row.address] = {row.address, row.client_port};
  }
  gathering->left = 1;  // itself
  std::size_t asked = 0;
  for (const client::StatusRow& row : facts.status.nodes) {
    if (row.address == facts.self.address) continue;
    if (++asked > kNodesAskedMost) {
      ++facts.not_asked;
      continue;
    }
    ++gathering->left;
    // Also those that are down: perhaps they are only cut off.
    lines_.word(nodes_[row.address],
                lifetime_.guard([this, gathering, address = row.address](Result<NodeWord> word) {
                  note_word(gathering, address, std::move(word));
                }));
  }
  note_word(gathering, facts.self.address, own_word());
}

NodeWord ConsoleService::own_word() const {
  NodeWord word;
  word.info = admin_.info();
  if (auto faults = admin_.faults()) word.faults = std::move(*faults);
  return word;
}

void ConsoleService::note_word(const std::shared_ptr<Gathering>& gathering,
                               const std::string& address, Result<NodeWord> word) {
  if (word) {
    tally_.add(address, word->info.generation, word->info.work);
    gathering->facts.words[address] = std::move(*word);
  }
  if (--gathering->left > 0) return;
  gathering->facts.work = tally_.totals();
  if (gathering->epoch == epoch_) good_until_ = loop_.now() + kShared;
  gathered(gathering->epoch, cluster_json(gathering->facts));
}

void ConsoleService::gathered(std::uint64_t epoch, const Result<std::string>& answer) {
  gathering_ = false;
  last_ = answer;
  const auto of_later = std::stable_partition(
      waiting_.begin(), waiting_.end(), [epoch](const Waiting& one) { return one.epoch <= epoch; });
  std::vector<Waiting> served(std::move_iterator(waiting_.begin()), std::move_iterator(of_later));
  waiting_.erase(waiting_.begin(), of_later);
  if (!waiting_.empty()) gather();
  for (const Waiting& one : served) one.done(answer);
}

Result<std::string> ConsoleService::ring() {
  const auto ring = admin_.ring();
  if (!ring) return ring.error();
  return ring_json(*ring);
}

void ConsoleService::key(const std::string& keyspace, Bytes key, Done<std::string> done) {
  const Instant now = loop_.now();
  if (now - keys_since_ >= 1s) {
    keys_since_ = now;
    keys_asked_ = 0;
  }
  if (++keys_asked_ > kKeysPerSecond) {
    return loop_.post(lifetime_.guard([done = std::move(done)] {
      done(Error{ErrorCode::Overloaded, "too many keys were asked for in this second", 1000});
    }));
  }
  admin_.inspect(keyspace, key, kKeyQuestion,
                 lifetime_.guard([keyspace, key, done = std::move(done)](
                                     const Result<client::InspectResult>& found) {
                   if (!found) return done(found.error());
                   done(key_json(keyspace, key, *found));
                 }));
}

Result<Endpoint> ConsoleService::client_port_of(const std::string& address) const {
  const auto found = nodes_.find(address);
  if (found != nodes_.end()) return found->second;
  return Error{ErrorCode::NotFound, "no node has the address \"" + address.substr(0, 64) + "\""};
}

void ConsoleService::carry_out(const ConsoleOrder& order, Done<std::string> done) {
  if (nodes_.empty()) {
    // Who is there is known once the page was asked for, as it was before anybody clicked on it.
    return cluster([this, order, done = std::move(done)](const Result<std::string>& known) {
      if (!known) return done(known.error());
      carry_out(order, done);
    });
  }
  std::optional<Error> refused;
  if (const auto allowed = admin_.faults(); !allowed) refused = allowed.error();
  for (const std::string& address : {order.a, order.b}) {
    if (refused || address.empty()) continue;
    if (const auto known = client_port_of(address); !known) refused = known.error();
  }
  if (refused) {
    return loop_.post(lifetime_.guard([done, error = *refused] { done(error); }));
  }
  auto and_look_anew = [this, done = std::move(done)](Result<std::string> said) {
    ++epoch_;
    good_until_ = {};
    done(std::move(said));
  };
  if (order.what == ConsoleOrder::What::Cut) {
    // One end is enough for both directions; this node's own can be healed whatever else is cut.
    const bool b_first = order.b == admin_.info().address;
    const std::string first = b_first ? order.b : order.a, second = b_first ? order.a : order.b;
    return cut_unless_cut(first, second, and_look_anew);
  }
  if (!order.b.empty()) return heal({{order.a, order.b}, {order.b, order.a}}, and_look_anew);
  if (!order.a.empty()) return heal({{order.a, ""}}, and_look_anew);
  std::vector<std::pair<std::string, std::string>> everywhere;
  for (const auto& [address, port] : nodes_) everywhere.emplace_back(address, "");
  heal(everywhere, and_look_anew);
}

// A second fault of the same kind would have to be healed a second time.
void ConsoleService::cut_unless_cut(const std::string& first, const std::string& second,
                                    Done<std::string> done) {
  const auto ends = std::make_shared<Ends>();
  const auto heard = [this, ends, first, second, done = std::move(done)](
                         const std::string& at, const Result<NodeWord>& word) {
    if (word && has_cut(*word, at == first ? second : first)) ends->cut_at = at;
    if (--ends->left > 0) return;
    const std::string& far = ends->cut_at == first ? second : first;
    if (!ends->cut_at.empty()) {
      return done("cut already: " + ends->cut_at + " passes nothing to and from " + far);
    }
    const auto at_second = [this, first, second, done](const Error&) {
      cut(second, first, nullptr, done);
    };
    cut(first, second, at_second, done);
  };
  for (const std::string& at : {first, second}) {
    const auto hear = [heard, at](const Result<NodeWord>& word) { heard(at, word); };
    const auto port = client_port_of(at);
    if (at == admin_.info().address)
      loop_.post(lifetime_.guard([this, hear] { hear(own_word()); }));
    else if (port)
      lines_.word(*port, lifetime_.guard(hear));
    else
      loop_.post(lifetime_.guard([hear, error = port.error()] { hear(error); }));
  }
}

void ConsoleService::cut(const std::string& at, const std::string& peer,
                         std::function<void(Error)> otherwise, Done<std::string> done) {
  const auto note = [at, peer, otherwise = std::move(otherwise),
                     done = std::move(done)](const Result<std::uint64_t>& id) {
    if (id) return done("cut: " + at + " passes nothing to and from " + peer);
    // Refused: it allows no faults. Unreachable: it was not told.
    const ErrorCode code = id.error().code;
    const bool untouched = code == ErrorCode::Refused || code == ErrorCode::Unreachable;
    if (untouched && otherwise) return otherwise(id.error());
    const bool maybe = code == ErrorCode::NoAnswer;
    const std::string where = maybe ? "the cut may be in force on " + at : at;
    done(Error{code, where + ": " + id.error().message});
  };
  if (at == admin_.info().address) {
    return loop_.post(
        lifetime_.guard([note, id = admin_.inject_fault(cut_of(peer))] { note(id); }));
  }
  // Not known any more only by now, after the other end refused.
  const auto port = client_port_of(at);
  if (!port) return note(port.error());
  lines_.inject(*port, cut_of(peer), lifetime_.guard(note));
}

void ConsoleService::heal(const std::vector<std::pair<std::string, std::string>>& at_and_peer,
                          Done<std::string> done) {
  const auto healing = std::make_shared<Healing>();
  healing->left = at_and_peer.size();
  for (const auto& [at, peer] : at_and_peer) {
    const auto note = [healing, at = at, done](const Result<std::uint64_t>& healed) {
      // One that allows no faults has none.
      if (healed || healed.error().code == ErrorCode::Refused) {
        ++healing->told;
        healing->healed += healed ? *healed : 0;
      } else {
        healing->silent += (healing->silent.empty() ? "" : ", ") + at;
      }
      if (--healing->left > 0) return;
      std::string text = std::to_string(healing->healed) + " faults healed";
      if (healing->healed == 1) text = "1 fault healed";
      if (!healing->silent.empty()) {
        text += "; no answer from " + healing->silent + ": what is broken there stays";
      }
      if (healing->told == 0) return done(Error{ErrorCode::NoAnswer, text});
      done(text);
    };
    if (at == admin_.info().address) {
      loop_.post(
          lifetime_.guard([note, healed = admin_.heal_faults(0, peer, "")] { note(healed); }));
    } else {
      lines_.heal(*client_port_of(at), peer, lifetime_.guard(note));
    }
  }
}

}  // namespace parley::api
