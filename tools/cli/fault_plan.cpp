#include "tools/cli/fault_plan.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <set>

#include "base/option.h"
#include "runtime/fault_table.h"
#include "tools/cli/split.h"

namespace parley::cli {
namespace {

using Places = std::vector<std::size_t>;

constexpr std::size_t kIdDigitsLeast = 4;

Error invalid(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }

Result<std::size_t> find_node(const std::vector<NamedNode>& nodes, const std::string& word) {
  const std::string digits = word.starts_with('n') ? word.substr(1) : word;
  const bool number = !digits.empty() && digits.size() <= 4 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
  if (number) {
    const auto place = std::strtoul(digits.c_str(), nullptr, 10);
    if (place >= 1 && place <= nodes.size()) return place - 1;
  }
  Places found;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const bool named = word.size() >= kIdDigitsLeast && nodes[i].node.starts_with(word);
    if (nodes[i].address == word || named) found.push_back(i);
  }
  if (found.size() == 1) return found.front();
  if (found.size() > 1) return invalid("'" + word + "' is more than one node");
  std::string known;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    known += (i == 0 ? "" : ", ") + std::to_string(i + 1) + " = " + nodes[i].address;
  }
  return invalid("there is no node '" + word + "'; there are: " + known);
}

Result<Duration> span_of(const char* what, const std::string& text) {
  const auto span = parse_duration(text);
  if (!span) return invalid(std::string(what) + ": " + span.error().message);
  return *span;
}

// "30%", "30 %" or "0.3".
Result<double> share_of(const std::string& text) {
  const bool percent = text.ends_with('%');
  const std::string number = percent ? text.substr(0, text.size() - 1) : text;
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0') return invalid("'" + text + "' is no share, such as 30%");
  const double share = percent ? value / 100 : value;
  if (!(share > 0 && share <= 1)) return invalid("a share is above 0 and at most 100%");
  return share;
}

// "64KiB", "1MiB", "4096": bytes a second.
Result<std::uint64_t> rate_of(const std::string& text) {
  char* end = nullptr;
  const auto number = std::strtoull(text.c_str(), &end, 10);
  const std::string unit = end;
  const std::map<std::string, std::uint64_t> units = {{"", 1}, {"KiB", 1_KiB}, {"MiB", 1_MiB}};
  const auto found = units.find(unit);
  const bool digits = !text.empty() && text.find_first_of("0123456789") == 0;
  if (!digits || found == units.end() || number > (std::uint64_t{1} << 40)) {
    return invalid("'" + text + "' is no rate, such as 64KiB (a second)");
  }
  return number * found->second;
}

std::uint64_t millis_of(Duration span) { return static_cast<std::uint64_t>(to_millis(span)); }

// What every fault of one command has in common.
client::FaultSpec base_of(const std::string& verb, const FaultWords& words) {
  client::FaultSpec spec;
  spec.traffic = words.traffic;
  spec.for_ms = millis_of(words.lasts);
  spec.note = verb;
  for (const std::string& word : words.words) spec.note += " " + word;
  spec.note.resize(std::min(spec.note.size(), runtime::FaultTable::kNoteBytesMost));
  return spec;
}

Result<std::vector<FaultOrder>> partition(const client::FaultSpec& base, const FaultWords& words,
                                          const std::vector<NamedNode>& nodes) {
  std::string text;
  for (const std::string& word : words.words) text += word + " ";
  std::map<std::size_t, std::size_t> side_of;
  const auto sides = split(text, "|/");
  if (sides.size() < 2) {
    return invalid(
        "partition wants two sides or more: parley fault partition 1,2 / 3,4,5 (| needs quotes)");
  }
  for (std::size_t side = 0; side < sides.size(); ++side) {
    const auto members = find_nodes(nodes, sides[side]);
    if (!members) return members.error();
    for (const std::size_t member : *members) {
      if (!side_of.emplace(member, side).second) {
        return invalid(nodes[member].address + " cannot be on two sides");
      }
    }
  }
  std::vector<FaultOrder> orders;
  for (const auto& [node, side] : side_of) {
    for (const auto& [other, other_side] : side_of) {
      if (side == other_side) continue;
      client::FaultSpec spec = base;
      spec.peer = nodes[other].address;
      spec.cut = true;
      orders.push_back({node, std::move(spec)});
    }
  }
  return orders;
}

