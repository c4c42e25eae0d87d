// The HTTP service in the virtual world, and clients of bare bytes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/http_service.h"
#include "runtime/kj_port.h"
#include "tests/catch.h"
#include "tests/fake/fake_world.h"

namespace parley::fake {

// A client of bare bytes.
struct Visitor {
  std::unique_ptr<runtime::Connection> connection;
  std::string received;
  bool closed = false;
};

struct HttpWorld {
  World world{3};
  Node& node = world.node("127.0.0.1");
  Node& outside = world.node("127.0.0.9");
  const Endpoint at{"127.0.0.1", 7402};
  MetricRegistry registry;
  runtime::KjPort port{node.loop()};
  std::string metrics_text = "# HELP parley_x X.\nparley_x 1\n";
  std::optional<std::string> not_ready;
  std::unique_ptr<api::HttpService> service;

  explicit HttpWorld(const api::HttpLimits& limits = {}, api::Console* console = nullptr,
                     std::string token = "") {
    auto made = api::make_http_service(
        port, node.network(), at,
        {[this] { return metrics_text; }, [this] { return not_ready; }, console, std::move(token)},
        limits, registry);
    REQUIRE(made.ok());
    service = std::move(*made);
  }

  std::unique_ptr<Visitor> visit() {
    auto visitor = std::make_unique<Visitor>();
    bool done = false;
    outside.network().connect("", at, 1s, [&](Result<std::unique_ptr<runtime::Connection>> c) {
      done = true;
      REQUIRE(c.ok());
      visitor->connection = std::move(*c);
      visitor->connection->listen_to([v = visitor.get()](ByteView b) { v->received += b; },
                                     [v = visitor.get()](const Error&) { v->closed = true; });
    });
    REQUIRE(world.run_until([&] { return done; }, 2s));
    return visitor;
  }
  // What comes back within 100 ms for these bytes on a new connection.
  std::string ask(const std::string& bytes) {
    const auto visitor = visit();
    visitor->connection->send(bytes);
    world.run_for(100ms);
    return visitor->received;
  }
  std::string get(const std::string& path) {
    return ask("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }
};

inline bool starts(const std::string& text, const std::string& with) {
  return text.rfind(with, 0) == 0;
}
inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
inline std::string body_of(const std::string& response) {
  const auto at = response.find("\r\n\r\n");
  return at == std::string::npos ? "no body" : response.substr(at + 4);
}

}  // namespace parley::fake
