#include "tools/daemon/daemon_config.h"

#include <toml++/toml.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <sstream>

namespace parley::daemon {
namespace {

Error invalid(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }

// What the operator said, before it is checked: file first, flags over it.
struct Said {
  std::string config_file, data_dir, listen, cluster, conflict_rule, rack, dc, log_level;
  std::string console_token;
  std::string client_port, peer_port, http_port, vnodes;
  std::vector<std::string> seeds, settings;
  bool found = false, allow_faults = false, insecure = false, check_only = false;
  bool print_options = false;
};

Result<std::uint16_t> parse_port(const std::string& name, const std::string& text) {
  std::uint64_t value = 0;
  const bool digits = !text.empty() && text.size() <= 5 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  if (digits) value = std::stoul(text);
  if (value < 1 || value > 65535) {
    return invalid(name + " must be a port in 1..65535, not '" + text + "'");
  }
  return static_cast<std::uint16_t>(value);
}

std::string toml_text(const toml::node& node) {
  if (const auto* s = node.as_string()) return s->get();
  if (const auto* b = node.as_boolean()) return b->get() ? "true" : "false";
  std::ostringstream out;
  node.visit([&out](const auto& n) {
    if constexpr (!toml::is_table<decltype(n)> && !toml::is_array<decltype(n)>) out << n.get();
  });
  return out.str();
}

Status read_text(const std::string& key, const toml::node& node, std::string& out) {
  const auto* text = node.as_string();
  if (text == nullptr) return invalid(key + " must be a string");
  if (text->get().empty()) return invalid(key + " must not be empty");
  out = text->get();
  return Done{};
}

Status read_seeds(const toml::node& node, Said& said) {
  const auto* seeds = node.as_array();
  if (seeds == nullptr) return invalid("seeds must be a list of \"HOST:PORT\"");
  for (const auto& seed : *seeds) {
    const Status read = read_text("a seed", seed, said.seeds.emplace_back());
    if (!read.ok()) return read;
  }
  return Done{};
}

// A table named after an option group.
Status read_table(const std::string& key, const toml::table& table, Said& said) {
  api::NodeConfig known;
  const auto groups = known.groups();
  const bool is_group = std::any_of(groups.begin(), groups.end(),
                                    [&key](const auto* group) { return group->name() == key; });
  if (!is_group) return invalid("unknown table [" + key + "]");
  for (const auto& [name, value] : table) {
    const std::string setting = key + "." + std::string(name.str());
    if (!value.is_value()) return invalid(setting + " must be one value");
    said.settings.push_back(setting + "=" + toml_text(value));
  }
  return Done{};
}

// A key of the file: a flag's name, with '-' or '_', or a table.
Status read_key(std::string key, const toml::node& node, Said& said) {
  std::replace(key.begin(), key.end(), '-', '_');
  const std::map<std::string, std::string*> texts = {
      {"data_dir", &said.data_dir},   {"listen", &said.listen},
      {"cluster", &said.cluster},     {"conflict_rule", &said.conflict_rule},
      {"rack", &said.rack},           {"dc", &said.dc},
      {"log_level", &said.log_level}, {"console_token", &said.console_token}};
  const std::map<std::string, std::string*> numbers = {{"client_port", &said.client_port},
                                                       {"peer_port", &said.peer_port},
                                                       {"http_port", &said.http_port},
                                                       {"vnodes", &said.vnodes}};
  const std::map<std::string, bool*> switches = {
      {"found", &said.found}, {"allow_faults", &said.allow_faults}, {"insecure", &said.insecure}};
  if (const auto text = texts.find(key); text != texts.end()) {
    return read_text(key, node, *text->second);
  }
  if (const auto number = numbers.find(key); number != numbers.end()) {
    if (!node.is_integer()) return invalid(key + " must be a whole number");
    *number->second = toml_text(node);
    return Done{};
  }
  if (const auto flag = switches.find(key); flag != switches.end()) {
    if (!node.is_boolean()) return invalid(key + " must be true or false");
    *flag->second = node.as_boolean()->get();
    return Done{};
  }
  if (key == "seeds" || key == "seed") return read_seeds(node, said);
  if (const auto* table = node.as_table()) return read_table(key, *table, said);
  return invalid("unknown key '" + key + "'");
}

Status read_file(const std::string& path, Said& said) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return invalid(path + " is a directory");
  try {
    const toml::table file = toml::parse_file(path);
    for (const auto& [key, value] : file) {
      const Status read = read_key(std::string(key.str()), value, said);
      if (!read.ok()) return invalid(path + ": " + read.error().message);
    }
  } catch (const toml::parse_error& e) {
    std::ostringstream where;
    where << path << ": " << e.description();
    if (e.source().begin.line > 0) where << " (line " << e.source().begin.line << ")";
    return invalid(where.str());
  }
  return Done{};
}

void declare(CLI::App& app, Said& said) {
  app.add_option("--config", said.config_file, "TOML file; flags win over it");
  app.add_option("--data-dir", said.data_dir, "Where this node keeps everything [parley-data]");
  app.add_option("--listen", said.listen, "Numeric address to listen on [127.0.0.1]");
  app.add_option("--client-port", said.client_port, "Clients: Cap'n Proto RPC [7400]");
  app.add_option("--peer-port", said.peer_port, "Other nodes: TCP and UDP [7401]");
  app.add_option("--http-port", said.http_port, "/console, /metrics, /healthz, /readyz [7402]");
  app.add_option("--seed", said.seeds, "HOST:PORT of a node's peer port; repeatable")
      ->allow_extra_args(false);
  app.add_flag("--found", said.found, "Found the cluster even though there are seeds");
  app.add_option("--cluster", said.cluster, "Name of the cluster [parley]");
  app.add_option("--conflict-rule", said.conflict_rule,
                 "Of a cluster that this node founds: siblings, or lww (the last writer wins; "
                 "concurrent writes are lost) [siblings]");
  app.add_option("--rack", said.rack, "Rack of this node [default]");
  app.add_option("--dc", said.dc, "Data centre of this node [default]");
  app.add_option("--vnodes", said.vnodes, "Virtual nodes of this node, 1..1024 [64]");
  app.add_option("--set", said.settings, "GROUP.NAME=VALUE of a tuning option; repeatable")
      ->allow_extra_args(false);
  app.add_option("--log-level", said.log_level, "debug, info, warn or error [info]");
  app.add_flag("--allow-faults", said.allow_faults, "Let `parley fault` break this node");
  app.add_option("--console-token", said.console_token,
                 "With --allow-faults: what orders of the console must bring, 16 bytes at least "
                 "[made anew at each start, in DATA-DIR/console-token]");
  app.add_flag("--insecure", said.insecure, "Allow an address that is not loopback");
  app.add_flag("--check-config", said.check_only, "Check everything said and exit");
  app.add_flag("--print-options", said.print_options, "Print every tuning option and exit");
  app.set_version_flag("--version", std::string("parleyd ") + PARLEY_VERSION);
}

Status apply_network(const Said& said, api::NodeConfig& node) {
  struct Port {
    const char* name;
    const std::string* text;
    std::uint16_t* value;
  };
  for (const Port& port : {Port{"--client-port", &said.client_port, &node.client_port},
                           Port{"--peer-port", &said.peer_port, &node.peer_port},
                           Port{"--http-port", &said.http_port, &node.http_port}}) {
    if (port.text->empty()) continue;
    const auto parsed = parse_port(port.name, *port.text);
    if (!parsed.ok()) return parsed.error();
    *port.value = *parsed;
  }
  for (const std::string& text : said.seeds) {
    const auto seed = parse_endpoint(text);
    if (!seed)
      return invalid("--seed must be ADDRESS:PORT with a numeric address or localhost, not '" +
                     text + "'");
    node.seeds.push_back(*seed);
  }
  return Done{};
}

Status apply(const Said& said, DaemonConfig& config) {
  api::NodeConfig& node = config.node;
  for (const auto& [text, value] :
       {std::pair{&said.data_dir, &node.data_dir}, std::pair{&said.listen, &node.listen},
        std::pair{&said.cluster, &node.cluster}, std::pair{&said.rack, &node.rack},
        std::pair{&said.dc, &node.dc}, std::pair{&said.console_token, &node.console_token}}) {
    if (!text->empty()) *value = *text;
  }
  if (node.listen == "localhost") node.listen = "127.0.0.1";
  const Status network = apply_network(said, node);
  if (!network.ok()) return network;
  if (!said.conflict_rule.empty()) {
    const auto rule = membership::parse_conflict_rule(said.conflict_rule);
    if (!rule) return invalid("--conflict-rule must be siblings or lww");
    node.conflict_rule = *rule;
  }
  if (!said.vnodes.empty()) {
    if (said.vnodes.size() > 4 ||
        said.vnodes.find_first_not_of("0123456789") != std::string::npos) {
      return invalid("--vnodes must be in 1..1024");
    }
    node.vnodes = std::stoul(said.vnodes);
  }
  for (const std::string& setting : said.settings) {
    const auto equals = setting.find('=');
    if (equals == std::string::npos)
      return invalid("--set wants GROUP.NAME=VALUE, not '" + setting + "'");
    const Status set = node.set_option(setting.substr(0, equals), setting.substr(equals + 1));
    if (!set.ok()) return set;
  }
  const std::map<std::string, LogLevel> levels = {{"", LogLevel::Info},
                                                  {"debug", LogLevel::Debug},
                                                  {"info", LogLevel::Info},
                                                  {"warn", LogLevel::Warn},
                                                  {"error", LogLevel::Error}};
  const auto level = levels.find(said.log_level);
  if (level == levels.end()) return invalid("--log-level must be debug, info, warn or error");
  config.log_level = level->second;
  node.found = said.found;
  node.allow_faults = said.allow_faults;
  node.insecure = said.insecure;
  config.check_only = said.check_only;
  return node.check();
}

// The table of docs/options.md.
void print_options(api::NodeConfig& node) {
  std::printf("| option | default | bounds | what it does |\n|---|---|---|---|\n");
  for (const OptionGroup* group : node.groups()) {
    for (const OptionBase* option : group->options()) {
      std::printf("| `%s.%s` | %s | %s | %s |\n", group->name().c_str(), option->name().c_str(),
                  option->text().c_str(), option->bounds_text().c_str(), option->doc().c_str());
    }
  }
}

// What a flag did not say, the file may.
void fill_from_file(Said& flags, const Said& file) {
  for (auto member : {&Said::data_dir, &Said::listen, &Said::cluster, &Said::conflict_rule,
                      &Said::rack, &Said::dc, &Said::log_level, &Said::client_port,
                      &Said::peer_port, &Said::http_port, &Said::vnodes, &Said::console_token}) {
    if ((flags.*member).empty()) flags.*member = file.*member;
  }
  if (flags.seeds.empty()) flags.seeds = file.seeds;
  flags.settings.insert(flags.settings.begin(), file.settings.begin(), file.settings.end());
  flags.found |= file.found;
  flags.allow_faults |= file.allow_faults;
  flags.insecure |= file.insecure;
}

}  // namespace

int read_command_line(int argc, char** argv, DaemonConfig& config) {
  CLI::App app("parleyd: one node of a Parley cluster", "parleyd");
  Said said;
  declare(app, said);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "parleyd: %s\n", e.what());
    return 2;
  }
  // An empty value is a script's unset variable: the default would not be what was meant.
  for (const CLI::Option* option : app.get_options()) {
    const auto& values = option->results();
    if (option->get_items_expected_max() == 0) continue;
    if (std::find(values.begin(), values.end(), "") == values.end()) continue;
    std::fprintf(stderr, "parleyd: %s must not be empty\n", option->get_name().c_str());
    return 2;
  }
  if (said.print_options) {
    print_options(config.node);
    return 0;
  }
  Status done = Done{};
  if (!said.config_file.empty()) {
    Said file;
    done = read_file(said.config_file, file);
    fill_from_file(said, file);
  }
  if (done.ok()) done = apply(said, config);
  if (!done.ok()) {
    std::fprintf(stderr, "parleyd: %s\n", done.error().message.c_str());
    return 2;
  }
  return -1;
}

}  // namespace parley::daemon
