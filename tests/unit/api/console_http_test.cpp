// The console on the HTTP port: routes, headers, and who is refused.
#include <optional>

#include "api/console.h"
#include "api/console_page.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/random.h"
#include "tests/catch.h"
#include "tests/unit/api/http_world.h"

namespace parley::api {
namespace {

using fake::body_of;
using fake::has;
using fake::HttpWorld;
using fake::starts;

constexpr const char* kToken = "0123456789abcdef";

// Answers at once, or never.
class FixedConsole final : public Console {
 public:
  void cluster(Done<std::string> done) override {
    if (silent) return held.push_back(std::move(done));
    done(answer);
  }
  Result<std::string> ring() override { return std::string("{\"ring\":1}"); }
  void key(const std::string& keyspace, Bytes key, Done<std::string> done) override {
    if (key == "many") return done(Error{ErrorCode::Overloaded, "too many", 1000});
    done(keyspace + ":" + to_hex(key));
  }
  void carry_out(const ConsoleOrder& order, Done<std::string> done) override {
    orders.push_back(order);
    if (order.a == "gone") return done(Error{ErrorCode::NotFound, "no node has that address"});
    done(std::string("done"));
  }
  Result<std::string> answer = std::string("{\"name\":\"x\"}");
  std::vector<ConsoleOrder> orders;
  std::vector<Done<std::string>> held;
  bool silent = false;
};

struct Served {
  FixedConsole console;
  HttpWorld http{{.request_timeout = 5s}, &console, kToken};

