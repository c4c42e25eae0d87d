// What one crossing of the interfaces costs that a simulator stands behind (Loop, Network, Store):
// a virtual call, and a callback carried in a std::function, each against the same without.
#include <benchmark/benchmark.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "base/units.h"

namespace parley::bench {
namespace {

class Interface {
 public:
  virtual ~Interface() = default;
  virtual std::uint64_t step(std::uint64_t by) = 0;
};
class Direct {
 public:
  std::uint64_t step(std::uint64_t by) { return sum_ += by; }

 private:
  std::uint64_t sum_ = 0;
};
class Behind final : public Interface {
 public:
  std::uint64_t step(std::uint64_t by) override { return direct_.step(by); }

 private:
  Direct direct_;
};

void indirection_direct_call(benchmark::State& state) {
  Direct direct;
  for (auto _ : state) benchmark::DoNotOptimize(direct.step(1));
}
BENCHMARK(indirection_direct_call);

// Of several, so that the call is not guessed from the last one alone.
void indirection_virtual_call(benchmark::State& state) {
  std::array<std::unique_ptr<Interface>, 4> several;
  for (auto& one : several) one = std::make_unique<Behind>();
  std::size_t at = 0;
  for (auto _ : state) benchmark::DoNotOptimize(several[++at & 3]->step(1));
}
BENCHMARK(indirection_virtual_call);

// As large as most callbacks of a request are: too large for a std::function to keep in itself.
struct Captured {
  std::array<std::uint64_t, 8> words{};
  std::uint64_t* sum = nullptr;
  void operator()() const { *sum += words[0]; }
};

template <typename Held>
void carry(benchmark::State& state) {
  std::uint64_t sum = 0;
  std::vector<Held> mailbox;
  for (auto _ : state) {
    Captured captured;
    captured.words[0] = sum & 1;
    captured.sum = &sum;
    mailbox.emplace_back(captured);
    Held held = std::move(mailbox.back());
    mailbox.clear();
    held();
    benchmark::DoNotOptimize(sum);
  }
}
void indirection_direct_callback(benchmark::State& state) { carry<Captured>(state); }
BENCHMARK(indirection_direct_callback);
void indirection_function_callback(benchmark::State& state) { carry<std::function<void()>>(state); }
BENCHMARK(indirection_function_callback);

}  // namespace
}  // namespace parley::bench
