// parley: the command line. Reads the line, asks the cluster, prints, exits with the right code.
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>

#include "api/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/completion.h"
#include "tools/cli/output.h"
#include "tools/cli/standard_streams.h"
#include "tools/cli/verbs.h"
#include "tools/cli/verbs_conflicts.h"
#include "tools/local/process.h"

namespace parley::cli {
namespace {

// The demos are a program of their own, beside this one. Comes back only if it cannot be run.
int play_demo(const CommandLine& line) {
  const std::string program = local::program_folder() + "/parley-demo";
  std::vector<std::string> words = {program, line.demo};
  if (line.demo_slow) words.push_back("--slow");
  if (!line.demo_record.empty()) words.insert(words.end(), {"--record", line.demo_record});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  std::fprintf(stderr, "parley: there is no %s\n", program.c_str());
  return kUnavailable;
}

}  // namespace

const Verbs::mapped_type* find_verb(const Verbs& verbs, const std::string& name) {
  const auto found = verbs.find(name.starts_with("fault ") ? "fault" : name);
  return found == verbs.end() ? nullptr : &found->second;
}

namespace {

int run(const CommandLine& line) {
  if (line.verb == "demo") return play_demo(line);
  if (line.verb == "completion") return completion(line);
  static const Verbs kVerbs = {{"put", put_or_del},
                               {"del", put_or_del},
                               {"get", get},
                               {"conflicts", conflicts},
                               {"inspect", inspect},
                               {"endpoints", endpoints},
                               {"status", status},
                               {"ring", ring},
                               {"info", info},
                               {"gossip", gossip},
                               {"fault", fault},
                               {"hints", hints},
                               {"hints drop", hints_drop},
                               {"repair", repair},
                               {"repair status", repair_status},
                               {"consistency", consistency},
                               {"consistency explain", consistency_explain},
                               {"consistency measure", consistency_measure},
                               {"consistency predict", consistency_predict},
                               {"consistency advise", consistency_advise},
                               {"consistency show", consistency},
                               {"consistency set", consistency}};
  static const std::map<std::string, std::function<ExitCode(const CommandLine&)>> kLocalVerbs = {
      {"cluster up", cluster_up},         {"cluster down", cluster_down},
      {"cluster status", cluster_status}, {"cluster env", cluster_env},
      {"cluster kill", cluster_kill},     {"cluster restart", cluster_restart},
      {"cluster pause", cluster_pause},   {"cluster resume", cluster_resume},
      {"cluster logs", cluster_logs}};
  const auto local_verb = kLocalVerbs.find(line.verb);
  if (local_verb != kLocalVerbs.end()) return local_verb->second(line);
  if (line.verb == "shell") return shell(line, kVerbs);
  const auto* verb = find_verb(kVerbs, line.verb);
  if (verb == nullptr) return kInternal;
  client::ClientOptions options;
  options.endpoints = line.endpoints;
  options.timeout = line.timeout;
  // A person who names a node wants that node to coordinate.
  options.learn_ring = false;
  auto client = client::Client::make(std::move(options));
  if (!client.ok()) return fail(line, client.error());
  return (*verb)(**client, line);
}

}  // namespace
}  // namespace parley::cli

int main(int argc, char** argv) {
  std::signal(SIGINT, [](int) { _exit(parley::cli::kInterrupted); });
  parley::cli::hold_closed_streams();
  parley::cli::CommandLine line;
  const int ended = parley::cli::read_command_line(argc, argv, line);
  return parley::cli::exit_code_when_printed(line, ended >= 0 ? ended : parley::cli::run(line));
}
