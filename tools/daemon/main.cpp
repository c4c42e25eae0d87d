// parleyd: one node. Opens the disk, brings the world, builds the Node, runs until told to stop.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "api/node.h"
#include "runtime/asio_loop.h"
#include "storage/sqlite_store.h"
#include "tools/daemon/console_token.h"
#include "tools/daemon/daemon_config.h"
#include "tools/daemon/ending.h"

namespace parley::daemon {
namespace {

constexpr int kFailStop = 70;  // EX_SOFTWARE: the disk can no longer be trusted

void say(const Error& error) { std::fprintf(stderr, "parleyd: %s\n", error.message.c_str()); }

// Clients and peers each take a descriptor; the usual soft limit of 1024 would be our limit.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Between two lives nobody listens: a signal waits for the next one. `how`: SIG_BLOCK, SIG_UNBLOCK.
void hold_signals(int how) {
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGTERM);
  sigaddset(&both, SIGINT);
  pthread_sigmask(how, &both, nullptr);
}

// Orders of the console need --allow-faults and a token; without one it takes none. A token that
// was made serves all lives of this process.
void prepare_console(DaemonConfig& config, const Logger& log) {
  api::NodeConfig& node = config.node;
  if (config.console_token_made) return;
  if (!node.allow_faults || !node.console_token.empty()) {
    const Status dropped = drop_console_token(node.data_dir);
    if (!dropped) log.warn("console.old_token", {{"reason", dropped.error().message}});
    return;
  }
  auto token = make_console_token(node.data_dir);
  if (token) {
    log.info("console.token", {{"file", node.data_dir + "/console-token"}});
    node.console_token = std::move(*token);
    config.console_token_made = true;
  } else {
    log.warn("console.no_token", {{"reason", token.error().message}});
  }
}

// One life of the node, in a world of its own; nullopt: the next one is to begin.
std::optional<int> live(DaemonConfig& config) {
  Logger log(stderr_log(config.log_level), "daemon");
  MetricRegistry metrics;
  const auto world = runtime::make_asio_world(log.on_floor("runtime"), metrics);
  runtime::KjPort kj(world->loop());
  Random random{ByteView(runtime::os_entropy32())};
  auto store =
      storage::open_sqlite_store(config.node.data_dir, config.node.storage, world->loop(),
                                 log.on_floor("storage"), metrics, [&log](const Error& error) {
                                   log.error("storage.failed", {{"reason", error.message}});
                                   say(error);
                                   // At once and without destructors: nothing that is in memory may
                                   // still be acknowledged.
                                   _exit(kFailStop);
                                 });
  if (!store.ok()) {
    say(store.error());
    return kRefused;
  }
  prepare_console(config, log);
  Ending ending;
  std::unique_ptr<api::Node> node;
  api::NodeEvents events;
  events.ready = [](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  };
  events.failed = [&](const Error& error) {
    say(error);
    ending.failed();
    world->stop();
  };
  events.begin_again = [&](const Error& error) {
    if (!ending.begin_again()) return;
    log.warn("daemon.begins_again", {{"reason", error.message}});
    // Closing the store takes its time; a signal that comes meanwhile is heard after it.
    world->loop().post([&] {
      node.reset();
      hold_signals(SIG_BLOCK);
      world->loop().start_timer(world->loop().now() + 1ms, [&] { world->stop(); });
    });
  };
  events.stall = [&world](Duration span) { world->stall(span); };
  node = api::make_node(config.node, std::move(*store), world->loop(), world->network(), kj,
                        std::move(random), log, metrics, std::move(events));
  world->on_termination([&](int signal) {
    log.info("daemon.stopping", {{"signal", signal}});
    ending.told_to_stop();
    if (node) return node->stop([&] { world->stop(); });
    world->stop();
  });
  hold_signals(SIG_UNBLOCK);
  world->run();
  return ending.exit_code();
}

}  // namespace
}  // namespace parley::daemon

int main(int argc, char** argv) {
  parley::daemon::DaemonConfig config;
  const int ended = parley::daemon::read_command_line(argc, argv, config);
  if (ended >= 0) return ended;
  if (config.check_only) {
    std::printf("configuration ok\n");
    return 0;
  }
  parley::daemon::raise_descriptor_limit();
  std::optional<int> exit_code;
  while (!exit_code) exit_code = parley::daemon::live(config);
  return *exit_code;
}
