#include "main/command_line.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/json.h"
#include "base/text.h"
#include "commands/check_commands.h"
#include "commands/complete.h"
#include "main/complete_words.h"
#include "main/describe_words.h"
#include "main/divide_words.h"
#include "main/duration.h"
#include "main/probe_words.h"
#include "main/version.h"

namespace runner {
namespace {

Error Usage(std::string where, std::string why) {
  Error error = Fail(std::move(why));
  error.where = std::move(where);
  error.failure = Failure::kUsage;
  return error;
}

bool IsLabName(std::string_view name) {
  constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::size_t kLongest = 31;
  const auto is_allowed = [kFirst](char c) { return kFirst.find(c) != std::string_view::npos || c == '_' || c == '-'; };
  return !name.empty() && name.size() <= kLongest && kFirst.find(name[0]) != std::string_view::npos &&
         std::ranges::all_of(name, is_allowed);
}

/// As the library wants its checks: what is wrong, or nothing.
std::string IsProcessNumber(const std::string& text) {
  const auto number = ParseInteger(text);
  return number && *number > 0 ? "" : Quote(text) + " is no number of a process";
}

/// What the options of the commands are parsed into.
struct Words {
  GlobalOptions global;
  std::string lab;
  std::string node;
  UpOptions up;
  DownOptions down;
  PlanOptions plan;
  StatusOptions status;
  WatchOptions watch;
  std::string interval;
  ExecOptions exec;
  CaptureOptions capture;
  CheckOptions check;
  ProbeWords one_check;
  TestOptions test;
  bool no_evidence = false;
  ImpairOptions impair;
  std::vector<std::string> environment;
  std::string timeout;
  int pid = 0;
  std::string process;
  LogsOptions logs;
  std::string print;
  std::string format = "svg";
  std::string shell;
};

class Parser {
 public:
  Parser() : app_("Runs network topologies that are described in a file.", "toporun") {
    app_.allow_extras();
    app_.set_help_flag("-h,--help", "this text");
    // Subcommands are made with the formatter of their parent.
    app_.get_formatter()->label("SUBCOMMAND", "COMMAND");
    app_.get_formatter()->label("Subcommands", "Commands");
    AddGlobalOptions();
    AddChangingCommands();
    AddLookingCommands();
    AddNodeCommands();
    AddProcessCommands();
    AddTestCommands();
    AddFileCommands();
    AddCompletion();
    AddDescription();
  }

  Result<CommandLine> Parse(std::vector<std::string> words) {
    Divided divided = DivideWords(std::move(words));
    behind_dashes_ = std::move(divided.command);
    std::ranges::reverse(divided.words);  // CLI11 takes them from the back
    try {
      app_.parse(std::move(divided.words));
    } catch (const CLI::CallForHelp&) {
      return Text(app_.help());
    } catch (const CLI::CallForVersion&) {
      return Text(VersionText());
    } catch (const CLI::ParseError& wrong) {
      return Usage(CommandName(), Sentence(wrong.what()));
    }
    TRY(CheckWords());
    CommandLine line = TRY(Globals());
    if (commands_.empty() || app_.get_subcommands().empty()) return Text(app_.help());
    const CLI::App* chosen = app_.get_subcommands().front();
    const auto found = std::ranges::find(commands_, chosen, &Command::app);
    line.run = TRY(found->make());
    line.prints_json = found->prints_json;
    return line;
  }

 private:
  using Run = std::function<Ending(const Context&)>;
  struct Command {
    const CLI::App* app;
    std::function<Result<Run>()> make;
    bool prints_json = true;
  };

  static CommandLine Text(std::string text) {
    CommandLine line;
    line.text = std::move(text);
    return line;
  }

  // ---- What there is

  void AddGlobalOptions() {
    GlobalOptions& global = words_.global;
    app_.add_flag("-v", global.verbose, "tell each change; -vv tells everything");
    app_.add_flag("-q,--quiet", global.quiet, "errors only");
    app_.add_flag("--stats", global.stats, "where the time went, at the end, on standard error");
    app_.add_flag("--json", global.json, "results and failures as one JSON document");
    CLI::Option* root = app_.add_flag("--root", global.root, "work on this machine's namespaces, or fail");
    app_.add_flag("--rootless", global.rootless, "work without privilege")->excludes(root);
    app_.add_option("--state-dir", global.state_dir, "where the records of labs are")->type_name("DIR");
    app_.add_option("--lock-timeout", global.lock_timeout, "wait so long while another command changes the lab")
        ->type_name("TIME");
    app_.add_option("--set", global.set, "a value for ${NAME} in the file")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    app_.add_option("--name", global.name, "another name for the lab than the file's")->type_name("NAME");
    app_.set_version_flag("--version", std::string(), "versions of the program and its libraries");
  }

