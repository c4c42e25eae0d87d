#include "tests/sim/sim_client.h"

#include <utility>

#include "api/client_requests.h"

namespace parley::sim {

SimClient::SimClient(fake::World& world, std::uint32_t number, std::vector<Endpoint> endpoints,
                     const WorkloadOptions& options, History& history, Random random)
    : number_(number),
      options_(options),
      history_(history),
      random_(std::move(random)),
      host_(world.node("127.0.9." + std::to_string(number + 1))),
      core_(std::make_unique<client::ClientCore>(std::move(endpoints), true, host_.loop(),
                                                 host_.network(), random_.fork("client"))),
      pause_(host_.loop()) {}

void SimClient::later() {
  const auto most = static_cast<std::uint64_t>(options_.pause_most.count());
  pause_.after(Duration(static_cast<std::int64_t>(random_.below(most + 1))), [this] { next(); });
}

void SimClient::next() {
  if (stopping_) return;
  const double kind = random_.unit();
  if (kind < 0.4) return read_then(false);
  if (random_.unit() < options_.blind) return write(any_of(options_.keys), std::nullopt, {});
  read_then(true);
}

void SimClient::read_then(bool write_after) {
  const std::string key = any_of(options_.keys);
  client::ReadOptions options;
  options.level = any_of(options_.levels);
  const std::size_t number = history_.begin_read(number_, key, options.level, host_.loop().now());
  ++calls_;
  ++under_way_;
  core_->run(client::read_call(
      key, options, options_.timeout,
      alive_.guard([this, number, key, write_after](client::ReadResult result) {
        --under_way_;
        history_.end_read(number, std::move(result), host_.loop().now());
        const ReadRecord& read = history_.read(number);
        if (!write_after || stopping_ || read.result.outcome != client::Outcome::Ok) {
          return later();
        }
        std::optional<Bytes> context;
        if (!read.result.context.empty()) context = read.result.context;
        write(key, context, read.saw);
      })));
}

void SimClient::write(const std::string& key, std::optional<Bytes> context,
                      std::set<WriteNumber> saw) {
  client::WriteOptions options;
  options.level = any_of(options_.levels);
  WriteRecord& record = history_.begin_write(number_, key, options.level, host_.loop().now());
  record.replaces = std::move(saw);
  record.is_delete = random_.unit() < options_.deletes;
  client::PutItem item{key, std::nullopt, std::move(context)};
  if (!record.is_delete) {
    item.value = value_of(record.number, 8 + random_.below(options_.value_bytes_most));
  }
  options.context = item.context;
  options.op = core_->mint_op();
  ++calls_;
  ++under_way_;
  core_->run(
      client::write_call(std::move(item), options, options_.timeout,
                         alive_.guard([this, number = record.number](client::WriteResult result) {
                           --under_way_;
                           history_.end_write(number, std::move(result), host_.loop().now());
                           later();
                         })));
}

}  // namespace parley::sim
