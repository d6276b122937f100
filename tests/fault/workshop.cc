#include "tests/fault/workshop.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/report.h"
#include "base/text.h"
#include "process/keeper.h"
#include "uplink/helper.h"
#include "uplink/supervisor.h"

namespace runner::test {
namespace {

// This program is what the helper of an uplink and the keeper of a node are started from; GTest's main would not know
// that command line.
__attribute__((constructor)) void BecomeHelper(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == kUplinkHelperCommand) _exit(UplinkHelperMain(argc, argv));
  if (argc > 1 && std::string_view(argv[1]) == process::kKeeperCommand) _exit(process::KeeperMain(argc, argv));
}

Ending Execute(const Context& context, Workshop::Command command, const std::string& file, const std::string& lab) {
  if (command == Workshop::Command::kDown) return Down(context, {.lab = lab});
  return Up(context, {.lab = file});
}

}  // namespace

int RunResult::Done(std::size_t count) const {
  int done = 0;
  for (std::size_t i = 0; i < calls.size() && i < count; ++i) {
    // What a process has come to stays so, whether or not somebody waits for it.
    const bool is_wait = calls[i].id.kind == Kind::kCondition;
    done += calls[i].done && !is_wait ? 1 : 0;
  }
  return done;
}

std::string RunResult::text() const {
  std::string out;
  for (const Error& error : errors) out += RenderError(error, Colour::kOff);
  return out;
}

Workshop::Workshop(const Trial& trial)
    : file_("/run/lab.yaml"), edited_("/run/edited.yaml"), trial_(trial), processes_(ReadProcesses()) {
  for (const auto& [path, text] : {std::pair(file_, trial_.text), std::pair(edited_, trial_.edited)}) {
    const Status written = ReplaceFile(path, text);
    EXPECT_TRUE(written) << written.error().text();
  }
  baseline_ = ReadMachine();
  // A line for each action of thousands of runs helps nobody.
  spdlog::set_level(spdlog::level::off);
}

RunResult Workshop::Run(Command command, const Faults& faults) {
  RunResult result;
  std::ostringstream out;
  std::ostringstream err;
  Context context;
  context.out = &out;
  context.err = &err;
  context.set = trial_.set;
  // The edit is the same lab under another path.
  if (command != Command::kDown) context.name = trial_.lab;
  context.open_backend = [&](BackendOptions options) -> Result<std::unique_ptr<Backend>> {
    auto real = TRY(OpenLinuxBackend(std::move(options)));
    return std::unique_ptr<Backend>(std::make_unique<FaultyBackend>(std::move(real), faults, result.calls));
  };
  const Ending ending = Execute(context, command, command == Command::kUpEdited ? edited_ : file_, trial_.lab);
  result.status = ending.status();
  result.errors = ending.errors();
  return result;
}

bool Workshop::RunAndDie(Command command, const Faults& faults) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    Run(command, faults);
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

void Workshop::Converge(Command command) {
  const RunResult first = Run(command, {});
  EXPECT_EQ(first.status, 0) << "`up` does not find its way:\n" << first.text();
  const RunResult second = Run(command, {});
  EXPECT_EQ(second.status, 0) << second.text();
  EXPECT_EQ(second.calls.size(), 0U) << "a second `up` still does something: "
                                     << (second.calls.empty() ? "" : second.calls.front().id.text());
}

void Workshop::Clear() {
  const RunResult result = Run(Command::kDown, {});
  EXPECT_EQ(result.status, 0) << "`down` does not remove all:\n" << result.text();
  EXPECT_EQ(WhatIsLeft(), "");
}

std::string Workshop::WhatIsLeft() const {
  WaitForTheEndOfOthers(processes_);
  return Difference(baseline_, ReadMachine());
}

}  // namespace runner::test
