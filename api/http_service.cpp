#include "api/http_service.h"

#include <kj/compat/http.h>
#include <kj/debug.h>
#include <strings.h>

#include <string_view>

#include "runtime/kj_port.h"
#include "runtime/network.h"

namespace parley::api {

namespace {

constexpr const char* kPlainText = "text/plain; charset=utf-8";
constexpr const char* kPrometheusText = "text/plain; version=0.0.4; charset=utf-8";

struct Page {
  unsigned status = 200;
  const char* status_text = "OK";
  const char* type = kPlainText;
  std::string body;
};

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

class Routes final : public kj::HttpService, public kj::HttpServerCallbacks {
 public:
  Routes(HttpPages pages, const kj::HttpHeaderTable& table, MetricRegistry& metrics)
      : pages_(std::move(pages)),
        table_(table),
        requests_(metrics, "http_requests_total", "HTTP requests understood, by status.",
                  {"status"}) {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            Response& response) override {
    close_after_ = asks_to_close(headers);
    auto written = answer(page_for(method, url, body), response);
    if (!close_after_) return written;
    // kj-http 0.9.2 says "Connection: close" and stays open. A failure after the response was sent
    // makes every version flush and close.
    return written.then([]() -> kj::Promise<void> {
      return KJ_EXCEPTION(DISCONNECTED, "closed as the request asked");
    });
  }

  // Asked inside response.send().
  bool shouldClose() override { return close_after_; }

  kj::Promise<void> answer(Page page, Response& response) {
    requests_.with({std::to_string(page.status)}).add();
    kj::HttpHeaders headers(table_);
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, page.type);
    headers.add("Cache-Control", "no-store");
    if (page.status == 405) headers.add("Allow", "GET, HEAD");
    auto text = kj::heap<std::string>(std::move(page.body));
    auto out = response.send(page.status, page.status_text, headers, text->size());
    auto written = out->write(text->data(), text->size());
    return written.attach(kj::mv(out), kj::mv(text));
  }

 private:
  Page page_for(kj::HttpMethod method, kj::StringPtr url, kj::AsyncInputStream& body) const {
    if (method != kj::HttpMethod::GET && method != kj::HttpMethod::HEAD) {
      return {405, "Method Not Allowed", kPlainText, "only GET and HEAD\n"};
    }
    const bool empty = body.tryGetLength().orDefault(1) == 0;
    if (!empty) {
      return {413, "Payload Too Large", kPlainText, "no request takes a body\n"};
    }
    return page(path_of(url));
  }

  Page page(std::string_view path) const {
    if (path == "/metrics") return {200, "OK", kPrometheusText, pages_.metrics()};
    if (path == "/healthz") return {200, "OK", kPlainText, "ok\n"};
    if (path == "/readyz") {
      const auto reason = pages_.not_ready();
      if (!reason) return {200, "OK", kPlainText, "ready\n"};
      return {503, "Service Unavailable", kPlainText, *reason + "\n"};
    }
    if (path == "/") return {200, "OK", kPlainText, "parley: /metrics /healthz /readyz\n"};
    return {404, "Not Found", kPlainText, "no such page; try /metrics /healthz /readyz\n"};
  }

  const HttpPages pages_;
  const kj::HttpHeaderTable& table_;
  MetricFamily<Counter> requests_;
  bool close_after_ = false;
};

// Answers without the exception texts that kj-http would show to strangers.
class Errors final : public kj::HttpServerErrorHandler {
 public:
  explicit Errors(Routes& routes) : routes_(routes) {}
  kj::Promise<void> handleClientProtocolError(kj::HttpHeaders::ProtocolError error,
                                              kj::HttpService::Response& response) override {
    // kj-http calls all that begins with no known method 501, garbage included.
    const std::string_view raw(error.rawContent.begin(), error.rawContent.size());
    if (error.statusCode == 501 && raw.find(" HTTP/1.") != raw.npos) {
      return routes_.answer({405, "Method Not Allowed", kPlainText, "only GET and HEAD\n"},
                            response);
    }
    return routes_.answer({400, "Bad Request", kPlainText, "this is not HTTP\n"}, response);
  }
  kj::Promise<void> handleApplicationError(
      kj::Exception exception, kj::Maybe<kj::HttpService::Response&> response) override {
    if (exception.getType() == kj::Exception::Type::DISCONNECTED) return kj::READY_NOW;
    KJ_IF_MAYBE (open, response) {
      return routes_.answer({500, "Internal Server Error", kPlainText, "failed\n"}, *open);
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
        table_(kj::HttpHeaderTable::Builder().build()),
        routes_(std::move(pages), *table_, metrics),
        errors_(routes_),
        server_(port.timer(), *table_, routes_, settings()),
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
  const kj::Own<kj::HttpHeaderTable> table_;
  Routes routes_;
  Errors errors_;
  kj::HttpServer server_;
  kj::TaskSet tasks_;
  std::unique_ptr<runtime::Listener> listener_;  // dies first: no connection comes after
};

}  // namespace

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
