// One function a verb: ask, print, exit code.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "api/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_code.h"

namespace parley::cli {

// Those that are asked of a cluster, by name.
using Verbs = std::map<std::string, std::function<ExitCode(client::Client&, const CommandLine&)>>;
// nullptr: there is none.
const Verbs::mapped_type* find_verb(const Verbs& verbs, const std::string& name);

ExitCode put_or_del(client::Client& client, const CommandLine& line);
ExitCode get(client::Client& client, const CommandLine& line);
ExitCode inspect(client::Client& client, const CommandLine& line);
ExitCode endpoints(client::Client& client, const CommandLine& line);

ExitCode status(client::Client& client, const CommandLine& line);
ExitCode ring(client::Client& client, const CommandLine& line);
ExitCode info(client::Client& client, const CommandLine& line);
ExitCode gossip(client::Client& client, const CommandLine& line);
ExitCode hints(client::Client& client, const CommandLine& line);
ExitCode hints_drop(client::Client& client, const CommandLine& line);
ExitCode repair(client::Client& client, const CommandLine& line);
ExitCode repair_status(client::Client& client, const CommandLine& line);
// Every verb under `fault`.
ExitCode fault(client::Client& client, const CommandLine& line);
ExitCode consistency(client::Client& client, const CommandLine& line);
ExitCode consistency_explain(client::Client& client, const CommandLine& line);
ExitCode consistency_measure(client::Client& client, const CommandLine& line);
ExitCode consistency_predict(client::Client& client, const CommandLine& line);
ExitCode consistency_advise(client::Client& client, const CommandLine& line);

// Lines of verbs, from a person or a script; which ones is for the caller to say.
int shell(const CommandLine& line, const Verbs& verbs);

// `cluster ...`: about processes of this machine, not asked of a cluster.
ExitCode cluster_up(const CommandLine& line);
ExitCode cluster_down(const CommandLine& line);
ExitCode cluster_status(const CommandLine& line);
ExitCode cluster_env(const CommandLine& line);
ExitCode cluster_kill(const CommandLine& line);
ExitCode cluster_restart(const CommandLine& line);
ExitCode cluster_pause(const CommandLine& line);
ExitCode cluster_resume(const CommandLine& line);
ExitCode cluster_logs(const CommandLine& line);

}  // namespace parley::cli
