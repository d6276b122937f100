#include "process/keeper.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "process/children.h"
#include "process/service.h"
#include "process/spec.h"
#include "process/view.h"
#include "uplink/control.h"
#include "uplink/log.h"
#include "uplink/loop.h"

namespace runner::process {
namespace {

Result<KeeperSpec> ReadOrders() {
  const std::string text = TRY(ReadFile(fmt::format("/proc/self/fd/{}", kKeeperOrdersFd)));
  return KeeperSpec::FromJson(TRY(ParseJson(text)));
}

/// The member of a request; empty where it is none.
std::string TextOf(const Json& request, const char* key) {
  const auto found = request.find(key);
  return found != request.end() && found->is_string() ? found->get<std::string>() : "";
}

bool IsPidfd(int fd) {
  struct stat info {};
  // /dev/null stands in its place where there is no holder.
  return fstat(fd, &info) == 0 && !S_ISCHR(info.st_mode);
}

class Keeper {
 public:
  Keeper() : log_(STDERR_FILENO), holder_(kKeeperHolderFd) {}

  Status Start();
  void Run() {
    loop_.Run();
    log_.Line("ended: " + why_);
  }

 private:
  Status WatchSignals();
  void TakeSignals();
  void End(const std::string& why);
  void EndIfDone();

  Json Handle(const Json& request, std::vector<Fd>& sockets);
  Json State() const;
  Status Put(const Json& request, const std::vector<Fd>& sockets);
  Status Do(const std::string& what, const Json& request);
  Result<Service*> FindService(const Json& request);

  Log log_;
  Loop loop_;
  Children children_;
  KeeperSpec spec_;
  Fd folder_;  // of the lab's state, which the view may hide
  Fd holder_;
  Fd signals_;
  Fd listener_;
  std::optional<ControlSocket> socket_;
  std::unique_ptr<ControlServer> control_;
  std::optional<View> view_;
  std::unique_ptr<ServiceGround> ground_;
  std::map<std::string, std::unique_ptr<Service>> services_;
  bool is_ending_ = false;
  std::string why_;
};

Status Keeper::Start() {
  TRY(loop_.status());
  TRY(WatchSignals());
  spec_ = TRY(ReadOrders());
  folder_ = TRY(OpenFile(spec_.state_folder, O_PATH | O_DIRECTORY));
  std::vector<std::string> missing;
  view_ = TRY(View::Make(spec_, missing));
  for (const std::string& one : missing) log_.Line("missing: " + one);
  const std::string folder = fmt::format("/proc/self/fd/{}", folder_.get());
  ground_ = std::make_unique<ServiceGround>(
      ServiceGround{.loop = loop_, .children = children_, .lab = spec_.lab, .node = spec_.node, .logs = folder});
  socket_ = TRY(ControlSocket::Listen(folder, SocketName(spec_.node)));
  control_ = std::make_unique<ControlServer>(
      loop_, [this](const Json& request, std::vector<Fd>& sockets) { return Handle(request, sockets); });
  loop_.Watch(socket_->get(), POLLIN, [this](short) {
    if (Fd client = socket_->Accept(geteuid()); client.is_open()) control_->Serve(std::move(client));
  });
  if (IsPidfd(holder_.get())) {
    loop_.Watch(holder_.get(), POLLIN, [this](short) {
      // Nothing that a process could do in peace is left: its lab is gone.
      why_ = "the lab's holder is gone";
      loop_.Stop();
    });
  }
  log_.Line(fmt::format("keeps \"{}\" of lab \"{}\"", spec_.node, spec_.lab));
  return {};
}

Status Keeper::WatchSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&set, number);
  if (sigprocmask(SIG_SETMASK, &set, nullptr) != 0) return SystemError(errno, "block signals");
  std::signal(SIGPIPE, SIG_IGN);
  signals_.Reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.is_open()) return SystemError(errno, "open a descriptor for signals");
  loop_.Watch(signals_.get(), POLLIN, [this](short) { TakeSignals(); });
  return {};
}

void Keeper::TakeSignals() {
  signalfd_siginfo info = {};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGCHLD) End(fmt::format("signal {}", info.ssi_signo));
  }
  children_.Reap();
  EndIfDone();
}

