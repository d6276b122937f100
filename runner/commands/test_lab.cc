#include "commands/test_lab.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/check_tests.h"
#include "commands/checked_lab.h"
#include "commands/commands.h"
#include "commands/evidence.h"
#include "commands/ground.h"
#include "commands/inside.h"
#include "commands/interrupts.h"
#include "commands/lab_capture.h"
#include "commands/test_environment.h"
#include "commands/wish.h"
#include "exec/preflight.h"
#include "kernel/enter.h"
#include "kernel/held_signals.h"
#include "rootless/ground.h"

namespace runner {
namespace {

check::TestVerdict Single(std::string name, check::Verdict verdict, std::string why) {
  check::TestVerdict test;
  test.name = std::move(name);
  test.verdict = verdict;
  test.why = std::move(why);
  return test;
}

std::string Sentences(const Errors& errors) {
  std::vector<std::string> texts;
  for (const Error& error : errors) {
    texts.push_back(error.text());
    for (const Note& note : error.notes) texts.push_back(note.text);
  }
  return Join(texts, "; ");
}

/// What keeps the lab from standing here and is no mistake of anybody's: a kernel without it, a namespace to attach
/// that is not there, a right that this user has not.
Errors FindLacks(const Context& context, const WantedLab& wanted) {
  if (auto ground = CheckGround(context, wanted); !ground.ok()) return std::move(ground).error();
  Errors lacks;
  for (const Node& node : wanted.topology.nodes) {
    if (!node.attach) continue;
    const auto* pid = std::get_if<Attach::Pid>(&node.attach->to);
    const auto* path = std::get_if<Attach::Path>(&node.attach->to);
    if (pid == nullptr && path == nullptr) continue;
    auto place = pid != nullptr ? Namespace::OpenPid(pid->pid) : Namespace::OpenPath(path->path);
    Status entered = place.ok() ? Status() : Status(place.error());
    if (place.ok()) {
      if (auto inside = InNamespace::Enter(*place); !inside.ok()) entered = inside.error();
    }
    if (!entered.ok()) lacks.push_back(std::move(entered).error().Wrap("attach node " + Quote(node.name)));
  }
  const auto wish = MakeWish(context, wanted, Journal::InMemory(), NewKeys::kLeftOpen);
  // Its mistakes are for `up` to tell.
  if (!wish.ok()) return lacks;
  for (Error& error : CheckMachine(MakePlan(wish->graph, {}, {}, Purpose::kUp))) lacks.push_back(std::move(error));
  return lacks;
}

/// The lab's half that an interruption may end at any time: what it leaves is taken down by the other.
class Worker {
 public:
  Worker(const Context& context, const TestOptions& options, const TestedFile& file)
      : context_(context), options_(options), file_(file) {
    verdicts_.lab = file.wanted.topology.name;
    verdicts_.file = file.wanted.source.path;
  }

  check::Verdicts Work() {
    const auto begin = std::chrono::steady_clock::now();
    const Interrupts interrupts;
    Live();
    capture_.reset();
    verdicts_.took = std::chrono::steady_clock::now() - begin;
    return std::move(verdicts_);
  }

 private:
  void Add(const std::string& name, check::Verdict verdict, std::string why) {
    verdicts_.tests.push_back(Single(name, verdict, std::move(why)));
  }

  void Live() {
    if (const Errors lacks = FindLacks(context_, file_.wanted); !lacks.empty()) {
      return Add("up", check::Verdict::kSkipped, Sentences(lacks));
    }
    // A rootless lab that stands here has no place yet where packets could pass.
    const bool has_place = context_.ground == Ground::kMachine;
    if (has_place) StartCapture();
    // What a failed `up` did is a part of the evidence; it is taken down afterwards, as always.
    const bool keeps = !file_.evidence.empty() || options_.keep_on_failure;
    const Ending up = Up(context_, {.lab = file_.wanted.source.path, .keep = keeps});
    if (!up.errors().empty()) {
      Add("up", check::Verdict::kFailed, Sentences(up.errors()));
      return KeepIfFailed();
    }
    if (!has_place) StartCapture();
    if (capture_) WarnOf(capture_->CatchUp());
    auto places = FindPlaces(context_, verdicts_.lab);
    if (!places.ok()) return Add("up", check::Verdict::kFailed, Sentences(places.error()));
    if (!options_.command.empty()) {
      RunCommand(*places);
    } else if (file_.wanted.topology.tests.empty()) {
      Add("up", check::Verdict::kOk, "");
    } else {
      RunOwnTests(*places);
    }
    KeepIfFailed();
  }

  void KeepIfFailed() {
    const bool has_failed = verdicts_.Count(check::Verdict::kFailed) > 0;
    if (!has_failed || file_.evidence.empty() || Interrupts::asked()) return;
    // An `up` that was refused before its first change left nothing to look at.
    if (auto places = FindPlaces(context_, verdicts_.lab); places.ok()) Keep(*places);
  }

