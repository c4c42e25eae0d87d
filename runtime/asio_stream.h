// One TCP stream: readiness and non-blocking reads, the writes of one turn in one system call.
#pragma once

#include <asio/ip/tcp.hpp>
#include <memory>

#include "runtime/asio_core.h"
#include "runtime/network.h"

namespace parley::runtime {

// Takes a connected socket; `on_end` runs when the stream's socket is closed for good.
std::unique_ptr<Connection> make_stream(AsioCore& core, asio::ip::tcp::socket socket,
                                        const Endpoint& remote, Task on_end);

inline Endpoint endpoint_of(const asio::ip::tcp::endpoint& from) {
  return {from.address().to_string(), from.port()};
}

}  // namespace parley::runtime
