#include "api/console_routes.h"

#include <kj/encoding.h>
#include <kj/timer.h>

#include <memory>
#include <optional>
#include <utility>

#include "api/console_page.h"
#include "base/hash.h"

namespace parley::api {
namespace {

constexpr const char* kJson = "application/json";
constexpr const char* kHtml = "text/html; charset=utf-8";
constexpr std::uint64_t kOrderBytesMost = 4096;

HttpReply refusal(unsigned status, const std::string& text) {
  return {status, kJson, refusal_json(text), {}};
}

HttpReply only(const char* methods) {
  HttpReply reply = refusal(405, std::string("only ") + methods);
  reply.headers.emplace_back("Allow", methods);
  return reply;
}

unsigned status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument: return 400;
    case ErrorCode::Refused: return 403;
    case ErrorCode::NotFound: return 404;
    case ErrorCode::Overloaded: return 429;
    case ErrorCode::NoAnswer:
    case ErrorCode::Unreachable: return 504;
    default: return 503;
  }
}

HttpReply reply_of(const Result<std::string>& json) {
  if (json) return {200, kJson, *json, {}};
  HttpReply reply = refusal(status_of(json.error().code), json.error().message);
  if (json.error().retry_after_ms > 0) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

// `begin` is given the callback. The caller may be gone when it comes.
template <typename Begin>
kj::Promise<HttpReply> later(Begin begin) {
  auto pair = kj::newPromiseAndFulfiller<HttpReply>();
  auto fulfiller =
      std::make_shared<kj::Own<kj::PromiseFulfiller<HttpReply>>>(kj::mv(pair.fulfiller));
  begin([fulfiller](const Result<std::string>& json) { (*fulfiller)->fulfill(reply_of(json)); });
  return kj::mv(pair.promise);
}

// The bytes of one parameter; nullopt: there is none, or it is wrongly encoded.
std::optional<Bytes> parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view one = query.substr(0, end);
    query = end == query.npos ? std::string_view{} : query.substr(end + 1);
    const auto equals = one.find('=');
    if (equals == one.npos || one.substr(0, equals) != name) continue;
    const std::string_view text = one.substr(equals + 1);
    const auto bytes = kj::decodeBinaryUriComponent(kj::arrayPtr(text.data(), text.size()));
    if (bytes.hadErrors) return std::nullopt;
    return Bytes(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  }
  return std::nullopt;
}

// What the page's one script or style is, for its policy.
std::string hash_of(std::string_view page, std::string_view opens, std::string_view closes) {
  const auto from = page.find(opens) + opens.size();
  const auto to = page.find(closes, from);
  return "'sha256-" + to_base64(sha256(page.substr(from, to - from))) + "'";
}

std::string policy_of(std::string_view page) {
  return "default-src 'none'; script-src " + hash_of(page, "<script>", "</script>") +
         "; style-src " + hash_of(page, "<style>", "</style>") +
         "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
         "frame-ancestors 'none'";
}

// There is one page, so these are made once.
const std::string& page_tag() {
  static const std::string tag = '"' + to_hex(sha256(console_page())).substr(0, 32) + '"';
  return tag;
}

const std::string& page_policy() {
  static const std::string policy = policy_of(console_page());
  return policy;
}

HttpReply page(const std::string& if_none_match) {
  HttpReply reply{200, kHtml, "", {}};
  if (if_none_match == page_tag())
    reply.status = 304;
  else
    reply.body = console_page();
  // Kept, and asked for anew each time: a node of another version brings another page.
  reply.headers.emplace_back("Cache-Control", "no-cache");
  reply.headers.emplace_back("ETag", page_tag());
  reply.headers.emplace_back("Content-Security-Policy", page_policy());
  return reply;
}

void secure(HttpReply& reply) {
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  reply.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  reply.headers.emplace_back("Referrer-Policy", "no-referrer");
}

}  // namespace

