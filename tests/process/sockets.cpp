#include "tests/process/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace parley::process_test {
namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in to_sockaddr(const std::string& address, int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

int left(Clock::time_point deadline) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return std::max(0, static_cast<int>(ms.count()));
}

}  // namespace

Exchange send_tcp(const std::string& address, int port, const std::string& bytes,
                  std::chrono::milliseconds patience) {
  Exchange out;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = to_sockaddr(address, port);
  out.connected = connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  const auto deadline = Clock::now() + patience;
  std::size_t sent = 0;
  fcntl(fd, F_SETFL, O_NONBLOCK);
  while (out.connected && !out.closed_by_peer && Clock::now() < deadline) {
    const bool more = sent < bytes.size();
    pollfd ready{fd, static_cast<short>(POLLIN | (more ? POLLOUT : 0)), 0};
    poll(&ready, 1, left(deadline));
    if ((ready.revents & POLLOUT) != 0 && more) {
      const ssize_t put = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (put > 0)
        sent += static_cast<std::size_t>(put);
      else if (errno != EAGAIN)
        out.closed_by_peer = true;
    }
    if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      char buffer[65536];
      const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      if (got > 0)
        out.answer.append(buffer, static_cast<std::size_t>(got));
      else if (got == 0 || errno != EAGAIN)
        out.closed_by_peer = true;
    }
  }
  close(fd);
  return out;
}

void send_udp(const std::string& address, int port, const std::string& bytes) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = to_sockaddr(address, port);
  sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  close(fd);
}

HttpAnswer http_get(const std::string& address, int port, const std::string& path) {
  const Exchange done = send_tcp(
      address, port, "GET " + path + " HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n",
      std::chrono::seconds(5));
  HttpAnswer out;
  if (done.answer.starts_with("HTTP/1.1 ")) out.status = std::atoi(done.answer.c_str() + 9);
  const auto body = done.answer.find("\r\n\r\n");
  if (body != std::string::npos) out.body = done.answer.substr(body + 4);
  return out;
}

}  // namespace parley::process_test
