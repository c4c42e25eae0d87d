#include "tests/sim/door.h"

#include <memory>
#include <utility>

#include "api/client_codec.h"

namespace parley::sim {
namespace {

constexpr Duration kRoundMost = 10s;
constexpr Duration kEndMost = 20s;  // long after every deadline: it never ends

template <typename T, typename Begin>
std::optional<T> await(fake::World& world, const Begin& begin) {
  auto out = std::make_shared<std::optional<T>>();
  begin([out](T result) { *out = std::move(result); });
  world.run_until([&out] { return out->has_value(); }, kEndMost);
  return *out;
}

Error never_ended() { return {ErrorCode::Internal, "the call did not end"}; }

}  // namespace

Door::Door(fake::World& world, const Endpoint& node, Random random)
    : world_(world),
      core_({node}, false, world.node("127.0.8.1").loop(), world.node("127.0.8.1").network(),
            std::move(random)) {}

client::ReadResult Door::read(const std::string& key, const std::string& level) {
  client::ReadOptions options;
  options.level = level;
  auto result = await<client::ReadResult>(
      world_, [&](auto done) { core_.run(client::read_call(key, options, kTimeout, done)); });
  if (result) return *std::move(result);
  client::ReadResult out;
  out.error = never_ended();
  return out;
}

client::WriteResult Door::write(client::PutItem item, const std::string& level, const OpId& op) {
  client::WriteOptions options;
  options.level = level;
  options.context = item.context;
  options.op = op;
  auto result = await<client::WriteResult>(world_, [&](auto done) {
    core_.run(client::write_call(std::move(item), options, kTimeout, done));
  });
  if (result) return *std::move(result);
  client::WriteResult out;
  out.outcome = client::Outcome::Unknown;
  out.error = never_ended();
  return out;
}

template <typename T>
Result<T> Door::ask(client::AdminAsk<T> question, Duration timeout) {
  auto result = await<Result<T>>(world_, [&](auto done) {
    core_.run(std::make_unique<client::AdminCall<T>>(std::move(question), timeout, false, done));
  });
  return result ? *std::move(result) : Result<T>(never_ended());
}

Result<client::InspectResult> Door::inspect(const std::string& key) {
  return ask<client::InspectResult>([key](api::schema::Admin::Client admin, std::uint32_t ms) {
    auto request = admin.inspectRequest();
    request.setKeyspace(client::text_for("default"));
    request.setKey(client::data_of(key));
    request.setTimeoutMs(ms);
    return request.send().then([](auto&& response) -> Result<client::InspectResult> {
      if (auto failure = client::read_failure(response.getFailure())) return *failure;
      return client::read_struct(response.getResult());
    });
  });
}

Result<std::vector<client::GossipRow>> Door::gossip() {
  using Rows = std::vector<client::GossipRow>;
  return ask<Rows>([](api::schema::Admin::Client admin, std::uint32_t) {
    return admin.gossipRequest().send().then([](auto&& response) -> Result<Rows> {
      if (auto failure = client::read_failure(response.getFailure())) return *failure;
      return client::read_rows<client::GossipRow>(response.getRows());
    });
  });
}

Result<client::KeyspaceInfo> Door::keyspace() {
  return ask<client::KeyspaceInfo>([](api::schema::Admin::Client admin, std::uint32_t) {
    auto request = admin.keyspaceRequest();
    request.setName(client::text_for("default"));
    return request.send().then([](auto&& response) -> Result<client::KeyspaceInfo> {
      if (auto failure = client::read_failure(response.getFailure())) return *failure;
      return client::read_struct(response.getKeyspace());
    });
  });
}

Result<std::uint64_t> Door::repair() {
  return ask<std::uint64_t>(
      [](api::schema::Admin::Client admin, std::uint32_t ms) {
        auto request = admin.repairRequest();
        request.setWait(true);
        request.setTimeoutMs(ms);
        return request.send().then([](auto&& response) -> Result<std::uint64_t> {
          if (auto failure = client::read_failure(response.getFailure())) return *failure;
          return response.getKeys();
        });
      },
      kRoundMost);
}

}  // namespace parley::sim
