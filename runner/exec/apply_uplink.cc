// Uplinks and their published ports, and the commands that run once.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "exec/apply.h"
#include "exec/physical.h"
#include "exec/preflight.h"
#include "exec/translate.h"
#include "kernel/enter.h"
#include "kernel/files.h"
#include "kernel/nftables_user.h"
#include "plan/names.h"
#include "process/client.h"
#include "uplink/supervisor.h"

namespace runner {
namespace {

/// The lab's side of an uplink, from the wish or the record.
struct NodeDevice {
  DeviceAttributes device;
  NamespaceName far;  // where the other end of a veth is; empty: it is a tap
};

NodeDevice DeviceOf(const ApplyContext& context, const UplinkAttributes& uplink) {
  const std::string name = uplink.node + ":" + uplink.interface;
  const std::string far = PacketEndPlace(uplink.node).name + ":" + uplink.interface;
  if (const auto tap = context.known.find({.kind = Kind::kTap, .name = name}); tap != context.known.end()) {
    return {.device = std::get<TapAttributes>(tap->second).device, .far = {}};
  }
  const auto found = context.known.find({.kind = Kind::kVeth, .name = name + "--" + far});
  if (found == context.known.end()) return {};
  const auto& veth = std::get<VethAttributes>(found->second);
  return {.device = veth.a, .far = veth.b.ns};
}

/// Whether the helper belongs into namespaces that this process is not in.
bool IsLaunchedOutside(const ApplyContext& context, const UplinkAttributes& uplink) {
  return uplink.from.empty() && context.options.host_side.launch;
}

UplinkSpec SpecOf(const ApplyContext& context, const UplinkAttributes& uplink) {
  UplinkSpec spec = UplinkSpecFrom(uplink, {.lab = context.options.lab,
                                            .state_folder = context.StateFolder(),
                                            .netns_path = context.sessions.directory().Path(uplink.ns),
                                            .mac = DeviceOf(context, uplink).device.mac.value_or(MacAddress())});
  const kernel::ProcessIdentity& holder = context.options.host_side.holder;
  spec.holder = holder;
  // From outside, the lab's names are seen through its holder.
  if (IsLaunchedOutside(context, uplink)) spec.node_path = fmt::format("/proc/{}/root{}", holder.pid, spec.node_path);
  return spec;
}

Status StopHelper(ApplyContext& context, const std::string& node) {
  // By its socket, and by its command line: one that does not answer is stopped too.
  std::vector<UplinkProcess> helpers = FindUplinks(context.options.lab, context.StateFolder());
  std::erase_if(helpers, [&node](const UplinkProcess& helper) { return helper.node != node; });
  for (const UplinkProcess& helper : helpers) TRY(StopUplink(helper));
  return {};
}

Error LastWords(int status, const std::vector<std::string>& lines) {
  Error error = Fail("exit status " + std::to_string(status));
  for (const std::string& line : lines) error.notes.push_back({.at = {}, .text = line});
  return error;
}

/// An error in the user's nft text, told with the line of that text.
Error AboutNft(Error error, const Resource& resource) {
  error.where = resource.id.text();
  if (error.at.known()) {
    error.notes.insert(
        error.notes.begin(),
        {.at = {}, .text = "line " + std::to_string(error.at.line) + " of the commands: " + error.excerpt});
  }
  for (Note& note : error.notes) note.at = {};
  error.at = resource.at;
  error.excerpt.clear();
  return error;
}

}  // namespace

Status ApplyUplink(ApplyContext& context, const Action& action, const UplinkAttributes& uplink) {
  switch (action.verb) {
    case Verb::kRemove:
      return StopHelper(context, uplink.node);
    case Verb::kChange:
      return ChangeUplink(SpecOf(context, uplink));
    case Verb::kCreate: {
      // One that is silent or was left by a crash would hold the tap.
      TRY(StopHelper(context, uplink.node));
      NodeSide node{.netns = TRY(context.sessions.Get(uplink.ns))->place().fd()};
      if (const NamespaceName far = DeviceOf(context, uplink).far; !far.empty()) {
        node.far_netns = TRY(context.sessions.Get(far))->place().fd();
      }
      if (IsLaunchedOutside(context, uplink)) {
        TRY(StartUplink(SpecOf(context, uplink), node, context.options.host_side.launch));
        return {};
      }
      Session& outer = *TRY(context.sessions.Get(uplink.from));
      TRY(StartUplink(SpecOf(context, uplink), {}, node, outer.place().fd(), context.options.executable));
      return {};
    }
    default:
      return {};
  }
}

Status ApplyForward(ApplyContext& context, const Action& action, const ForwardAttributes& forward) {
  const ForwardSpec spec = ForwardFrom(forward);
  if (action.verb == Verb::kAdopt) return {};
  if (action.verb == Verb::kRemove) return RemoveForward(context.StateFolder(), forward.node, spec);
  const auto found = context.known.find({.kind = Kind::kUplink, .name = forward.node});
  const UplinkAttributes uplink =
      found == context.known.end() ? UplinkAttributes() : std::get<UplinkAttributes>(found->second);
  // Out there this process has no privilege to lend.
  if (IsLaunchedOutside(context, uplink)) return AddForward(context.StateFolder(), forward.node, spec, -1);
  return AddForward(context.StateFolder(), forward.node, spec, TRY(context.sessions.Get(uplink.from))->place().fd());
}

Status ApplyExec(ApplyContext& context, const Action& action, const ExecAttributes& exec) {
  if (action.verb != Verb::kCreate) return {};
  Session& session = *TRY(context.sessions.Get(exec.ns));
  constexpr std::size_t kKept = 10;
  std::vector<std::string> last;
  const auto sink = [&](kernel::Stream, std::string_view line) {
    context.options.output(exec.node, line);
    last.emplace_back(line);
    if (last.size() > kKept) last.erase(last.begin());
  };
  kernel::EnterSpec spec;
  spec.ns_fd = session.place().fd();
  Fd keeper;
  if (context.known.contains({.kind = Kind::kView, .name = exec.node})) {
    keeper = TRY(process::OpenKeeper(context.options.lab, context.StateFolder(), exec.node));
    spec.view_fd = keeper.get();
  }
  spec.name = exec.ns;
  spec.files = kernel::NodeFiles(context.options.files_base, exec.ns).folder();
  spec.host_name = exec.node;
  spec.environment = {{"TOPORUN_LAB", context.options.lab}, {"TOPORUN_NODE", exec.node}};
  spec.argv = exec.command;
  const int status = TRY(kernel::RunCaptured(spec, sink, context.options.interrupted));
  if (status == 0) return {};
  Error error = LastWords(status, last);
  error.tried = "run " + Join(exec.command, " ");
  return error;
}

Result<Namespace> OpenAttached(const std::string& attach) {
  const std::size_t space = attach.find(' ');
  const std::string kind = attach.substr(0, space);
  const std::string what = attach.substr(space + 1);
  if (kind == "path") return Namespace::OpenPath(what);
  if (kind == "pid") {
    const auto pid = ParseInteger(what);
    if (!pid) return Fail("attach " + attach, "no process id");
    return Namespace::OpenPid(static_cast<pid_t>(*pid));
  }
  for (const char* engine : {"docker", "podman"}) {
    std::string pid;
    kernel::EnterSpec spec;
    spec.argv = {engine, "inspect", "--format", "{{.State.Pid}}", what};
    const auto status = kernel::RunCaptured(spec, [&pid](kernel::Stream stream, std::string_view line) {
      if (stream == kernel::Stream::kOutput) pid = line;
    });
    const auto number = ParseInteger(pid);
    if (status.ok() && *status == 0 && number && *number > 0) return Namespace::OpenPid(static_cast<pid_t>(*number));
  }
  return Fail("attach " + attach, "neither docker nor podman knows a running container of that name");
}

namespace {

Status CheckPorts(ApplyContext& context, const NamespaceName& from, const ForwardSpec& forward) {
  if (const auto& check = context.options.host_side.check_ports; from.empty() && check) return check({forward});
  const auto session = context.sessions.Get(from);
  // Its far side is a node that this run makes: nothing listens there yet.
  if (!session.ok()) return {};
  return CheckPortsFree({forward}, (*session)->place().fd());
}

}  // namespace

Errors CheckPlan(ApplyContext& context, const Plan& plan) {
  Errors errors = CheckMachine(plan);
  std::map<std::pair<std::string, std::vector<std::string>>, std::optional<Error>> tries;
  for (const Action& action : plan.actions) {
    if (action.verb != Verb::kCreate && action.verb != Verb::kChange) continue;
    const Resource& resource = action.resource;
    const auto add = [&](Error error) {
      if (error.where.empty()) error.where = resource.id.text();
      if (!error.at.known()) error.at = resource.at;
      errors.push_back(std::move(error));
    };
    if (const auto* nft = std::get_if<NftablesAttributes>(&resource.attributes)) {
      kernel::UserRules rules{.text = nft->text, .interfaces = context.InterfacesOf(nft->ns)};
      // Each try takes a namespace of its own, and in a large lab many nodes have the same text.
      const auto [tried, fresh] = tries.try_emplace({rules.text, rules.interfaces});
      if (fresh) {
        if (auto status = kernel::CheckUserRules(context.nft, rules); !status.ok()) tried->second = status.error();
      }
      if (tried->second) {
        errors.push_back(AboutNft(*tried->second, resource));
      }
    } else if (const auto* place = std::get_if<NamespaceAttributes>(&resource.attributes)) {
      if (place->attach.empty()) continue;
      if (auto opened = OpenAttached(place->attach); !opened.ok()) add(std::move(opened).error());
    } else if (const auto* physical = std::get_if<PhysicalAttributes>(&resource.attributes)) {
      if (action.verb != Verb::kCreate || action.replaces) continue;
      if (auto status = CheckCard(context.sessions, context.options.lab, *physical); !status.ok()) {
        add(std::move(status).error());
      }
    } else if (const auto* view = std::get_if<ViewAttributes>(&resource.attributes)) {
      for (const BindAttributes& bind : view->binds) {
        if (access(bind.host_path.c_str(), F_OK) == 0) continue;
        add(SystemError(errno, "bind " + Quote(bind.host_path)));
      }
    } else if (const auto* forward = std::get_if<ForwardAttributes>(&resource.attributes)) {
      // Ports that a helper of ours holds until its own replacement are free by then.
      if (action.before || action.replaces) continue;
      const auto uplink = context.known.find({.kind = Kind::kUplink, .name = forward->node});
      const NamespaceName from = uplink == context.known.end() ? "" : std::get<UplinkAttributes>(uplink->second).from;
      // A port that somebody has is a conflict, as the check says itself; whatever else fails is a failure.
      if (auto status = CheckPorts(context, from, ForwardFrom(*forward)); !status.ok()) {
        add(std::move(status).error());
      }
    }
  }
  return errors;
}

}  // namespace runner
