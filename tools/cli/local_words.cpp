#include "tools/cli/local_words.h"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <filesystem>

#include "tools/local/node_command.h"

namespace parley::cli {
namespace {

constexpr int kLinesMost = 1'000'000;

void declare_up(CLI::App& cluster, LocalWords& words) {
  CLI::App* up = cluster.add_subcommand(
      "up", "Start it, or what is dead of it; wait until all nodes see each other");
  up->add_option("--nodes", words.nodes, "How many, when it is made [5]")->type_name("N");
  up->add_option("--racks", words.racks, "Racks r1, r2, ... in turn, when it is made [3]")
      ->type_name("N");
  up->add_flag("--allow-faults", words.allow_faults, "Let `parley fault` break the nodes");
  up->add_option("FLAGS", words.flags, "After --: flags for every parleyd")->type_name("");
}

// The nodes run in a folder of their own, whoever starts them again, and from where. What cannot be
// made absolute is left for parleyd to refuse.
std::string absolute(const std::string& file) {
  std::error_code failed;
  const auto path = std::filesystem::absolute(file, failed);
  return failed ? file : path.string();
}
void make_absolute(std::vector<std::string>& flags) {
  static const std::string kJoined = "--config=";
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (flags[i].starts_with(kJoined)) {
      flags[i] = kJoined + absolute(flags[i].substr(kJoined.size()));
    } else if (flags[i] == "--config" && i + 1 < flags.size()) {
      flags[i + 1] = absolute(flags[i + 1]);
    }
  }
}

}  // namespace

void declare_local_verbs(CLI::App& app, LocalWords& words) {
  CLI::App* cluster =
      app.add_subcommand("cluster",
                         "A cluster of your own on this machine: real parleyd processes that\n"
                         "outlive the command, their data in one directory");
  declare_up(*cluster, words);
  CLI::App* down = cluster->add_subcommand("down", "Stop every node; the data stays");
  down->add_flag("--wipe", words.wipe, "Then remove the data too (wants --yes)");
  CLI::App* status = cluster->add_subcommand("status", "Every node: process, readiness, UN or DN");
  CLI::App* env = cluster->add_subcommand("env", "Print the line that makes parley talk to it");
  CLI::App* kill = cluster->add_subcommand("kill", "SIGKILL: a crash");
  CLI::App* restart = cluster->add_subcommand("restart", "Stop cleanly, start, wait until ready");
  CLI::App* pause = cluster->add_subcommand("pause", "SIGSTOP: it hangs until it is resumed");
  CLI::App* resume = cluster->add_subcommand("resume", "SIGCONT");
  CLI::App* logs = cluster->add_subcommand("logs", "What a node logged last");
  logs->add_flag("-f,--follow", words.follow, "Go on with what it logs from now on");
  logs->add_option("--lines", words.lines, "How many lines, to begin with [50]")->type_name("N");
  for (CLI::App* verb : {kill, restart, pause, resume, logs}) {
    verb->add_option("NODE", words.names, "n1, n2, ... or 1, 2, ... or an address; several")
        ->required()
        ->type_name("");
  }
  for (CLI::App* verb : {cluster, cluster->get_subcommand("up"), down, status, env, kill, restart,
                         pause, resume, logs}) {
    verb->add_option("--dir", words.said_directory,
                     "Directory of the cluster [parley-cluster, or PARLEY_CLUSTER_DIR]")
        ->take_last()
        ->type_name("DIRECTORY");
    verb->fallthrough();
  }
  cluster->footer("up and restart wait 60s, down 20s, unless --timeout says otherwise.");
}

bool is_local_verb(const std::string& verb) {
  return verb == "cluster" || verb.starts_with("cluster ");
}

std::string usual_local_timeout(const std::string& verb) {
  if (verb == "cluster up" || verb == "cluster restart") return "60s";
  return verb == "cluster down" ? "20s" : "";
}

std::optional<std::string> understand_local(const std::string& verb, bool yes, LocalWords& words) {
  if (verb == "cluster") {
    return "cluster wants one of up, down, status, env, kill, restart, pause, resume, logs";
  }
  const auto counts = {std::pair{"--nodes", words.nodes}, std::pair{"--racks", words.racks}};
  for (const auto& [option, count] : counts) {
    if (!count || (*count >= 1 && *count <= static_cast<int>(local::kNodesMost))) continue;
    return std::string(option) + " must be in 1.." + std::to_string(local::kNodesMost);
  }
  if (words.lines < 0 || words.lines > kLinesMost) {
    return "--lines must be in 0.." + std::to_string(kLinesMost);
  }
  if (words.wipe && !yes) return "down --wipe removes the data: repeat it with --yes";
  if (!words.flags.empty() && !words.flags.front().starts_with("-")) {
    return "'" + words.flags.front() + "' is no flag of parleyd: cluster up takes those after --";
  }
  make_absolute(words.flags);
  const char* from_environment = std::getenv("PARLEY_CLUSTER_DIR");
  const std::string usual = from_environment != nullptr ? from_environment : "";
  words.directory = words.said_directory.value_or(usual.empty() ? "parley-cluster" : usual);
  if (words.directory.empty()) return "--dir must not be empty";
  return std::nullopt;
}

}  // namespace parley::cli
