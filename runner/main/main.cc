#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>

#include "base/heap.h"
#include "base/stopwatch.h"
#include "commands/context.h"
#include "main/command_line.h"
#include "main/log.h"
#include "process/keeper.h"
#include "rootless/holder.h"
#include "uplink/helper.h"
#include "uplink/supervisor.h"

namespace runner {
namespace {

Colour ColourOf(int fd) {
  const char* refused = std::getenv("NO_COLOR");
  const bool is_refused = refused != nullptr && *refused != '\0';
  return isatty(fd) == 1 && !is_refused ? Colour::kOn : Colour::kOff;
}

/// Enough to tell an error, whatever the command line turns out to be.
Context FirstContext() {
  Context context;
  context.out = &std::cout;
  context.err = &std::cerr;
  context.terminal = isatty(STDERR_FILENO) == 1;
  context.colour = ColourOf(STDERR_FILENO);
  context.out_colour = ColourOf(STDOUT_FILENO);
  return context;
}

Status FillIn(const CommandLine& line, Context& context) {
  context.output = line.options.json && line.prints_json ? Output::kJson : Output::kText;
  if (line.options.root) context.privilege = Privilege::kRoot;
  if (line.options.rootless) context.privilege = Privilege::kRootless;
  context.verbosity = line.options.quiet ? -1 : std::min(line.options.verbose, 2);
  context.lock_timeout = line.lock_timeout;
  context.set = line.set;
  if (!line.options.name.empty()) context.name = line.options.name;
  context.ground = TRY(ChooseGround(context));
  context.state = TRY(FindStateRoot(line.options.state_dir, context.ground));
  return {};
}

int Finish(const Context& context, const Ending& ending) {
  if (!ending.errors().empty()) PrintErrors(context, ending.errors());
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "write to standard output: it did not take all\n";
    return ending.status() == kExitDone ? kExitFailed : ending.status();
  }
  return ending.status();
}

int Main(const std::vector<std::string>& words) {
  Context context = FirstContext();
  auto line = ParseCommandLine(words);
  if (!line.ok()) {
    if (AsksForJson(words)) context.output = Output::kJson;
    return Finish(context, std::move(line).error());
  }
  if (!line->run) {
    std::cout << line->text;
    return Finish(context, kExitDone);
  }
  if (Status filled = FillIn(*line, context); !filled.ok()) return Finish(context, std::move(filled).error());
  SetUpLog(context.verbosity, context.colour);
  PrepareHeap();
  if (line->options.stats) StartTiming();
  const auto start = std::chrono::steady_clock::now();
  const Ending ending = line->run(context);
  if (line->options.stats) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    for (const std::string& text : TimingTable(TimedParts(), took.count())) std::cerr << text << "\n";
  }
  return Finish(context, ending);
}

}  // namespace
}  // namespace runner

int main(int argc, char** argv) {
  // The helper of an uplink is this program too, and nobody's command.
  if (argc > 1 && argv[1] == std::string_view(runner::kUplinkHelperCommand)) {
    return runner::UplinkHelperMain(argc, argv);
  }
  // The keeper of a node's view and processes,
  if (argc > 1 && argv[1] == std::string_view(runner::process::kKeeperCommand)) {
    return runner::process::KeeperMain(argc, argv);
  }
  // And so is what holds the namespaces of a rootless lab.
  if (argc > 1 && argv[1] == std::string_view(runner::rootless::kHolderCommand)) {
    return runner::rootless::HolderMain(argc, argv);
  }
  try {
    return runner::Main({argv + 1, argv + argc});
  } catch (const std::exception& thrown) {
    // Of ours nothing throws; memory may run out.
    std::cerr << "toporun: " << thrown.what() << "\n";
    return runner::kExitFailed;
  }
}
