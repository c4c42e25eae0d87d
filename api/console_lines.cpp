#include "api/console_lines.h"

#include <kj/timer.h>

#include <utility>

#include "api/client_codec.h"

namespace parley::api {
namespace {

kj::Duration kj_duration(Duration d) { return d.count() * kj::NANOSECONDS; }

template <typename T, typename Response, typename Read>
Result<T> result_of(Response& response, Read read) {
  if (const auto failure = client::read_failure(response.getFailure())) return *failure;
  return read(response);
}

}  // namespace

ConsoleLines::ConsoleLines(runtime::KjPort& port, runtime::Loop& loop, runtime::Network& network)
    : port_(port), loop_(loop), network_(network), idle_(loop), asked_(*this) {}

client::ClientConnection& ConsoleLines::line(const Endpoint& node) {
  idle_.after(kIdleMost, [this] { lines_.clear(); });
  auto& slot = lines_[node];
  if (slot == nullptr) slot = std::make_unique<client::ClientConnection>(node, loop_, network_);
  return *slot;
}

template <typename T>
void ConsoleLines::ask(const Endpoint& node, Question<T> question, Done<T> done) {
  client::ClientConnection& to = line(node);
  auto open = kj::newPromiseAndFulfiller<Result<T>>();
  auto ready = std::make_shared<kj::Own<kj::PromiseFulfiller<Result<T>>>>(kj::mv(open.fulfiller));
  // What is asked leaves in the very turn in which the line is ready: later it may be broken.
  auto sent = std::make_shared<kj::Maybe<kj::Promise<Result<T>>>>();
  to.when_ready([ready, sent, question = std::move(question), &to](const Status& status) {
    if (!status) return (*ready)->fulfill(status.error());
    if (!(*ready)->isWaiting()) return;
    *sent = question(to.admin());
    (*ready)->fulfill(Error{ErrorCode::NoAnswer, "asked"});
  });
  auto answer = open.promise.then([sent](Result<T>&& opened) -> kj::Promise<Result<T>> {
    KJ_IF_MAYBE (promise, *sent) {
      return kj::mv(*promise);
    }
    return kj::mv(opened);
  });
  auto late = port_.timer().afterDelay(kj_duration(kPatience)).then([]() -> Result<T> {
    return Error{ErrorCode::NoAnswer, "no answer in time"};
  });
  asked_.add(answer.exclusiveJoin(kj::mv(late))
                 .then([done](Result<T>&& result) { done(std::move(result)); },
                       [done](kj::Exception&& exception) {
                         done(Error{ErrorCode::NoAnswer, exception.getDescription().cStr()});
                       }));
}

void ConsoleLines::word(const Endpoint& node, Done<NodeWord> done) {
  ask<NodeWord>(
      node,
      [](schema::Admin::Client admin) -> kj::Promise<Result<NodeWord>> {
        auto faults = admin.faultsRequest().send();
        return admin.infoRequest().send().then([faults = kj::mv(faults)](auto&& info) mutable {
          NodeWord word;
          word.info = client::read_struct(info.getInfo());
          return faults.then([word = std::move(word)](auto&& answer) mutable {
            if (!client::read_failure(answer.getFailure())) {
              word.faults = client::read_rows<client::FaultRow>(answer.getRows());
            }
            return Result<NodeWord>(std::move(word));
          });
        });
      },
      std::move(done));
}

void ConsoleLines::inject(const Endpoint& node, const client::FaultSpec& fault,
                          Done<std::uint64_t> done) {
  ask<std::uint64_t>(
      node,
      [fault](schema::Admin::Client admin) -> kj::Promise<Result<std::uint64_t>> {
        auto request = admin.injectFaultRequest();
        client::write_struct(fault, request.initFault());
        return request.send().then([](auto&& answer) {
          return result_of<std::uint64_t>(answer, [](auto& in) { return in.getId(); });
        });
      },
      std::move(done));
}

void ConsoleLines::heal(const Endpoint& node, const std::string& peer, Done<std::uint64_t> done) {
  ask<std::uint64_t>(
      node,
      [peer](schema::Admin::Client admin) -> kj::Promise<Result<std::uint64_t>> {
        auto request = admin.healFaultsRequest();
        request.setPeer(client::text_for(peer));
        return request.send().then([](auto&& answer) {
          return result_of<std::uint64_t>(answer, [](auto& in) { return in.getHealed(); });
        });
      },
      std::move(done));
}

void ConsoleLines::taskFailed(kj::Exception&&) {}

}  // namespace parley::api
