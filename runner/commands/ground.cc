#include "commands/ground.h"

#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "commands/inside.h"
#include "kernel/netns.h"

namespace runner {
namespace {

constexpr const char* kRemedy = "; run it as root";

/// The user namespace that owns a network namespace; nothing where it may not be told.
std::optional<ino_t> OwnerOf(const std::string& path) {
  const auto ns = Namespace::OpenPath(path);
  if (!ns.ok()) return std::nullopt;
  const Fd owner(ioctl(ns->fd(), NS_GET_USERNS));
  struct stat info {};
  if (!owner.is_open() || fstat(owner.get(), &info) != 0) return std::nullopt;
  return info.st_ino;
}

class Finder {
 public:
  Finder(const Topology& topology, std::optional<std::uint64_t> own_users)
      : topology_(topology), own_users_(own_users) {}

  Errors Find() {
    for (const Node& node : topology_.nodes) FindInNode(node);
    for (const Bridge& bridge : topology_.bridges) FindInBridge(bridge);
    for (const Interface& interface : topology_.host_interfaces) FindInInterface("host", interface);
    return std::move(errors_);
  }

 private:
  void Tell(const Mark& at, std::string where, const std::string& why) {
    Error error{.where = std::move(where), .tried = {}, .why = why + kRemedy};
    error.failure = Failure::kTopology;
    error.at = at;
    errors_.push_back(std::move(error));
  }

  void FindInNode(const Node& node) {
    const std::string where = "node " + Quote(node.name);
    if (node.attach && !IsOwn(node.attach->to)) {
      Tell(node.attach->at, where, "`attach`: without privilege only a namespace of this lab's own can be taken in");
    }
    if (node.uplink && node.uplink->type == Uplink::Type::kNat) {
      Tell(node.uplink->at, where, "an uplink of `type: nat` needs privilege on the host; `type: slirp` needs none");
    }
    for (const Interface& interface : node.interfaces) FindInInterface(node.name, interface);
    for (const Process& process : node.processes) {
      if (process.user.empty() || process.user == "root" || process.user == "0") continue;
      Tell(process.at, "process " + Quote(node.name + "/" + process.name),
           "`user`: without privilege a lab has one user, who is root in it; there is no " + Quote(process.user));
    }
  }

  void FindInInterface(const std::string& place, const Interface& interface) {
    const std::string where = "interface " + Quote(place + ":" + interface.name);
    const Mark& at = interface.type_at.known() ? interface.type_at : interface.at;
    if (const auto* physical = std::get_if<Physical>(&interface.type)) {
      Tell(at, where, "`type: physical`: without privilege the host's " + Quote(physical->device) + " cannot be moved");
    }
    if (const ParentDevice* parent = ParentOf(interface.type); parent != nullptr && IsReal(*parent)) {
      Tell(at, where,
           fmt::format("`link: host:{}`: without privilege `host` is the lab's own outer namespace, which has no such "
                       "interface",
                       parent->name));
    }
  }

  void FindInBridge(const Bridge& bridge) {
    if (!bridge.place.is_host()) return;
    for (const At<std::string>& member : bridge.members) {
      if (IsMade(member.value)) continue;
      Tell(member.at, "bridge " + Quote(bridge.name),
           "`members`: without privilege `host` is the lab's own outer namespace, which has no interface " +
               Quote(member.value));
    }
  }

  bool IsReal(const ParentDevice& parent) const { return parent.on_host && !IsMade(parent.name); }

  /// Whether the lab makes the interface at `host`.
  bool IsMade(const std::string& interface) const {
    return topology_.FindInterface({.kind = Place::Kind::kHost, .name = {}}, interface) != nullptr;
  }

  bool IsOwn(const std::variant<Attach::Pid, Attach::Path, Attach::Container>& to) const {
    // A container engine's namespaces are its own.
    if (!own_users_ || std::holds_alternative<Attach::Container>(to)) return false;
    const auto* pid = std::get_if<Attach::Pid>(&to);
    return OwnerOf(pid != nullptr ? fmt::format("/proc/{}/ns/net", pid->pid) : std::get<Attach::Path>(to).path) ==
           own_users_;
  }

  const Topology& topology_;
  std::optional<std::uint64_t> own_users_;
  Errors errors_;
};

}  // namespace

Result<void, Errors> CheckGround(const Context& context, const WantedLab& wanted) {
  if (context.ground == Ground::kMachine) return {};
  auto users = UserNamespaceOf(context, wanted.topology.name);
  if (!users.ok()) return Errors{std::move(users).error()};
  Errors errors = Finder(wanted.topology, *users).Find();
  if (errors.empty()) return {};
  return WithExcerpts(std::move(errors), wanted.source);
}

}  // namespace runner
