#include "api/node_config.h"

#include <algorithm>

namespace parley::api {
namespace {

constexpr std::size_t kNameBytesMost = 64;

Error invalid(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }

bool is_name(const std::string& text) {
  const bool sized = !text.empty() && text.size() <= kNameBytesMost;
  return sized && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

}  // namespace

std::vector<OptionGroup*> NodeConfig::groups() {
  return {&serve, &rpc, &membership, &replication, &repair, &storage};
}

std::vector<const OptionGroup*> NodeConfig::groups() const {
  return {&serve, &rpc, &membership, &replication, &repair, &storage};
}

Status NodeConfig::set_option(std::string_view dotted_name, std::string_view value) {
  for (OptionGroup* group : groups()) {
    for (OptionBase* option : group->options()) {
      if (group->name() + "." + option->name() != dotted_name) continue;
      const Status set = option->set_text(value);
      if (!set.ok()) return invalid(group->name() + "." + set.error().message);
      return Done{};
    }
  }
  return invalid("there is no option '" + std::string(dotted_name) + "'");
}

Status NodeConfig::check() const {
  if (data_dir.empty()) return invalid("--data-dir must not be empty");
  if (!is_numeric_address(listen)) {
    return invalid("--listen must be a numeric address or localhost, not '" + listen + "'");
  }
  if (listen == "0.0.0.0" || listen == "::") {
    return invalid("--listen must be the address that peers reach this node at, not " + listen);
  }
  if (!insecure && !is_loopback_address(listen)) {
    return invalid("--listen " + listen +
                   " is not a loopback address and peers do not authenticate each other yet: add "
                   "--insecure if everyone who can reach it may read and write everything");
  }
  if (client_port == 0 || peer_port == 0 || http_port == 0) {
    return invalid("--client-port, --peer-port and --http-port must be in 1..65535");
  }
  if (client_port == peer_port || client_port == http_port || peer_port == http_port) {
    return invalid("--client-port, --peer-port and --http-port must differ");
  }
  if (!console_token.empty() && (console_token.size() < 16 || !is_name(console_token))) {
    return invalid("--console-token must be 16 to " + std::to_string(kNameBytesMost) +
                   " letters, digits, '-', '_' or '.'");
  }
  for (const auto& [name, text] :
       {std::pair{"--cluster", &cluster}, std::pair{"--rack", &rack}, std::pair{"--dc", &dc}}) {
    if (!is_name(*text)) {
      return invalid(std::string(name) + " must be 1 to " + std::to_string(kNameBytesMost) +
                     " letters, digits, '-', '_' or '.'");
    }
  }
  if (vnodes < 1 || vnodes > 1024) return invalid("--vnodes must be in 1..1024");
  if (seeds.size() > 64) return invalid("at most 64 seeds");
  if (membership.probe_timeout() >= membership.probe_interval()) {
    return invalid("membership.probe_timeout must be below membership.probe_interval");
  }
  if (replication.set_bytes_most() < replication.value_bytes_most()) {
    return invalid("replication.set_bytes_most must not be below replication.value_bytes_most");
  }
  return Done{};
}

}  // namespace parley::api