  void RunOwnTests(const LabPlaces& places) {
    TestedLab lab{.places = places, .topology = file_.wanted.topology, .tests = file_.wanted.topology.tests};
    auto run = RunTests(context_, lab, [](const check::TestVerdict&) {});
    if (!run.ok()) return Add("check", check::Verdict::kFailed, Sentences(run.error()));
    verdicts_.tests = std::move(run->verdicts.tests);
    const bool is_told = verdicts_.Count(check::Verdict::kFailed) > 0;
    if (run->was_interrupted && !is_told) Add("check", check::Verdict::kFailed, "interrupted");
  }

  /// The command runs where the lab's outside is.
  void RunCommand(const LabPlaces& places) {
    const std::string name = Join(options_.command, " ");
    const auto told = AskInLab(context_, places.lab, Entry::kUse, [&](const Context& inside) -> Result<Json, Errors> {
      const auto lab = CheckedLab::Open(inside, places, &file_.wanted.topology, nullptr);
      if (!lab.ok()) return Errors{lab.error()};
      Json variables = Json::object();
      for (const auto& [variable, value] : TestEnvironment(places.lab, verdicts_.file, (*lab)->lab().book)) {
        variables[variable] = value;
      }
      return variables;
    });
    if (!told.ok()) return Add(name, check::Verdict::kFailed, Sentences(told.error()));
    kernel::EnterSpec spec{.argv = options_.command};
    for (const auto& variable : told->items()) spec.environment.emplace_back(variable.key(), variable.value());
    spec.environment.emplace_back("TOPORUN_STATE_DIR", context_.state.path);
    const auto begin = std::chrono::steady_clock::now();
    const auto status = kernel::RunIn(spec);
    if (!status.ok()) return Add(name, check::Verdict::kFailed, status.error().text());
    Add(name, *status == 0 ? check::Verdict::kOk : check::Verdict::kFailed,
        *status == 0 ? "" : fmt::format("exit status {}", *status));
    verdicts_.tests.back().took = std::chrono::steady_clock::now() - begin;
  }

  void StartCapture() {
    if (file_.evidence.empty() || options_.no_captures) return;
    auto started = LabCapture::Start(context_, verdicts_.lab);
    if (started.ok()) {
      capture_.emplace(std::move(*started));
    } else {
      WarnOf(std::move(started).error());
    }
  }

  /// The tests go on without.
  void WarnOf(const Status& captured) const {
    if (captured.ok() || context_.quiet()) return;
    *context_.err << "warning: packets are not captured: " << captured.error().text() << "\n" << std::flush;
  }

  void Keep(const LabPlaces& places) {
    const Ending ending = InLab(context_, places.lab, Entry::kUse, [&](const Context& inside) -> Ending {
      TRY(KeepEvidence(inside, places, verdicts_, capture_ ? &*capture_ : nullptr, file_.evidence));
      return kExitDone;
    });
    if (!ending.errors().empty()) {
      *context_.err << "warning: " << Sentences(ending.errors()) << "\n";
    } else {
      *context_.err << fmt::format("evidence: {}/index.html\n", file_.evidence);
    }
    context_.err->flush();
  }

