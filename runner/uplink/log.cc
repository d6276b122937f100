#include "uplink/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <ctime>

#include <fmt/format.h>

#include "uplink/loop.h"

namespace runner {
namespace {

constexpr int kLinesOfWindow = 20;
constexpr std::int64_t kWindow = 10000;

}  // namespace

void Log::Line(std::string_view text) {
  Bound();
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts = {};
  gmtime_r(&now.tv_sec, &parts);
  const std::string line =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z {}\n", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, now.tv_nsec / 1000000, text);
  // A full disk must not end the uplink.
  [[maybe_unused]] const ssize_t written = write(fd_, line.data(), line.size());
}

void Log::Thinned(std::string_view text) {
  const std::int64_t now = Loop::Now();
  if (now - window_start_ > kWindow) {
    window_start_ = now;
    in_window_ = 0;
    if (left_out_ > 0) Line(fmt::format("{} lines left out", left_out_));
    left_out_ = 0;
  }
  if (++in_window_ > kLinesOfWindow) {
    ++left_out_;
    return;
  }
  Line(text);
}

void Log::Bound() {
  struct stat status = {};
  if (fstat(fd_, &status) != 0 || status.st_size <= limit_) return;
  if (ftruncate(fd_, 0) != 0) return;  // Not a file: a pipe or /dev/null has no size to bound.
  constexpr std::string_view kNote = "(the log was over its limit and begins again)\n";
  [[maybe_unused]] const ssize_t written = write(fd_, kNote.data(), kNote.size());
}

}  // namespace runner
