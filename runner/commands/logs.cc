#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/fd.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/declared.h"
#include "commands/interrupts.h"
#include "commands/place.h"
#include "process/spec.h"

namespace runner {
namespace {

// How late the end of a lab may be seen; new lines are announced.
constexpr std::chrono::milliseconds kLookAround{500};

/// The log of one process, from what is kept of it on.
class Log {
 public:
  Log(std::string path, std::string mark) : path_(std::move(path)), mark_(std::move(mark)) {}

  /// What was printed before, the last `tail` lines of it.
  void PrintOld(std::ostream& out, std::optional<std::size_t> tail) {
    std::string text;
    for (const std::string& path : {path_ + ".1", path_}) text += ReadAll(path);
    const bool is_cut = !text.empty() && text.back() != '\n';
    auto lines = Split(text, '\n');
    // Behind the last newline there is no line; one that has not ended yet is printed when it has.
    if (is_cut) unfinished_ = std::string(lines.back());
    lines.pop_back();
    const std::size_t first = tail && lines.size() > *tail ? lines.size() - *tail : 0;
    for (std::size_t i = first; i < lines.size(); ++i) Print(out, lines[i]);
  }

  void PrintNew(std::ostream& out) {
    Read(out);
    struct stat named {};
    struct stat open_one {};
    const bool is_another =
        stat(path_.c_str(), &named) == 0 &&
        (!file_.is_open() || (fstat(file_.get(), &open_one) == 0 && named.st_ino != open_one.st_ino));
    if (!is_another) return;
    auto opened = OpenFile(path_, O_RDONLY);
    if (!opened.ok()) return;  // Gone again.
    file_ = std::move(*opened);
    Read(out);
  }

  void PrintUnfinished(std::ostream& out) {
    if (!unfinished_.empty()) Print(out, std::exchange(unfinished_, {}));
  }

 private:
  /// What is read of the newer half stays open: there it goes on.
  std::string ReadAll(const std::string& path) {
    auto opened = OpenFile(path, O_RDONLY);
    if (!opened.ok()) return "";  // Nothing was printed yet.
    std::string text;
    std::array<char, 65536> buffer = {};
    for (ssize_t size = 0; (size = read(opened->get(), buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    if (path == path_) file_ = std::move(*opened);
    return text;
  }

  void Read(std::ostream& out) {
    if (!file_.is_open()) return;
    std::array<char, 65536> buffer = {};
    for (ssize_t size = 0; (size = read(file_.get(), buffer.data(), buffer.size())) > 0;) {
      unfinished_.append(buffer.data(), static_cast<std::size_t>(size));
      for (std::size_t end = 0; (end = unfinished_.find('\n')) != std::string::npos; unfinished_.erase(0, end + 1)) {
        Print(out, std::string_view(unfinished_).substr(0, end));
      }
    }
  }

  void Print(std::ostream& out, std::string_view line) const { out << mark_ << line << "\n"; }

  std::string path_;
  std::string mark_;
  Fd file_;
  std::string unfinished_;
};

Ending Follow(const Context& context, const std::string& lab, std::vector<Log>& logs) {
  const Interrupts interrupts;
  const std::string folder = context.state.LabFolder(lab);
  const Fd news(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  // Without it, new lines are looked for now and then.
  if (news.is_open()) inotify_add_watch(news.get(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  while (!Interrupts::asked()) {
    for (Log& log : logs) log.PrintNew(*context.out);
    if (!context.out->flush()) return Fail("write to standard output", "it did not take all");
    if (access(context.state.JournalPath(lab).c_str(), F_OK) != 0) {
      Say(context, lab + " is down: nothing to follow any more");
      return kExitDone;
    }
    Interrupts::WaitFor(news.get(), kLookAround);
    std::array<char, 4096> events = {};
    while (news.is_open() && read(news.get(), events.data(), events.size()) > 0) {
    }
  }
  return static_cast<int>(Failure::kInterrupted);
}

}  // namespace

Ending ShowLogs(const Context& context, const LogsOptions& options) {
  const LabPlaces places = TRY(FindPlaces(context, options.lab));
  const Journal journal = TRY(Journal::Open(context.state.JournalPath(places.lab)));
  const auto processes = TRY(FindDeclared(journal.record(), places.lab, options.process));
  if (processes.empty()) Say(context, places.lab + " has no declared process");
  std::vector<Log> logs;
  for (const ProcessAttributes& process : processes) {
    const std::string mark = processes.size() > 1 ? process.node + "/" + process.name + " | " : "";
    logs.emplace_back(process::LogPath(context.state.LabFolder(places.lab), process.node, process.name), mark);
  }
  for (Log& log : logs) log.PrintOld(*context.out, options.tail);
  if (options.follow && !logs.empty()) return Follow(context, places.lab, logs);
  for (Log& log : logs) log.PrintUnfinished(*context.out);
  return kExitDone;
}

}  // namespace runner
