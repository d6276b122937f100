#include "commands/full_screen.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "base/text.h"

namespace runner {
namespace {

// Of ECMA-48 and xterm: the other screen and no cursor; and back.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[0m\x1b[?25h\x1b[?1049l";

// What ends the program without a word from it. SIGINT and SIGTERM end the loop that draws (commands/interrupts.h).
constexpr std::array kEnding = {SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

// For the handlers.
termios g_before;
bool g_has_keyboard = false;
pid_t g_owner = 0;  // 0: no page is open
volatile std::sig_atomic_t g_lost = 0;

/// Safe in a signal's handler.
void Leave() {
  if (g_has_keyboard) tcsetattr(STDIN_FILENO, TCSADRAIN, &g_before);
  // Nothing can be done about a terminal that has gone.
  [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, kLeave.data(), kLeave.size());
}

void EndBy(int signal) {
  // A child has the handler too, and not the terminal.
  if (getpid() == g_owner) Leave();
  raise(signal);  // SA_RESETHAND: it ends the program once the handler returns
}
/// The program was stopped, and the shell has used the terminal.
void Lose(int /*signal*/) { g_lost = 1; }
/// Ends a wait, so that the page is drawn in its new size.
void Wake(int /*signal*/) {}

std::string_view StyleOf(LineStyle style) {
  switch (style) {
    case LineStyle::kPlain:
      return "";
    case LineStyle::kTitle:
      return "\x1b[7m";
    case LineStyle::kHeading:
      return "\x1b[1m";
    case LineStyle::kGone:
      return "\x1b[31m";
    case LineStyle::kChanged:
      return "\x1b[33m";
    case LineStyle::kMended:
      return "\x1b[32m";
    case LineStyle::kDim:
      return "\x1b[2m";
  }
  return "";
}

/// Without the colours that were meant for a terminal.
std::string PlainText(std::string_view line) {
  std::string plain;
  for (std::size_t begin = 0; (begin = line.find("\x1b[")) != std::string_view::npos;) {
    plain += line.substr(0, begin);
    const std::size_t end = line.find_first_not_of("0123456789;", begin + 2);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  }
  return plain + std::string(line);
}

Status WriteAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(errno, "draw on the terminal");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

bool FullScreen::IsPossible() {
  const char* kind = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
}

Result<std::unique_ptr<FullScreen>> FullScreen::Open(Colour colour) {
  std::unique_ptr<FullScreen> screen(new FullScreen(colour));
  if (isatty(STDERR_FILENO) == 1) {
    screen->errors_ = Fd(memfd_create("errors", MFD_CLOEXEC));
    screen->real_errors_ = Fd(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!screen->errors_.is_open() || !screen->real_errors_.is_open() ||
        dup2(screen->errors_.get(), STDERR_FILENO) < 0) {
      return SystemError(errno, "take over the terminal");
    }
  }
  g_has_keyboard = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &g_before) == 0;
  if (g_has_keyboard) screen->keys_ = STDIN_FILENO;
  g_owner = getpid();
  for (const int signal : kEnding) {
    struct sigaction action = {};
    action.sa_handler = EndBy;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
  for (const int signal : {SIGWINCH, SIGCONT}) {
    struct sigaction action = {};
    action.sa_handler = signal == SIGCONT ? Lose : Wake;
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
  }
  TRY(screen->Enter());
  screen->drawn_size_ = size();
  return screen;
}

FullScreen::~FullScreen() {
  if (g_owner != 0) Leave();
  g_owner = 0;
  for (const int signal : kEnding) std::signal(signal, SIG_DFL);
  for (const int signal : {SIGWINCH, SIGCONT}) std::signal(signal, SIG_DFL);
  if (!real_errors_.is_open()) return;
  dup2(real_errors_.get(), STDERR_FILENO);
  for (const std::string& line : TakeErrors()) {
    const std::string text = line + "\n";
    // Who cannot be told cannot be told of it either.
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  }
}

Status FullScreen::Enter() {
  if (g_has_keyboard) {
    termios keys = g_before;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    // A stopped program would leave its page on the terminal.
    keys.c_cc[VSUSP] = _POSIX_VDISABLE;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &keys) != 0) return SystemError(errno, "take over the terminal");
  }
  return WriteAll(kEnter);
}

ScreenSize FullScreen::size() {
  winsize size{};
  // A terminal of which nobody knows the size says 0.
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {};
  return {.rows = size.ws_row, .columns = size.ws_col};
}

Status FullScreen::Draw(const std::vector<ScreenLine>& lines) {
  const ScreenSize now = size();
  std::string out;
  if (g_lost != 0 || !(now == drawn_size_)) {
    drawn_.clear();
    out = "\x1b[2J";
  }
  if (g_lost != 0) TRY(Enter());
  g_lost = 0;
  drawn_size_ = now;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i < drawn_.size() && drawn_[i] == lines[i]) continue;
    const std::string_view style = colour_ == Colour::kOn ? StyleOf(lines[i].style) : "";
    // Cleared first: behind a line that fills the row, the cursor stands on its last letter.
    out += fmt::format("\x1b[{};1H\x1b[2K{}{}{}", i + 1, style, lines[i].text, style.empty() ? "" : "\x1b[0m");
  }
  drawn_ = lines;
  return WriteAll(out);
}

std::string FullScreen::TakeKeys() {
  std::string keys;
  std::array<char, 64> buffer{};
  pollfd ready{.fd = keys_, .events = POLLIN, .revents = 0};
  while (keys_ >= 0 && poll(&ready, 1, 0) > 0) {
    const ssize_t size = read(keys_, buffer.data(), buffer.size());
    // The terminal has gone; SIGHUP tells the rest.
    if (size <= 0) keys_ = -1;
    if (size > 0) keys.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return keys;
}

std::vector<std::string> FullScreen::TakeErrors() {
  std::vector<std::string> lines;
  if (!errors_.is_open()) return lines;
  std::array<char, 4096> buffer{};
  off_t at = 0;
  // Its writers share its place in the file; so it is read, then emptied, from its beginning.
  for (ssize_t size = 0; (size = pread(errors_.get(), buffer.data(), buffer.size(), at)) > 0; at += size) {
    half_line_.append(buffer.data(), static_cast<std::size_t>(size));
  }
  if (at > 0 && (ftruncate(errors_.get(), 0) != 0 || lseek(errors_.get(), 0, SEEK_SET) != 0)) return lines;
  for (std::size_t end = 0; (end = half_line_.find('\n')) != std::string::npos;) {
    lines.push_back(PlainText(std::string_view(half_line_).substr(0, end)));
    half_line_.erase(0, end + 1);
  }
  return lines;
}

}  // namespace runner
