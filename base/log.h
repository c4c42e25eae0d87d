// Structured logs: a stable event name and fields. `log.info("hint.stored", {{"target", id}})`.
// Error level means that a person must act.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/ids.h"

namespace parley {

enum class LogLevel : std::uint8_t { Debug, Info, Warn, Error, Off };

struct LogField {
  std::string_view name;
  std::string value;

  LogField(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
  LogField(std::string_view n, std::string_view v) : name(n), value(v) {}
  LogField(std::string_view n, const char* v) : name(n), value(v) {}
  LogField(std::string_view n, bool v) : name(n), value(v ? "true" : "false") {}
  template <typename T>
  requires std::is_arithmetic_v<T> LogField(std::string_view n, T v)
      : name(n), value(std::to_string(v)) {}
  template <typename Tag>
  LogField(std::string_view n, const Id128<Tag>& v) : name(n), value(to_text(v)) {}
  LogField(std::string_view n, const Endpoint& v) : name(n), value(to_text(v)) {}
};
using LogFields = std::initializer_list<LogField>;

// Where lines go. The daemon's is spdlog; tests may collect.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual bool wants(LogLevel level) const = 0;
  // Thread-safe: the storage threads log too.
  virtual void write(LogLevel level, std::string_view floor, std::string_view event,
                     const std::vector<LogField>& fields) = 0;
};

// One per floor, by value; cheap to copy. A Logger without a sink drops everything.
class Logger {
 public:
  Logger() = default;
  Logger(LogSink& sink, std::string_view floor) : sink_(&sink), floor_(floor) {}
  Logger on_floor(std::string_view floor) const {
    Logger copy = *this;
    copy.floor_ = floor;
    return copy;
  }

  void debug(std::string_view event, LogFields fields = {}) const {
    write(LogLevel::Debug, event, fields);
  }
  void info(std::string_view event, LogFields fields = {}) const {
    write(LogLevel::Info, event, fields);
  }
  void warn(std::string_view event, LogFields fields = {}) const {
    write(LogLevel::Warn, event, fields);
  }
  void error(std::string_view event, LogFields fields = {}) const {
    write(LogLevel::Error, event, fields);
  }

 private:
  void write(LogLevel level, std::string_view event, LogFields fields) const {
    if (sink_ != nullptr && sink_->wants(level)) sink_->write(level, floor_, event, fields);
  }
  LogSink* sink_ = nullptr;
  std::string_view floor_ = "-";
};

// Lines on stderr: `2026-01-02T03:04:05.678Z info  floor event key=value ...`. Lives for ever.
LogSink& stderr_log(LogLevel least);

}  // namespace parley