void Keeper::End(const std::string& why) {
  if (is_ending_) return;
  is_ending_ = true;
  why_ = why;
  for (const auto& [name, service] : services_) service->Stop();
  EndIfDone();
}

void Keeper::EndIfDone() {
  if (!is_ending_) return;
  for (const auto& [name, service] : services_) {
    if (service->lives()) return;
  }
  loop_.Stop();
}

Json Keeper::State() const {
  Json json = {{"ok", true}, {"spec", spec_.ToJson()}, {"processes", Json::array()}};
  for (const auto& [name, service] : services_) json["processes"].push_back(service->State().ToJson());
  return json;
}

Json Keeper::Handle(const Json& request, std::vector<Fd>& sockets) {
  const std::string what = TextOf(request, "do");
  if (what == "state") return State();
  const Status done = what == "put" ? Put(request, sockets) : Do(what, request);
  if (!done.ok()) return ControlError(done.error().text());
  return {{"ok", true}};
}

/// The content comes in a file.
Status Keeper::Put(const Json& request, const std::vector<Fd>& sockets) {
  const auto mode = request.find("mode");
  const std::string path = TextOf(request, "path");
  if (path.empty() || mode == request.end() || !mode->is_number_integer() || sockets.size() != 1) {
    return Fail("the request is incomplete");
  }
  const std::string content = TRY(ReadFile(fmt::format("/proc/self/fd/{}", sockets.front().get())));
  return view_->Put(path, content, mode->get<mode_t>());
}

Result<Service*> Keeper::FindService(const Json& request) {
  const std::string name = TextOf(request, "name");
  const auto found = services_.find(name);
  if (found == services_.end()) return Fail("there is no process " + Quote(name));
  return found->second.get();
}

Status Keeper::Do(const std::string& what, const Json& request) {
  if (is_ending_) return Fail("the node's keeper is about to end");
  if (what == "refresh") return view_->Refresh();
  if (what == "start" || what == "change") {
    const auto process = request.find("process");
    if (process == request.end()) return Fail("the request has no \"process\"");
    ProcessSpec spec = TRY(ProcessSpec::FromJson(*process));
    auto& service = services_[spec.name];
    if (service == nullptr) service = std::make_unique<Service>(*ground_, spec);
    log_.Thinned(fmt::format("{}s \"{}\"", what, spec.name));
    if (what == "start") {
      service->Start(std::move(spec));
    } else {
      service->Change(std::move(spec));
    }
    return {};
  }
  if (what == "again") {
    Service* service = TRY(FindService(request));
    service->Start(service->spec());
    return {};
  }
  if (what == "stop") {
    TRY(FindService(request))->Stop();
    return {};
  }
  if (what == "kill") {
    TRY(FindService(request))->Kill();
    return {};
  }
  return Fail(fmt::format("\"do\" is \"{}\": not one of state, put, refresh, start, change, again, stop, kill", what));
}

void Tell(const Json& json) {
  const std::string line = JsonText(json) + "\n";
  // Nobody waits any more: whoever started this was killed, and has recorded that it was about to.
  if (write(kKeeperReadyFd, line.data(), line.size()) < 0) std::_Exit(1);
}

}  // namespace

int KeeperMain(int argc, char** argv) {
  if (argc != 5 || fcntl(kKeeperReadyFd, F_GETFD) < 0 || fcntl(kKeeperOrdersFd, F_GETFD) < 0 || getpid() != 1) {
    fmt::print(stderr, "{}: this is started by \"toporun up\"\n", argc > 1 ? argv[1] : kKeeperCommand);
    return 2;
  }
  for (int fd = STDERR_FILENO + 1; fd < kKeeperFds; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_NAME, "toporun-keeper");
  umask(022);
  Keeper keeper;
  const Status started = keeper.Start();
  close(kKeeperOrdersFd);
  if (!started.ok()) {
    Tell({{"error", started.error().text()}, {"code", started.error().code}});
    return 1;
  }
  Tell({{"ready", true}});
  close(kKeeperReadyFd);
  keeper.Run();
  // All that is left in the node goes with its process 1.
  std::fflush(nullptr);
  std::_Exit(0);
}

}  // namespace runner::process
