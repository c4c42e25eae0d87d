// The console's page, api/console/console.html, as it is compiled in: a node serves it without a
// file of its own beside it.
#pragma once

#include <string_view>

namespace parley::api {

std::string_view console_page();

}  // namespace parley::api
