#include "commands/lab_capture.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <utility>

#include "base/json.h"
#include "commands/error_codec.h"
#include "commands/inside.h"
#include "commands/packet_listener.h"
#include "rootless/channel.h"

namespace runner {
namespace {

[[noreturn]] void LiveAsListener(const Context& context, const std::string& lab, const Fd& channel) {
  // It ends when it is told to, or with its starter.
  for (const int number : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE}) std::signal(number, SIG_IGN);
  const Ending ending = InLab(context, lab, Entry::kUse, [&](const Context& inside) -> Ending {
    TRY(ListenToLab(inside, lab, channel.get()));
    return kExitDone;
  });
  if (!ending.errors().empty()) {
    // In place of an answer; whoever has gone needs none.
    (void)rootless::SendMessage(channel.get(),
                                JsonText({{"value", Json()}, {"errors", EncodeErrors(ending.errors())}}));
  }
  std::fflush(nullptr);
  _exit(0);
}

Result<Json> Ask(const Fd& channel, const Json& request) {
  TRY(rootless::SendMessage(channel.get(), JsonText(request)));
  const auto message = TRY(rootless::ReceiveMessage(channel.get()));
  if (!message) return Fail("the process that captures packets is gone");
  const Json answer = TRY(ParseJson(message->text));
  if (Errors errors = DecodeErrors(answer["errors"]); !errors.empty()) return std::move(errors.front());
  return answer["value"];
}

}  // namespace

Result<LabCapture> LabCapture::Start(const Context& context, const std::string& lab) {
  auto [ours, theirs] = TRY(rootless::OpenChannel());
  std::fflush(nullptr);
  context.out->flush();
  context.err->flush();
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) return SystemError(errno, "fork");
  if (child == 0) {
    ours.Reset();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self) _exit(1);
    LiveAsListener(context, lab, theirs);
  }
  theirs.Reset();
  LabCapture capture(child, std::move(ours));
  TRY(capture.CatchUp());
  return capture;
}

LabCapture::LabCapture(LabCapture&& other) noexcept
    : child_(std::exchange(other.child_, -1)), channel_(std::move(other.channel_)) {}

LabCapture::~LabCapture() {
  if (child_ < 0) return;
  // It may have ended by itself.
  (void)rootless::SendMessage(channel_.get(), JsonText({{"do", kEndListening}}));
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Status LabCapture::CatchUp() const {
  TRY(Ask(channel_, {{"do", kCatchUpWithLab}}));
  return {};
}

Result<std::vector<CapturedNode>> LabCapture::Write(const std::string& folder) const {
  const Json value = TRY(Ask(channel_, {{"do", kWritePackets}, {"folder", folder}}));
  std::vector<CapturedNode> nodes;
  for (const Json& node : value) {
    CapturedNode captured{
        .node = node["node"].get<std::string>(), .file = node["file"].get<std::string>(), .interfaces = {}};
    for (const Json& interface : node["interfaces"]) {
      captured.interfaces.push_back({.name = interface["name"].get<std::string>(),
                                     .passed = interface["passed"].get<std::uint64_t>(),
                                     .lost = interface["lost"].get<std::uint64_t>(),
                                     .kept = interface["kept"].get<std::uint64_t>(),
                                     .why_not = interface["why_not"].get<std::string>()});
    }
    nodes.push_back(std::move(captured));
  }
  return nodes;
}

}  // namespace runner
