#include "commands/outside.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <utility>

#include "base/json.h"
#include "commands/error_codec.h"
#include "commands/interrupts.h"
#include "rootless/channel.h"

namespace runner {
namespace {

constexpr std::chrono::hours kForEver{24 * 365};
// More of it nobody reads.
constexpr std::size_t kMostOutput = std::size_t{4} << 20;

Json OutputJson(const check::Output& output) {
  return {{"status", output.status}, {"out", output.out}, {"err", output.err}, {"late", output.was_late}};
}

/// The value, and the descriptor that goes along with it.
Result<std::pair<Json, Fd>> Answer(const Json& request) {
  if (request["do"] == "socket") {
    Fd opened =
        TRY(OpenSocketHere(request["domain"].get<int>(), request["type"].get<int>(), request["protocol"].get<int>()));
    return std::pair(Json(), std::move(opened));
  }
  const check::Output output = TRY(RunAndKeep({}, request["command"].get<std::vector<std::string>>(),
                                              std::chrono::milliseconds(request["limit"].get<std::int64_t>())));
  return std::pair(OutputJson(output), Fd());
}

[[noreturn]] void Serve(const Fd& channel) {
  const Interrupts interrupts;
  while (Interrupts::WaitFor(channel.get(), kForEver)) {
    const auto message = rootless::ReceiveMessage(channel.get());
    if (!message.ok() || !*message) break;
    const auto request = ParseJson((*message)->text);
    if (!request.ok()) break;
    auto answer = Answer(*request);
    Json json = {{"value", Json()}, {"errors", Json::array()}};
    if (answer.ok()) {
      json["value"] = answer->first;
    } else {
      json["errors"] = EncodeErrors({answer.error()});
    }
    if (!rootless::SendMessage(channel.get(), JsonText(json), answer.ok() ? answer->second.get() : -1).ok()) break;
  }
  std::fflush(nullptr);
  _exit(0);
}

Result<std::pair<Json, Fd>> Ask(const Fd& channel, const Json& request) {
  TRY(rootless::SendMessage(channel.get(), JsonText(request)));
  // An interruption ends the wait: it ends the one outside too.
  if (!Interrupts::WaitFor(channel.get(), kForEver)) return Fail("interrupted");
  auto message = TRY(rootless::ReceiveMessage(channel.get()));
  if (!message) return Fail("the process outside the lab is gone");
  const Json answer = TRY(ParseJson(message->text));
  if (Errors errors = DecodeErrors(answer["errors"]); !errors.empty()) return std::move(errors.front());
  return std::pair(answer["value"], std::move(message->fd));
}

}  // namespace

Result<OutsideProcess> OutsideProcess::Start() {
  auto [ours, theirs] = TRY(rootless::OpenChannel());
  std::fflush(nullptr);
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) return SystemError(errno, "fork");
  if (child == 0) {
    ours.Reset();
    // As an interrupt, so that a command that it runs is ended too.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != self) _exit(1);
    Serve(theirs);
  }
  return OutsideProcess(child, std::move(ours));
}

OutsideProcess::OutsideProcess(OutsideProcess&& other) noexcept
    : child_(std::exchange(other.child_, -1)), channel_(std::move(other.channel_)) {}

OutsideProcess::~OutsideProcess() {
  if (child_ < 0) return;
  channel_.Reset();
  kill(child_, SIGTERM);
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<Fd> OutsideProcess::OpenSocket(int domain, int type, int protocol) const {
  return std::move(
      TRY(Ask(channel_, {{"do", "socket"}, {"domain", domain}, {"type", type}, {"protocol", protocol}})).second);
}

Result<check::Output> OutsideProcess::Run(const std::vector<std::string>& command,
                                          std::chrono::milliseconds limit) const {
  const Json value = TRY(Ask(channel_, {{"do", "run"}, {"command", command}, {"limit", limit.count()}})).first;
  return check::Output{.status = value["status"].get<int>(),
                       .out = value["out"].get<std::string>(),
                       .err = value["err"].get<std::string>(),
                       .was_late = value["late"].get<bool>()};
}

Result<Fd> OpenSocketHere(int domain, int type, int protocol) {
  Fd opened(socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!opened.is_open()) return SystemError(errno, "open a socket");
  return opened;
}

Result<check::Output> RunAndKeep(kernel::EnterSpec spec, const std::vector<std::string>& command,
                                 std::chrono::milliseconds limit) {
  spec.argv = command;
  spec.timeout = limit;
  check::Output output;
  kernel::CapturedCommand captured{.spec = std::move(spec), .sink = {}};
  captured.sink = [&output](kernel::Stream /*stream*/, std::string_view line) {
    if (output.err.size() < kMostOutput) output.err.append(line).append("\n");
  };
  captured.bytes = [&output](std::string_view bytes) {
    if (output.out.size() < kMostOutput) output.out.append(bytes);
  };
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<int> statuses = TRY(kernel::RunCapturedAll({captured}, 1, Interrupts::flag()));
  output.status = statuses.front();
  output.was_late = output.status == kernel::kExitTimeout && std::chrono::steady_clock::now() - begin >= limit;
  return output;
}

}  // namespace runner
