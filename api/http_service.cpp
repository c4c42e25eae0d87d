#include "api/http_service.h"

#include <kj/compat/http.h>
#include <kj/debug.h>
#include <strings.h>

#include <optional>
#include <string_view>

#include "api/console_routes.h"
#include "api/http_reply.h"
#include "runtime/kj_port.h"
#include "runtime/network.h"

namespace parley::api {

namespace {

constexpr const char* kPrometheusText = "text/plain; version=0.0.4; charset=utf-8";

kj::Duration kj_duration(Duration d) { return d.count() * kj::NANOSECONDS; }

std::string_view path_of(kj::StringPtr url) {
  const std::string_view text(url.begin(), url.size());
  return text.substr(0, text.find('?'));
}

// kj-http does not look at a request's "Connection: close" by itself.
bool asks_to_close(const kj::HttpHeaders& headers) {
  KJ_IF_MAYBE (value, headers.get(kj::HttpHeaderId::CONNECTION)) {
    return strcasecmp(value->cStr(), "close") == 0;
  }
  return false;
}

HttpReply only_reads() {
  return {405, kPlainText, "only GET and HEAD\n", {{"Allow", "GET, HEAD"}}};
}

class Routes final : public kj::HttpService, public kj::HttpServerCallbacks {
 public:
  Routes(HttpPages pages, kj::Timer& timer, const HttpLimits& limits, MetricRegistry& metrics)
      : pages_(std::move(pages)),
        requests_(metrics, "http_requests_total", "HTTP requests understood, by status.",
                  {"status"}) {
    kj::HttpHeaderTable::Builder headers;
    if (pages_.console != nullptr) {
      console_.emplace(*pages_.console, pages_.console_token, timer, limits.request_timeout,
                       headers);
    }
    table_ = headers.build();
  }

  const kj::HttpHeaderTable& table() const { return *table_; }

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            Response& response) override {
    const bool close_after = asks_to_close(headers);
    auto written = reply_to(method, url, headers, body)
                       .then([this, &response, close_after](HttpReply&& reply) {
                         return answer(kj::mv(reply), response, close_after);
                       });
    if (!close_after) return written;
    // kj-http 0.9.2 says "Connection: close" and stays open. A failure after the response was sent
    // makes every version flush and close.
    return written.then([]() -> kj::Promise<void> {
      return KJ_EXCEPTION(DISCONNECTED, "closed as the request asked");
    });
  }

  // Asked inside response.send(), of which connection is not said.
  bool shouldClose() override { return close_this_; }

  kj::Promise<void> answer(HttpReply reply, Response& response, bool close_after) {
    requests_.with({std::to_string(reply.status)}).add();
    kj::HttpHeaders headers(*table_);
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, reply.type);
    bool cached = false;
    for (const auto& [name, value] : reply.headers) {
      headers.add(name, kj::StringPtr(value.c_str(), value.size()));
      cached |= std::string_view(name) == "Cache-Control";
    }
    if (!cached) headers.add("Cache-Control", "no-store");
    auto text = kj::heap<std::string>(std::move(reply.body));
    close_this_ = close_after;
    auto out = response.send(reply.status, status_text(reply.status), headers, text->size());
    auto written = out->write(text->data(), text->size());
    return written.attach(kj::mv(out), kj::mv(text));
  }

 private:
  kj::Promise<HttpReply> reply_to(kj::HttpMethod method, kj::StringPtr url,
                                  const kj::HttpHeaders& headers, kj::AsyncInputStream& body) {
    if (console_ && ConsoleRoutes::takes(path_of(url))) {
      return console_->answer(method, url, headers, body);
    }
    if (method != kj::HttpMethod::GET && method != kj::HttpMethod::HEAD) return only_reads();
    const bool empty = body.tryGetLength().orDefault(1) == 0;
    if (!empty) return HttpReply{413, kPlainText, "no such request takes a body\n", {}};
    return page(path_of(url));
  }

  HttpReply page(std::string_view path) const {
    if (path == "/metrics") return {200, kPrometheusText, pages_.metrics(), {}};
    if (path == "/healthz") return {200, kPlainText, "ok\n", {}};
    if (path == "/readyz") {
      const auto reason = pages_.not_ready();
      if (!reason) return {200, kPlainText, "ready\n", {}};
      return {503, kPlainText, *reason + "\n", {}};
    }
    if (path == "/" && console_) {
      return {302,
              kPlainText,
              "parley: /console /metrics /healthz /readyz\n",
              {{"Location", "/console"}}};
    }
    if (path == "/") return {200, kPlainText, "parley: /metrics /healthz /readyz\n", {}};
    return {404, kPlainText, "no such page; try /console /metrics /healthz /readyz\n", {}};
  }

