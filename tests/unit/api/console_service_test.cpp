// The console's gathering and its orders: one node with the console, one that is asked at its
// client port, in the virtual world.
#include "api/console_service.h"

#include "tests/catch.h"
#include "tests/fake/fake_world.h"
#include "tests/unit/api/fake_cluster.h"

namespace parley::api {
namespace {

constexpr const char* kHere = "127.0.0.1";
constexpr const char* kThere = "127.0.0.2";

// Says who is there, counts how often it was asked, and allows faults or not.
class CountedAdmin final : public fake::ClusterAdmin {
 public:
  CountedAdmin(runtime::Loop& loop, std::string address)
      : fake::ClusterAdmin(loop), loop_(loop), address_(std::move(address)) {}

  void status(Duration, Done<client::ClusterStatus> done) override {
    ++asked;
    client::ClusterStatus status;
    std::vector<std::string> addresses = {kHere, kThere};
    if (third) addresses.push_back("127.0.0.3");
    for (const std::string& address : addresses) {
      client::StatusRow row;
      row.address = address;
      row.status = "UN";
      row.client_port = 7400;
      status.nodes.push_back(row);
    }
    Result<client::ClusterStatus> answer = status;
    if (!member) answer = Error{ErrorCode::NotReady, "joining", 500};
    loop_.post([done = std::move(done), answer] { done(answer); });
  }
  client::NodeInfo info() override {
    client::NodeInfo info;
    info.address = address_;
    info.generation = 3;
    info.ready = "ready";
    info.work = {{"get", "one", reads, 0, 0, 0, {reads}}};
    return info;
  }
  Result<std::vector<client::FaultRow>> faults() override {
    if (!allows) return refused();
    return fake::ClusterAdmin::faults();
  }
  Result<std::uint64_t> inject_fault(const client::FaultSpec& spec) override {
    if (!allows) return refused();
    return fake::ClusterAdmin::inject_fault(spec);
  }
  Result<std::uint64_t> heal_faults(std::uint64_t, const std::string& peer,
                                    const std::string&) override {
    if (!allows) return refused();
    return std::erase_if(injected,
                         [&](const auto& one) { return peer.empty() || one.peer == peer; });
  }

  bool allows = true, member = true, third = false;
  int asked = 0;
  std::uint64_t reads = 0;

 private:
  Error refused() const { return {ErrorCode::Refused, address_ + " allows none"}; }
  runtime::Loop& loop_;
  const std::string address_;
};

struct Two {
  fake::World world{5};
  fake::Node& here = world.node(kHere);
  fake::Node& there = world.node(kThere);
  MetricRegistry metrics;
  runtime::KjPort port{here.loop()};
  CountedAdmin own{here.loop(), kHere}, other{there.loop(), kThere};
  fake::Coordinator coordinator{there.loop()};
  ServeOptions options;
  std::unique_ptr<ClientListener> listener;
  std::unique_ptr<ConsoleService> console =
      std::make_unique<ConsoleService>(own, port, here.loop(), here.network());

