#include "tools/demo/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <map>

namespace parley::demo {
namespace {

// A node that does not answer for so long is shown as silent.
constexpr auto kPatience = std::chrono::milliseconds(400);
constexpr std::size_t kColumnsOfKeys = 37;

// Enough of a version to tell it from others: 1ddb70ce...:522333818548:1 becomes 1ddb:548:1.
std::string shortened(const std::string& version) {
  const auto first = version.find(':'), second = version.find(':', first + 1);
  if (second == std::string::npos) return version;
  const std::string epoch = version.substr(first + 1, second - first - 1);
  const std::string end = epoch.size() > 3 ? epoch.substr(epoch.size() - 3) : epoch;
  return version.substr(0, std::min<std::size_t>(4, first)) + ":" + end + version.substr(second);
}

std::string versions_of(const client::InspectRow& row) {
  if (row.not_ready) return "not ready";
  if (row.damaged) return "damaged";
  if (row.version.empty()) return row.tombstone ? "deleted" : "-";
  std::string out, rest = row.version;
  for (std::size_t comma = 0; comma != std::string::npos;) {
    comma = rest.find(',');
    out += (out.empty() ? "" : " ") + shortened(rest.substr(0, comma));
    if (comma != std::string::npos) rest = rest.substr(rest.find_first_not_of(", ", comma));
  }
  return out;
}

// One character for a link, as its node treats it.
char mark_of(const client::FaultSpec& fault) {
  if (!fault.cut) return '~';
  return fault.direction == "out" ? '>' : fault.direction == "in" ? '<' : 'x';
}

// The worse of two marks: a link that is cut is not hidden by what else is on it, and two
// directions are both.
char worse(char a, char b) {
  if ((a == '<' && b == '>') || (a == '>' && b == '<')) return 'x';
  constexpr std::string_view kFromGood = "=~<>x";
  return kFromGood.find(a) < kFromGood.find(b) ? b : a;
}

// With a space behind it.
std::string in_column(const std::string& text, std::size_t columns) {
  const std::size_t most = columns - 1;
  const bool fits = text.size() <= most;
  return fmt::format("{:<{}}", fits ? text : text.substr(0, most - 2) + "..", columns);
}

std::string without_end(const std::string& line) {
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

std::string milliseconds(std::chrono::duration<double> time) {
  return fmt::format("{:.1f} ms", time.count() * 1000);
}

std::unique_ptr<client::Client> client_of(const std::string& endpoint) {
  client::ClientOptions options;
  options.endpoints = {endpoint};
  options.timeout = kPatience;
  options.learn_ring = false;
  return std::move(*client::Client::make(std::move(options)));
}

}  // namespace

struct Watch::NodeView {
  bool answers = false;
  std::string sees, links, other_faults;
  std::map<std::string, std::uint64_t> hints;  // by the target's address
  std::vector<std::string> copies;             // of each key; "" where it is no replica
};

Watch::Watch(std::vector<std::string> addresses, std::vector<std::string> endpoints,
             const Traffic& traffic)
    : addresses_(std::move(addresses)), endpoints_(std::move(endpoints)), traffic_(traffic) {
  for (const std::string& endpoint : endpoints_) clients_.push_back(client_of(endpoint));
}

void Watch::keys(std::vector<std::string> keys) {
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
}

std::size_t Watch::index_of(const std::string& address) const {
  return static_cast<std::size_t>(std::find(addresses_.begin(), addresses_.end(), address) -
                                  addresses_.begin());
}

Watch::NodeView Watch::ask(std::size_t node, const std::vector<std::string>& keys) {
  NodeView view;
  auto members = clients_[node]->gossip();
  if (!members.ok() && members.error().code == ErrorCode::Unreachable) {
    // A client that could not connect waits before it tries again; here, now is asked for.
    clients_[node] = client_of(endpoints_[node]);
    members = clients_[node]->gossip();
  }
  if (!members.ok()) return view;
  client::Client& client = *clients_[node];
  view.answers = true;
  view.sees = view.links = std::string(addresses_.size(), '.');
  for (const auto& row : *members) {
    const std::size_t peer = index_of(row.address);
    const bool up = row.liveness == "alive" || row.liveness == "suspect";
    if (peer < addresses_.size() && up) view.sees[peer] = static_cast<char>('1' + peer);
  }
  for (std::size_t peer = 0; peer < addresses_.size(); ++peer) {
    view.links[peer] = peer == node ? ' ' : '=';
  }
  if (const auto faults = client.faults(); faults.ok()) {
    for (const auto& fault : *faults) {
      if (fault.spec.kind != "link") {
        view.other_faults += (view.other_faults.empty() ? "" : ", ") + fault.text;
        continue;
      }
      for (std::size_t peer = 0; peer < addresses_.size(); ++peer) {
        const bool meant = fault.spec.peer.empty() || index_of(fault.spec.peer) == peer;
        if (meant && peer != node) view.links[peer] = worse(view.links[peer], mark_of(fault.spec));
      }
    }
  }
  for (const std::string& key : keys) {
    view.copies.emplace_back();
    const auto copies = client.inspect(key);
    if (!copies.ok()) continue;
    for (const auto& row : copies->replicas) {
      if (row.address == addresses_[node]) view.copies.back() = versions_of(row);
    }
  }
  if (const auto hints = client.hints(); hints.ok()) {
    for (const auto& row : hints->rows) {
      if (row.holder == addresses_[node]) view.hints[row.target] += row.hints;
    }
  }
  return view;
}

std::string Watch::level_lines() const {
  std::string out;
  for (const LevelFigures& level : traffic_.figures()) {
    if (out.empty()) {
      out = fmt::format("{:<6} {:>9} {:>9} {:>7} {:>9} {:>10}  {}\n", "level", "puts ok", "gets ok",
                        "unknown", "p50", "p99", "stale gets");
    }
    std::string stale = level.stale == 0
                            ? "0"
                            : fmt::format("{}, up to {:.1f} s", level.stale,
                                          static_cast<double>(level.oldest.count()) / 1000);
    out += fmt::format("{:<6} {:>9} {:>9} {:>7} {:>9} {:>10}  {}\n", level.level,
                       fmt::format("{}/{}", level.puts_ok, level.puts),
                       fmt::format("{}/{}", level.gets_ok, level.gets), level.unknown,
                       milliseconds(percentile(level.latency, 0.5)),
                       milliseconds(percentile(level.latency, 0.99)), stale);
  }
  return out;
}

std::vector<Watch::NodeView> Watch::ask_all(const std::vector<std::string>& keys) {
  std::vector<std::future<NodeView>> asked;
  for (std::size_t node = 0; node < addresses_.size(); ++node) {
    asked.push_back(
        std::async(std::launch::async, [this, node, &keys] { return ask(node, keys); }));
  }
  std::vector<NodeView> views;
  for (auto& one : asked) views.push_back(one.get());
  return views;
}

std::string Watch::table() {
  std::vector<std::string> keys;
  {
    const std::lock_guard lock(mutex_);
    keys = keys_;
  }
  const std::vector<NodeView> views = ask_all(keys);
  std::map<std::string, std::uint64_t> hints;
  for (const NodeView& view : views) {
    for (const auto& [target, count] : view.hints) hints[target] += count;
  }
  const std::size_t column = keys.empty() ? 0 : kColumnsOfKeys / keys.size();
  std::string head = "node answers sees  links hints for it ";
  for (const std::string& key : keys) head += in_column(key, column);
  std::string out = without_end(head) + "\n";
  for (std::size_t node = 0; node < views.size(); ++node) {
    const NodeView& view = views[node];
    std::string line =
        fmt::format("n{:<3} {:<7} {:<5} {:<5} {:<12} ", node + 1, view.answers ? "yes" : "no",
                    view.sees, view.links, hints[addresses_[node]]);
    for (const std::string& copy : view.copies) line += in_column(copy, column);
    out += without_end(line) + "\n";
    if (!view.other_faults.empty()) out += "     " + view.other_faults + "\n";
  }
  return out + level_lines();
}

}  // namespace parley::demo
