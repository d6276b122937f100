#include "uplink/porter.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <type_traits>

#include <fmt/format.h>

#include "uplink/confine.h"
#include "uplink/lifeline.h"
#include "uplink/sockets.h"
#include "uplink/supervisor.h"

namespace runner {
namespace {

static_assert(sizeof kPorterCommand == sizeof kUplinkHelperCommand);
static_assert(std::is_trivially_copyable_v<NameServer>);

// The first letter of a message; `kGone` and `kFailed` carry a reason.
constexpr char kReady = 'r';
constexpr char kFailed = 'f';
constexpr char kClient = 'c';
constexpr char kGone = 'g';
constexpr char kRemoveSocket = 'x';  // to the child

constexpr int kPatience = 1000;
constexpr std::size_t kLongestMessage = 4096;
constexpr std::size_t kMostServers = 64;

struct Ends {
  Fd ours;
  Fd theirs;
};

Result<Ends> Pair() {
  std::array<int, 2> ends = {};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return SystemError(errno, "make a socket to the porter");
  }
  return Ends{.ours = Fd(ends[0]), .theirs = Fd(ends[1])};
}

void CloseAllBut(std::vector<int> kept) {
  std::ranges::sort(kept);
  unsigned from = STDERR_FILENO + 1;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > from) syscall(SYS_close_range, from, number - 1, 0U);
    from = number + 1;
  }
  syscall(SYS_close_range, from, ~0U, 0U);
}

// The child. Nothing here throws or returns to the helper's own code.
class Doorway {
 public:
  Doorway(ControlSocket control, Fd events, Fd questions, const UplinkSpec& spec)
      : control_(std::move(control)),
        events_(std::move(events)),
        questions_(std::move(questions)),
        resolv_conf_(spec.resolv_conf),
        lifeline_(loop_, [this](const std::string& why) { Say(kGone + why); }) {}

  void Run(const UplinkSpec& spec) {
    if (const Status watched = Prepare(spec); !watched) {
      Say(kFailed + watched.error().text());
      return;
    }
    Say(std::string(1, kReady));
    loop_.Watch(control_.get(), POLLIN, [this](short) { LetIn(); });
    loop_.Watch(questions_.get(), POLLIN, [this](short) { Answer(); });
    loop_.Watch(events_.get(), POLLIN, [this](short) { Hear(); });
    loop_.Run();
  }

 private:
  Status Prepare(const UplinkSpec& spec) {
    if (spec.holder.pid != 0) TRY(lifeline_.WatchProcess(spec.holder));
    if (!spec.node_path.empty()) TRY(lifeline_.WatchNode(spec.node_path));
    return DropPrivileges();
  }
  void Say(const std::string& text) {
    // A helper that has gone is noticed by Hear.
    [[maybe_unused]] const ssize_t sent = send(events_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  void LetIn() {
    std::array<Fd, 1> client = {control_.Accept(geteuid())};
    if (!client[0].is_open()) return;
    // One that the helper does not take sees its connection end.
    [[maybe_unused]] const ssize_t sent = SendWithSockets(events_.get(), {&kClient, 1}, client);
  }
  void Answer() {
    char question = 0;
    if (recv(questions_.get(), &question, 1, 0) <= 0) return loop_.Stop();
    std::vector<NameServer> servers = resolv_conf_.Servers();
    servers.resize(std::min(servers.size(), kMostServers));
    [[maybe_unused]] const ssize_t sent =
        send(questions_.get(), servers.data(), servers.size() * sizeof(NameServer), MSG_NOSIGNAL);
  }
  void Hear() {
    char word = 0;
    const ssize_t size = recv(events_.get(), &word, 1, 0);
    // A killed helper's socket stays for the next: this one may be the next one's already.
    if (size == 1 && word == kRemoveSocket) control_.Remove();
    loop_.Stop();
  }

  Loop loop_;
  ControlSocket control_;
  Fd events_;
  Fd questions_;
  ResolvConf resolv_conf_;
  Lifeline lifeline_;
};

[[noreturn]] void BeDoorway(ControlSocket control, Ends events, Ends questions, const UplinkSpec& spec, char* role) {
  std::memcpy(role, kPorterCommand, sizeof kPorterCommand);
  prctl(PR_SET_NAME, "toporun-porter");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  CloseAllBut({control.get(), control.folder(), events.theirs.get(), questions.theirs.get()});
  {
    Doorway doorway(std::move(control), std::move(events.theirs), std::move(questions.theirs), spec);
    doorway.Run(spec);
  }
  std::_Exit(0);
}

}  // namespace

Status Porter::Start(const UplinkSpec& spec, char* role) {
  auto control = TRY(ControlSocket::Listen(spec.state_folder, fmt::format("uplink-{}.sock", spec.node)));
  Ends events = TRY(Pair());
  Ends questions = TRY(Pair());
  pid_ = fork();
  if (pid_ < 0) return SystemError(errno, "fork the porter");
  if (pid_ == 0) BeDoorway(std::move(control), std::move(events), std::move(questions), spec, role);
  events_ = std::move(events.ours);
  questions_ = std::move(questions.ours);
  events.theirs.Reset();

  std::array<char, kLongestMessage> message;
  const ssize_t size = recv(events_.get(), message.data(), message.size(), 0);
  if (size <= 0) return Fail("the porter ended before it was ready");
  if (message[0] == kFailed) return Fail(std::string(message.data() + 1, static_cast<std::size_t>(size) - 1));
  loop_.Watch(events_.get(), POLLIN, [this](short) { Ready(); });
  return {};
}

Porter::~Porter() {
  if (pid_ <= 0) return;
  loop_.Forget(events_.get());
  [[maybe_unused]] const ssize_t sent = send(events_.get(), &kRemoveSocket, 1, MSG_NOSIGNAL);
  events_.Reset();
  questions_.Reset();
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Porter::Ready() {
  std::array<char, kLongestMessage> message;
  std::vector<Fd> clients;
  const ssize_t size = ReceiveWithSockets(events_.get(), message, clients);
  if (size <= 0) return end_("its porter is gone");
  if (message[0] == kGone) return end_(std::string(message.data() + 1, static_cast<std::size_t>(size) - 1));
  for (Fd& client : clients) client_(std::move(client));
}

std::vector<NameServer> Porter::Servers() {
  std::array<NameServer, kMostServers> answer;
  // An answer that came too late for its question.
  while (recv(questions_.get(), answer.data(), sizeof answer, MSG_DONTWAIT) > 0) {
  }
  constexpr char kQuestion = 'q';
  if (send(questions_.get(), &kQuestion, 1, MSG_NOSIGNAL) != 1) return {};
  pollfd polled = {.fd = questions_.get(), .events = POLLIN, .revents = 0};
  if (poll(&polled, 1, kPatience) <= 0) return {};
  const ssize_t size = recv(questions_.get(), answer.data(), sizeof answer, 0);
  if (size <= 0) return {};
  return {answer.begin(), answer.begin() + size / static_cast<ssize_t>(sizeof(NameServer))};
}

}  // namespace runner