  CLI::App* Add(const std::string& name, const std::string& about, std::function<Result<Run>()> make) {
    CLI::App* command = app_.add_subcommand(name, about);
    command->fallthrough();
    command->allow_extras();
    command->set_help_flag("-h,--help", "this text");
    command->footer(
        "LAB is a topology file, or the name of a lab that is up. `toporun --help` tells the options that "
        "all commands share.");
    commands_.push_back({.app = command, .make = std::move(make)});
    return command;
  }
  void AddLab(CLI::App* command, const std::string& about = "a topology file, or a lab that is up") {
    command->add_option("LAB", words_.lab, about)->type_name("");
  }
  void AddNode(CLI::App* command, const std::string& about) {
    command->add_option("NODE", words_.node, about)->type_name("");
  }

  void AddChangingCommands() {
    CLI::App* up = Add("up", "make the system match the file", [this]() -> Result<Run> {
      words_.up.lab = TRY(Lab());
      return Run([options = words_.up](const Context& context) { return Up(context, options); });
    });
    AddLab(up);
    up->add_flag("--keep", words_.up.keep, "do not undo what was done when something fails");

    CLI::App* down = Add("down", "remove all that a lab has made", [this]() -> Result<Run> {
      if (words_.down.all && !words_.lab.empty()) return Usage("down", "--all takes no LAB");
      if (!words_.down.all) words_.down.lab = TRY(Lab());
      return Run([options = words_.down](const Context& context) { return Down(context, options); });
    });
    AddLab(down);
    down->add_flag("--all", words_.down.all, "every lab");
  }

  void AddLookingCommands() {
    CLI::App* plan = Add("plan", "say what `up` would do, and why", [this]() -> Result<Run> {
      words_.plan.lab = TRY(Lab());
      return Run([options = words_.plan](const Context& context) { return ShowPlan(context, options); });
    });
    AddLab(plan);
    plan->add_flag("--exit-code", words_.plan.exit_code, "exit status 5 when there is something to do");
    CLI::Option* script = plan->add_flag("--script", words_.plan.script, "as a shell script that does it by hand");
    plan->add_option("--why", words_.plan.why, "explain one object: what it stands on, and what is touched with it")
        ->type_name("OBJECT")
        ->excludes(script);

    CLI::App* status = Add("status", "say what is not as it was made", [this]() -> Result<Run> {
      words_.status.lab = words_.lab;
      return Run([options = words_.status](const Context& context) { return ShowStatus(context, options); });
    });
    AddLab(status, "a topology file, or a lab that is up; all labs without it");
    status->add_flag("--heal", words_.status.heal, "put back what is not as it was made");

    CLI::App* watch =
        Add("watch", "say what is not as it was made, as it happens", [this]() -> Result<Run> { return MakeWatch(); });
    AddLab(watch);
    watch->add_flag("--heal", words_.watch.heal, "put it back at once");
    watch
        ->add_option("--interval", words_.interval,
                     "look so often at what the kernel does not announce: nftables, sysctls, processes (2s)")
        ->type_name("TIME");

    Add("list", "the labs that are up", [] { return Run(List); });

    CLI::App* inspect =
        Add("inspect", "nodes, addresses, routes, links and uplinks as they are now", [this]() -> Result<Run> {
          return Run([lab = TRY(Lab())](const Context& context) { return Inspect(context, lab); });
        });
    AddLab(inspect);
  }

