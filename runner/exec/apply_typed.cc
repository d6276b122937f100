// Interfaces of the types in base/link_types.h, and what is set on interfaces: impairments, VLANs, forwarding entries.
#include <algorithm>
#include <cerrno>

#include "base/link_types.h"
#include "base/text.h"
#include "exec/device.h"
#include "exec/translate.h"
#include "exec/wireguard.h"
#include "kernel/bridge_port.h"
#include "kernel/impair.h"
#include "uplink/tap.h"

namespace runner {
namespace {

constexpr std::string_view kOnHost = "host:";

/// The settings as the kernel takes them: interfaces by index. One that is not there yet (a bond's `primary` joins
/// after the bond is made) is left for the next look.
Result<LinkOptions> OptionsFor(ApplyContext& context, const LinkAttributes& link, const LinkAttributes* before) {
  LinkOptions options;
  for (const OptionAttributes& option : link.options) {
    const LinkOption* known = FindLinkOption(link.type, option.name);
    if (known == nullptr || option.name == "link") continue;
    const bool same = before != nullptr && std::ranges::find(before->options, option) != before->options.end();
    if (same && !FindLinkType(link.type)->changed_whole) continue;
    // It cannot differ on an interface that stands, and some kinds refuse even to hear it.
    if (before != nullptr && known->change == LinkOption::Change::kReplace) continue;
    if (known->form != LinkOption::Form::kDevice) {
      options.emplace(option.name, option.value);
      continue;
    }
    const bool on_host = option.value.starts_with(kOnHost);
    Session& session = *TRY(context.sessions.Get(on_host ? NamespaceName() : link.device.ns));
    const auto index = session.IndexOf(on_host ? option.value.substr(kOnHost.size()) : option.value);
    if (index.ok()) {
      options.emplace(option.name, std::to_string(*index));
    } else if (link.type != "bond") {
      return index.error();
    }
  }
  return options;
}

/// The interface that it stands on or that decides from where it is made; null where there is none.
const std::string* ParentIn(const LinkAttributes& link) {
  for (const OptionAttributes& option : link.options) {
    if (option.name == "link" || (option.name == "dev" && option.value.starts_with(kOnHost))) return &option.value;
  }
  return nullptr;
}

Status MakeTap(ApplyContext& context, const LinkAttributes& link) {
  TapSettings settings{.tun = link.type == "tun"};
  for (const OptionAttributes& option : link.options) {
    if (option.name == "multi_queue") settings.multi_queue = option.value == "on";
    if (option.name != "user") continue;
    const auto user = UserNumber(option.value);
    if (!user) return Fail("let " + Quote(option.value) + " open it", "no user has this name");
    settings.owner = static_cast<uid_t>(ParseInteger(*user).value_or(0));
  }
  Session& session = *TRY(context.sessions.Get(link.device.ns));
  return CreatePersistentTap(session.place().fd(), link.device.name, settings);
}

/// A tunnel's module brings an interface of its own (gre0, tunl0, …) into every namespace, later ones too.
Status WithOwner(Session& target, const LinkAttributes& link, Status made) {
  if (made.ok() || made.error().code != EEXIST || !target.IndexOf(link.device.name).ok()) return made;
  Error error = std::move(made).error();
  error.why += "; the kernel has an interface of this name in every namespace: choose another";
  return error;
}

Status MakeLink(ApplyContext& context, const LinkAttributes& link) {
  if (link.type == "tap" || link.type == "tun") return MakeTap(context, link);
  const std::string* parent = ParentIn(link);
  const bool on_host = parent != nullptr && parent->starts_with(kOnHost);
  Session& target = *TRY(context.sessions.Get(link.device.ns));
  // What stands on an interface elsewhere is made from there, and appears here.
  Session& maker = on_host ? *TRY(context.sessions.Get("")) : target;
  LinkSettings settings = SettingsOf(context, link.device);
  if (on_host) settings.place = &target.place();
  if (parent != nullptr && FindLinkType(link.type)->over_link) {
    settings.link = TRY(maker.IndexOf(on_host ? parent->substr(kOnHost.size()) : *parent));
  }
  const LinkOptions options = TRY(OptionsFor(context, link, nullptr));
  return WithOwner(target, link, CreateLink(maker.socket(), settings, link.type, options));
}

Status CreateTyped(ApplyContext& context, const LinkAttributes& link, const std::string& id) {
  const DeviceAttributes& device = link.device;
  (*TRY(context.sessions.Get(device.ns))).ForgetLink(device.name);
  TRY(MakeLink(context, link));
  DeviceAttributes fresh = FreshDevice(device);
  // What the system call for taps does not take is still to be set.
  if (link.type == "tap" || link.type == "tun") fresh.mac.reset(), fresh.mtu.reset(), fresh.txqueuelen.reset();
  Status status = MarkAlias(context, device, id);
  if (status.ok() && link.type == "wireguard") status = SetKeyAndPort(context, link, nullptr);
  if (status.ok()) status = BringTo(context, device, fresh);
  if (!status.ok()) TRY(DeleteDevice(context, device.ns, device.name));
  return status;
}

Status ChangeTyped(ApplyContext& context, const LinkAttributes& link, const LinkAttributes& before) {
  const bool differs = link.options != before.options;
  if (differs && link.type == "wireguard") {
    TRY(SetKeyAndPort(context, link, &before));
  } else if (differs) {
    Session& session = *TRY(context.sessions.Get(link.device.ns));
    const LinkOptions options = TRY(OptionsFor(context, link, &before));
    TRY(ChangeLinkOptions(session.socket(), TRY(session.IndexOf(link.device.name)), link.type, options));
  }
  return BringTo(context, link.device, before.device);
}

}  // namespace

Status ApplyLink(ApplyContext& context, const Action& action, const LinkAttributes& link) {
  switch (action.verb) {
    case Verb::kCreate:
      return CreateTyped(context, link, action.resource.id.name);
    case Verb::kChange:
      return ChangeTyped(context, link, std::get<LinkAttributes>(*action.before));
    case Verb::kRemove:
      return DeleteDevice(context, link.device.ns, link.device.name);
    default:
      return {};
  }
}

Status ApplyImpairment(ApplyContext& context, const Action& action, const ImpairmentAttributes& impairment) {
  if (action.verb == Verb::kAdopt) return {};
  const auto index = TRY(IndexIfThere(context, impairment.ns, impairment.dev));
  if (action.verb == Verb::kRemove) {
    if (!index) return {};
    return ClearImpairment((*TRY(context.sessions.Get(impairment.ns))).socket(), *index);
  }
  Session& session = *TRY(context.sessions.Get(impairment.ns));
  return SetImpairment(session.socket(), TRY(session.IndexOf(impairment.dev)), NetemFrom(impairment));
}

Status ApplyVlans(ApplyContext& context, const Action& action, const VlansAttributes& vlans) {
  if (action.verb == Verb::kAdopt) return {};
  const auto membership = [](const std::optional<Attributes>& attributes) {
    return attributes ? MembershipFrom(std::get<VlansAttributes>(*attributes)) : VlanMembership();
  };
  const VlanMembership before = membership(action.before);
  const auto index = TRY(IndexIfThere(context, vlans.ns, vlans.dev));
  // Gone with its namespace, perhaps.
  if (action.verb == Verb::kRemove && (!index || !action.former || !action.before)) return {};
  Session& session = *TRY(context.sessions.Get(vlans.ns));
  if (action.verb != Verb::kRemove) {
    return ChangePortVlans(session.socket(), TRY(session.IndexOf(vlans.dev)), before, MembershipFrom(vlans));
  }
  return ChangePortVlans(session.socket(), *index, before, membership(action.former));
}

Status ApplyFdb(ApplyContext& context, const Action& action, const FdbAttributes& fdb) {
  if (action.verb == Verb::kAdopt || action.verb == Verb::kChange) return {};
  const auto index = TRY(IndexIfThere(context, fdb.ns, fdb.dev));
  if (action.verb == Verb::kRemove && !index) return {};
  Session& session = *TRY(context.sessions.Get(fdb.ns));
  if (action.verb == Verb::kRemove) {
    Status status = DeleteTunnelFdb(session.socket(), {.index = *index, .mac = fdb.mac, .dst = fdb.dst});
    return !status.ok() && status.error().code == ENOENT ? Status() : status;
  }
  return AddTunnelFdb(session.socket(), {.index = TRY(session.IndexOf(fdb.dev)), .mac = fdb.mac, .dst = fdb.dst});
}

}  // namespace runner
