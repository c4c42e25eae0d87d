#include "tests/sim/sim_client.h"

#include <algorithm>
#include <utility>

#include "api/client_requests.h"
#include "base/check.h"
#include "base/hash.h"

namespace parley::sim {

namespace {

std::vector<Endpoint> shuffled(std::vector<Endpoint> endpoints, Random& random) {
  for (std::size_t i = endpoints.size(); i > 1; --i) {
    std::swap(endpoints[i - 1], endpoints[random.below(i)]);
  }
  return endpoints;
}

}  // namespace

SimClient::SimClient(fake::World& world, std::uint32_t number, std::vector<Endpoint> endpoints,
                     const WorkloadOptions& options, History& history, Random random)
    : world_(world),
      number_(number),
      options_(options),
      history_(history),
      random_(std::move(random)),
      host_(world.node("127.0.9." + std::to_string(number + 1))),
      core_(std::make_unique<client::ClientCore>(known(endpoints, false), options.learn_ring,
                                                 host_.loop(), host_.network(),
                                                 random_.fork("client"))),
      other_(std::make_unique<client::ClientCore>(known(endpoints, true), false, host_.loop(),
                                                  host_.network(), random_.fork("other"))),
      pause_(host_.loop()) {
  if (options.cut_batches) {
    batches_ = std::make_unique<client::BatchSender>(*core_, host_.loop());
  }
}

std::vector<Endpoint> SimClient::known(const std::vector<Endpoint>& endpoints, bool retries) {
  auto out = shuffled(endpoints, random_);
  if (options_.one_node) out = {endpoints[(number_ + (retries ? 1 : 0)) % endpoints.size()]};
  for (const Endpoint& one : out) asked_.insert(one.address);
  return out;
}

bool SimClient::may_ask(const std::string& node) const {
  return options_.learn_ring || asked_.contains(node);
}

void SimClient::later() {
  const auto most = static_cast<std::uint64_t>(options_.pause_most.count());
  pause_.after(Duration(static_cast<std::int64_t>(random_.below(most + 1))), [this] { next(); });
}

Call SimClient::begin_call() {
  ++calls_;
  ++under_way_;
  return {now(), options_.timeouts[random_.below(options_.timeouts.size())]};
}

Call SimClient::as_lived(Call call) const {
  const auto resumed = host_.resumed_at();
  if (resumed) call.timeout = std::max<Duration>(call.timeout, *resumed - call.begun);
  return call;
}

void SimClient::die(bool machine) {
  stopping_ = true;
  alive_.reset();  // what the library says at its end is said to nobody
  world_.kill(host_, machine);
  pause_.cancel();
  close_batches();
  core_.reset();
  batches_.reset();
  other_.reset();
  world_.bury(host_);
  under_way_ = 0;
}

void SimClient::limit(WriteNumber number, const Call& call) {
  WriteRecord& write = history_.write(number);
  write.deadline = std::max<Instant>(write.deadline, call.begun + call.timeout);
}

void SimClient::next() {
  if (stopping_) return;
  if (again_) {
    const Sending sending = *std::exchange(again_, std::nullopt);
    return send(*other_, sending, [this](const WriteRecord&) { later(); });
  }
  const std::string key = options_.draw_key(random_);
  const auto then_later = [this](const ReadRecord&) { later(); };
  switch (options_.draw_act(random_)) {
    case Act::Get: return get(key, draw_level(), then_later);
    case Act::Replace:
      return get(key, draw_level(), [this, key](const ReadRecord& read) {
        if (stopping_ || read.result.outcome != client::Outcome::Ok) return later();
        put(key, read_[key]);
      });
    case Act::Stale: return put(key, read_[key]);
    case Act::Chain: return put(key, wrote_[key]);
    case Act::Blind: return put(key, {});
    case Act::Delete: return remove(key);
    case Act::Add: return add();
    case Act::PutMany: return put_many();
    case Act::GetMany: return get_many();
    case Act::Check: return put_and_check(key);
    case Act::Forge: return forge(key);
    case Act::CountOfActs: break;
  }
  PARLEY_UNREACHABLE();
}

void SimClient::get(const std::string& key, const std::string& level, AfterRead then) {
  const Call call = begin_call();
  const std::size_t number = history_.begin_read(number_, key, level, now());
  client::ReadOptions options;
  options.level = level;
  core_->run(client::read_call(
      key, options, call.timeout,
      alive_.guard([this, number, call, then = std::move(then)](client::ReadResult result) {
        --under_way_;
        history_.end_read(number, as_lived(call), std::move(result), now());
        const ReadRecord read = history_.read(number);  // a copy: what follows may read more
        learn(read);
        then(read);
      })));
}

void SimClient::learn(const ReadRecord& read) {
  if (read.result.outcome != client::Outcome::Ok) return;
  Known& known = read_[read.key];
  known = {std::nullopt, read.context, read.saw, read.elements};
  if (!read.result.context.empty()) known.context = read.result.context;
}

// Its context covers what the write had seen and, mostly, the write.
void SimClient::learn(const WriteRecord& write, const client::WriteResult& result) {
  if (result.outcome != client::Outcome::Ok || result.context.empty()) return;
  const auto vector = vector_of(result.context);
  const auto dot = parse_dot(result.version);
  if (!vector || !dot) return;
  Known& known = wrote_[write.key];
  known = {result.context, *vector, write.replaces, {}};
  if (vector->covers(*dot)) known.writes.insert(write.number);
}

void SimClient::remove(const std::string& key) {
  get(key, draw_level(), [this, key](const ReadRecord& read) {
    if (stopping_ || read.result.outcome != client::Outcome::Ok) return later();
    send(*core_, compose(key, read_[key], true), [this, key](const WriteRecord& write) {
      if (stopping_ || !write.ok() || random_.below(2) == 0) return later();
      put(key, random_.below(2) == 0 ? wrote_[key] : Known{});
    });
  });
}

void SimClient::forge(const std::string& key) {
  const std::string& other = options_.draw_key(random_);
  std::optional<Bytes> context = read_[other].context;
  if (!context) return later();
  if (other == key) {
    char& byte = (*context)[random_.below(context->size())];
    byte = static_cast<char>(byte ^ (1 << random_.below(8)));
  }
  Sending sending = compose(key, {}, false);
  sending.options.context = sending.item.context = std::move(context);
  history_.write(sending.number).forged = true;
  send(*core_, sending, [this](const WriteRecord&) { later(); });
}

void SimClient::add() {
  const std::string& key = options_.sets[random_.below(options_.sets.size())];
  get(key, draw_level(), [this, key](const ReadRecord& read) {
    if (stopping_ || read.result.outcome != client::Outcome::Ok) return later();
    put(key, read_[key]);
  });
}

void SimClient::put_and_check(const std::string& key) {
  send(*core_, compose(key, read_[key], false), [this, key](const WriteRecord& write) {
    if (stopping_ || !write.ok()) return later();
    get(key, "quorum", [this](const ReadRecord&) { later(); });
  });
}

SimClient::Sending SimClient::compose(const std::string& key, const Known& known, bool is_delete) {
  WriteRecord& record = history_.new_write(number_, key, draw_level());
  record.is_delete = is_delete;
  record.memory = random_.unit() < options_.memory;
  record.op = core_->mint_op();
  record.seen = known.vector;
  record.replaces = known.writes;
  Sending out;
  out.number = record.number;
  out.item = {key, std::nullopt, known.context};
  if (!is_delete && key.starts_with("set")) {
    record.elements = known.elements;
    record.elements.insert(record.number);
    out.item.value = set_value_of(record.number, record.elements);
  } else if (!is_delete) {
    const bool large = random_.unit() < options_.large;
    const std::size_t most = large ? options_.large_bytes_most : options_.value_bytes_most;
    out.item.value = value_of(record.number, 8 + random_.below(most));
  }
  if (out.item.value) record.value_hash = hash64(*out.item.value);
  out.options.level = record.level;
  out.options.memory_durability = record.memory;
  out.options.op = record.op;
  out.options.context = known.context;
  return out;
}

void SimClient::send(client::ClientCore& core, const Sending& sending, AfterWrite then) {
  const Call call = begin_call();
  history_.begin_write(sending.number, now());
  limit(sending.number, call);
  core.run(client::write_call(
      sending.item, sending.options, call.timeout,
      alive_.guard([this, sending, call, then = std::move(then)](client::WriteResult result) {
        --under_way_;
        ended(sending, call, std::move(result));
        then(history_.writes()[sending.number]);
      })));
}

void SimClient::ended(const Sending& sending, const Call& call, client::WriteResult result) {
  const WriteRecord& write = history_.writes()[sending.number];
  learn(write, result);
  const double chance = result.outcome == client::Outcome::Unknown ? options_.retry_unknown
                        : result.outcome == client::Outcome::Ok    ? options_.retry_ok
                                                                   : 0;
  if (write.calls < kCallsMost && random_.unit() < chance) again_ = sending;
  history_.end_write(sending.number, as_lived(call), std::move(result), now());
}

std::vector<std::string> SimClient::draw_keys() {
  std::vector<std::string> keys;
  const std::size_t most = options_.cut_batches ? options_.keys.size() : kBatchMost;
  for (const std::string& key : options_.keys) {
    if (keys.size() < most && random_.below(2) == 0) keys.push_back(key);
  }
  if (keys.empty()) keys.push_back(options_.draw_key(random_));
  return keys;
}

// Whole, or cut as the library's users get it.
void SimClient::send(std::vector<client::PutItem> items, std::vector<OpId> ops,
                     client::WriteOptions options, Duration timeout,
                     client::Then<std::vector<client::WriteResult>> then) {
  if (!batches_) {
    return core_->run(client::write_many_call(std::move(items), std::move(ops), options, timeout,
                                              std::move(then)));
  }
  batches_->add(client::put_batch_of(std::move(items), std::move(ops), options, std::move(then)),
                timeout);
}

void SimClient::send(std::vector<std::string> keys, client::ReadOptions options, Duration timeout,
                     client::Then<std::vector<client::ReadResult>> then) {
  if (!batches_) {
    return core_->run(client::read_many_call(std::move(keys), options, timeout, std::move(then)));
  }
  batches_->add(client::get_batch_of(std::move(keys), options, std::move(then)), timeout);
}

void SimClient::get_many() {
  const Call call = begin_call();
  const std::vector<std::string> keys = draw_keys();
  calls_ += keys.size() - 1;
  client::ReadOptions options;
  options.level = draw_level();
  std::vector<std::size_t> numbers;
  for (const auto& key : keys) {
    numbers.push_back(history_.begin_read(number_, key, options.level, now()));
  }
  send(keys, options, call.timeout,
       alive_.guard([this, numbers, call](std::vector<client::ReadResult> results) {
         --under_way_;
         for (std::size_t i = 0; i < numbers.size(); ++i) {
           history_.end_read(numbers[i], as_lived(call), std::move(results[i]), now());
           learn(history_.read(numbers[i]));
         }
         later();
       }));
}

void SimClient::put_many() {
  const Call call = begin_call();
  std::vector<Sending> all;
  std::vector<client::PutItem> items;
  std::vector<OpId> ops;
  const std::string level = draw_level();
  for (const auto& key : draw_keys()) {
    all.push_back(compose(key, random_.below(2) == 0 ? read_[key] : Known{}, false));
    WriteRecord& record = history_.write(all.back().number);
    record.level = all.back().options.level = level;
    record.memory = all.back().options.memory_durability = false;
    history_.begin_write(record.number, now());
    limit(record.number, call);
    items.push_back(all.back().item);
    ops.push_back(all.back().options.op);
  }
  calls_ += all.size() - 1;
  client::WriteOptions options;
  options.level = level;
  send(std::move(items), std::move(ops), options, call.timeout,
       alive_.guard([this, all, call](std::vector<client::WriteResult> results) {
         --under_way_;
         for (std::size_t i = 0; i < all.size(); ++i) ended(all[i], call, std::move(results[i]));
         later();
       }));
}

}  // namespace parley::sim