  void AddNodeCommands() {
    CLI::App* exec = Add("exec", "run a command in a node: exec LAB NODE [options] -- COMMAND…",
                         [this]() -> Result<Run> { return MakeExec(); });
    commands_.back().prints_json = false;
    AddLab(exec);
    AddNode(exec, "a node, a switch, or `host`; not with --all");
    exec->add_flag("--all", words_.exec.all, "in every node side by side");
    exec->add_option("-e,--env", words_.environment, "set a variable of its environment")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    exec->add_option("-w,--workdir", words_.exec.working_dir, "start in this folder")->type_name("DIR");
    exec->add_option("-u,--user", words_.exec.user, "run as this user")->type_name("USER");
    exec->add_option("--timeout", words_.timeout, "end it after this time, exit status 124")->type_name("TIME");

    CLI::App* capture = Add("capture", "packets as they pass: capture LAB NODE:IFNAME… [-w FILE] [-- FILTER…]",
                            [this]() -> Result<Run> { return MakeCapture(); });
    commands_.back().prints_json = false;
    AddLab(capture);
    capture->add_option("NODE:IFNAME", words_.capture.interfaces, "the interfaces; a node may be a switch, or `host`")
        ->type_name("");
    capture
        ->add_option("-w,--write", words_.capture.file, "write them as pcapng; `-` is standard output, for Wireshark")
        ->type_name("FILE");

    CLI::App* impair =
        Add("impair", "change a link for a while: impair LAB NODE:IFNAME [delay 20ms loss 1% …|up|down|clear]",
            [this]() -> Result<Run> {
              words_.impair.lab = TRY(Lab());
              words_.impair.words = behind_dashes_;
              return Run([options = words_.impair](const Context& context) { return Impair(context, options); });
            });
    AddLab(impair);
    impair
        ->add_option("NODE:IFNAME", words_.impair.interface,
                     "the interface; BRIDGE:PORT or host:IFNAME too. Without it, all that are impaired are shown")
        ->type_name("");
    impair
        ->add_option(
            "WORDS", words_.impair.words,
            "delay, jitter, correlation, distribution, loss, duplicate, corrupt, reorder, rate, limit, seed, each "
            "with its value; or up, down; or clear: as the file says. Without any: show what is in force")
        ->type_name("");

    CLI::App* shell = Add("shell", "an interactive shell in a node", [this]() -> Result<Run> {
      return Run([lab = TRY(Lab()), node = TRY(Node())](const Context& context) { return Shell(context, lab, node); });
    });
    commands_.back().prints_json = false;
    AddLab(shell);
    AddNode(shell, "a node, a switch, or `host`");

    CLI::App* pids = Add("pids", "the processes in a lab's nodes", [this]() -> Result<Run> {
      return Run(
          [lab = TRY(Lab()), node = words_.node](const Context& context) { return ListProcesses(context, lab, node); });
    });
    AddLab(pids);
    AddNode(pids, "only of this node");

    CLI::App* identify = Add("identify", "the lab and node that a process is in", [this]() -> Result<Run> {
      const auto pid = words_.pid == 0 ? std::nullopt : std::optional(words_.pid);
      return Run([pid](const Context& context) { return Identify(context, pid); });
    });
    identify->add_option("PID", words_.pid, "the process; without it, this one")->check(IsProcessNumber);
  }

  void AddProcessCommands() {
    CLI::App* ps = Add("ps", "the declared processes", [this]() -> Result<Run> {
      return Run([lab = TRY(Lab())](const Context& context) { return ShowProcesses(context, lab); });
    });
    AddLab(ps);

    CLI::App* logs = Add("logs", "what declared processes print: logs LAB [NODE[/PROC]] [-f]", [this]() -> Result<Run> {
      words_.logs.lab = TRY(Lab());
      return Run([options = words_.logs](const Context& context) { return ShowLogs(context, options); });
    });
    commands_.back().prints_json = false;
    AddLab(logs);
    logs->add_option("NODE[/PROC]", words_.logs.process, "only of this node, or this process")->type_name("");
    logs->add_flag("-f,--follow", words_.logs.follow, "go on with what they print from now on");
    logs->add_option("--tail", words_.logs.tail, "of each only the last lines")->type_name("LINES");

    CLI::App* restart =
        Add("restart", "stop and start declared processes: restart LAB NODE[/PROC]", [this]() -> Result<Run> {
          if (words_.process.empty()) return Usage("restart", "NODE[/PROC] is missing");
          return Run([lab = TRY(Lab()), process = words_.process](const Context& context) {
            return Restart(context, lab, process);
          });
        });
    AddLab(restart);
    restart->add_option("NODE[/PROC]", words_.process, "a node, or one of its processes")->type_name("");
  }

  static void AddReports(CLI::App* command, ReportOptions& report) {
    command->add_option("--junit", report.junit, "write the verdicts as JUnit's XML")->type_name("FILE");
    command->add_flag("--tap", report.tap, "print the verdicts as TAP");
  }

