// Single commands of a script, each as a person would type it.
#pragma once
#include <string>
#include <vector>

#include "plan/resource.h"

namespace runner {

/// "ip", or "ip -n LAB.NODE".
std::string IpIn(const NamespaceName& ns);
/// Nothing, or "ip netns exec LAB.NODE ".
std::string In(const NamespaceName& ns);
std::string SysctlCommand(const NamespaceName& ns, const std::string& key, const std::string& value);

/// " address … mtu … txqueuelen …" of a device that is made.
std::string DeviceWords(const DeviceAttributes& device);
/// What leads from `before` to `device`.
std::vector<std::string> DeviceCommands(const DeviceAttributes& device, const DeviceAttributes& before);
/// Its link-local address, there before the device comes up and without duplicate address detection.
std::vector<std::string> LinkLocalCommands(const DeviceAttributes& device);

/// `verb` is add, del or replace.
std::string AddressCommand(const AddressAttributes& address, const std::string& verb);
std::string RouteCommand(const RouteAttributes& route, const std::string& verb);
std::string RuleCommand(const RuleAttributes& rule, const std::string& verb);
std::string NeighbourCommand(const NeighbourAttributes& neighbour, const std::string& verb);

/// Makes (`add`) or changes (`set`) an interface of a type in base/link_types.h.
std::string TypedCommand(const LinkAttributes& link, const std::string& verb);
/// What an interface is told of its members, once they have joined.
std::vector<std::string> MemberCommands(const LinkAttributes& link);
/// "netem delay 20ms …", as tc(8) takes it.
/// Key and port of a wireguard interface. No secret is written: it is read from $TOPORUN_KEYS/NODE:IFNAME, a shared one
/// from $TOPORUN_KEYS/FINGERPRINT.
std::string WireguardCommand(const LinkAttributes& link, const std::string& id);
enum class PeerVerb { kSet, kRemove };
std::string PeerCommand(const PeerAttributes& peer, PeerVerb verb);
std::string NetemWords(const ImpairmentAttributes& impairment);
/// What leads from `before`, or from a fresh port, to these VLANs.
std::vector<std::string> VlanCommands(const VlansAttributes& vlans, const VlansAttributes* before);

/// Starts slirp4netns(1) and waits until it serves.
std::vector<std::string> SlirpCommands(const UplinkAttributes& uplink, const std::string& api_socket,
                                       const std::string& namespaces);
/// The function `ask` that HostForwardCommands use.
std::string AskFunction();
std::vector<std::string> HostForwardCommands(const ForwardAttributes& forward, const std::string& api_socket);

}  // namespace runner