  const Context& context_;
  const TestOptions& options_;
  const TestedFile& file_;
  check::Verdicts verdicts_;
  std::optional<LabCapture> capture_;
};

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    // Whoever asked has gone: nobody is left to be told.
    if (written < 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Takes what the worker writes, to its end, and passes on the signals that come meanwhile. The terminal sends its own
/// to both.
std::string Attend(pid_t worker, const Fd& from, const Fd& signals) {
  std::string text;
  std::array<char, 16384> buffer;
  while (true) {
    std::array<pollfd, 2> waiting = {pollfd{.fd = from.get(), .events = POLLIN, .revents = 0},
                                     pollfd{.fd = signals.get(), .events = POLLIN, .revents = 0}};
    poll(waiting.data(), waiting.size(), -1);
    signalfd_siginfo info = {};
    while (read(signals.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL) kill(worker, SIGTERM);
    }
    if (waiting[0].revents == 0) continue;
    const ssize_t got = read(from.get(), buffer.data(), buffer.size());
    if (got == 0) return text;
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

struct Pipe {
  Fd from;
  Fd to;
};

Result<Pipe> OpenPipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError(errno, "make a pipe");
  return Pipe{.from = Fd(ends[0]), .to = Fd(ends[1])};
}

/// In a process of its own, so that the lab is taken down whatever becomes of it.
Result<check::Verdicts> RunWorker(const Context& context, const TestOptions& options, const TestedFile& file,
                                  const kernel::HeldSignals& held) {
  Pipe pipe = TRY(OpenPipe());
  const Fd signals = TRY(held.Open());
  std::fflush(nullptr);
  const pid_t worker = fork();
  if (worker < 0) return SystemError(errno, "fork");
  if (worker == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    held.Release();
    WriteAll(pipe.to.get(), JsonText(check::VerdictsJson(Worker(context, options, file).Work())));
    std::fflush(nullptr);
    _exit(0);
  }
  pipe.to.Reset();
  const std::string text = Attend(worker, pipe.from, signals);
  int status = 0;
  while (waitpid(worker, &status, 0) < 0 && errno == EINTR) {
  }
  const auto json = ParseJson(text);
  if (json.ok() && json->is_object()) return check::VerdictsFrom(*json);
  return Fail("run its tests", WIFSIGNALED(status) ? fmt::format("the process was ended by signal {}", WTERMSIG(status))
                                                   : std::string("the process ended without a word"));
}

/// Fresh namespaces for the lab's outside, in which its owner is root.
Result<Context> EnterGround(const Context& context) {
  const bool own_users = context.ground == Ground::kHolder;
  Context inside = context;
  for (const std::string& missing :
       TRY(rootless::MakeGround({.own_users = own_users, .hidden = {"netns", "toporun"}}))) {
    if (context.verbosity > 0) Say(context, "warning: " + missing);
  }
  inside.ground = Ground::kMachine;
  inside.state = {.path = "/run/toporun"};
  return inside;
}

/// Tells how to look at a lab that stays. In namespaces of its own, this process stays with it until it is told to end.
void Stay(const Context& context, const TestOptions& options, const std::string& lab) {
  if (options.here) {
    *context.err << fmt::format("{} stays up; `toporun down {}` removes it\n", lab, lab) << std::flush;
    return;
  }
  const bool own_users = context.ground == Ground::kHolder;
  const std::string enter =
      fmt::format("nsenter --target {} {}--mount --net", getpid(), own_users ? "--user --preserve-credentials " : "");
  *context.err << fmt::format("{0} stays up: `{1} toporun shell {0} NODE` enters it, `kill {2}` takes it down\n", lab,
                              enter, getpid())
               << std::flush;
  prctl(PR_SET_PDEATHSIG, 0);
  // Neither the terminal nor a pipe waits for it.
  setsid();
  if (const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC)); null.is_open()) {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null.get(), fd);
  }
}

/// In the lab's own process, and in its ground.
class Keeper {
 public:
  Keeper(const Context& outside, Context ground, const TestOptions& options, const TestedFile& file)
      : outside_(outside),
        context_(std::move(ground)),
        options_(options),
        file_(file),
        lab_(file.wanted.topology.name) {}

  void Live(Fd report) {
    // From here on nothing keeps it from taking the lab down: what it is sent is for the worker.
    const kernel::HeldSignals held;
    check::Verdicts verdicts{.lab = lab_, .file = file_.wanted.source.path};
    auto worked = RunWorker(context_, options_, file_, held);
    if (worked.ok()) {
      verdicts = std::move(*worked);
    } else {
      verdicts.tests.push_back(Single("up", check::Verdict::kFailed, worked.error().text()));
    }
    const bool stays = options_.keep_on_failure && verdicts.Count(check::Verdict::kFailed) > 0 && IsUp();
    if (stays) {
      Stay(outside_, options_, lab_);
    } else {
      TakeDown(verdicts);
    }
    WriteAll(report.get(), JsonText(check::VerdictsJson(verdicts)));
    report.Reset();
    if (!stays || options_.here) return;
    siginfo_t info = {};
    while (held.Next(std::nullopt, info) != SIGTERM) {
    }
    TakeDown(verdicts);
  }

 private:
  bool IsUp() const { return access(context_.state.JournalPath(lab_).c_str(), F_OK) == 0; }

  void TakeDown(check::Verdicts& verdicts) const {
    const auto begin = std::chrono::steady_clock::now();
    const Ending down = Down(context_, {.lab = lab_});
    verdicts.took += std::chrono::steady_clock::now() - begin;
    if (!down.errors().empty())
      verdicts.tests.push_back(Single("down", check::Verdict::kFailed, Sentences(down.errors())));
  }

  const Context& outside_;
  const Context context_;
  const TestOptions& options_;
  const TestedFile& file_;
  const std::string lab_;
};

}  // namespace

void LiveThrough(const Context& context, const TestOptions& options, const TestedFile& file, Fd report) {
  Context quiet = context;
  quiet.output = Output::kText;
  quiet.terminal = false;
  if (context.verbosity == 0) quiet.verbosity = -1;
  // What a command prints is no part of the verdicts.
  if (context.json() || options.report.tap) dup2(STDERR_FILENO, STDOUT_FILENO);
  auto ground = options.here ? Result<Context>(quiet) : EnterGround(quiet);
  // Behind the change of credentials, which clears it.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (ground.ok()) {
    Keeper(context, std::move(*ground), options, file).Live(std::move(report));
  } else {
    check::Verdicts verdicts{.lab = file.wanted.topology.name, .file = file.wanted.source.path};
    verdicts.tests.push_back(Single("up", check::Verdict::kSkipped, ground.error().text()));
    WriteAll(report.get(), JsonText(check::VerdictsJson(verdicts)));
  }
  std::fflush(nullptr);
  _exit(0);
}

}  // namespace runner
