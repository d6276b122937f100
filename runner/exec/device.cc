#include "exec/device.h"

#include <algorithm>
#include <cerrno>

#include "kernel/address.h"
#include "kernel/mark.h"

namespace runner {
namespace {

constexpr std::uint32_t kSmallestIpv6Mtu = 1280;  // RFC 8200 5

std::string Ipv6Switch(std::string name) {
  // sysctl(8) writes a dot in a name as a slash.
  std::ranges::replace(name, '.', '/');
  return "net.ipv6.conf." + name + ".disable_ipv6";
}

Status SetIpv6(ApplyContext& context, const DeviceAttributes& device) {
  if (!device.ipv6) return {};
  // Below its smallest MTU the kernel has taken IPv6 off the interface, the setting with it.
  if (device.mtu && *device.mtu < kSmallestIpv6Mtu) return {};
  return WriteSysctlIn(context, device.ns, Ipv6Switch(device.name), *device.ipv6 ? "0" : "1");
}

/// A bond takes an interface only while that is down, and brings it up itself.
Status JoinBond(Session& session, int index, int bond, const DeviceAttributes& before) {
  if (before.up.value_or(false)) {
    LinkUpdate down;
    down.up = false;
    TRY(ChangeLink(session.socket(), index, down));
  }
  LinkUpdate join;
  join.master = bond;
  return ChangeLink(session.socket(), index, join);
}

}  // namespace

Result<int> MasterIndex(Session& session, const std::string& master) {
  if (master.empty()) return 0;
  return session.IndexOf(master);
}

bool IsOfGonePlace(const Error& error) { return error.code == ENOENT || error.code == EINVAL; }

Result<std::optional<int>> IndexIfThere(ApplyContext& context, const NamespaceName& ns, const std::string& name) {
  auto session = context.sessions.Get(ns);
  if (!session.ok() && IsOfGonePlace(session.error())) return std::optional<int>();
  if (!session.ok()) return std::move(session).error();
  auto index = (*session)->IndexOf(name);
  if (!index.ok() && index.error().code == ENODEV) return std::optional<int>();
  if (!index.ok()) return std::move(index).error();
  return std::optional(*index);
}

Status GiveLinkLocal(Session& session, const DeviceAttributes& device) {
  constexpr std::uint8_t kOfTheKernel = 3;  // IFAPROT_KERNEL_LL
  const bool wants = device.ipv6.value_or(false) && device.mac && !device.mac->is_zero() &&
                     device.mtu.value_or(kSmallestIpv6Mtu) >= kSmallestIpv6Mtu;
  if (!wants) return {};
  const LinkInfo link = TRY(session.LinkOf(device.name));
  if (!link.ipv6_eui64.value_or(false)) return {};
  const AddressSpec address{
      .index = link.index, .prefix = LinkLocalAddress(*device.mac), .peer = {}, .protocol = kOfTheKernel};
  Status added = AddAddress(session.socket(), address);
  // There already, or IPv6 is off here: then the kernel makes none either.
  if (!added.ok() && (added.error().code == EEXIST || added.error().code == EACCES)) return {};
  return added;
}

Status BringTo(ApplyContext& context, const DeviceAttributes& wish, const DeviceAttributes& before) {
  Session& session = *TRY(context.sessions.Get(wish.ns));
  const int index = TRY(session.IndexOf(wish.name));
  // First of all: an interface that comes up with IPv6 on has a link-local address.
  if (wish.ipv6 && wish.ipv6 != before.ipv6) TRY(SetIpv6(context, wish));
  LinkUpdate update;
  if (wish.mtu != before.mtu) update.mtu = wish.mtu;
  if (wish.mac != before.mac) update.mac = wish.mac;
  if (wish.txqueuelen != before.txqueuelen) update.txqueuelen = wish.txqueuelen;
  if (wish.up != before.up) update.up = wish.up;
  if (wish.master && wish.master != before.master) update.master = TRY(MasterIndex(session, *wish.master));
  if (update.up.value_or(false)) TRY(GiveLinkLocal(session, wish));
  if (update.master.value_or(0) != 0 && TRY(session.LinkOf(*wish.master)).kind == "bond") {
    TRY(JoinBond(session, index, *update.master, before));
    update.master.reset();
  }
  const bool any = update.mtu || update.mac || update.txqueuelen || update.up || update.master;
  return any ? ChangeLink(session.socket(), index, update) : Status();
}

LinkSettings SettingsOf(const ApplyContext& context, const DeviceAttributes& device) {
  LinkSettings settings;
  settings.name = device.name;
  settings.mtu = device.mtu;
  settings.mac = device.mac;
  settings.txqueuelen = device.txqueuelen;
  if (!context.IsOwnNamespace(device.ns)) settings.group = LinkGroup(context.options.lab);
  return settings;
}

namespace {

/// Deletes all that the plan removes from somebody else's namespace by the lab's group, if nothing else is in that.
Status Sweep(ApplyContext& context, const NamespaceName& ns, Session& session) {
  const auto found = context.going.find(ns);
  if (found == context.going.end()) return {};
  const std::set<std::string> going = std::move(found->second);
  context.going.erase(found);
  if (going.size() < 2) return {};
  const std::uint32_t group = LinkGroup(context.options.lab);
  std::vector<std::string> members;
  for (const LinkInfo& link : TRY(ReadLinks(session.socket()))) {
    if (link.group != group) continue;
    if (!going.contains(link.name)) return {};
    members.push_back(link.name);
  }
  if (members.empty() || !DeleteLinkGroup(session.socket(), group).ok()) return {};  // Then one by one.
  for (std::string& name : members) {
    session.ForgetLink(name);
    context.swept.emplace(ns, std::move(name));
  }
  return {};
}

}  // namespace

Status DeleteDevice(ApplyContext& context, const NamespaceName& ns, const std::string& name) {
  auto session = context.sessions.Get(ns);
  // Gone with its namespace.
  if (!session.ok() && IsOfGonePlace(session.error())) return {};
  if (!session.ok()) return std::move(session).error();
  Session& here = **session;
  here.ForgetLink(name);
  TRY(Sweep(context, ns, here));
  if (context.swept.contains({ns, name})) return {};
  const auto link = TRY(ReadLink(here.socket(), name));
  if (!link) return {};
  here.ForgetLink(name);
  Status status = DeleteLink(here.socket(), link->index);
  return !status.ok() && status.error().code == ENODEV ? Status() : status;
}

Status MarkAlias(ApplyContext& context, const DeviceAttributes& device, const std::string& id) {
  if (context.IsOwnNamespace(device.ns)) return {};
  Session& session = *TRY(context.sessions.Get(device.ns));
  LinkUpdate update;
  constexpr std::size_t kLongestAlias = 255;  // IFALIASZ - 1
  update.alias = ("toporun:" + context.options.lab + ":" + id).substr(0, kLongestAlias);
  return ChangeLink(session.socket(), TRY(session.IndexOf(device.name)), update);
}

}  // namespace runner