  Two() { listen(); }
  void listen() {
    auto opened = ClientListener::open(
        {kThere, 7400},
        {options, there.loop(), coordinator, [] { return membership::ViewPtr{}; },
         [] { return std::string("x"); }},
        other, there.network(), Logger{}, metrics);
    REQUIRE(opened.ok());
    listener = std::move(*opened);
  }
  // The answer, which never comes inside the call.
  template <typename Ask>
  Result<std::string> answer(Ask ask) {
    std::optional<Result<std::string>> got;
    ask([&got](Result<std::string> result) { got.emplace(std::move(result)); });
    CHECK_FALSE(got.has_value());
    REQUIRE(world.run_until([&got] { return got.has_value(); }, 5s));
    return *got;
  }
  Result<std::string> cluster() {
    return answer([this](auto done) { console->cluster(std::move(done)); });
  }
  Result<std::string> order(const ConsoleOrder& order) {
    return answer([&](auto done) { console->carry_out(order, std::move(done)); });
  }
};

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

const ConsoleOrder kCut{ConsoleOrder::What::Cut, kThere, kHere};
const ConsoleOrder kHeal{ConsoleOrder::What::Heal, kHere, kThere};

TEST_CASE("console service: the others say of themselves what is broken there", "[api][console]") {
  Two two;
  client::FaultSpec cut;
  cut.peer = kHere;
  cut.cut = true;
  two.other.injected = {cut};
  const auto json = two.cluster();
  REQUIRE(json.ok());
  CHECK(has(*json, R"("toB":"cut","toA":"cut","because":["127.0.0.2: text"])"));
  CHECK(has(*json, R"("self":"127.0.0.1")"));
}

TEST_CASE("console service: many who ask at once cost as much as one", "[api][console]") {
  Two two;
  int answered = 0;
  for (int i = 0; i < 50; ++i) {
    two.console->cluster([&](const Result<std::string>& json) { answered += json.ok() ? 1 : 0; });
  }
  REQUIRE(two.world.run_until([&] { return answered == 50; }, 2s));
  CHECK(two.own.asked == 1);
  CHECK(two.cluster().ok());
  CHECK(two.own.asked == 1);  // still good
  two.world.run_for(Console::kShared);
  CHECK(two.cluster().ok());
  CHECK(two.own.asked == 2);
}

TEST_CASE("console service: a node that is gone or silent is left out, in time", "[api][console]") {
  Two two;
  CHECK(has(*two.cluster(), R"("address":"127.0.0.2","status":"UN","rack")"));
  two.listener.reset();
  two.world.run_for(1s);
  const auto gone = two.cluster();
  REQUIRE(gone.ok());
  CHECK(has(*gone, R"("answers":false)"));
  // It comes back, and is asked on a new connection.
  two.listen();
  two.world.run_for(3s);
  CHECK_FALSE(has(*two.cluster(), R"("answers":false)"));
  // Silent: the wire swallows everything.
  two.world.cut(kHere, kThere);
  two.world.run_for(1s);
  const Instant begun = two.here.loop().now();
  CHECK(has(*two.cluster(), R"("answers":false)"));
  CHECK(two.here.loop().now() - begun <= ConsoleLines::kPatience + 100ms);
}

TEST_CASE("console service: a node that is no member yet says so", "[api][console]") {
  Two two;
  two.own.member = false;
  const auto json = two.cluster();
  REQUIRE_FALSE(json.ok());
  CHECK(json.error().code == ErrorCode::NotReady);
  CHECK(two.order(kCut).error().code == ErrorCode::NotReady);
  two.own.member = true;
  CHECK(two.cluster().ok());
}

TEST_CASE("console service: requests are counted over all nodes", "[api][console]") {
  Two two;
  two.own.reads = 100;
  two.other.reads = 10;
  CHECK(has(*two.cluster(), R"("ok":0,)"));
  two.own.reads += 2;
  two.other.reads += 3;
  two.world.run_for(1s);
  CHECK(has(*two.cluster(), R"("op":"get","level":"one","ok":5,)"));
}

TEST_CASE("console service: a link is cut at one end, this node's if it is one", "[api][console]") {
  Two two;
  CHECK(two.order(kCut).ok());
  REQUIRE(two.own.injected.size() == 1);
  CHECK(two.other.injected.empty());
  CHECK(two.own.injected[0].peer == kThere);
  CHECK(two.own.injected[0].cut);
  CHECK(two.own.injected[0].direction == "both");
  CHECK(two.own.injected[0].traffic == "all");
  CHECK(has(*two.cluster(), R"("toB":"cut","toA":"cut")"));
  // Healed at both ends, whoever cut it; what is on other links stays.
  client::FaultSpec theirs;
  theirs.peer = kHere;
  client::FaultSpec elsewhere;
  elsewhere.peer = "127.0.0.9";
  two.other.injected = {theirs, elsewhere};
  const auto healed = two.order(kHeal);
  REQUIRE(healed.ok());
  CHECK(*healed == "2 faults healed");
  CHECK(two.own.injected.empty());
  CHECK(two.other.injected.size() == 1);
  CHECK(has(*two.cluster(), R"("links":[])"));  // at once: not the answer of before
  CHECK(*two.order({ConsoleOrder::What::Heal, kThere, ""}) == "1 fault healed");
  CHECK(*two.order({ConsoleOrder::What::Heal, "", ""}) == "0 faults healed");
}

TEST_CASE("console service: who asks after an order is told nothing of before it",
          "[api][console]") {
  Two two;
  client::FaultSpec cut;
  cut.peer = kThere;
  cut.cut = true;
  two.own.injected = {cut};
  REQUIRE(two.cluster().ok());
  two.world.run_for(1s);
  std::optional<std::string> before, after;
  two.console->cluster([&](const Result<std::string>& json) { before = *json; });
  two.world.run_for(1us);  // what this node says is gathered, the other one's word is under way
  two.console->carry_out({ConsoleOrder::What::Heal, kHere, ""}, [&](const auto& said) {
    CHECK(*said == "1 fault healed");
    CHECK_FALSE(before);
    two.console->cluster([&](const Result<std::string>& json) { after = *json; });
  });
  REQUIRE(two.world.run_until([&] { return after.has_value(); }, 5s));
  CHECK(has(*before, R"("toB":"cut")"));
  CHECK(has(*after, R"("links":[])"));
  CHECK(has(*two.cluster(), R"("links":[])"));
}

TEST_CASE("console service: a link that the console has cut is not cut again", "[api][console]") {
  Two two;
  REQUIRE(two.order(kCut).ok());
  CHECK(*two.order(kCut) == "cut already: 127.0.0.1 passes nothing to and from 127.0.0.2");
  CHECK(two.own.injected.size() == 1);
  // By the other node's console.
  two.own.injected[0].peer = kHere;
  two.other.injected = std::exchange(two.own.injected, {});
  CHECK(*two.order(kCut) == "cut already: 127.0.0.2 passes nothing to and from 127.0.0.1");
  CHECK(two.own.injected.empty());
  CHECK(two.other.injected.size() == 1);
  // What others did to the link is theirs, and may end before.
  two.other.injected[0].for_ms = 1000;
  CHECK(*two.order(kCut) == "cut: 127.0.0.1 passes nothing to and from 127.0.0.2");
  CHECK(two.own.injected.size() == 1);
}

TEST_CASE("console service: who allows no faults takes no orders, and none for others",
          "[api][console]") {
  Two two;
  CHECK(two.order({ConsoleOrder::What::Cut, kHere, "127.0.0.77"}).error().code ==
        ErrorCode::NotFound);
  two.other.allows = false;
  CHECK(two.order(kCut).ok());
  CHECK(two.order(kHeal).ok());  // one that allows none has none
  two.own.allows = false;
  two.other.allows = true;
  const auto refused = two.order(kCut);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::Refused);
  CHECK(two.other.injected.empty());
}

TEST_CASE("console service: where one end allows no faults, the other cuts", "[api][console]") {
  Two two;
  REQUIRE(two.cluster().ok());
  const ConsoleOrder elsewhere{ConsoleOrder::What::Cut, kThere, "127.0.0.3"};
  two.own.third = true;
  two.world.run_for(1s);
  REQUIRE(two.cluster().ok());
  two.other.allows = false;  // and nobody is at the third
  const auto cut = two.order(elsewhere);
  REQUIRE_FALSE(cut.ok());
  CHECK(cut.error().code == ErrorCode::Unreachable);
  CHECK(cut.error().message.find("127.0.0.3: ") == 0);
  two.other.allows = true;
  CHECK(*two.order(elsewhere) == "cut: 127.0.0.2 passes nothing to and from 127.0.0.3");
  CHECK(two.own.injected.empty());
}

TEST_CASE("console service: what a silent node may have is said", "[api][console]") {
  Two two;
  REQUIRE(two.cluster().ok());
  two.world.cut(kHere, kThere);
  const auto healed = two.order(kHeal);
  REQUIRE(healed.ok());
  CHECK(*healed == "0 faults healed; no answer from 127.0.0.2: what is broken there stays");
  const auto alone = two.order({ConsoleOrder::What::Heal, kThere, ""});
  REQUIRE_FALSE(alone.ok());
  CHECK(alone.error().code == ErrorCode::NoAnswer);
}

TEST_CASE("console service: keys are asked for so often and no more", "[api][console]") {
  Two two;
  const auto ask = [&two] {
    return two.answer([&two](auto done) { two.console->key("default", "k", std::move(done)); });
  };
  two.world.run_for(2s);
  for (std::size_t i = 0; i < ConsoleService::kKeysPerSecond; ++i) CHECK(ask().ok());
  CHECK(ask().error().code == ErrorCode::Overloaded);
  two.world.run_for(1s);
  CHECK(ask().ok());
}

TEST_CASE("console service: it can go at any moment", "[api][console]") {
  for (const Duration after : {0ms, 1ms, 2ms, 5ms, 10ms, 600ms}) {
    Two two;
    if (after == 600ms) two.world.cut(kHere, kThere);
    int answered = 0;
    two.console->cluster([&](const auto&) { ++answered; });
    two.console->carry_out(kCut, [&](const auto&) { ++answered; });
    two.world.run_for(after);
    two.console.reset();
    const int before = answered;
    two.world.run_for(5s);
    CHECK(answered == before);
  }
}

}  // namespace
}  // namespace parley::api
