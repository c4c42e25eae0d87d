// Lifetime: lets a driver be destroyed at any moment. Callbacks that it hands to others are bound
// to its Lifetime member and do nothing once that is gone.
#pragma once

#include <memory>
#include <utility>

namespace parley {

class Lifetime {
 public:
  Lifetime() : alive_(std::make_shared<char>()) {}
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;

  // Wraps `f` (any signature returning void). Declare the Lifetime as the LAST member, so that it
  // dies first.
  template <typename F>
  auto guard(F f) const {
    return [weak = std::weak_ptr<char>(alive_), f = std::move(f)](auto&&... arguments) mutable {
      if (!weak.expired()) f(std::forward<decltype(arguments)>(arguments)...);
    };
  }
  // Every callback bound so far becomes a no-op.
  void reset() { alive_ = std::make_shared<char>(); }

 private:
  std::shared_ptr<char> alive_;
};

}  // namespace parley
