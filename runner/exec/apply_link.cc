// Interfaces: veths, bridges, taps, and the settings of those that were there before.
#include <linux/if.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "exec/apply.h"
#include "exec/translate.h"
#include "kernel/address.h"
#include "kernel/mark.h"
#include "kernel/sysctl.h"
#include "uplink/tap.h"

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

Result<int> MasterIndex(Session& session, const std::string& master) {
  if (master.empty()) return 0;
  return session.IndexOf(master);
}

/// An interface that comes up has its link-local address already, and without duplicate address detection: that would
/// keep it from asking for its neighbours for two seconds, and what it forwards with it. The kernel finds the address
/// that it would have made.
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

/// What of `wish` differs from `before`, as one update; nothing where all is as it should be.
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

Status DeleteDevice(ApplyContext& context, const NamespaceName& ns, const std::string& name) {
  auto session = context.sessions.Get(ns);
  // Gone with its namespace.
  if (!session.ok() && session.error().code == ENOENT) return {};
  if (!session.ok()) return std::move(session).error();
  Session& here = **session;
  here.ForgetLink(name);
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

Status CreateVethPair(ApplyContext& context, const VethAttributes& veth, const std::string& id) {
  // The kernel makes only the first end up and a port in the creating message: the port comes first.
  const bool b_first = veth.a.master.value_or("").empty() && !veth.b.master.value_or("").empty();
  const DeviceAttributes& first = b_first ? veth.b : veth.a;
  const DeviceAttributes& second = b_first ? veth.a : veth.b;
  Session& session = *TRY(context.sessions.Get(first.ns));
  Session& far = *TRY(context.sessions.Get(second.ns));
  VethEnd near_end = SettingsOf(context, first);
  VethEnd far_end = SettingsOf(context, second);
  far_end.place = &far.place();
  DeviceAttributes made = FreshDevice(first);
  near_end.master = TRY(MasterIndex(session, first.master.value_or("")));
  made.master = first.master;
  if (first.up.value_or(false) && first.ipv6.value_or(true)) {
    near_end.up = true;
    made.up = true;
  }
  session.ForgetLink(first.name);
  far.ForgetLink(second.name);
  TRY(CreateVeth(session.socket(), near_end, far_end));
  Status status = MarkAlias(context, first, id);
  if (status.ok()) status = MarkAlias(context, second, id);
  // Up already, but it has no carrier before the other end is.
  if (status.ok() && made.up.value_or(false)) status = GiveLinkLocal(session, first);
  if (status.ok()) status = BringTo(context, second, FreshDevice(second));
  if (status.ok()) status = BringTo(context, first, made);
  // Half a cable is none: what could not be finished goes away again.
  if (!status.ok()) TRY(DeleteDevice(context, first.ns, first.name));
  return status;
}

BridgeSettings SettingsOf(const BridgeAttributes& bridge) {
  BridgeSettings settings;
  settings.stp = bridge.stp;
  settings.priority = bridge.priority;
  settings.ageing = bridge.ageing;
  return settings;
}

Status CreateBridgeDevice(ApplyContext& context, const BridgeAttributes& bridge, const std::string& id) {
  Session& session = *TRY(context.sessions.Get(bridge.device.ns));
  session.ForgetLink(bridge.device.name);
  TRY(CreateBridge(session.socket(), SettingsOf(context, bridge.device), SettingsOf(bridge)));
  Status status = MarkAlias(context, bridge.device, id);
  if (status.ok()) status = BringTo(context, bridge.device, FreshDevice(bridge.device));
  // Here, not where it comes up: that knows only its name.
  if (status.ok()) status = GiveLinkLocal(session, bridge.device);
  if (!status.ok()) TRY(DeleteDevice(context, bridge.device.ns, bridge.device.name));
  return status;
}

Status ChangeBridge(ApplyContext& context, const BridgeAttributes& bridge, const BridgeAttributes& before) {
  Session& session = *TRY(context.sessions.Get(bridge.device.ns));
  LinkUpdate update;
  update.bridge = SettingsOf(bridge);
  TRY(ChangeLink(session.socket(), TRY(session.IndexOf(bridge.device.name)), update));
  return BringTo(context, bridge.device, before.device);
}

}  // namespace

