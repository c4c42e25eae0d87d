// Console: what the page in the browser can ask of one node. Loop thread only. Every `done` comes
// exactly once and never inside the call, unless the Console is destroyed first.
#pragma once

#include <functional>
#include <string>

#include "api/console_facts.h"
#include "base/result.h"

namespace parley::api {

class Console {
 public:
  template <typename T>
  using Done = std::function<void(Result<T>)>;

  virtual ~Console() = default;

  // The JSON of console.capnp. Several who ask within kShared get one answer.
  static constexpr Duration kShared = 500ms;
  virtual void cluster(Done<std::string> done) = 0;
  virtual Result<std::string> ring() = 0;
  // Overloaded: too many keys were asked for within a second.
  virtual void key(const std::string& keyspace, Bytes key, Done<std::string> done) = 0;
  // What happened, for people. Refused: no faults are allowed; NoAnswer: it may have happened.
  virtual void carry_out(const ConsoleOrder& order, Done<std::string> done) = 0;
};

}  // namespace parley::api
