#include "api/client.h"

#include <algorithm>

#include "api/client_codec.h"
#include "api/client_thread.h"

namespace parley::client {

namespace {

Error too_many() { return {ErrorCode::Overloaded, "too many calls under way", 10}; }

template <typename T>
T refused(Error error, const std::string& level) {
  T result;
  result.outcome = Outcome::NotWritten;
  result.error = std::move(error);
  result.level = level;
  return result;
}

}  // namespace

void Client::Core::write(PutItem item, WriteOptions options, Then<WriteResult> done) {
  Status sound = check_level_text(options.level);
  if (sound.ok()) sound = check_size(write_bytes(item));
  if (!sound) {
    return answer_later(std::move(done), refused<WriteResult>(sound.error(), options.level));
  }
  if (!enter(1)) {
    return answer_later(std::move(done), refused<WriteResult>(too_many(), options.level));
  }
  const Duration most = timeout(options.timeout);
  on_thread([item = std::move(item), options = std::move(options), most,
             done = leaving(1, std::move(done))](ClientCore& core) mutable {
    if (options.op.is_nil()) options.op = core.mint_op();
    core.run(write_call(std::move(item), std::move(options), most, std::move(done)));
  });
}

void Client::Core::read(Bytes key, ReadOptions options, Then<ReadResult> done) {
  Status sound = check_level_text(options.level);
  if (sound.ok()) sound = check_size(key.size());
  if (!sound) {
    return answer_later(std::move(done), refused<ReadResult>(sound.error(), options.level));
  }
  if (!enter(1)) {
    return answer_later(std::move(done), refused<ReadResult>(too_many(), options.level));
  }
  const Duration most = timeout(options.timeout);
  on_thread([key = std::move(key), options = std::move(options), most,
             done = leaving(1, std::move(done))](ClientCore& core) mutable {
    core.run(read_call(std::move(key), std::move(options), most, std::move(done)));
  });
}

void Client::Core::write_many(std::vector<PutItem> items, WriteOptions options,
                              Then<std::vector<WriteResult>> done) {
  Status sound = check_level_text(options.level);
  for (const PutItem& item : items) {
    if (sound.ok()) sound = check_size(write_bytes(item));
  }
  const std::size_t count = items.size();
  if (sound.ok() && count > 0 && !enter(1)) {
    sound = too_many();
  }
  if (!sound || count == 0) {
    std::vector<WriteResult> results(count);
    for (auto& one : results) one = refused<WriteResult>(sound.error(), options.level);
    return answer_later(std::move(done), std::move(results));
  }
  const Duration most = timeout(options.timeout);
  on_thread([this, items = std::move(items), options = std::move(options), most,
             done = leaving(1, std::move(done))](ClientCore& core) mutable {
    std::vector<OpId> ops(items.size());
    for (OpId& op : ops) op = core.mint_op();
    batches_->add(
        put_batch_of(std::move(items), std::move(ops), std::move(options), std::move(done)), most);
  });
}

void Client::Core::read_many(std::vector<Bytes> keys, ReadOptions options,
                             Then<std::vector<ReadResult>> done) {
  Status sound = check_level_text(options.level);
  for (const Bytes& key : keys) {
    if (sound.ok()) sound = check_size(key.size());
  }
  const std::size_t count = keys.size();
  if (sound.ok() && count > 0 && !enter(1)) {
    sound = too_many();
  }
  if (!sound || count == 0) {
    std::vector<ReadResult> results(count);
    for (auto& one : results) one = refused<ReadResult>(sound.error(), options.level);
    return answer_later(std::move(done), std::move(results));
  }
  const Duration most = timeout(options.timeout);
  on_thread([this, keys = std::move(keys), options = std::move(options), most,
             done = leaving(1, std::move(done))](ClientCore&) mutable {
    batches_->add(get_batch_of(std::move(keys), std::move(options), std::move(done)), most);
  });
}

Result<std::unique_ptr<Client>> Client::make(ClientOptions options) {
  std::vector<Endpoint> endpoints;
  for (const std::string& text : options.endpoints) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint) {
      return Error{ErrorCode::InvalidArgument,
                   "endpoint \"" + text + "\" is not a numeric ADDRESS:PORT", 0};
    }
    if (std::find(endpoints.begin(), endpoints.end(), *endpoint) == endpoints.end()) {
      endpoints.push_back(*endpoint);
    }
  }
  if (endpoints.empty()) return Error{ErrorCode::InvalidArgument, "no endpoint given", 0};
  auto core = std::make_unique<Core>(std::move(options), std::move(endpoints));
  return std::unique_ptr<Client>(new Client(std::move(core)));
}

Client::Client(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Client::~Client() = default;

void Client::put_async(Bytes key, Bytes value, WriteOptions options, Then<WriteResult> done) {
  std::optional<Bytes> context = options.context;
  core_->write({std::move(key), std::move(value), std::move(context)}, std::move(options),
               std::move(done));
}

void Client::del_async(Bytes key, WriteOptions options, Then<WriteResult> done) {
  std::optional<Bytes> context = options.context;
  core_->write({std::move(key), std::nullopt, std::move(context)}, std::move(options),
               std::move(done));
}

void Client::get_async(Bytes key, ReadOptions options, Then<ReadResult> done) {
  core_->read(std::move(key), std::move(options), std::move(done));
}

WriteResult Client::put(Bytes key, Bytes value, WriteOptions options) {
  Answer<WriteResult> answer;
  put_async(std::move(key), std::move(value), std::move(options), answer.slot());
  return answer.wait();
}

WriteResult Client::del(Bytes key, WriteOptions options) {
  Answer<WriteResult> answer;
  del_async(std::move(key), std::move(options), answer.slot());
  return answer.wait();
}

ReadResult Client::get(Bytes key, ReadOptions options) {
  Answer<ReadResult> answer;
  get_async(std::move(key), std::move(options), answer.slot());
  return answer.wait();
}

std::vector<WriteResult> Client::put_batch(std::vector<PutItem> items, WriteOptions options) {
  if (items.empty()) return {};
  Answer<std::vector<WriteResult>> answer;
  core_->write_many(std::move(items), std::move(options), answer.slot());
  return answer.wait();
}

std::vector<ReadResult> Client::get_batch(std::vector<Bytes> keys, ReadOptions options) {
  if (keys.empty()) return {};
  Answer<std::vector<ReadResult>> answer;
  core_->read_many(std::move(keys), std::move(options), answer.slot());
  return answer.wait();
}

}  // namespace parley::client