  std::string get(const std::string& path, const std::string& more = "") {
    return http.ask("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:7402\r\n" + more + "\r\n");
  }
  std::string post(const std::string& body, const std::string& headers, bool length = true) {
    const std::string said =
        length ? "Content-Length: " + std::to_string(body.size()) + "\r\n" : "";
    return http.ask("POST /api/v1/fault HTTP/1.1\r\n" + said + headers + "\r\n" + body);
  }
  static std::string honest() {
    return std::string("Host: localhost:7402\r\nOrigin: http://localhost:7402\r\n") +
           "Content-Type: application/json\r\nAuthorization: Bearer " + kToken + "\r\n";
  }
};

constexpr const char* kCut = R"({"do":"cut","a":"127.0.0.1","b":"127.0.0.2"})";

std::string between(std::string_view text, std::string_view from, std::string_view to) {
  const auto begin = text.find(from) + from.size();
  return std::string(text.substr(begin, text.find(to, begin) - begin));
}

TEST_CASE("console http: the page allows its own script and style, and nothing else",
          "[api][console]") {
  Served served;
  const std::string page = served.get("/console");
  CHECK(starts(page, "HTTP/1.1 200 OK\r\n"));
  CHECK(body_of(page) == console_page());
  const std::string policy = between(page, "Content-Security-Policy: ", "\r\n");
  CHECK(starts(policy, "default-src 'none'; script-src 'sha256-"));
  for (const char* tag : {"script", "style"}) {
    const std::string inside =
        between(console_page(), std::string("<") + tag + ">", std::string("</") + tag + ">");
    CHECK(has(policy, std::string(tag) + "-src 'sha256-" + to_base64(sha256(inside)) + "'"));
  }
  CHECK_FALSE(has(policy, "unsafe"));
  CHECK(has(policy, "frame-ancestors 'none'"));
  for (const char* header : {"X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer",
                             "Cross-Origin-Resource-Policy: same-origin", "Cache-Control: no-cache",
                             "Content-Type: text/html; charset=utf-8"}) {
    INFO(header);
    CHECK(has(page, std::string(header) + "\r\n"));
  }
  CHECK_FALSE(has(page, "Access-Control-Allow"));
  // No other host is named: only the SVG namespace, and other nodes by address.
  CHECK(console_page().find("https://") == std::string_view::npos);
  // No handler in an attribute, which the policy would refuse.
  CHECK(console_page().find(" style=\"") == std::string_view::npos);
  CHECK(console_page().find(" onclick=\"") == std::string_view::npos);
}

TEST_CASE("console http: a page that is known already is not sent again", "[api][console]") {
  Served served;
  const std::string tag = between(served.get("/console"), "ETag: ", "\r\n");
  CHECK(tag.size() == 34);
  const std::string again = served.get("/console", "If-None-Match: " + tag + "\r\n");
  CHECK(starts(again, "HTTP/1.1 304 Not Modified\r\n"));
  CHECK(body_of(again).empty());
  CHECK(starts(served.get("/console", "If-None-Match: \"other\"\r\n"), "HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("console http: the root leads there, and JSON is answered", "[api][console]") {
  Served served;
  const std::string root = served.get("/");
  CHECK(starts(root, "HTTP/1.1 302 Found\r\n"));
  CHECK(has(root, "Location: /console\r\n"));
  const std::string cluster = served.get("/api/v1/cluster");
  CHECK(starts(cluster, "HTTP/1.1 200 OK\r\n"));
  CHECK(has(cluster, "Content-Type: application/json\r\n"));
  CHECK(has(cluster, "Cache-Control: no-store\r\n"));
  CHECK(has(cluster, "X-Content-Type-Options: nosniff\r\n"));
  CHECK(body_of(cluster) == "{\"name\":\"x\"}");
  CHECK(body_of(served.get("/api/v1/ring")) == "{\"ring\":1}");
  CHECK(body_of(served.get("/api/v1/key?keyspace=ks&key=a%20%00%ffb+")) == "ks:612000ff622b");
  CHECK(body_of(served.get("/api/v1/key?key=a")) == "default:61");
  for (const char* query : {"", "?", "?key=", "?key=%zz", "?key=%2", "?kez=a"}) {
    INFO(query);
    CHECK(starts(served.get(std::string("/api/v1/key") + query), "HTTP/1.1 400 "));
  }
  const std::string many = served.get("/api/v1/key?key=many");
  CHECK(starts(many, "HTTP/1.1 429 Too Many Requests\r\n"));
  CHECK(has(many, "Retry-After: 1\r\n"));
  CHECK(starts(served.get("/api/v1/other"), "HTTP/1.1 404 "));
  served.console.answer = Error{ErrorCode::NotReady, "joining", 500};
  const std::string joining = served.get("/api/v1/cluster");
  CHECK(starts(joining, "HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(body_of(joining) == "{\"error\":\"joining\"}");
}

TEST_CASE("console http: a name that is not ours is shown nothing, and monitors all they had",
          "[api][console]") {
  Served served;
  for (const char* path : {"/console", "/api/v1/cluster", "/api/v1/ring", "/api/v1/key?key=a"}) {
    const std::string there =
        served.http.ask(std::string("GET ") + path + " HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    CHECK(starts(there, "HTTP/1.1 403 Forbidden\r\n"));
  }
  CHECK(starts(served.http.ask("GET /metrics HTTP/1.1\r\nHost: node1.example\r\n\r\n"),
               "HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("console http: only the one order changes something, and only with all it needs",
          "[api][console]") {
  Served served;
  const std::string done = served.post(kCut, Served::honest());
  CHECK(starts(done, "HTTP/1.1 200 OK\r\n"));
  CHECK(body_of(done) == "{\"text\":\"done\"}");
  REQUIRE(served.console.orders.size() == 1);
  CHECK(served.console.orders[0].b == "127.0.0.2");

  const auto without = [](const std::string& header) {
    std::string headers = Served::honest();
    const auto at = headers.find(header);
    headers.erase(at, headers.find("\r\n", at) + 2 - at);
    return headers;
  };
  CHECK(starts(served.post(kCut, without("Origin")), "HTTP/1.1 403 "));
  CHECK(starts(served.post(kCut, without("Content-Type")), "HTTP/1.1 415 "));
  CHECK(starts(served.post(kCut, without("Authorization")), "HTTP/1.1 401 "));
  CHECK(starts(served.post("{}", Served::honest()), "HTTP/1.1 400 "));
  CHECK(starts(served.post(R"({"do":"heal","a":"gone"})", Served::honest()), "HTTP/1.1 404 "));
  CHECK(starts(served.post(std::string(4097, ' '), Served::honest()), "HTTP/1.1 413 "));
  CHECK(starts(served.post("2\r\n{}\r\n0\r\n\r\n",
                           Served::honest() + "Transfer-Encoding: chunked\r\n", false),
               "HTTP/1.1 413 "));
  const std::string get = served.get("/api/v1/fault");
  CHECK(starts(get, "HTTP/1.1 405 "));
  CHECK(has(get, "Allow: POST\r\n"));
  CHECK(starts(served.http.ask("POST /api/v1/cluster HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 0\r\n\r\n"),
               "HTTP/1.1 405 "));
  // A page of elsewhere asks first whether it may; it may not.
  CHECK(starts(served.http.ask("OPTIONS /api/v1/fault HTTP/1.1\r\nHost: localhost\r\n"
                               "Origin: http://evil.example\r\n\r\n"),
               "HTTP/1.1 405 "));
  CHECK(served.console.orders.size() == 2);  // the one, and the one for a node that is not there
}

TEST_CASE("console http: an order whose end never comes is given up", "[api][console]") {
  Served served;
  const auto slow = served.http.visit();
  slow->connection->send("POST /api/v1/fault HTTP/1.1\r\nContent-Length: 100\r\n" +
                         Served::honest() + "\r\n{\"do\":");
  served.http.world.run_for(20s);
  CHECK_FALSE(has(slow->received, "200 OK"));
  CHECK(served.console.orders.empty());
  CHECK((slow->closed || starts(slow->received, "HTTP/1.1 400 ")));
}

TEST_CASE("console http: without --allow-faults there are no orders", "[api][console]") {
  FixedConsole console;
  HttpWorld http({}, &console, "");
  const std::string answer = http.ask("POST /api/v1/fault HTTP/1.1\r\nContent-Length: 2\r\n" +
                                      Served::honest() + "\r\n{}");
  CHECK(starts(answer, "HTTP/1.1 403 Forbidden\r\n"));
  CHECK(body_of(answer) == "{\"error\":\"this node was not started with --allow-faults\"}");
  CHECK(console.orders.empty());
}

TEST_CASE("console http: a visitor or the service may go before the answer comes",
          "[api][console]") {
  Served served;
  served.console.silent = true;
  auto first = served.http.visit();
  const auto second = served.http.visit();
  for (const auto* visitor : {first.get(), second.get()}) {
    visitor->connection->send("GET /api/v1/cluster HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  served.http.world.run_for(10ms);
  REQUIRE(served.console.held.size() == 2);
  first.reset();
  served.http.world.run_for(10ms);
  for (auto& done : served.console.held) done(std::string("{}"));
  served.http.world.run_for(10ms);
  CHECK(body_of(second->received) == "{}");
  second->connection->send("GET /api/v1/cluster HTTP/1.1\r\nHost: localhost\r\n\r\n");
  served.http.world.run_for(10ms);
  served.http.service.reset();
  served.console.held.back()(std::string("{}"));
  served.http.world.run_for(1s);
  CHECK(second->closed);
}

TEST_CASE("console http: each connection closes or stays as its own request asked",
          "[api][console]") {
  Served served;
  served.console.silent = true;
  const auto closes = served.http.visit(), stays = served.http.visit();
  const auto ask_both = [&](const auto& first, const auto& second) {
    for (const auto* visitor : {&first, &second}) {
      const std::string wish = *visitor == closes ? "Connection: close\r\n" : "";
      (*visitor)->connection->send("GET /api/v1/cluster HTTP/1.1\r\nHost: localhost\r\n" + wish +
                                   "\r\n");
      served.http.world.run_for(10ms);
    }
  };
  SECTION("the one that stays asked last") { ask_both(closes, stays); }
  SECTION("the one that closes asked last") { ask_both(stays, closes); }
  REQUIRE(served.console.held.size() == 2);
  for (auto& done : served.console.held) done(std::string("{}"));
  served.http.world.run_for(10ms);
  CHECK(has(closes->received, "Connection: close\r\n"));
  CHECK(body_of(closes->received) == "{}");
  CHECK(closes->closed);
  CHECK_FALSE(has(stays->received, "Connection: close\r\n"));
  CHECK(body_of(stays->received) == "{}");
  CHECK_FALSE(stays->closed);
}

TEST_CASE("console http: mutated orders never harm it, nor pass", "[api][console]") {
  Served served;
  const std::string order =
      "POST /api/v1/fault HTTP/1.1\r\nContent-Length: " + std::to_string(std::string(kCut).size()) +
      "\r\n" + Served::honest() + "\r\n" + kCut;
  const auto token_at = order.find(kToken);
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    std::string bytes = order;
    bytes[token_at + random.below(16)] ^= static_cast<char>(1 + random.below(15));
    for (std::uint64_t i = random.below(4); i > 0; --i) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    const auto visitor = served.http.visit();
    visitor->connection->send(bytes);
    served.http.world.run_for(5ms);
  }
  served.http.world.run_for(70s);
  CHECK(served.console.orders.empty());
  CHECK(served.http.service->connections() == 0);
  CHECK(body_of(served.get("/healthz")) == "ok\n");
}

}  // namespace
}  // namespace parley::api
