// The HTTP port: what monitors read. GET and HEAD of
//   /metrics   Prometheus text exposition format 0.0.4
//   /healthz   200 "ok": the process runs its loop
//   /readyz    200 "ready", or 503 and one line with the reason
//   /          to the console, where there is one; an index in one line
// and what console_routes.h says. Anything else is 404, any other method 405, a request with a body
// 413, what is no HTTP 400 and the connection closed; a head past 128 KiB is closed unanswered.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/metric.h"
#include "base/result.h"
#include "base/units.h"

namespace parley::runtime {
class KjPort;
class Network;
}  // namespace parley::runtime

namespace parley::api {

class Console;

// Called on the loop, once a request.
struct HttpPages {
  std::function<std::string()> metrics;
  // Why this node should get no clients now; nullopt when it should.
  std::function<std::optional<std::string>()> not_ready;
  Console* console = nullptr;      // null: there is none; outlives the service
  std::string console_token = {};  // empty: the console takes no orders
};

struct HttpLimits {
  std::size_t connections_most = 64;  // further ones are closed at once, and counted
  Duration request_timeout = 5s;      // for the whole head of a request, from its first byte
  Duration idle_timeout = 60s;        // between requests; longer than a usual scrape interval
};

// Destroying it stops listening and ends every connection.
class HttpService {
 public:
  virtual ~HttpService() = default;
  virtual std::size_t connections() const = 0;
};

// Loop thread only; `port` and `network` must outlive it. Error InvalidArgument when the address
// cannot be bound.
Result<std::unique_ptr<HttpService>> make_http_service(runtime::KjPort& port,
                                                       runtime::Network& network,
                                                       const Endpoint& at, HttpPages pages,
                                                       const HttpLimits& limits,
                                                       MetricRegistry& metrics);

}  // namespace parley::api
