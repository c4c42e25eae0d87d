#include "api/client_core.h"

#include <algorithm>

#include "api/client_codec.h"

namespace parley::client {

namespace {

// The node answers a little before we stop listening, so that its receipt still arrives.
std::uint32_t timeout_for_node(Duration left) {
  const Duration margin = std::min<Duration>(100ms, left / 10);
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(to_millis(left - margin), 1, std::int64_t{1} << 31));
}

Verdict verdict_of(const Error& error) { return {Outcome::NotWritten, error}; }

}  // namespace

struct ClientCore::Running {
  Running(std::unique_ptr<ClientCall> a_call, runtime::Loop& loop)
      : call(std::move(a_call)),
        plan(call->terms().purpose, loop.now(), call->terms().timeout, call->terms().hedging),
        timer(loop) {}

  std::unique_ptr<ClientCall> call;
  CallPlan plan;
  std::vector<kj::Promise<void>> attempts;  // by number; dropping one cancels it
  RunningList::iterator self;
  bool ended = false;
  runtime::Timer timer;
  Lifetime lifetime;
};

ClientCore::ClientCore(std::vector<Endpoint> given, bool learn_ring, runtime::Loop& loop,
                       runtime::Network& network, Random random)
    : loop_(loop),
      network_(network),
      random_(std::move(random)),
      router_(std::move(given), learn_ring) {}

ClientCore::~ClientCore() {
  lifetime_.reset();
  while (!running_.empty()) {
    Running& running = *running_.front();
    running.plan.abandon();
    advance(running);
  }
  ended_.clear();
}

void ClientCore::run(std::unique_ptr<ClientCall> call) {
  running_.push_back(std::make_unique<Running>(std::move(call), loop_));
  Running& running = *running_.back();
  running.self = std::prev(running_.end());
  loop_.post(running.lifetime.guard([this, &running] { advance(running); }));
}

void ClientCore::advance(Running& running) {
  while (!running.ended) {
    const CallPlan::Step step = running.plan.step(loop_.now());
    switch (step.what) {
      case CallPlan::What::Ask: ask(running, loop_.now()); break;
      case CallPlan::What::Wait:
        running.timer.at(step.until, [this, &running] { advance(running); });
        return;
      case CallPlan::What::End: return end(running);
    }
  }
}

void ClientCore::ask(Running& running, Instant now) {
  for (std::size_t i = 0; i < running.attempts.size(); ++i) {
    // Another is asked because this one keeps silent.
    if (running.plan.is_live(i)) router_.failed(running.plan.endpoint(i), now);
  }
  const auto& terms = running.call->terms();
  const auto endpoint = running.plan.pick(router_.order(terms.purpose, terms.slot, now));
  if (!endpoint) return running.plan.exhausted();
  const std::size_t attempt = running.plan.begin(*endpoint, now);
  running.attempts.emplace_back(nullptr);
  connection(*endpoint).when_ready(running.lifetime.guard(
      [this, &running, attempt](const Status& status) { ready(running, attempt, status); }));
}

void ClientCore::ready(Running& running, std::size_t attempt, const Status& status) {
  if (running.ended) return;
  const Endpoint& endpoint = running.plan.endpoint(attempt);
  if (!status) {
    router_.failed(endpoint, loop_.now());
    running.plan.not_sent(attempt, status.error());
    return advance(running);
  }
  const Duration left = running.plan.deadline() - loop_.now();
  if (left <= Duration{}) return advance(running);
  ClientConnection& to = connection(endpoint);
  running.plan.sent(attempt);
  running.attempts[attempt] =
      running.call->send(to, attempt, timeout_for_node(left))
          .then([this, &running, attempt](Verdict&& said) { verdict(running, attempt, said); },
                [this, &running, attempt](kj::Exception&& exception) {
                  lost(running, attempt, exception);
                })
          .eagerlyEvaluate(nullptr);
  learn_from(to);
}

void ClientCore::verdict(Running& running, std::size_t attempt, Verdict said) {
  if (running.ended) return;
  const Endpoint& endpoint = running.plan.endpoint(attempt);
  if (said.error && said.error->code == ErrorCode::NotReady) {
    router_.failed(endpoint, loop_.now());
  } else {
    router_.answered(endpoint);
  }
  running.plan.answered(attempt, std::move(said));
  advance(running);
}

void ClientCore::lost(Running& running, std::size_t attempt, const kj::Exception& exception) {
  if (running.ended) return;
  const Endpoint& endpoint = running.plan.endpoint(attempt);
  const std::string said(exception.getDescription().cStr());
  if (exception.getType() == kj::Exception::Type::UNIMPLEMENTED) {
    running.plan.answered(attempt, verdict_of({ErrorCode::Unsupported, said, 0}));
  } else {
    router_.failed(endpoint, loop_.now());
    running.plan.broke(attempt, {ErrorCode::NoAnswer, to_text(endpoint) + ": " + said, 0});
  }
  advance(running);
}

void ClientCore::end(Running& running) {
  const Instant now = loop_.now();
  if (now >= running.plan.deadline()) {
    for (std::size_t i = 0; i < running.attempts.size(); ++i) {
      if (running.plan.is_live(i)) router_.failed(running.plan.endpoint(i), now);
    }
  }
  running.ended = true;
  running.timer.cancel();
  ended_.splice(ended_.end(), running_, running.self);
  if (!std::exchange(clearing_, true)) {
    loop_.post(lifetime_.guard([this] {
      clearing_ = false;
      RunningList gone;
      gone.swap(ended_);
    }));
  }
  running.call->finish(running.plan.ending());
}

void ClientCore::learn_from(ClientConnection& connection) {
  if (!router_.should_learn(loop_.now())) return;
  auto request = connection.key_value().topologyRequest();
  request.setKeyspace("default");
  // Never more than one under way: an unanswered one is dropped for the next.
  learning_ = request.send()
                  .then(
                      [this](auto&& response) {
                        if (read_failure(response.getFailure())) return;
                        router_.learned(read_topology(response.getTopology()), loop_.now());
                      },
                      [](kj::Exception&&) {})  // the next call asks again
                  .eagerlyEvaluate(nullptr);
}

ClientConnection& ClientCore::connection(const Endpoint& endpoint) {
  auto& slot = connections_[endpoint];
  if (slot == nullptr) slot = std::make_unique<ClientConnection>(endpoint, loop_, network_);
  return *slot;
}

}  // namespace parley::client