Status ApplyVeth(ApplyContext& context, const Action& action, const VethAttributes& veth) {
  switch (action.verb) {
    case Verb::kCreate:
      return CreateVethPair(context, veth, action.resource.id.name);
    case Verb::kChange: {
      const auto& before = std::get<VethAttributes>(*action.before);
      TRY(BringTo(context, veth.a, before.a).Wrap(veth.a.name));
      return BringTo(context, veth.b, before.b).Wrap(veth.b.name);
    }
    case Verb::kRemove:
      // Both ends go together, unless somebody tore them apart.
      TRY(DeleteDevice(context, veth.a.ns, veth.a.name));
      return DeleteDevice(context, veth.b.ns, veth.b.name);
    default:
      return {};
  }
}

Status ApplyBridge(ApplyContext& context, const Action& action, const BridgeAttributes& bridge) {
  switch (action.verb) {
    case Verb::kCreate:
      return CreateBridgeDevice(context, bridge, action.resource.id.name);
    case Verb::kChange:
      return ChangeBridge(context, bridge, std::get<BridgeAttributes>(*action.before));
    case Verb::kRemove:
      return DeleteDevice(context, bridge.device.ns, bridge.device.name);
    default:
      return {};
  }
}

Status ApplyTap(ApplyContext& context, const Action& action, const TapAttributes& tap) {
  const DeviceAttributes& device = tap.device;
  switch (action.verb) {
    case Verb::kCreate: {
      Session& session = *TRY(context.sessions.Get(device.ns));
      session.ForgetLink(device.name);
      TRY(CreateTap(session.place().fd(), device.name, device.mac.value_or(MacAddress()), device.mtu.value_or(0)));
      DeviceAttributes fresh = FreshDevice(device);
      fresh.txqueuelen.reset();
      Status status = BringTo(context, device, fresh);
      if (!status.ok()) TRY(DeleteDevice(context, device.ns, device.name));
      return status;
    }
    case Verb::kChange:
      return BringTo(context, device, std::get<TapAttributes>(*action.before).device);
    case Verb::kRemove:
      return DeleteDevice(context, device.ns, device.name);
    default:
      return {};
  }
}

Status ApplyInterface(ApplyContext& context, const Action& action, const InterfaceAttributes& interface) {
  if (action.verb != Verb::kRemove) {
    const auto* before = action.before ? &std::get<InterfaceAttributes>(*action.before) : nullptr;
    return BringTo(context, interface.device, before == nullptr ? DeviceAttributes{} : before->device);
  }
  if (!action.former || !action.before) return {};
  // Only what the lab asked for was changed, only that goes back.
  DeviceAttributes former = std::get<InterfaceAttributes>(*action.former).device;
  const DeviceAttributes& asked = interface.device;
  if (!asked.mtu) former.mtu.reset();
  if (!asked.mac) former.mac.reset();
  if (!asked.txqueuelen) former.txqueuelen.reset();
  if (!asked.up) former.up.reset();
  if (!asked.ipv6) former.ipv6.reset();
  former.master.reset();
  DeviceAttributes now = former;
  const DeviceAttributes& seen = std::get<InterfaceAttributes>(*action.before).device;
  if (former.mtu) now.mtu = seen.mtu;
  if (former.mac) now.mac = seen.mac;
  if (former.txqueuelen) now.txqueuelen = seen.txqueuelen;
  if (former.up) now.up = seen.up;
  if (former.ipv6) now.ipv6 = seen.ipv6;
  return BringTo(context, former, now);
}

Status ApplyActivation(ApplyContext& context, const Action& action, const ActivationAttributes& activation) {
  Session& session = *TRY(context.sessions.Get(activation.ns));
  LinkUpdate update;
  update.up = activation.up;
  if (action.verb == Verb::kRemove) {
    // The bridge goes next; until then it passes nothing on.
    if (!action.before) return {};
    update.up = false;
  }
  return ChangeLink(session.socket(), TRY(session.IndexOf(activation.dev)), update);
}

}  // namespace runner
