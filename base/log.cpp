#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace parley {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::Debug: return spdlog::level::debug;
    case LogLevel::Info: return spdlog::level::info;
    case LogLevel::Warn: return spdlog::level::warn;
    case LogLevel::Error: return spdlog::level::err;
    case LogLevel::Off: return spdlog::level::off;
  }
  return spdlog::level::off;
}

// Quotes a value that has blanks, quotes or control bytes, so that one field stays one field and
// a hostile string cannot forge a line.
std::string field_text(const std::string& value) {
  const bool plain = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
  if (plain) return value;
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

class SpdlogSink final : public LogSink {
 public:
  explicit SpdlogSink(LogLevel least)
      : logger_("parley", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_level(spdlog_level(least));
    logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%eZ %-5l %v", spdlog::pattern_time_type::utc));
    logger_.flush_on(spdlog::level::info);
  }

  bool wants(LogLevel level) const override { return logger_.should_log(spdlog_level(level)); }

  void write(LogLevel level, std::string_view floor, std::string_view event,
             const std::vector<LogField>& fields) override {
    std::string line = fmt::format("{} {}", floor, event);
    for (const LogField& field : fields) {
      line.append(1, ' ').append(field.name).append(1, '=').append(field_text(field.value));
    }
    logger_.log(spdlog_level(level), "{}", line);
  }

 private:
  spdlog::logger logger_;
};

}  // namespace

LogSink& stderr_log(LogLevel least) {
  static SpdlogSink sink(least);
  return sink;
}

}  // namespace parley
