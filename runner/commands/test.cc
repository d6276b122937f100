#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/columns.h"
#include "base/json.h"
#include "base/text.h"
#include "check/verdict.h"
#include "check/wait.h"
#include "commands/check_commands.h"
#include "commands/check_tests.h"
#include "commands/interrupts.h"
#include "commands/run.h"
#include "commands/test_lab.h"
#include "topology/load.h"

namespace runner {
namespace {

Error Usage(std::string why) {
  Error error = Fail(std::move(why));
  error.where = "test";
  error.failure = Failure::kUsage;
  return error;
}

bool IsFolder(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<std::vector<std::string>> FilesIn(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(folder.c_str()), closedir);
  if (open == nullptr) return SystemError(errno, "read " + Quote(folder));
  std::vector<std::string> files;
  while (const dirent* entry = readdir(open.get())) {
    const std::string name = entry->d_name;
    if (name.starts_with('.') || !(name.ends_with(".yaml") || name.ends_with(".yml"))) continue;
    files.push_back((folder.ends_with('/') ? folder : folder + "/") + name);
  }
  std::ranges::sort(files);
  return files;
}

/// A variable that the file insists on and nobody gave, where that is all that is wrong: why it is not run.
std::string FindUnset(const Source& source, const Settings& set, const Errors& errors) {
  std::set<std::string> unset;
  LoadOptions options{.file = source.shown, .set = set};
  options.environment = [&unset](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') unset.insert(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  LoadTopology(source.text, options);
  std::string why;
  for (const Error& error : errors) {
    if (error.severity == Severity::kWarning) continue;
    const bool is_unset =
        std::ranges::any_of(unset, [&error](const std::string& name) { return error.why.starts_with(Quote(name)); });
    if (!is_unset) return {};
    if (why.empty()) why = error.why;
  }
  return why;
}

/// One of a folder may be for those who give it what it asks for.
Result<TestedFile, Errors> ReadFile(const Context& context, const std::string& path, bool is_of_folder) {
  TestedFile file{.path = path};
  auto source = ReadSource(path);
  if (!source.ok()) return Errors{std::move(source).error()};
  auto loaded = LoadSource(*source, context.set, context.name);
  if (!loaded.ok()) {
    if (is_of_folder) file.skip = FindUnset(*source, context.set, loaded.error());
    if (file.skip.empty()) return std::move(loaded).error();
    file.wanted.topology.name = path.substr(path.rfind('/') + 1);
    file.wanted.source = std::move(*source);
    return file;
  }
  PrintWarnings(context, loaded->warnings);
  file.wanted = {.source = std::move(*source),
                 .topology = std::move(loaded->topology),
                 .warnings = std::move(loaded->warnings),
                 .set = context.set,
                 .is_copy = false};
  return file;
}

/// All that is wrong with any of them, before anything is done.
Result<std::vector<TestedFile>, Errors> ReadFiles(const Context& context, const TestOptions& options) {
  std::vector<TestedFile> files;
  Errors errors;
  const auto read = [&](const std::string& path, bool is_of_folder) {
    auto file = ReadFile(context, path, is_of_folder);
    if (file.ok()) {
      files.push_back(std::move(*file));
    } else {
      errors.insert(errors.end(), file.error().begin(), file.error().end());
    }
  };
  for (const std::string& word : options.files) {
    if (word == "-") return Errors{Usage("standard input can be read once only; write the topology to a file")};
    if (!IsFolder(word)) {
      read(word, false);
      continue;
    }
    const auto inside = FilesIn(word);
    if (!inside.ok()) return Errors{inside.error()};
    if (inside->empty()) return Errors{Usage("folder " + Quote(word) + " has no *.yaml")};
    for (const std::string& path : *inside) read(path, true);
  }
  if (!errors.empty()) return errors;
  return files;
}

/// DIR/LAB; behind the first of several labs of one name comes a number.
void PlaceEvidence(const std::string& folder, std::vector<TestedFile>& files) {
  if (folder.empty()) return;
  std::set<std::string> names;
  for (const TestedFile& file : files) names.insert(file.wanted.topology.name);
  std::set<std::string> taken;
  for (TestedFile& file : files) {
    const std::string& lab = file.wanted.topology.name;
    std::string name = lab;
    for (int number = 2; taken.contains(name) || (name != lab && names.contains(name)); ++number) {
      name = fmt::format("{}-{}", lab, number);
    }
    taken.insert(name);
    file.evidence = folder + "/" + name;
  }
}

struct Running {
  std::size_t index = 0;
  pid_t process = -1;
  Fd report = {};
  std::string text = {};
};

/// The labs' processes, so many at once, and what they report.
class Yard {
 public:
  Yard(const Context& context, const TestOptions& options, const std::vector<TestedFile>& files)
      : context_(context), options_(options), files_(files) {}

  /// `told` hears of each lab as it ends.
  Result<std::vector<check::Verdicts>> Run(const std::function<void(const check::Verdicts&)>& told) {
    std::vector<check::Verdicts> done(files_.size());
    std::vector<bool> has_run(files_.size(), false);
    while (true) {
      while (next_ < files_.size() && running_.size() < static_cast<std::size_t>(options_.jobs) &&
             !Interrupts::asked()) {
        const std::size_t index = next_++;
        if (files_[index].skip.empty()) {
          TRY(Start(index));
          continue;
        }
        done[index] = Alone(index, check::Verdict::kSkipped, files_[index].skip);
        has_run[index] = true;
        told(done[index]);
      }
      if (running_.empty()) break;
      const std::vector<Running> all_ended = Await();
      if (!all_ended.empty()) EndProgress();
      for (const Running& ended : all_ended) {
        done[ended.index] = Take(ended);
        has_run[ended.index] = true;
        told(done[ended.index]);
      }
    }
    // Those that an interruption kept from starting are not told of.
    std::vector<check::Verdicts> all;
    for (std::size_t i = 0; i < done.size(); ++i) {
      if (has_run[i]) all.push_back(std::move(done[i]));
    }
    return all;
  }

 private:
  check::Verdicts Alone(std::size_t index, check::Verdict verdict, const std::string& why) const {
    const WantedLab& wanted = files_[index].wanted;
    check::Verdicts verdicts{.lab = wanted.topology.name, .file = wanted.source.path};
    verdicts.tests.push_back({.name = "up", .verdict = verdict, .why = why});
    return verdicts;
  }

  Status Start(std::size_t index) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return SystemError(errno, "make a pipe");
    Fd from(ends[0]);
    Fd to(ends[1]);
    std::fflush(nullptr);
    context_.out->flush();
    context_.err->flush();
    const pid_t self = getpid();
    const pid_t process = fork();
    if (process < 0) return SystemError(errno, "fork");
    if (process == 0) {
      from.Reset();
      running_.clear();
      if (getppid() != self) _exit(1);
      LiveThrough(context_, options_, files_[index], std::move(to));
    }
    running_.push_back({.index = index, .process = process, .report = std::move(from)});
    return {};
  }

  /// Those that have said all they had to say.
  std::vector<Running> Await() {
    std::vector<pollfd> waiting;
    for (const Running& one : running_) waiting.push_back({.fd = one.report.get(), .events = POLLIN, .revents = 0});
    const check::Patience patience{.end = check::Clock::now() + (has_progress() ? kSilence : std::chrono::hours(1)),
                                   .interrupted = is_ending_ ? nullptr : Interrupts::flag()};
    check::WaitFor(waiting, patience);
    ShowProgress();
    if (Interrupts::asked() && !is_ending_) EndAll();
    std::vector<Running> ended;
    std::vector<Running> still;
    for (std::size_t i = 0; i < running_.size(); ++i) {
      const bool is_over = waiting[i].revents != 0 && !ReadSome(running_[i]);
      (is_over ? ended : still).push_back(std::move(running_[i]));
    }
    running_ = std::move(still);
    return ended;
  }

  bool has_progress() const { return context_.terminal && context_.verbosity == 0; }
  /// One line on a terminal, once a run is longer than one who looks would wait.
  void ShowProgress() {
    if (!has_progress() || check::Clock::now() < begin_ + kSilence) return;
    std::vector<std::string> names;
    for (const Running& one : running_) names.push_back(files_[one.index].wanted.topology.name);
    const std::string line = fmt::format("{}/{} labs  {}", next_ - running_.size(), files_.size(), Join(names, ", "));
    constexpr int kNarrowTerminal = 79;
    *context_.err << "\r\x1b[K" << FitColumns(line, kNarrowTerminal) << std::flush;
    is_shown_ = true;
  }
  void EndProgress() {
    if (std::exchange(is_shown_, false)) *context_.err << "\r\x1b[K" << std::flush;
  }

  static bool ReadSome(Running& one) {
    std::array<char, 16384> buffer;
    const ssize_t got = read(one.report.get(), buffer.data(), buffer.size());
    if (got > 0) one.text.append(buffer.data(), static_cast<std::size_t>(got));
    return got > 0 || (got < 0 && errno == EINTR);
  }

  /// They take their labs down and end.
  void EndAll() {
    is_ending_ = true;
    for (const Running& one : running_) kill(one.process, SIGTERM);
  }

  check::Verdicts Take(const Running& ended) const {
    const auto json = ParseJson(ended.text);
    const bool is_whole = json.ok() && json->is_object();
    check::Verdicts verdicts = is_whole
                                   ? check::VerdictsFrom(*json)
                                   : Alone(ended.index, check::Verdict::kFailed, "its process ended without a word");
    // One whose lab stays goes on.
    const bool may_stay = options_.keep_on_failure && verdicts.Count(check::Verdict::kFailed) > 0;
    while (waitpid(ended.process, nullptr, may_stay ? WNOHANG : 0) < 0 && errno == EINTR) {
    }
    return verdicts;
  }

  const Context& context_;
  const TestOptions& options_;
  const std::vector<TestedFile>& files_;
  std::size_t next_ = 0;
  std::vector<Running> running_;
  bool is_ending_ = false;
  const check::Clock::time_point begin_ = check::Clock::now();
  bool is_shown_ = false;  // a line of progress
};

void PrintLab(const Context& context, const check::Verdicts& verdicts) {
  std::size_t width = 0;
  for (const check::TestVerdict& test : verdicts.tests) width = std::max(width, test.name.size());
  *context.out << fmt::format("{} ({})\n", verdicts.lab, verdicts.file);
  for (const check::TestVerdict& test : verdicts.tests) *context.out << VerdictText(test, width, context.out_colour);
  *context.out << std::flush;
}

Ending Tell(const Context& context, const TestOptions& options, const std::vector<check::Verdicts>& labs,
            std::chrono::nanoseconds took) {
  TRY(WriteReports(context, options.report, labs));
  if (context.json()) {
    Json list = Json::array();
    for (const check::Verdicts& lab : labs) list.push_back(check::VerdictsJson(lab));
    PrintJson(context, {{"labs", std::move(list)}, {"seconds", std::chrono::duration<double>(took).count()}});
  } else if (!options.report.tap) {
    *context.out << fmt::format("{}, ", Counted(labs.size(), "lab")) << check::Tally(labs, took) << "\n";
  }
  if (Interrupts::asked()) return static_cast<int>(Failure::kInterrupted);
  const bool has_failed =
      std::ranges::any_of(labs, [](const check::Verdicts& lab) { return lab.Count(check::Verdict::kFailed) > 0; });
  return has_failed ? kExitFailed : kExitDone;
}

}  // namespace

Ending TestFiles(const Context& context, const TestOptions& options) {
  if (options.here) TRY(CheckPrivilege(context));
  std::vector<TestedFile> files = TRY(ReadFiles(context, options));
  PlaceEvidence(options.evidence, files);
  const Interrupts interrupts;
  const auto begin = std::chrono::steady_clock::now();
  const bool is_text = !context.json() && !options.report.tap;
  const std::vector<check::Verdicts> labs = TRY(Yard(context, options, files).Run([&](const check::Verdicts& lab) {
    if (is_text) PrintLab(context, lab);
  }));
  return Tell(context, options, labs, std::chrono::steady_clock::now() - begin);
}

}  // namespace runner
