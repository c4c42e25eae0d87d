#include "api/admin_service.h"

#include <functional>
#include <memory>
#include <utility>

#include "api/client_codec.h"

namespace parley::api {

using client::read_level;
using client::text_of;
using client::write_failure;
using client::write_rows;
using client::write_struct;

namespace {

template <typename Context, typename T, typename Write>
kj::Promise<void> answer_now(Context& context, const Result<T>& result, Write write) {
  if (result)
    write(*result, context.getResults());
  else
    write_failure(result.error(), context.getResults().initFailure());
  return kj::READY_NOW;
}

unsigned count(std::size_t n) { return static_cast<unsigned>(n); }

// Of what several nodes were asked.
constexpr auto kWriteGathered = [](const auto& gathered, auto out) {
  write_rows(gathered.rows, out.initRows(count(gathered.rows.size())));
  client::write_texts(gathered.no_answer, out.initNoAnswer(count(gathered.no_answer.size())));
};

}  // namespace

Duration AdminService::timeout(std::uint32_t timeout_ms) const {
  return timeout_of(timeout_ms, state_->world.options);
}

// `begin` starts the work with a callback; `write` puts the value into the results.
template <typename T, typename Context, typename Begin, typename Write>
kj::Promise<void> AdminService::answer_later(Context context, Begin begin, Write write) {
  state_->require_open();
  const auto ticket = state_->gate.enter(connection_, 1, 0);
  if (!ticket) {
    write_failure(ticket.error(), context.getResults().initFailure());
    return kj::READY_NOW;
  }
  auto pair = kj::newPromiseAndFulfiller<Result<T>>();
  auto fulfiller =
      std::make_shared<kj::Own<kj::PromiseFulfiller<Result<T>>>>(kj::mv(pair.fulfiller));
  begin(context.getParams(),
        [fulfiller, held = *ticket](Result<T> result) { (*fulfiller)->fulfill(kj::mv(result)); });
  context.releaseParams();
  context.allowCancellation();
  return pair.promise.then([context, write](Result<T>&& result) mutable {
    if (result)
      write(*result, context.getResults());
    else
      write_failure(result.error(), context.getResults().initFailure());
  });
}

kj::Promise<void> AdminService::status(StatusContext context) {
  return answer_later<client::ClusterStatus>(
      context,
      [this](auto in, auto done) { admin_.status(timeout(in.getTimeoutMs()), std::move(done)); },
      [](const auto& value, auto out) { write_struct(value, out.initStatus()); });
}

kj::Promise<void> AdminService::ring(RingContext context) {
  state_->require_open();
  return answer_now(context, admin_.ring(),
                    [](const auto& value, auto out) { write_struct(value, out.initRing()); });
}

kj::Promise<void> AdminService::info(InfoContext context) {
  state_->require_open();
  write_struct(admin_.info(), context.getResults().initInfo());
  return kj::READY_NOW;
}

kj::Promise<void> AdminService::gossip(GossipContext context) {
  state_->require_open();
  const auto rows = admin_.gossip();
  write_rows(rows, context.getResults().initRows(count(rows.size())));
  return kj::READY_NOW;
}

kj::Promise<void> AdminService::endpoints(EndpointsContext context) {
  state_->require_open();
  const auto in = context.getParams();
  const auto replicas = admin_.endpoints(text_of(in.getKeyspace()), client::bytes_of(in.getKey()));
  return answer_now(context, replicas, [](const auto& rows, auto out) {
    write_rows(rows, out.initReplicas(count(rows.size())));
  });
}

kj::Promise<void> AdminService::inspect(InspectContext context) {
  return answer_later<client::InspectResult>(
      context,
      [this](auto in, auto done) {
        admin_.inspect(text_of(in.getKeyspace()), client::bytes_of(in.getKey()),
                       timeout(in.getTimeoutMs()), std::move(done));
      },
      [](const auto& value, auto out) { write_struct(value, out.initResult()); });
}

kj::Promise<void> AdminService::hints(HintsContext context) {
  return answer_later<client::Gathered<client::HintRow>>(
      context,
      [this](auto in, auto done) { admin_.hints(timeout(in.getTimeoutMs()), std::move(done)); },
      kWriteGathered);
}

kj::Promise<void> AdminService::dropHints(DropHintsContext context) {
  return answer_later<std::uint64_t>(
      context,
      [this](auto in, auto done) {
        admin_.drop_hints(text_of(in.getTarget()), timeout(in.getTimeoutMs()), std::move(done));
      },
      [](std::uint64_t dropped, auto out) { out.setDropped(dropped); });
}

kj::Promise<void> AdminService::repair(RepairContext context) {
  return answer_later<std::uint64_t>(
      context,
      [this](auto in, auto done) {
        admin_.repair(in.getWait(), timeout(in.getTimeoutMs()), std::move(done));
      },
      [](std::uint64_t keys, auto out) { out.setKeys(keys); });
}

kj::Promise<void> AdminService::repairStatus(RepairStatusContext context) {
  return answer_later<client::Gathered<client::RepairRow>>(
      context,
      [this](auto in, auto done) {
        admin_.repair_status(timeout(in.getTimeoutMs()), std::move(done));
      },
      kWriteGathered);
}

kj::Promise<void> AdminService::conflicts(ConflictsContext context) {
  return answer_later<client::ConflictPage>(
      context,
      [this](auto in, auto done) {
        admin_.conflicts(text_of(in.getKeyspace()), client::bytes_of(in.getAfter()), in.getLimit(),
                         timeout(in.getTimeoutMs()), std::move(done));
      },
      [](const client::ConflictPage& page, auto out) {
        write_rows(page.rows, out.initRows(count(page.rows.size())));
        out.setNext(client::data_of(page.next));
        client::write_texts(page.no_answer, out.initNoAnswer(count(page.no_answer.size())));
      });
}

kj::Promise<void> AdminService::keyspace(KeyspaceContext context) {
  state_->require_open();
  const auto found = admin_.keyspace(text_of(context.getParams().getName()));
  return answer_now(context, found,
                    [](const auto& value, auto out) { write_struct(value, out.initKeyspace()); });
}

kj::Promise<void> AdminService::setConsistency(SetConsistencyContext context) {
  return answer_later<client::KeyspaceInfo>(
      context,
      [this](auto in, auto done) {
        admin_.set_consistency(text_of(in.getName()), read_level(in.getReadLevel()),
                               read_level(in.getWriteLevel()), timeout(in.getTimeoutMs()),
                               std::move(done));
      },
      [](const auto& value, auto out) { write_struct(value, out.initKeyspace()); });
}

kj::Promise<void> AdminService::faults(FaultsContext context) {
  state_->require_open();
  return answer_now(context, admin_.faults(), [](const auto& rows, auto out) {
    write_rows(rows, out.initRows(count(rows.size())));
  });
}

kj::Promise<void> AdminService::injectFault(InjectFaultContext context) {
  state_->require_open();
  const auto spec = client::read_struct(context.getParams().getFault());
  return answer_now(context, admin_.inject_fault(spec),
                    [](std::uint64_t id, auto out) { out.setId(id); });
}

kj::Promise<void> AdminService::healFaults(HealFaultsContext context) {
  state_->require_open();
  const auto in = context.getParams();
  return answer_now(context,
                    admin_.heal_faults(in.getId(), text_of(in.getPeer()), text_of(in.getNote())),
                    [](std::uint64_t healed, auto out) { out.setHealed(healed); });
}

kj::Promise<void> AdminService::latencies(LatenciesContext context) {
  state_->require_open();
  return answer_now(context, admin_.latencies(),
                    [](const auto& value, auto out) { write_struct(value, out.initLatencies()); });
}

}  // namespace parley::api