  const HttpPages pages_;
  kj::Own<kj::HttpHeaderTable> table_;
  std::optional<ConsoleRoutes> console_;
  MetricFamily<Counter> requests_;
  bool close_this_ = false;
};

// Answers without the exception texts that kj-http would show to strangers; after any of these it
// closes the connection by itself.
class Errors final : public kj::HttpServerErrorHandler {
 public:
  explicit Errors(Routes& routes) : routes_(routes) {}
  kj::Promise<void> handleClientProtocolError(kj::HttpHeaders::ProtocolError error,
                                              kj::HttpService::Response& response) override {
    // kj-http calls all that begins with no known method 501, garbage included.
    const std::string_view raw(error.rawContent.begin(), error.rawContent.size());
    if (error.statusCode == 501 && raw.find(" HTTP/1.") != raw.npos) {
      return routes_.answer(only_reads(), response, false);
    }
    return routes_.answer({400, kPlainText, "this is not HTTP\n", {}}, response, false);
  }
  kj::Promise<void> handleApplicationError(
      kj::Exception exception, kj::Maybe<kj::HttpService::Response&> response) override {
    if (exception.getType() == kj::Exception::Type::DISCONNECTED) return kj::READY_NOW;
    KJ_IF_MAYBE (open, response) {
      return routes_.answer({500, kPlainText, "failed\n", {}}, *open, false);
    }
    return kj::READY_NOW;
  }

 private:
  Routes& routes_;
};

class KjHttpService final : public HttpService, private kj::TaskSet::ErrorHandler {
 public:
  KjHttpService(runtime::KjPort& port, HttpPages pages, const HttpLimits& limits,
                MetricRegistry& metrics)
      : limits_(limits),
        refused_(metrics, "http_connections_refused_total",
                 "HTTP connections closed unheard because too many were open."),
        failed_(metrics, "http_connections_failed_total",
                "HTTP connections that ended by an error other than the peer's leaving."),
        open_gauge_(metrics, "http_connections", "HTTP connections open now.",
                    [this] { return static_cast<double>(open_); }),
        routes_(std::move(pages), port.timer(), limits, metrics),
        errors_(routes_),
        server_(port.timer(), routes_.table(), routes_, settings()),
        tasks_(*this) {}
  // KJ's members may throw from destructors; here that could only be a bug.
  ~KjHttpService() noexcept override = default;

  Status listen(runtime::Network& network, const Endpoint& at) {
    auto listener = network.listen(
        at, [this](std::unique_ptr<runtime::Connection> c) { accept(std::move(c)); });
    if (!listener) return listener.error();
    listener_ = std::move(*listener);
    return Done{};
  }

  std::size_t connections() const override { return open_; }

 private:
  kj::HttpServerSettings settings() {
    kj::HttpServerSettings s;
    s.headerTimeout = kj_duration(limits_.request_timeout);
    s.pipelineTimeout = kj_duration(limits_.idle_timeout);
    s.errorHandler = errors_;
    s.callbacks = routes_;
    return s;
  }

  void accept(std::unique_ptr<runtime::Connection> connection) {
    if (open_ >= limits_.connections_most) return refused_.add();
    runtime::KjStreamLimits stream_limits;
    stream_limits.capnp_frames = false;
    stream_limits.buffered_bytes_most = 128_KiB;
    stream_limits.write_stall_most = limits_.request_timeout;
    ++open_;
    tasks_.add(server_.listenHttp(runtime::kj_stream(std::move(connection), stream_limits))
                   .attach(kj::defer([this] { --open_; })));
  }

  void taskFailed(kj::Exception&& exception) override {
    if (exception.getType() != kj::Exception::Type::DISCONNECTED) failed_.add();
  }

  const HttpLimits limits_;
  std::size_t open_ = 0;
  Counter refused_, failed_;
  Gauge open_gauge_;
  Routes routes_;
  Errors errors_;
  kj::HttpServer server_;
  kj::TaskSet tasks_;
  std::unique_ptr<runtime::Listener> listener_;  // dies first: no connection comes after
};

}  // namespace

const char* status_text(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Payload Too Large";
    case 415: return "Unsupported Media Type";
    case 429: return "Too Many Requests";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Internal Server Error";
  }
}

Result<std::unique_ptr<HttpService>> make_http_service(runtime::KjPort& port,
                                                       runtime::Network& network,
                                                       const Endpoint& at, HttpPages pages,
                                                       const HttpLimits& limits,
                                                       MetricRegistry& metrics) {
  auto service = std::make_unique<KjHttpService>(port, std::move(pages), limits, metrics);
  const Status listening = service->listen(network, at);
  if (!listening) return listening.error();
  return std::unique_ptr<HttpService>(std::move(service));
}

}  // namespace parley::api
