#include "tools/local/cluster_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "storage/directory_lock.h"
#include "tools/local/node_command.h"

namespace parley::local {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kMarker = "/parley-cluster.json";
constexpr int kFormat = 1;
constexpr WallDuration kLockPatience = std::chrono::seconds(2);

Error invalid(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }
Error internal(std::string message) { return {ErrorCode::Internal, std::move(message)}; }

// The directory that we hold may have been wiped, or replaced, before we got hold of it.
bool is_still(const std::string& path, int descriptor) {
  struct stat held {
  }, there{};
  return fstat(descriptor, &held) == 0 && stat(path.c_str(), &there) == 0 &&
         held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

// But for a marker that was being written when we were killed.
Result<bool> is_empty(const std::string& directory) {
  std::error_code failed;
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end;
       at.increment(failed)) {
    if (at->path() != directory + kMarker + ".new") return false;
  }
  if (failed) return invalid(directory + ": " + failed.message());
  return true;
}

bool is_block_prefix(const std::string& prefix) {
  return prefix.starts_with("127.") && prefix.ends_with(".") &&
         prefix.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

std::string plan_text(const ClusterPlan& plan) {
  const Json json = {{"parley_cluster", kFormat}, {"prefix", plan.prefix},
                     {"nodes", plan.nodes},       {"racks", plan.racks},
                     {"flags", plan.flags},       {"allow_faults", plan.allow_faults}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<ClusterPlan> parse_plan(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    if (json.at("parley_cluster").get<int>() != kFormat) return invalid("unknown format");
    ClusterPlan plan;
    plan.prefix = json.at("prefix").get<std::string>();
    plan.nodes = json.at("nodes").get<std::size_t>();
    plan.racks = json.at("racks").get<std::size_t>();
    plan.allow_faults = json.at("allow_faults").get<bool>();
    plan.flags = json.at("flags").get<std::vector<std::string>>();
    const bool sound = plan.nodes >= 1 && plan.nodes <= kNodesMost && plan.racks >= 1 &&
                       plan.racks <= kNodesMost && is_block_prefix(plan.prefix);
    if (!sound) return invalid("impossible numbers");
    return plan;
  } catch (const Json::exception&) {
    return invalid("not what was written");
  }
}

Result<ClusterDirectory> ClusterDirectory::open_held(const std::string& path) {
  // The directory is opened anew each time: the one that was there may have been wiped meanwhile.
  int number = EWOULDBLOCK;
  int held = -1;
  eventually(kLockPatience, [&] {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    number = fd < 0 ? errno : 0;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) number = errno;
    if (number == 0 && !is_still(path, fd)) number = EWOULDBLOCK;
    if (number == 0) held = fd;
    if (number != 0 && fd >= 0) close(fd);
    return number != EWOULDBLOCK;
  });
  if (number == EWOULDBLOCK) return invalid(path + ": in use by another parley cluster command");
  if (held < 0) return invalid(path + ": " + std::strerror(number));
  return ClusterDirectory(path, held);
}

Result<ClusterDirectory> ClusterDirectory::open(const std::string& path, Use use) {
  std::error_code failed;
  const fs::path absolute = fs::canonical(path, failed);
  const Error none = invalid("there is no cluster in " + path + ": parley cluster up makes one");
  if (failed || !fs::exists(absolute.string() + kMarker, failed)) return none;
  auto directory = use == Use::Alone ? open_held(absolute.string())
                                     : Result(ClusterDirectory(absolute.string(), -1));
  if (!directory.ok()) return directory;
  const Status read = directory->read_plan();
  if (!read.ok()) return read.error();
  if (directory->is_new()) return none;
  return directory;
}

Result<ClusterDirectory> ClusterDirectory::open_or_make(const std::string& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  if (failed) return invalid(path + ": cannot be made: " + failed.message());
  const fs::path absolute = fs::canonical(path, failed);
  if (failed) return invalid(path + ": " + failed.message());
  auto directory = open_held(absolute.string());
  if (!directory.ok()) return directory;
  const Status read = directory->read_plan();
  if (!read.ok()) return read.error();
  const auto empty = is_empty(absolute.string());
  if (!empty.ok()) return empty.error();
  if (directory->is_new() && !*empty) {
    return invalid(path + " is not empty and holds no cluster: choose another --dir");
  }
  return directory;
}

ClusterDirectory::~ClusterDirectory() {
  if (descriptor_ >= 0) close(descriptor_);
}

ClusterDirectory::ClusterDirectory(ClusterDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      plan_(std::move(other.plan_)) {}

Status ClusterDirectory::read_plan() {
  std::error_code failed;
  if (!fs::exists(path_ + kMarker, failed)) return Done{};
  const auto plan = parse_plan(read_file(path_ + kMarker));
  if (!plan.ok()) return invalid(path_ + kMarker + " is unreadable: " + plan.error().message);
  plan_ = *plan;
  return Done{};
}

// Replaced as a whole, and on the disk before the first node has data.
Status ClusterDirectory::save(ClusterPlan plan) {
  const std::string path = path_ + kMarker, fresh = path + ".new", text = plan_text(plan);
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && write(fd, text.data(), text.size()) == std::ssize(text) &&
                       fsync(fd) == 0 && rename(fresh.c_str(), path.c_str()) == 0;
  const std::string why = std::strerror(errno);
  if (fd >= 0) close(fd);
  if (!written) return internal("cannot write " + path + ": " + why);
  plan_ = std::move(plan);
  return Done{};
}

std::string ClusterDirectory::file(std::size_t i, const char* ending) const {
  return path_ + "/" + plan_.name(i) + ending;
}

Result<bool> ClusterDirectory::wipe() {
  // Whoever still runs holds the lock of its data directory, even where no pid file tells of it.
  std::vector<std::unique_ptr<storage::DirectoryLock>> locks;
  for (std::size_t i = 0; i < plan_.nodes; ++i) {
    if (!fs::exists(data_dir(i))) continue;
    auto lock = storage::DirectoryLock::take(data_dir(i));
    if (!lock) return lock.error();
    locks.push_back(std::move(*lock));
  }
  std::vector<std::string> ours;
  for (std::size_t i = 0; i < plan_.nodes; ++i) {
    for (const auto& path : {data_dir(i), pid_file(i), pid_file(i) + ".new", out_file(i)}) {
      ours.push_back(path);
    }
    ours.push_back(log_file(i));
  }
  // The marker last: a wipe that was cut short can be repeated.
  ours.insert(ours.end(), {path_ + kMarker + ".new", path_ + kMarker});
  for (const std::string& path : ours) {
    std::error_code failed;
    fs::remove_all(path, failed);
    if (failed) return internal("cannot remove " + path + ": " + failed.message());
  }
  std::error_code failed;
  if (!fs::is_empty(path_, failed)) return false;
  fs::remove(path_, failed);
  if (failed) return internal("cannot remove " + path_ + ": " + failed.message());
  return true;
}

}  // namespace parley::local
