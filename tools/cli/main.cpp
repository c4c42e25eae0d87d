// parley: the command line. Reads the line, asks the cluster, prints, exits with the right code.
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>

#include "api/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/output.h"
#include "tools/cli/standard_streams.h"
#include "tools/cli/verbs.h"

namespace parley::cli {
namespace {

int run(const CommandLine& line) {
  static const std::map<std::string, std::function<ExitCode(client::Client&, const CommandLine&)>>
      kVerbs = {{"put", put_or_del},
                {"del", put_or_del},
                {"get", get},
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
  const auto verb = kVerbs.find(line.verb.starts_with("fault ") ? "fault" : line.verb);
  if (verb == kVerbs.end()) return kInternal;
  client::ClientOptions options;
  options.endpoints = line.endpoints;
  options.timeout = line.timeout;
  // A person who names a node wants that node to coordinate.
  options.learn_ring = false;
  auto client = client::Client::make(std::move(options));
  if (!client.ok()) return fail(line, client.error());
  return verb->second(**client, line);
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
