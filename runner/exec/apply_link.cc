// Interfaces: veths, bridges, taps, and the settings of those that were there before.
#include <linux/if.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "exec/device.h"
#include "exec/translate.h"
#include "kernel/address.h"
#include "kernel/mark.h"
#include "kernel/sysctl.h"
#include "uplink/tap.h"

namespace runner {
namespace {

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
  const bool in_bond = !first.master.value_or("").empty() && TRY(session.LinkOf(*first.master)).kind == "bond";
  if (!in_bond) {
    near_end.master = TRY(MasterIndex(session, first.master.value_or("")));
    made.master = first.master;
  }
  if (!in_bond && first.up.value_or(false) && first.ipv6.value_or(true)) {
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
  // A kernel without it refuses to be told that it is off.
  if (bridge.vlan_filtering) settings.vlan_filtering = true;
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
  if (bridge.vlan_filtering != before.vlan_filtering) update.bridge->vlan_filtering = bridge.vlan_filtering;
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
      // Both ends go together, unless somebody tore them apart; first the one that may go with others.
      if (context.IsOwnNamespace(veth.a.ns)) {
        TRY(DeleteDevice(context, veth.b.ns, veth.b.name));
        return DeleteDevice(context, veth.a.ns, veth.a.name);
      }
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
  // Made with the bridge; it went if the bridge was down since.
  if (*update.up) {
    const LinkInfo link = TRY(session.LinkOf(activation.dev));
    const DeviceAttributes device{
        .ns = activation.ns, .name = activation.dev, .mac = link.mac, .mtu = link.mtu, .ipv6 = true};
    TRY(GiveLinkLocal(session, device));
  }
  return ChangeLink(session.socket(), TRY(session.IndexOf(activation.dev)), update);
}

}  // namespace runner
