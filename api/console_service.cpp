#include "api/console_service.h"

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

}  // namespace

struct ConsoleService::Gathering {
  ConsoleFacts facts;
  std::optional<Error> error;
  std::size_t left = 0;
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
  waiting_.push_back(std::move(done));
  if (gathering_) return;
  gathering_ = true;
  if (loop_.now() < good_until_) {
    return loop_.post(lifetime_.guard([this] { gathered(last_); }));
  }
  gather();
}

void ConsoleService::gather() {
  const auto gathering = std::make_shared<Gathering>();
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
  if (gathering->error) return gathered(*gathering->error);
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
  good_until_ = loop_.now() + kShared;
  gathered(cluster_json(gathering->facts));
}

void ConsoleService::gathered(Result<std::string> answer) {
  gathering_ = false;
  last_ = std::move(answer);
  for (auto& done : std::exchange(waiting_, {})) done(last_);
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
    good_until_ = {};
    done(std::move(said));
  };
  if (order.what == ConsoleOrder::What::Cut) {
    // One end is enough for both directions; this node's own can be healed whatever else is cut.
    const bool b_first = order.b == admin_.info().address;
    const std::string first = b_first ? order.b : order.a, second = b_first ? order.a : order.b;
    const auto at_second = [this, first, second, and_look_anew](const Error&) {
      cut(second, first, nullptr, and_look_anew);
    };
    return cut(first, second, at_second, and_look_anew);
  }
  if (!order.b.empty()) return heal({{order.a, order.b}, {order.b, order.a}}, and_look_anew);
  if (!order.a.empty()) return heal({{order.a, ""}}, and_look_anew);
  std::vector<std::pair<std::string, std::string>> everywhere;
  for (const auto& [address, port] : nodes_) everywhere.emplace_back(address, "");
  heal(everywhere, and_look_anew);
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
