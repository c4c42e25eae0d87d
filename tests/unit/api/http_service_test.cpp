#include "api/http_service.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "tests/catch.h"
#include "tests/unit/api/http_world.h"

namespace parley::api {
namespace {

using fake::body_of;
using fake::has;
using fake::HttpWorld;
using fake::starts;
using fake::Visitor;

TEST_CASE("http: the pages that monitors read", "[api][http]") {
  HttpWorld http;
  const std::string metrics = http.get("/metrics");
  CHECK(starts(metrics, "HTTP/1.1 200 OK\r\n"));
  CHECK(has(metrics, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  CHECK(has(metrics, "Content-Length: " + std::to_string(http.metrics_text.size()) + "\r\n"));
  CHECK(body_of(metrics) == http.metrics_text);
  CHECK(starts(http.get("/metrics?name[]=x"), "HTTP/1.1 200 OK\r\n"));

  CHECK(body_of(http.get("/healthz")) == "ok\n");
  CHECK(body_of(http.get("/readyz")) == "ready\n");
  http.not_ready = "joining the cluster";
  const std::string not_ready = http.get("/readyz");
  CHECK(starts(not_ready, "HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(body_of(not_ready) == "joining the cluster\n");
  CHECK(starts(http.get("/healthz"), "HTTP/1.1 200 OK\r\n"));  // alive all the same

  CHECK(body_of(http.get("/")) == "parley: /metrics /healthz /readyz\n");
  CHECK(starts(http.get("/metrics/"), "HTTP/1.1 404 Not Found\r\n"));
  CHECK(starts(http.get("/../etc/passwd"), "HTTP/1.1 404 Not Found\r\n"));
  CHECK(has(http.registry.render(), "parley_http_requests_total{status=\"404\"} 2"));
}

TEST_CASE("http: HEAD gives the head of GET and no body", "[api][http]") {
  HttpWorld http;
  const std::string head = http.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(starts(head, "HTTP/1.1 200 OK\r\n"));
  CHECK(has(head, "Content-Length: " + std::to_string(http.metrics_text.size()) + "\r\n"));
  CHECK(body_of(head).empty());
}

TEST_CASE("http: a large page arrives whole, the connection closed after it or not",
          "[api][http]") {
  HttpWorld http;
  for (int i = 0; i < 30'000; ++i)
    http.metrics_text += "parley_y{i=\"" + std::to_string(i) + "\"} 1\n";
  CHECK(body_of(http.get("/metrics")) == http.metrics_text);
  const auto visitor = http.visit();
  visitor->connection->send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  http.world.run_for(1s);
  CHECK(body_of(visitor->received) == http.metrics_text);
  CHECK(visitor->closed);
}

TEST_CASE("http: one connection takes many requests, pipelined too", "[api][http]") {
  HttpWorld http;
  const auto visitor = http.visit();
  for (int i = 1; i <= 3; ++i) {
    visitor->connection->send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    http.world.run_for(20s);
  }
  visitor->connection->send(
      "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
  http.world.run_for(50ms);
  std::size_t answers = 0;
  for (std::size_t at = 0; (at = visitor->received.find("200 OK", at)) != std::string::npos; ++at) {
    ++answers;
  }
  CHECK(answers == 5);
  CHECK_FALSE(visitor->closed);
  CHECK(http.service->connections() == 1);
}

TEST_CASE("http: other methods are refused and say which are not", "[api][http]") {
  HttpWorld http;
  for (const std::string method : {"DELETE", "OPTIONS", "PUT", "TRACE", "PATCH"}) {
    INFO(method);
    const std::string answer = http.ask(method + " /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(starts(answer, "HTTP/1.1 405 Method Not Allowed\r\n"));
    CHECK(has(answer, "Allow: GET, HEAD\r\n"));
  }
  const std::string post =
      http.ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(starts(post, "HTTP/1.1 405 Method Not Allowed\r\n"));
  CHECK(starts(http.ask("BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 405 "));
  CHECK(has(http.ask("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 405 "));
}

TEST_CASE("http: a request with a body is refused", "[api][http]") {
  HttpWorld http;
  CHECK(starts(http.ask("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
               "HTTP/1.1 413 "));
  CHECK(starts(
      http.ask(
          "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
      "HTTP/1.1 413 "));
  // One that never ends is cut off.
  const auto visitor = http.visit();
  visitor->connection->send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
  for (int i = 0; i < 50; ++i) {
    visitor->connection->send(std::string(10'000, 'x'));
    http.world.run_for(100ms);
  }
  CHECK(visitor->closed);
}

TEST_CASE("http: what is no HTTP gets 400 and is closed", "[api][http]") {
  HttpWorld http;
  const std::vector<std::string> garbage = {
      "hello\r\n\r\n", std::string("\0\0\0\0\xff\xff\xff\xff\r\n\r\n", 12), "GET\r\n\r\n",
      "\r\n\r\n\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n"};
  for (const auto& bytes : garbage) {
    INFO(bytes);
    const auto visitor = http.visit();
    visitor->connection->send(bytes);
    http.world.run_for(10s);
    CHECK((visitor->received.empty() || starts(visitor->received, "HTTP/1.1 400 ")));
    CHECK(visitor->closed);
  }
  CHECK(starts(http.ask("nonsense here\r\n\r\n"), "HTTP/1.1 400 "));
  const auto big = http.visit();
  big->connection->send("GET / HTTP/1.1\r\nBig: " + std::string(300'000, 'b') + "\r\n\r\n");
  http.world.run_for(1s);
  CHECK(big->closed);
  CHECK(big->received.empty());
  CHECK(body_of(http.get("/healthz")) == "ok\n");
}

TEST_CASE("http: mutated requests never harm it", "[api][http]") {
  HttpWorld http({.connections_most = 64, .request_timeout = 100ms, .idle_timeout = 100ms});
  const std::string honest =
      "GET /metrics HTTP/1.1\r\nHost: localhost\r\nUser-Agent: fuzz\r\nAccept: */*\r\n"
      "Content-Length: 0\r\nConnection: keep-alive\r\n\r\n";
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    Random random(seed);
    std::string bytes = honest;
    const std::uint64_t mutations = 1 + random.below(5);
    for (std::uint64_t i = 0; i < mutations; ++i) {
      const auto where = static_cast<std::size_t>(random.below(bytes.size()));
      const std::uint64_t kind = random.below(4);
      if (kind == 0) bytes[where] = static_cast<char>(random.below(256));
      if (kind == 1) bytes.insert(where, 1 + random.below(9), static_cast<char>(random.below(256)));
      if (kind == 2) bytes.erase(where, 1 + random.below(9));
      if (kind == 3) bytes.insert(where, bytes.substr(where / 2, 20));
    }
    const auto visitor = http.visit();
    visitor->connection->send(bytes);
    http.world.run_for(2ms);
    if (random.below(3) == 0) continue;  // hangs up at once
    http.world.run_for(400ms);
    REQUIRE(visitor->closed);
  }
  http.world.run_for(2s);
  CHECK(http.service->connections() == 0);
  CHECK(body_of(http.get("/healthz")) == "ok\n");
}

TEST_CASE("http: slow and silent clients are dropped", "[api][http]") {
  HttpWorld http;
  const auto silent = http.visit();
  const auto slow = http.visit();
  const auto idle = http.visit();
  idle->connection->send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  for (int i = 0; i < 8; ++i) {
    slow->connection->send(i == 0 ? "GET / HTTP/1.1\r\n" : "A: b\r\n");
    http.world.run_for(1s);
  }
  CHECK(silent->closed);
  CHECK(slow->closed);
  CHECK_FALSE(idle->closed);
  http.world.run_for(60s);
  CHECK(idle->closed);
  CHECK(http.service->connections() == 0);
}

TEST_CASE("http: a client that reads nothing is dropped", "[api][http]") {
  HttpWorld http;
  http.metrics_text.assign(2'000'000, 'm');
  const auto deaf = http.visit();
  deaf->connection->set_reading(false);
  deaf->connection->send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  http.world.run_for(1s);
  CHECK(http.service->connections() == 1);
  http.world.run_for(10s);
  CHECK(http.service->connections() == 0);
}

TEST_CASE("http: a client that asks on and on and reads nothing is dropped", "[api][http]") {
  HttpWorld http;
  const auto deaf = http.visit();
  deaf->connection->set_reading(false);
  const std::string ask = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += ask;
  deaf->connection->send(many);
  http.world.run_for(1s);
  CHECK(http.service->connections() == 1);
  // As many answers as the buffers hold.
  const std::string metrics = http.registry.render();
  const std::string name = "parley_http_requests_total{status=\"200\"} ";
  const auto served = std::stod(metrics.substr(metrics.find(name) + name.size()));
  CHECK(served > 0);
  CHECK(served * 100 < 400'000);
  http.world.run_for(10s);
  CHECK(http.service->connections() == 0);
}

TEST_CASE("http: a client that reads a page in crumbs is dropped", "[api][http]") {
  HttpWorld http({.request_timeout = 5s});
  const auto deaf = http.visit();
  auto& connection = *deaf->connection;
  connection.listen_to([&](ByteView) { connection.set_reading(false); }, [](const Error&) {});
  const std::string ask = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
  for (int i = 0; i < 60; ++i) {
    connection.send(ask);
    http.world.run_for(5ms);
  }
  http.metrics_text.assign(2'000'000, 'm');
  connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  for (int i = 0; i < 12; ++i) {
    http.world.run_for(1s);
    connection.set_reading(true);  // one small answer
  }
  CHECK(http.service->connections() == 0);
}

TEST_CASE("http: connections are bounded, and room comes back", "[api][http]") {
  HttpWorld http({.connections_most = 3});
  std::vector<std::unique_ptr<Visitor>> visitors;
  for (int i = 0; i < 3; ++i) visitors.push_back(http.visit());
  const auto one_too_many = http.visit();
  http.world.run_for(10ms);
  CHECK(one_too_many->closed);
  CHECK(http.service->connections() == 3);
  CHECK(has(http.registry.render(), "parley_http_connections_refused_total 1"));
  visitors.pop_back();
  http.world.run_for(10ms);
  CHECK(body_of(http.get("/healthz")) == "ok\n");
}

TEST_CASE("http: it can go at any moment", "[api][http]") {
  HttpWorld http;
  http.metrics_text.assign(2'000'000, 'm');
  const auto busy = http.visit();
  busy->connection->set_reading(false);
  busy->connection->send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto silent = http.visit();
  http.world.run_for(10ms);
  http.service.reset();
  http.world.run_for(10s);
  CHECK(silent->closed);
}

TEST_CASE("http: an address in use is a clear error", "[api][http]") {
  HttpWorld http;
  MetricRegistry other;
  const auto again = make_http_service(http.port, http.node.network(), http.at,
                                       {[] { return ""; }, [] { return std::nullopt; }}, {}, other);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == ErrorCode::InvalidArgument);
  CHECK(has(again.error().message, "in use"));
}

}  // namespace
}  // namespace parley::api
