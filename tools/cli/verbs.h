// One function a verb: ask, print, exit code.
#pragma once

#include "api/client.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_code.h"

namespace parley::cli {

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