  void AddTestCommands() {
    CLI::App* check = Add("check", "run the file's tests on a lab that is up, or a single check",
                          [this]() -> Result<Run> { return MakeCheck(); });
    AddLab(check);
    check->add_option("PATTERN", words_.check.pattern, "a glob: only the tests whose names fit it")->type_name("");
    check->add_flag("--all-pairs", words_.check.all_pairs, "every node pings every other's addresses instead");
    ProbeWords& one = words_.one_check;
    check->add_option("--from", one.from, "a single check instead, from this node or from `outside`")
        ->type_name("NODE");
    for (std::size_t i = 0; i < kProbeOptions.size(); ++i) {
      const std::string kind(kProbeOptions[i]);
      const char* const target = kind == "tcp" || kind == "udp" ? "HOST:PORT"
                                 : kind == "http"               ? "URL"
                                 : kind == "dns"                ? "NAME"
                                 : kind == "route"              ? "PREFIX"
                                                                : "HOST";
      check->add_option("--" + kind, one.targets[i], "as `" + kind + "` in a file")->type_name(target);
    }
    check->add_flag("--run", one.run, "the command behind `--`");
    check->add_option("--expect", one.expect, "reachable or unreachable")->type_name("WORD");
    check->add_option("--within", one.within, "try for so long (5s; unreachable 1s)")->type_name("TIME");
    check->add_option("--family", one.family, "ipv4 or ipv6")->type_name("FAMILY");
    check->add_option("--count", one.count, "so many requests of a ping")->type_name("N");
    AddReports(check, words_.check.report);

    CLI::App* test = Add("test", "bring labs up, run their tests, take them down: test FILE… [-- COMMAND…]",
                         [this]() -> Result<Run> { return MakeTest(); });
    test->add_option("FILE", words_.test.files, "topology files; a folder stands for its *.yaml")->type_name("");
    test->add_option("-j,--jobs", words_.test.jobs, "so many labs side by side")->type_name("N");
    test->add_flag("--here", words_.test.here, "on this machine, as `up` does, not in fresh namespaces");
    test->add_flag("--keep-on-failure", words_.test.keep_on_failure, "a lab whose tests fail stays up");
    CLI::Option* evidence = test->add_option("--evidence", words_.test.evidence,
                                             "keep what a failed lab looked like here (toporun-evidence)");
    evidence->type_name("DIR");
    test->add_flag("--no-evidence", words_.no_evidence, "keep nothing of it")->excludes(evidence);
    test->add_flag("--no-captures", words_.test.no_captures, "without what passed its interfaces");
    AddReports(test, words_.test.report);
  }

  void AddFileCommands() {
    CLI::App* validate = Add("validate", "check a file and do nothing", [this]() -> Result<Run> {
      ValidateOptions options{.lab = TRY(Lab())};
      if (words_.print == "json") {
        options.print = ValidateOptions::Print::kJson;
      } else if (words_.print == "yaml") {
        options.print = ValidateOptions::Print::kYaml;
      } else if (!words_.print.empty()) {
        return Usage("validate", "--print is yaml or json, not " + Quote(words_.print));
      }
      return Run([options](const Context& context) { return Validate(context, options); });
    });
    AddLab(validate);
    validate->add_flag("--print{yaml}", words_.print, "print the topology with everything filled in; --print=json");

    Add("doctor", "what this machine lets the runner do, and how to mend what is missing",
        [] { return Run(Diagnose); });
    Add("schema", "the JSON Schema of the language", [] { return Run(PrintSchema); });

    CLI::App* graph = Add("graph", "draw a lab", [this]() -> Result<Run> {
      const std::vector<std::string> known = {"svg", "dot", "mermaid", "html", "ascii"};
      if (std::ranges::find(known, words_.format) == known.end()) {
        return Usage("graph", "there is no format " + Quote(words_.format) + DidYouMeanAmong(words_.format, known));
      }
      GraphOptions options{.lab = TRY(Lab()), .format = words_.format};
      return Run([options](const Context& context) { return DrawGraph(context, options); });
    });
    commands_.back().prints_json = false;
    AddLab(graph);
    graph->add_option("--format", words_.format, "svg (default), html, mermaid, ascii or dot")->type_name("FORMAT");
  }

