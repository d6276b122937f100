// How a command ends: with an exit status, or with all that went wrong.
#pragma once
#include <utility>

#include "base/error.h"

namespace runner {

/// The exit statuses of the command line that are no failure's (those are in base/error.h).
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitDiffers = 5;        // `status`, `plan --exit-code`
inline constexpr int kExitNoSuchPlace = 125;  // `exec`, `shell`: the lab or node is not there

class Ending {
 public:
  Ending(int status) : status_(status) {}                    // NOLINT(google-explicit-constructor)
  Ending(Error error) : Ending(Errors{std::move(error)}) {}  // NOLINT(google-explicit-constructor)
  // NOLINTNEXTLINE(google-explicit-constructor)
  Ending(Errors errors) : status_(StatusOf(errors)), errors_(std::move(errors)) {}
  Ending(int status, Errors errors) : status_(status), errors_(std::move(errors)) {}

  int status() const { return status_; }
  const Errors& errors() const { return errors_; }

  /// An interruption outweighs what it led to; else the first error tells.
  static int StatusOf(const Errors& errors);

 private:
  int status_ = kExitDone;
  Errors errors_;
};

}  // namespace runner
