#include "tools/demo/load.h"

#include <fmt/format.h>

#include <algorithm>

namespace parley::demo {

Load::Load(Scene& scene, int run, std::size_t shops) : scene_(scene), client_(scene.client()) {
  for (std::size_t shop = 0; shop < shops; ++shop) {
    shops_.emplace_back([this, run, shop](const std::stop_token& stop) { order(stop, run, shop); });
  }
}

void Load::stop() { shops_.clear(); }

void Load::order(const std::stop_token& stop, int run, std::size_t shop) {
  for (std::size_t number = 0; !stop.stop_requested(); ++number) {
    put_and_get(fmt::format("order:{}.{}.{}", run, shop, number), fmt::format("{} items", number));
  }
}

void Load::put_and_get(const std::string& key, const std::string& value) {
  client::WriteResult put;
  const Seconds writing =
      timed([&] { put = scene_.traffic.put(*client_, key, value, write_at("quorum")); });
  {
    const std::lock_guard lock(mutex_);
    if (put.error) figures_.failure = put.error->message;
    figures_.refused += put.outcome == Outcome::NotWritten ? 1 : 0;
    figures_.unknown += put.outcome == Outcome::Unknown ? 1 : 0;
    if (put.outcome != Outcome::Ok) return;
    ++figures_.puts_ok;
    figures_.slowest = std::max(figures_.slowest, writing);
    acknowledged_[key] = value;
  }
  client::ReadResult get;
  const Seconds reading =
      timed([&] { get = scene_.traffic.get(*client_, key, read_at("quorum")); });
  const std::lock_guard lock(mutex_);
  if (get.outcome != Outcome::Ok) {
    ++figures_.gets_failed;
    if (get.error) figures_.failure = get.error->message;
    return;
  }
  figures_.slowest = std::max(figures_.slowest, reading);
  ++(reads(get, value) ? figures_.gets_ok : figures_.gets_wrong);
}

Load::Figures Load::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

std::map<std::string, std::string> Load::acknowledged() const {
  const std::lock_guard lock(mutex_);
  return acknowledged_;
}

std::size_t missing(client::Client& client, const std::map<std::string, std::string>& expected) {
  std::vector<Bytes> keys;
  for (const auto& [key, value] : expected) keys.push_back(key);
  auto quorum = read_at("quorum");
  quorum.timeout = seconds(30);
  const auto results = client.get_batch(keys, quorum);
  std::size_t count = 0, place = 0;
  for (const auto& [key, value] : expected) count += reads(results[place++], value) ? 0 : 1;
  return count;
}

}  // namespace parley::demo