Status set_link(const std::string& verb, const FaultWords& words, client::FaultSpec& spec) {
  const auto want = [&](std::size_t most) {
    return words.words.size() > most || words.words.size() < (verb == "drop" ? 2 : most);
  };
  const bool plain = verb == "oneway";
  if (want(plain ? 2 : 3)) {
    return invalid(verb + " wants FROM TO" +
                   (plain            ? ""
                    : verb == "drop" ? " [SHARE]"
                                     : " and how much"));
  }
  if (plain) {
    spec.cut = true;
    return Done{};
  }
  const std::string amount = words.words.size() == 3 ? words.words[2] : "100%";
  if (verb == "delay") {
    const auto delay = span_of("delay", amount);
    if (!delay) return delay.error();
    spec.delay_ms = millis_of(*delay);
    spec.jitter_ms = millis_of(words.jitter);
    return Done{};
  }
  if (verb == "limit") {
    const auto rate = rate_of(amount);
    if (!rate) return rate.error();
    spec.bytes_per_second = *rate;
    return Done{};
  }
  const auto share = share_of(amount);
  if (!share) return share.error();
  if (verb == "drop" && *share >= 1)
    spec.cut = true;
  else if (verb == "drop")
    spec.drop = *share;
  else if (verb == "duplicate")
    spec.duplicate = *share;
  else if (verb == "reorder")
    spec.reorder = *share;
  else
    spec.corrupt = *share;
  return Done{};
}

// FROM to TO, and back unless one way only. Each fault is put on its sender; a cut on both ends, so
// that neither hears what is under way.
Result<std::vector<FaultOrder>> on_links(const std::string& verb, client::FaultSpec spec,
                                         const FaultWords& words,
                                         const std::vector<NamedNode>& nodes) {
  if (const Status set = set_link(verb, words, spec); !set) return set.error();
  const auto from = find_nodes(nodes, words.words[0]);
  if (!from) return from.error();
  const auto to = find_nodes(nodes, words.words[1]);
  if (!to) return to.error();
  const bool one_way = words.one_way || verb == "oneway";
  std::set<std::pair<std::size_t, std::size_t>> links;
  for (const std::size_t a : *from) {
    for (const std::size_t b : *to) {
      if (a == b && from->size() == 1 && to->size() == 1) {
        return invalid(nodes[a].address + " has no link to itself");
      }
      if (a == b) continue;
      links.insert({a, b});
      if (!one_way) links.insert({b, a});
    }
  }
  std::vector<FaultOrder> orders;
  for (const auto& [a, b] : links) {
    spec.direction = "out";
    spec.peer = nodes[b].address;
    orders.push_back({a, spec});
    if (!spec.cut) continue;
    spec.direction = "in";
    spec.peer = nodes[a].address;
    orders.push_back({b, spec});
  }
  return orders;
}

Result<std::vector<FaultOrder>> on_nodes(const std::string& verb, client::FaultSpec spec,
                                         const FaultWords& words,
                                         const std::vector<NamedNode>& nodes) {
  if (words.words.size() != 2) return invalid(verb + " wants NODES and a time");
  const auto chosen = find_nodes(nodes, words.words[0]);
  if (!chosen) return chosen.error();
  const auto span = span_of(
      verb.c_str(), words.words[1].starts_with('+') ? words.words[1].substr(1) : words.words[1]);
  if (!span) return span.error();
  if (verb == "pause") {
    spec.kind = "pause";
    spec.for_ms = millis_of(*span);
  } else if (verb == "slow-disk") {
    spec.kind = "slow_disk";
    spec.delay_ms = millis_of(*span);
    spec.jitter_ms = millis_of(words.jitter);
  } else {
    spec.kind = "skew";
    spec.skew_ms = words.behind ? -to_millis(*span) : to_millis(*span);
  }
  std::vector<FaultOrder> orders;
  for (const std::size_t node : *chosen) orders.push_back({node, spec});
  return orders;
}

}  // namespace

std::vector<NamedNode> nodes_of(const client::ClusterStatus& status) {
  std::vector<NamedNode> nodes;
  for (const auto& row : status.nodes) nodes.push_back({row.address, row.node, row.client_port});
  return nodes;
}

Result<std::vector<std::size_t>> find_nodes(const std::vector<NamedNode>& nodes,
                                            const std::string& words) {
  Places out;
  for (const std::string& word : split(words, ", \t")) {
    if (word == "all") {
      for (std::size_t i = 0; i < nodes.size(); ++i) out.push_back(i);
      continue;
    }
    const auto node = find_node(nodes, word);
    if (!node) return node.error();
    out.push_back(*node);
  }
  if (out.empty()) return invalid("a node is wanted");
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<std::vector<FaultOrder>> plan_faults(const std::string& verb, const FaultWords& words,
                                            const std::vector<NamedNode>& nodes) {
  const client::FaultSpec base = base_of(verb, words);
  if (verb == "partition") return partition(base, words, nodes);
  if (verb == "slow-disk" || verb == "pause" || verb == "skew") {
    return on_nodes(verb, base, words, nodes);
  }
  return on_links(verb, base, words, nodes);
}

}  // namespace parley::cli
