// ConsoleGate: which requests of a browser are served. Pure.
//
// What a page of another site may make a browser send here must do no harm. Names can be rebound
// to our address by whoever owns them, numbers cannot: Host must be a numeric address or localhost.
// An order must come from our own page (Origin), as JSON (so no form can send it), and know the
// token that only who may read this node's data directory can know.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parley::api {

struct BrowserRequest {
  std::string host, origin, content_type, authorization;
};

struct GateRefusal {
  unsigned status = 403;
  std::string text;  // one line
};

bool is_safe_host(std::string_view host);

// For everything of the console.
std::optional<GateRefusal> refuse_to_show(const BrowserRequest& request);
// For an order, besides. `token` empty: this node allows no faults.
std::optional<GateRefusal> refuse_to_obey(const BrowserRequest& request, std::string_view token);

}  // namespace parley::api
