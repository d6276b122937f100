// Folders, namespaces, sysctls and files: the ground that a lab stands on.
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "exec/apply.h"
#include "kernel/files.h"
#include "kernel/mark.h"
#include "kernel/netconf.h"
#include "kernel/sysctl.h"

namespace runner {
namespace {

constexpr int kLoopbackIndex = 1;  // in every namespace (LOOPBACK_IFINDEX, include/net/flow.h)

bool IsFolder(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/// In the current namespace, of which `socket` is: writes only what differs.
Status SetForwarding(NetlinkSocket& socket, const NamespaceAttributes& ns) {
  if (ns.forwarding_ipv4 && TRY(ReadForwarding(socket, AF_INET)) != *ns.forwarding_ipv4) {
    TRY(WriteSysctl("net.ipv4.ip_forward", *ns.forwarding_ipv4 ? "1" : "0"));
  }
  if (ns.forwarding_ipv6 && TRY(ReadForwarding(socket, AF_INET6)) != *ns.forwarding_ipv6) {
    TRY(WriteSysctl("net.ipv6.conf.all.forwarding", *ns.forwarding_ipv6 ? "1" : "0"));
  }
  return {};
}

/// In the current namespace: no interface speaks IPv6, where the kernel knows it at all.
Status TurnIpv6Off() {
  for (const char* of : {"default", "all"}) {
    Status written = WriteSysctl(std::string("net.ipv6.conf.") + of + ".disable_ipv6", "1");
    if (!written.ok() && written.error().code == ENOENT) return {};
    TRY(std::move(written));
  }
  return {};
}

Status CreateNode(ApplyContext& context, const NamespaceAttributes& ns) {
  std::optional<NetlinkSocket> socket;
  const auto setup = [&]() -> Status {
    socket = TRY(NetlinkSocket::Open());
    if (ns.is_switch) TRY(TurnIpv6Off());
    TRY(SetForwarding(*socket, ns));
    LinkUpdate loopback;
    loopback.alias = NamespaceMark(context.options.lab, ns.node);
    loopback.up = true;
    return ChangeLink(*socket, kLoopbackIndex, loopback);
  };
  Namespace place = TRY(CreateNamespace(context.sessions.directory(), ns.name, setup));
  context.sessions.Put(ns.name, Session(std::move(place), std::move(*socket)));
  return {};
}

Status AttachNode(ApplyContext& context, const NamespaceAttributes& ns) {
  const Namespace place = TRY(OpenAttached(ns.attach));
  TRY(BindNamespace(context.sessions.directory(), ns.name, place));
  context.sessions.Drop(ns.name);
  const InNamespace here = TRY(InNamespace::Enter(place));
  NetlinkSocket socket = TRY(NetlinkSocket::Open());
  return SetForwarding(socket, ns);
}

/// Ends the processes that are still in a namespace of ours, and tells their names.
Status EndProcesses(ApplyContext& context, const NamespaceName& name) {
  auto opened = Namespace::OpenPath(context.sessions.directory().Path(name));
  // A stray file holds no processes.
  if (!opened.ok()) return {};
  // One walk through /proc tells which of all the namespaces have any.
  if (!context.processes) context.processes = kernel::FindProcessesByNamespace();
  const auto inode = TRY(kernel::ReadNamespaceInode(opened->fd()));
  if (!context.processes->contains(inode)) return {};
  for (const kernel::ProcessInfo& process : TRY(kernel::EndProcesses(opened->fd()))) {
    context.options.ended(name + ": ended process " + std::to_string(process.identity.pid) + " (" + process.comm + ")");
  }
  return {};
}

Status RestoreForwarding(ApplyContext& context, const Action& action, const NamespaceAttributes& ns) {
  if (!action.former) return {};
  Session& session = *TRY(context.sessions.Get(ns.name));
  const InNamespace here = TRY(InNamespace::Enter(session.place()));
  return SetForwarding(session.socket(), std::get<NamespaceAttributes>(*action.former));
}

Status RemoveNamespace(ApplyContext& context, const Action& action, const NamespaceAttributes& ns) {
  if (ns.attach.empty()) {
    TRY(EndProcesses(context, ns.name));
  } else {
    TRY(RestoreForwarding(context, action, ns));
  }
  context.sessions.Drop(ns.name);
  TRY(DeleteNamespace(context.sessions.directory(), ns.name));
  return kernel::NodeFiles(context.options.files_base, ns.name).RemoveFolderIfEmpty();
}

}  // namespace

Status ApplyFolder(ApplyContext& context, const Action& action, const FolderAttributes& folder) {
  SharedHost shared(context.options.state);
  const std::string key = "folder:" + folder.name;
  const bool names = folder.name == "netns";
  const std::string& path = names ? context.options.namespace_directory : context.options.files_base;
  const auto remove = [&](const std::string& former) -> Status {
    // Somebody else's names or files keep it, and so does its having been there before.
    if (former != "absent") return {};
    if (names && !TRY(ListNamespaces(context.sessions.directory())).empty()) return {};
    if (names && umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) {
      return SystemError(errno, "unmount " + Quote(path));
    }
    if (rmdir(path.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST) {
      return SystemError(errno, "remove folder " + Quote(path));
    }
    return {};
  };
  if (action.verb == Verb::kRemove) return shared.Leave(key, context.options.lab, remove);
  // Counted first: whoever finds the folder after a crash knows that it is ours.
  TRY(shared.Join(key, context.options.lab,
                  [&path]() -> Result<std::string> { return std::string(IsFolder(path) ? "there" : "absent"); }));
  Status made = names ? PrepareNamespaceDirectory(context.sessions.directory()) : MakeFolders(path);
  if (!made.ok()) TRY(shared.Leave(key, context.options.lab, remove));
  return made;
}

Status ApplyNamespace(ApplyContext& context, const Action& action, const NamespaceAttributes& ns) {
  switch (action.verb) {
    case Verb::kCreate:
      // What a crash left under the name, and the record calls ours.
      if (action.before) TRY(DeleteNamespace(context.sessions.directory(), ns.name));
      return ns.attach.empty() ? CreateNode(context, ns) : AttachNode(context, ns);
    case Verb::kChange: {
      Session& session = *TRY(context.sessions.Get(ns.name));
      const InNamespace here = TRY(InNamespace::Enter(session.place()));
      return SetForwarding(session.socket(), ns);
    }
    case Verb::kRemove:
      return RemoveNamespace(context, action, ns);
    default:
      return {};
  }
}

Status WriteSysctlIn(ApplyContext& context, const NamespaceName& ns, const std::string& key, const std::string& value) {
  if (ns.empty()) return WriteSysctl(key, value);
  Session& session = *TRY(context.sessions.Get(ns));
  const InNamespace here = TRY(InNamespace::Enter(session.place()));
  return WriteSysctl(key, value);
}

Status ApplySysctl(ApplyContext& context, const Action& action, const SysctlAttributes& sysctl) {
  const bool on_host = sysctl.ns.empty();
  SharedHost shared(context.options.state);
  const std::string key = "sysctl:" + sysctl.key;
  const std::string& lab = context.options.lab;
  if (action.verb != Verb::kRemove) {
    if (on_host) TRY(shared.Join(key, lab, [&] { return ReadSysctl(sysctl.key); }));
    return WriteSysctlIn(context, sysctl.ns, sysctl.key, sysctl.value);
  }
  if (on_host) {
    // Other labs may still need it; the last one puts back what the first one found.
    return shared.Leave(key, lab, [&](const std::string& former) { return WriteSysctl(sysctl.key, former); });
  }
  if (!action.former) return {};
  return WriteSysctlIn(context, sysctl.ns, sysctl.key, std::get<SysctlAttributes>(*action.former).value);
}

Status ApplyFile(ApplyContext& context, const Action& action, const FileAttributes& file) {
  if (file.ns.empty()) {
    const std::string path = context.SharedHosts();
    if (action.verb != Verb::kRemove) {
      TRY(ReplaceFile(path, file.content));
      return RefreshViews(context, "");
    }
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return SystemError(errno, "remove " + Quote(path));
    return {};
  }
  const kernel::NodeFiles files(context.options.files_base, file.ns);
  if (action.verb == Verb::kRemove) {
    TRY(files.Remove(file.name));
    return files.RemoveFolderIfEmpty();
  }
  TRY(file.shared ? files.Link(file.name, context.SharedHosts()) : files.Write(file.name, file.content));
  return RefreshViews(context, file.ns);
}

}  // namespace runner
