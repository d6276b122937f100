// Between what a plan says (names, our enums) and what the kernel's messages say (indexes, RT_ numbers).
#pragma once
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <optional>
#include <string>
#include <unordered_map>

#include "kernel/address.h"
#include "kernel/bridge_port.h"
#include "kernel/impair.h"
#include "kernel/link.h"
#include "kernel/nat.h"
#include "kernel/route.h"
#include "kernel/rule.h"
#include "kernel/wireguard.h"
#include "plan/resource.h"
#include "uplink/spec.h"

namespace runner {

std::uint8_t ToKernelScope(Scope scope);
std::optional<Scope> FromKernelScope(std::uint8_t scope);
std::uint8_t ToKernelType(RouteType type);
std::optional<RouteType> FromKernelType(std::uint8_t type);
std::uint8_t ToKernelAction(RuleAction action);
std::optional<RuleAction> FromKernelAction(std::uint8_t action);

/// A link's settings as the plan knows them; `master` by name.
DeviceAttributes DeviceFrom(const NamespaceName& ns, const LinkInfo& link, const std::string& master);

/// A device as the message that creates it leaves it: what is still to be set differs from this.
DeviceAttributes FreshDevice(DeviceAttributes device);

/// The number of a user who may open a tap, as the kernel tells it; nothing where nobody has the name.
std::optional<std::string> UserNumber(const std::string& user);

NetemSettings NetemFrom(const ImpairmentAttributes& attributes);
/// `limit` and `seed` only where they are asked for; what the kernel does not tell is taken from `asked`.
ImpairmentAttributes ImpairmentFrom(const NetemSettings& settings, const ImpairmentAttributes& asked);

VlanMembership MembershipFrom(const VlansAttributes& attributes);
VlansAttributes VlansFrom(const VlanMembership& membership, const VlansAttributes& asked);

/// A peer as the kernel has it, by what may be known of its keys; its name as in `asked`.
PeerAttributes PeerFrom(const WireguardPeerInfo& peer, const PeerAttributes& asked);

RuleInfo RuleFrom(const RuleAttributes& attributes);
RuleAttributes RuleFrom(const NamespaceName& ns, const RuleInfo& rule);

Result<std::vector<kernel::NatRule>> NatRulesFrom(const std::vector<std::string>& lines);
/// The host's side of an uplink of type nat has a table of its own shape.
kernel::HostNat HostNatFrom(const std::vector<kernel::NatRule>& rules);

struct UplinkContext {
  std::string lab;
  std::string state_folder;
  std::string netns_path;  // where LAB.NODE is bound
  MacAddress mac;
};
UplinkSpec UplinkSpecFrom(const UplinkAttributes& attributes, const UplinkContext& context);
/// What a helper says that it serves, in the plan's words; ns, from and relay_only are taken from `asked`.
UplinkAttributes UplinkFrom(const UplinkSpec& spec, const UplinkAttributes& asked);

ForwardSpec ForwardFrom(const ForwardAttributes& attributes);

}  // namespace runner