  void AddCompletion() {
    const std::vector<std::string> shells = {"bash", "zsh", "fish"};
    CLI::App* completion =
        Add("completion", "a script for a shell: completion bash|zsh|fish", [this, shells]() -> Result<Run> {
          if (words_.shell.empty()) return Usage("completion", "SHELL is missing: bash, zsh or fish");
          const std::string_view script = CompletionScript(words_.shell);
          if (script.empty()) {
            return Usage("completion",
                         "there is no script for " + Quote(words_.shell) + DidYouMeanAmong(words_.shell, shells));
          }
          return Run([script](const Context& context) -> Ending {
            *context.out << script;
            return kExitDone;
          });
        });
    commands_.back().prints_json = false;
    completion->add_option("SHELL", words_.shell, "bash, zsh or fish")->type_name("");
    // What those scripts ask.
    Add("complete-word", "", [this]() -> Result<Run> {
      return Run(
          [asked = AskForWord(app_, behind_dashes_)](const Context& context) { return Complete(context, asked); });
    })->group("");
    commands_.back().prints_json = false;
  }

  void AddDescription() {
    // What the manual page is made from.
    Add("describe-words", "", [this] {
      return Run([words = DescribeWords(app_)](const Context& context) -> Ending {
        PrintJson(context, words);
        return kExitDone;
      });
    })->group("");
  }

  // ---- What was asked for

  std::string CommandName() const {
    const auto chosen = app_.get_subcommands();
    return chosen.empty() ? "toporun" : chosen.front()->get_name();
  }
  Result<std::string> Lab() const {
    if (words_.lab.empty()) return Usage(CommandName(), "LAB is missing: a topology file, or a lab that is up");
    return words_.lab;
  }
  Result<std::string> Node() const {
    if (words_.node.empty()) return Usage(CommandName(), "NODE is missing");
    return words_.node;
  }

  Result<Run> MakeWatch() {
    WatchOptions options = words_.watch;
    options.lab = TRY(Lab());
    if (!words_.interval.empty()) {
      constexpr std::chrono::milliseconds kShortest(100);
      const auto interval = ParseDuration(words_.interval);
      if (!interval || *interval < kShortest) {
        return Usage("watch", "--interval is a time as 500ms or 5s, 100ms at least, not " + Quote(words_.interval));
      }
      options.interval = *interval;
    }
    return Run([options](const Context& context) { return Watch(context, options); });
  }

  Result<Run> MakeExec() {
    ExecOptions options = words_.exec;
    options.lab = TRY(Lab());
    if (!options.all) options.node = TRY(Node());
    if (options.all && !words_.node.empty()) return Usage("exec", "--all takes no NODE: put `--` before the command");
    options.command = behind_dashes_;
    if (options.command.empty()) return Usage("exec", "the command is missing: exec LAB NODE -- COMMAND…");
    options.environment = TRY(Pairs("-e", words_.environment));
    if (!words_.timeout.empty()) {
      options.timeout = ParseDuration(words_.timeout);
      if (!options.timeout) return Usage("exec", "--timeout is a time as 500ms or 5s, not " + Quote(words_.timeout));
    }
    return Run([options](const Context& context) { return Exec(context, options); });
  }

  Result<Run> MakeCapture() {
    CaptureOptions options = words_.capture;
    options.lab = TRY(Lab());
    if (options.interfaces.empty()) return Usage("capture", "an interface is missing: capture LAB NODE:IFNAME…");
    options.filter = behind_dashes_;
    return Run([options](const Context& context) { return Capture(context, options); });
  }

  Result<Run> MakeCheck() {
    CheckOptions options = words_.check;
    options.lab = TRY(Lab());
    const ProbeWords& one = words_.one_check;
    const auto usage = [](auto result) {
      return result.ok() ? std::move(result) : decltype(result)(Usage("check", result.error().why));
    };
    if (options.report.tap && words_.global.json) return Usage("check", "--tap excludes --json");
    if (options.all_pairs) {
      if (one.any() || !options.pattern.empty() || !behind_dashes_.empty()) {
        return Usage("check", "--all-pairs takes --family and --within only");
      }
      if (options.report.tap || !options.report.junit.empty()) {
        return Usage("check", "--all-pairs has no --tap and --junit; --json it has");
      }
      options.family = TRY(usage(ReadFamily(one.family)));
      options.within = one.within.empty() ? std::nullopt : ParseDuration(one.within);
      if (!one.within.empty() && !options.within) {
        return Usage("check", "--within is a time as 500ms or 10s, not " + Quote(one.within));
      }
    } else if (one.any() || !behind_dashes_.empty()) {
      if (!options.pattern.empty()) return Usage("check", "a single check takes no PATTERN");
      options.one = TRY(usage(OneCheck(one, behind_dashes_)));
    } else if (!one.within.empty() || !one.family.empty()) {
      return Usage("check", "--within and --family belong to a single check: --from NODE --ping HOST");
    }
    return Run([options](const Context& context) { return CheckLab(context, options); });
  }

