#include "tests/process/own_cluster.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace parley::process_test {
namespace {

namespace fs = std::filesystem;

// Waits until we are gone, or close the pipe, and kills what has an argument in our directory.
constexpr const char* kGuard = R"sh(
exec 2>/dev/null
read -r none
for each in /proc/[0-9]*; do
  if tr '\0' '\n' <"$each/cmdline" | grep -q "^$1/"; then
    kill -9 "${each##*/}"
  fi
done
)sh";

}  // namespace

OwnCluster::OwnCluster() : program_(local::program_folder() + "/parley") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  guard_pipe_ = ends[1];
  const std::string path = scratch();
  guard_ = fork();
  REQUIRE(guard_ >= 0);
  if (guard_ == 0) {
    setsid();
    dup2(ends[0], 0);
    execlp("sh", "sh", "-c", kGuard, "guard", path.c_str(), nullptr);
    _exit(127);
  }
  close(ends[0]);
}

OwnCluster::~OwnCluster() {
  close(guard_pipe_);
  int status = 0;
  waitpid(guard_, &status, 0);
}

std::vector<std::string> OwnCluster::words(const std::string& verb,
                                           std::vector<std::string> more) const {
  std::vector<std::string> out = {program_, "cluster", verb, "--dir", directory()};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

RunResult OwnCluster::run(const std::string& verb, std::vector<std::string> more,
                          const std::vector<std::string>& environment) const {
  return local::run(words(verb, std::move(more)), {}, 90s, environment);
}

Json OwnCluster::json(const std::string& verb, std::vector<std::string> more) const {
  more.insert(more.begin(), {"-o", "json"});
  const RunResult result = run(verb, std::move(more));
  INFO("cluster " << verb << " ended with " << result.exit_code << "\n" << result.err);
  INFO(result.out);
  REQUIRE(result.exit_code == 0);
  const Json json = Json::parse(result.out, nullptr, false);
  REQUIRE_FALSE(json.is_discarded());
  return json;
}

Json OwnCluster::node(std::size_t number) const {
  return json("status").at("nodes").at(number - 1);
}

std::vector<pid_t> OwnCluster::pids() const {
  std::vector<pid_t> out;
  const Json status = json("status");
  for (const Json& node : status.at("nodes")) {
    out.push_back(node.at("pid").is_null() ? 0 : node.at("pid").get<pid_t>());
  }
  return out;
}

RunResult OwnCluster::parley(std::vector<std::string> words) const {
  words.insert(words.begin(), program_);
  words.insert(words.end(), {"-e", json("env").at("PARLEY_ENDPOINTS").get<std::string>()});
  return local::run(words);
}

void OwnCluster::use_own_programs(const std::string& parleyd) {
  const std::string folder = scratch() + "/bin";
  fs::create_directory(folder);
  fs::copy_file(program_, folder + "/parley");
  program_ = folder + "/parley";
  if (parleyd.empty()) return;
  std::ofstream(folder + "/parleyd")
      << "#!/bin/sh\nREAL=" << local::program_folder() << "/parleyd\nSCRATCH=" << scratch() << "\n"
      << parleyd;
  fs::permissions(folder + "/parleyd", fs::perms::owner_all);
}

bool is_alive(pid_t pid) {
  const std::string stat = local::read_file("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(") ");
  return name_end != std::string::npos && stat[name_end + 2] != 'Z';
}

bool says(const RunResult& result, const std::string& text) {
  return result.err.find(text) != std::string::npos;
}

void check_refused(const RunResult& result, int exit_code, const std::string& text) {
  INFO("exit " << result.exit_code << "\n" << result.out << result.err);
  CHECK(result.exit_code == exit_code);
  CHECK(says(result, text));
  CHECK(result.err.starts_with("parley: "));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
}

}  // namespace parley::process_test
