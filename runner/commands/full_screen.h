// The terminal as one page that is drawn anew: its other screen, keys without Return, and the way back whatever ends
// the program.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/report.h"
#include "commands/watch_screen.h"

namespace runner {

/// While it lives, standard output is the page. What is written to standard error, when that is a terminal, is kept
/// back and asked for with TakeErrors; what nobody asked for is written at the end.
class FullScreen {
 public:
  /// Standard output is a terminal, of which more is known than that it prints lines.
  static bool IsPossible();
  /// One at a time.
  static Result<std::unique_ptr<FullScreen>> Open(Colour colour);
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;
  ~FullScreen();

  static ScreenSize size();
  /// Only what differs from the last page is written.
  Status Draw(const std::vector<ScreenLine>& lines);

  /// Readable when a key was pressed; -1 when there is no keyboard (any more).
  int keys() const { return keys_; }
  /// Without waiting; a key that has no letter is an escape sequence.
  std::string TakeKeys();
  std::vector<std::string> TakeErrors();

 private:
  explicit FullScreen(Colour colour) : colour_(colour) {}
  Status Enter();

  Colour colour_;
  int keys_ = -1;
  Fd errors_;       // what was written to standard error
  Fd real_errors_;  // where that goes to
  std::string half_line_;
  ScreenSize drawn_size_{.rows = 0, .columns = 0};
  std::vector<ScreenLine> drawn_;
};

}  // namespace runner