  Result<Run> MakeTest() {
    constexpr int kMostJobs = 256;
    TestOptions options = words_.test;
    if (options.files.empty()) return Usage("test", "FILE is missing: topology files, or folders of them");
    if (options.jobs < 1 || options.jobs > kMostJobs) return Usage("test", "--jobs is 1 to 256");
    if (options.report.tap && words_.global.json) return Usage("test", "--tap excludes --json");
    if (options.here && options.jobs > 1) return Usage("test", "--here excludes --jobs: names and ports would meet");
    if (options.evidence.empty() && !words_.no_evidence) options.evidence = "toporun-evidence";
    options.command = behind_dashes_;
    return Run([options](const Context& context) { return TestFiles(context, options); });
  }

  Result<std::vector<std::pair<std::string, std::string>>> Pairs(const std::string& option,
                                                                 const std::vector<std::string>& texts) const {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const std::string& text : texts) {
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos || equals == 0) {
        return Usage(CommandName(), option + " takes NAME=VALUE, not " + Quote(text));
      }
      pairs.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return pairs;
  }

  Result<CommandLine> Globals() const {
    CommandLine line;
    line.options = words_.global;
    const auto timeout = ParseDuration(line.options.lock_timeout);
    if (!timeout) {
      return Usage(CommandName(), "--lock-timeout is a time as 500ms or 5s, not " + Quote(line.options.lock_timeout));
    }
    line.lock_timeout = *timeout;
    if (!line.options.name.empty() && !IsLabName(line.options.name)) {
      return Usage(CommandName(), "--name is a lab's name ([a-z0-9][a-z0-9_-]{0,30}), not " + Quote(line.options.name));
    }
    line.set = TRY(Pairs("--set", line.options.set));
    return line;
  }

  // ---- What is wrong

  /// The words that nobody took.
  Status CheckWords() const {
    const auto chosen = app_.get_subcommands();
    if (chosen.empty()) {
      for (const std::string& word : app_.remaining()) {
        if (!word.starts_with("-")) return UnknownCommand(word);
      }
    }
    if (chosen.size() > 1) {
      return Usage(chosen.front()->get_name(), "unexpected argument " + Quote(chosen[1]->get_name()));
    }
    for (const std::string& word : app_.remaining(true)) {
      if (word == "--") continue;
      if (word.starts_with("-")) return UnknownOption(word);
      return Usage(CommandName(), "unexpected argument " + Quote(word));
    }
    if (chosen.empty()) return Usage("toporun", "the command is missing; `toporun --help` lists them");
    return {};
  }

  Error UnknownCommand(const std::string& word) const {
    std::vector<std::string> names;
    for (const Command& command : commands_) names.push_back(command.app->get_name());
    const std::string near = DidYouMean(word, names);
    return Usage("toporun", "unknown command " + Quote(word) + (near.empty() ? "; `toporun --help` lists them" : near));
  }

  Error UnknownOption(const std::string& word) const {
    const std::string name = word.substr(0, word.find('='));
    std::vector<std::string> names;
    std::vector<const CLI::App*> apps = {&app_};
    for (const CLI::App* chosen : app_.get_subcommands()) apps.push_back(chosen);
    for (const CLI::App* app : apps) {
      for (const CLI::Option* option : app->get_options()) {
        for (const std::string& known : option->get_lnames()) names.push_back("--" + known);
      }
    }
    return Usage(CommandName(), "unknown option " + Quote(name) + DidYouMean(name, names));
  }

  /// The library's own sentence in our style.
  static std::string Sentence(std::string text) {
    while (!text.empty() && (text.back() == '.' || text.back() == '\n')) text.pop_back();
    if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a')
      text[0] = static_cast<char>(text[0] + 32);
    return text;
  }

  CLI::App app_;
  Words words_;
  std::vector<Command> commands_;
  std::vector<std::string> behind_dashes_;  // the command of `exec`, the filter of `capture`, the words of `impair`
};

}  // namespace

Result<CommandLine> ParseCommandLine(const std::vector<std::string>& words) {
  // The commands refer to the parser's words only until `make` has run.
  return Parser().Parse(words);
}

bool AsksForJson(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--json") return true;
  }
  return false;
}

}  // namespace runner
