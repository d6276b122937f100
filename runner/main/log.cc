#include "main/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

namespace runner {
namespace {

/// "warning: ", "error: ", or nothing: what changed needs no word in front of its sign.
class LevelWord : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/, spdlog::memory_buf_t& out) override {
    std::string_view word;
    if (message.level == spdlog::level::warn) word = "warning: ";
    if (message.level >= spdlog::level::err) word = "error: ";
    out.append(word.data(), word.data() + word.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelWord>(); }
};

}  // namespace

void SetUpLog(int verbosity, Colour colour) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_st>(colour == Colour::kOn ? spdlog::color_mode::always
                                                                                          : spdlog::color_mode::never);
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelWord>('*').set_pattern("%^%*%$%v");
  sink->set_formatter(std::move(formatter));
  auto logger = std::make_shared<spdlog::logger>("toporun", std::move(sink));
  constexpr std::array<spdlog::level::level_enum, 4> kLevels = {spdlog::level::err, spdlog::level::warn,
                                                                spdlog::level::info, spdlog::level::debug};
  const int level = std::clamp(verbosity, -1, 2) + 1;
  logger->set_level(kLevels[static_cast<std::size_t>(level)]);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace runner