ConsoleRoutes::ConsoleRoutes(Console& console, std::string token, kj::Timer& timer,
                             Duration body_timeout, kj::HttpHeaderTable::Builder& headers)
    : console_(console),
      token_(std::move(token)),
      timer_(timer),
      body_timeout_(body_timeout),
      origin_(headers.add("Origin")),
      authorization_(headers.add("Authorization")),
      if_none_match_(headers.add("If-None-Match")) {}

bool ConsoleRoutes::takes(std::string_view path) {
  return path == "/console" || path.substr(0, 5) == "/api/";
}

std::string ConsoleRoutes::header(const kj::HttpHeaders& headers, kj::HttpHeaderId id) const {
  KJ_IF_MAYBE (value, headers.get(id)) {
    return {value->begin(), value->size()};
  }
  return {};
}

kj::Promise<HttpReply> ConsoleRoutes::answer(kj::HttpMethod method, kj::StringPtr url,
                                             const kj::HttpHeaders& headers,
                                             kj::AsyncInputStream& body) {
  const std::string_view text(url.begin(), url.size());
  const auto mark = text.find('?');
  const std::string_view path = text.substr(0, mark);
  const std::string_view query = mark == text.npos ? std::string_view{} : text.substr(mark + 1);
  const BrowserRequest request{header(headers, kj::HttpHeaderId::HOST), header(headers, origin_),
                               header(headers, kj::HttpHeaderId::CONTENT_TYPE),
                               header(headers, authorization_)};
  const bool reads = method == kj::HttpMethod::GET || method == kj::HttpMethod::HEAD;
  kj::Promise<HttpReply> reply = nullptr;
  if (path == "/api/v1/fault") {
    reply = method == kj::HttpMethod::POST ? order(request, body) : only("POST");
  } else if (const auto refused = refuse_to_show(request)) {
    reply = refusal(refused->status, refused->text);
  } else if (!reads) {
    reply = only("GET, HEAD");
  } else if (body.tryGetLength().orDefault(1) != 0) {
    reply = refusal(413, "only an order takes a body");
  } else {
    reply = get(path, query, header(headers, if_none_match_));
  }
  return reply.then([](HttpReply&& ready) {
    secure(ready);
    return kj::mv(ready);
  });
}

kj::Promise<HttpReply> ConsoleRoutes::get(std::string_view path, std::string_view query,
                                          const std::string& if_none_match) {
  if (path == "/console") return page(if_none_match);
  if (path == "/api/v1/cluster") {
    return later([this](auto done) { console_.cluster(std::move(done)); });
  }
  if (path == "/api/v1/ring") return reply_of(console_.ring());
  if (path == "/api/v1/key") return key(query);
  return refusal(404, "no such page");
}

kj::Promise<HttpReply> ConsoleRoutes::key(std::string_view query) {
  auto key = parameter(query, "key");
  if (!key || key->empty()) return refusal(400, "key= wants the key, percent-encoded");
  const std::string keyspace = parameter(query, "keyspace").value_or("default");
  return later([&](auto done) { console_.key(keyspace, std::move(*key), std::move(done)); });
}

kj::Promise<HttpReply> ConsoleRoutes::order(const BrowserRequest& request,
                                            kj::AsyncInputStream& body) {
  if (const auto refused = refuse_to_obey(request, token_)) {
    return refusal(refused->status, refused->text);
  }
  const std::uint64_t length = body.tryGetLength().orDefault(kOrderBytesMost + 1);
  if (length > kOrderBytesMost) return refusal(413, "an order is short, and says how long it is");
  auto late = timer_.afterDelay(body_timeout_.count() * kj::NANOSECONDS).then([]() -> kj::String {
    return nullptr;
  });
  return body.readAllText(kOrderBytesMost + 1)
      .exclusiveJoin(kj::mv(late))
      .then([this](kj::String&& text) -> kj::Promise<HttpReply> {
        const auto order = read_order({text.begin(), text.size()});
        if (!order) return reply_of(order.error());
        return later([this, &order](auto done) {
          console_.carry_out(*order, [done = std::move(done)](const Result<std::string>& said) {
            done(said ? Result<std::string>(said_json(*said)) : said);
          });
        });
      });
}

}  // namespace parley::api
