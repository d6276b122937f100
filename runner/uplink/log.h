// The helper's log file: lines with the time of day, bounded in size, repeated lines thinned out.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace runner {

class Log {
 public:
  /// `fd` is opened for appending; foreign code (glib, libc) may write to it too.
  explicit Log(int fd, std::int64_t limit = 1 << 20) : fd_(fd), limit_(limit) {}
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void Line(std::string_view text);
  /// At most 20 lines in ten seconds; what was left out is counted in the next that is written.
  void Thinned(std::string_view text);
  /// Cuts the file to nothing when it is over the limit.
  void Bound();

 private:
  int fd_;
  std::int64_t limit_;
  std::int64_t window_start_ = 0;
  int in_window_ = 0;
  std::int64_t left_out_ = 0;
};

}  // namespace runner
