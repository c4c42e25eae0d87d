#include "tests/sim/level_setter.h"

#include "api/client_codec.h"
#include "api/client_requests.h"

namespace parley::sim {
namespace {

constexpr Duration kPauseMost = 8s;
constexpr Duration kTimeout = 2s;
constexpr const char* kLevels[] = {"all", "quorum", "one", "1", "2", "3"};

client::AdminAsk<client::KeyspaceInfo> question(const DefaultLevels& levels) {
  return [levels](api::schema::Admin::Client admin, std::uint32_t timeout_ms) {
    auto request = admin.setConsistencyRequest();
    request.setName(client::text_for("default"));
    client::write_level(levels.read, request.initReadLevel());
    client::write_level(levels.write, request.initWriteLevel());
    request.setTimeoutMs(timeout_ms);
    return request.send().then([](auto&& response) -> Result<client::KeyspaceInfo> {
      if (auto failure = client::read_failure(response.getFailure())) return *failure;
      return client::read_struct(response.getKeyspace());
    });
  };
}

}  // namespace

LevelSetter::LevelSetter(fake::World& world, const std::vector<Endpoint>& nodes, Random random,
                         bool halves, Defaults& defaults)
    : world_(world),
      host_(world.node("127.0.8.2")),
      random_(std::move(random)),
      halves_(halves),
      defaults_(defaults) {
  for (const Endpoint& node : nodes) {
    cores_.push_back(std::make_unique<client::ClientCore>(
        std::vector{node}, false, host_.loop(), host_.network(), random_.fork(node.address)));
  }
}

void LevelSetter::set_later() {
  const auto pause = random_.below(static_cast<std::uint64_t>(kPauseMost.count()));
  host_.loop().start_timer(world_.now() + Duration(static_cast<std::int64_t>(pause)),
                           alive_.guard([this] {
                             if (stopped_) return;
                             set();
                             set_later();
                           }));
}

void LevelSetter::stop() {
  if (halves_) set_each_alone();
  stopped_ = true;
}

void LevelSetter::set() {
  const auto kind = halves_ ? random_.below(4) : 0;
  if (kind == 3) return set_each_alone();
  DefaultLevels levels{draw_level(), draw_level()};
  if (kind == 1) levels.write.clear();
  if (kind == 2) levels.read.clear();
  set(levels, random_.below(cores_.size()));
}

// At one moment, by way of two nodes.
void LevelSetter::set_each_alone() {
  const std::size_t node = random_.below(cores_.size());
  set({draw_level(), ""}, node);
  set({"", draw_level()}, (node + 1) % cores_.size());
}

void LevelSetter::set(const DefaultLevels& levels, std::size_t node) {
  const std::size_t change = defaults_.begin(levels, world_.now());
  ++open_;
  cores_[node]->run(std::make_unique<client::AdminCall<client::KeyspaceInfo>>(
      question(levels), kTimeout, false, alive_.guard([this, change](const auto& result) {
        defaults_.end(change, result.ok(), world_.now());
        --open_;
      }),
      client::Purpose::Change));
}

std::string LevelSetter::draw_level() { return kLevels[random_.below(std::size(kLevels))]; }

}  // namespace parley::sim
