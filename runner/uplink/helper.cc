#include "uplink/helper.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "uplink/confine.h"
#include "uplink/control.h"
#include "uplink/dns_relay.h"
#include "uplink/frames.h"
#include "uplink/lifeline.h"
#include "uplink/log.h"
#include "uplink/loop.h"
#include "uplink/porter.h"
#include "uplink/relay_server.h"
#include "uplink/slirp_stack.h"
#include "uplink/spec.h"

namespace runner {
namespace {

struct Orders {
  UplinkSpec spec;
  std::vector<ForwardSpec> forwards;
  std::string token;
};

Result<Orders> ReadOrders() {
  const std::string text = TRY(ReadFile(fmt::format("/proc/self/fd/{}", kHelperConfigFd)));
  const Json json = TRY(ParseJson(text));
  if (!json.is_object() || !json.contains("spec") || !json.contains("forwards") || !json["forwards"].is_array()) {
    return Fail("the orders are incomplete");
  }
  Orders orders;
  orders.spec = TRY(UplinkSpec::FromJson(json["spec"]));
  for (const Json& forward : json["forwards"]) orders.forwards.push_back(TRY(ForwardSpec::FromJson(forward)));
  if (json.contains("token") && json["token"].is_string()) orders.token = json["token"].get<std::string>();
  return orders;
}

// Abstract names vanish with their process: two helpers of one uplink cannot be, and the lab is told by the name.
Result<Fd> TakeMarker(const UplinkSpec& spec) {
  Fd marker(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!marker.is_open()) return SystemError(errno, "open the marker");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  // Another user's lab of the same name may be here too: the folder of its records tells them apart.
  const std::string whose = fmt::format("/{:016x}", StableHash(spec.state_folder + "/" + spec.node));
  std::string name = fmt::format("toporun/{}/uplink/{}", spec.lab, spec.node);
  name.resize(std::min(name.size(), sizeof address.sun_path - 1 - whose.size()));
  name += whose;
  const std::size_t length = name.size();
  name.copy(address.sun_path + 1, length);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  if (bind(marker.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    const int code = errno;
    if (code == EADDRINUSE) {
      return Fail(fmt::format("another process serves the uplink of \"{}\" in lab \"{}\"", spec.node, spec.lab));
    }
    return SystemError(code, "bind the marker");
  }
  return marker;
}

class Helper {
 public:
  Helper()
      : log_(STDERR_FILENO),
        lifeline_(loop_, [this](const std::string& why) { End(why); }),
        porter_(
            loop_, [this](Fd client) { control_->Serve(std::move(client)); },
            [this](const std::string& why) { End(why); }) {}

  /// `role` is the program's own first argument.
  Status Start(char* role);
  void Run() {
    loop_.Run();
    log_.Line(fmt::format("ended: {}", why_));
  }

 private:
  void End(const std::string& why) {
    why_ = why;
    loop_.Stop();
  }
  Status Serve(Fd node);
  Json Handle(const Json& request, std::vector<Fd>& sockets);
  Json State() const;
  Status Add(const Json& request, std::vector<Fd>& sockets);
  Status Remove(const Json& request);
  Status Change(const Json& request);
  Result<ForwardSpec> ForwardOf(const Json& request) const;

  Log log_;
  Loop loop_;
  Lifeline lifeline_;
  Orders orders_;
  std::string why_;
  Fd marker_;
  Porter porter_;
  Confinement confinement_;
  std::unique_ptr<DnsRelay> relay_;
  std::unique_ptr<RelayServer> relay_server_;
  std::unique_ptr<Frames> frames_;
  std::unique_ptr<ControlServer> control_;
};

Status Helper::Start(char* role) {
  TRY(loop_.status());
  TRY(lifeline_.WatchSignals());
  orders_ = TRY(ReadOrders());
  const UplinkSpec& spec = orders_.spec;
  Fd node(kHelperNodeFd);
  marker_ = TRY(TakeMarker(spec));
  TRY(porter_.Start(spec, role));
  TRY(Serve(std::move(node)));
  control_ = std::make_unique<ControlServer>(
      loop_, [this](const Json& request, std::vector<Fd>& sockets) { return Handle(request, sockets); });
  confinement_ = TRY(Confine());
  log_.Line(fmt::format("serves \"{}\" of lab \"{}\", process {}, libslirp {}", spec.node, spec.lab, getpid(),
                        SlirpStack::Version()));
  for (const std::string& refused : confinement_.refused) log_.Line(fmt::format("the machine refuses its {}", refused));
  return {};
}

// All that needs a privilege, a name or a file: sockets of the node, addresses of the host's interfaces, ports.
Status Helper::Serve(Fd node) {
  const UplinkSpec& spec = orders_.spec;
  relay_ = std::make_unique<DnsRelay>(loop_, log_, spec, [this] { return porter_.Servers(); });
  relay_server_ = std::make_unique<RelayServer>(loop_, *relay_);
  relay_server_->SetServing(spec.dns);
  if (spec.kind == UplinkSpec::Kind::kSlirp) {
    frames_ = std::make_unique<Frames>(loop_, log_, *relay_, spec, std::move(node),
                                       [this] { End(fmt::format("the tap \"{}\" is gone", orders_.spec.interface)); });
    TRY(frames_->Start());
    for (const ForwardSpec& forward : orders_.forwards) TRY(frames_->Listen(forward));
    const auto admits = [this](const UdpEndpoint& client) { return frames_->Owns(client); };
    const std::uint16_t ipv4 = relay_server_->ListenOnLoopback(Family::kIpv4, admits);
    const std::uint16_t ipv6 = spec.ipv6 ? relay_server_->ListenOnLoopback(Family::kIpv6, admits) : std::uint16_t{0};
    frames_->SetRelayPorts(ipv4, ipv6);
  } else {
    TRY(relay_server_->Listen(node.get(), spec.relay_addresses));
  }
  return {};
}

Json Helper::State() const {
  Json json;
  json["ok"] = true;
  json["pid"] = getpid();
  json["token"] = orders_.token;
  json["spec"] = orders_.spec.ToJson();
  json["forwards"] = Json::array();
  json["slirp"] = SlirpStack::Version();
  json["wakeups"] = loop_.rounds();
  json["dns_pending"] = relay_->pending();
  json["refused"] = confinement_.refused;
  json["landlock"] = confinement_.landlock;
  if (frames_ == nullptr) return json;
  for (const ForwardSpec& forward : frames_->forwards()) json["forwards"].push_back(forward.ToJson());
  json["udp_flows"] = frames_->udp_flows();
  json["dropped"] = Json::object();
  for (std::size_t i = 1; i < frames_->dropped().size(); ++i) {
    json["dropped"][std::string(VerdictName(static_cast<Verdict>(i)))] = frames_->dropped()[i];
  }
  return json;
}

Json Helper::Handle(const Json& request, std::vector<Fd>& sockets) {
  const auto what = request.find("do");
  if (what == request.end() || !what->is_string()) return ControlError("the request has no \"do\"");
  const auto name = what->get<std::string>();
  Status done;
  if (name == "state") return State();
  if (name == "add") {
    done = Add(request, sockets);
  } else if (name == "remove") {
    done = Remove(request);
  } else if (name == "change") {
    done = Change(request);
  } else if (name == "stop") {
    End("told to stop");
  } else {
    return ControlError(fmt::format("\"do\" is \"{}\": not one of state, add, remove, change, stop", name));
  }
  if (!done) return ControlError(done.error().text());
  Json json;
  json["ok"] = true;
  return json;
}

Result<ForwardSpec> Helper::ForwardOf(const Json& request) const {
  if (frames_ == nullptr) return Fail("this uplink has no libslirp to forward with");
  const auto forward = request.find("forward");
  if (forward == request.end()) return Fail("the request has no \"forward\"");
  return ForwardSpec::FromJson(*forward);
}

Status Helper::Add(const Json& request, std::vector<Fd>& sockets) {
  const ForwardSpec forward = TRY(ForwardOf(request));
  const auto& now = frames_->forwards();
  if (std::find(now.begin(), now.end(), forward) != now.end()) {
    return Fail(fmt::format("{} is published already", forward.text()));
  }
  TRY(frames_->Listen(forward, std::move(sockets)));
  log_.Line(fmt::format("published {}", forward.text()));
  return {};
}

Status Helper::Remove(const Json& request) {
  const ForwardSpec forward = TRY(ForwardOf(request));
  const auto& now = frames_->forwards();
  if (std::find(now.begin(), now.end(), forward) == now.end()) {
    return Fail(fmt::format("{} is not published", forward.text()));
  }
  frames_->Unlisten(forward);
  log_.Line(fmt::format("withdrew {}", forward.text()));
  return {};
}

Status Helper::Change(const Json& request) {
  const auto json = request.find("spec");
  if (json == request.end()) return Fail("the request has no \"spec\"");
  const UplinkSpec wanted = TRY(UplinkSpec::FromJson(*json));
  if (!CanChangeInPlace(orders_.spec, wanted)) return Fail("this change needs a restart of the uplink");
  const std::string resolv_conf = orders_.spec.resolv_conf;
  orders_.spec = wanted;
  // The porter reads one file, and cannot be told another.
  orders_.spec.resolv_conf = resolv_conf;
  relay_->Change(wanted);
  if (frames_ != nullptr) frames_->Change(wanted);
  relay_server_->SetServing(wanted.dns);
  log_.Line("changed");
  return {};
}

void Tell(const Json& json) {
  const std::string line = JsonText(json) + "\n";
  // Nobody waits any more if the supervisor was killed; the lab is still to be served.
  [[maybe_unused]] const ssize_t written = write(kHelperReadyFd, line.data(), line.size());
}

}  // namespace

int UplinkHelperMain(int argc, char** argv) {
  if (argc != 5 || fcntl(kHelperReadyFd, F_GETFD) < 0 || fcntl(kHelperNodeFd, F_GETFD) < 0) {
    fmt::print(stderr, "{}: this is started by \"toporun up\"\n", argc > 1 ? argv[1] : "uplink-helper");
    return 2;
  }
  ConfineEarly(kHelperFds);
  int status = 0;
  {
    Helper helper;
    const Status started = helper.Start(argv[1]);
    close(kHelperConfigFd);
    Json json;
    if (started) {
      json["ready"] = true;
    } else {
      json["error"] = started.error().text();
      json["code"] = started.error().code;
      fmt::print(stderr, "{}\n", started.error().text());
      status = 1;
    }
    Tell(json);
    close(kHelperReadyFd);
    if (started) helper.Run();
  }
  // Without the handlers of exit: a leak checker could not look into a process that cannot be traced.
  std::fflush(nullptr);
  std::_Exit(status);
}

}  // namespace runner
