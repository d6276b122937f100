// What an uplink is asked to be: plain values that the runner's side and the helper exchange as one JSON document.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "base/json_fwd.h"
#include "base/mac.h"
#include "kernel/process.h"

namespace runner {

/// One uplink of one node. `node_` addresses are those inside the lab, on the tap.
struct UplinkSpec {
  enum class Kind {
    kSlirp,  // a tap, and libslirp behind it
    kRelay   // the DNS relay alone, on sockets of the node's namespace (`type: nat`)
  };
  Kind kind = Kind::kSlirp;
  std::string lab;
  std::string node;
  std::string interface = "tap0";
  std::uint32_t mtu = 1500;
  MacAddress mac;                                         // of the tap
  IpPrefix cidr = {IpAddress::FromIpv4(0x0a000200), 24};  // network: node .100, gateway .2, DNS .3
  std::optional<IpPrefix> ipv6;                           // network: node ::100, gateway ::2, DNS ::3
  bool host_loopback = false;
  std::vector<IpPrefix> allow;  // longest prefix wins, a tie denies; only `allow` given denies the rest
  std::vector<IpPrefix> deny;
  bool dns = true;
  std::vector<IpAddress> relay_addresses;  // kRelay: where port 53 is served inside the node
  std::vector<std::string> outbound;       // addresses or interfaces of the outer namespace, at most one a family
  std::map<std::string, std::vector<IpAddress>> names;  // the lab's nodes, told by the relay as NODE and NODE.LAB
  std::string state_folder;                             // uplink-NODE.log and uplink-NODE.sock are made in it
  std::string node_path;  // the node's name in /run/netns; the helper ends when it goes away; empty: not watched
  kernel::ProcessIdentity holder;  // of a rootless lab: the helper ends with this process; pid 0: not watched
  std::string resolv_conf = "/etc/resolv.conf";  // of the outer side: the upstream servers
  std::uint16_t dns_port = 53;                   // theirs

  IpAddress node_address() const;
  IpAddress gateway() const;
  IpAddress dns_address() const;
  std::optional<IpAddress> node_address6() const;
  std::optional<IpAddress> gateway6() const;
  std::optional<IpAddress> dns_address6() const;

  Json ToJson() const;
  static Result<UplinkSpec> FromJson(const Json& json);
  friend bool operator==(const UplinkSpec&, const UplinkSpec&) = default;
};

/// Whether a helper that serves `now` can take over `wanted` without a restart (names, policy, DNS, host
/// loopback and MTU may differ; it stays with the resolv.conf that it began with).
bool CanChangeInPlace(const UplinkSpec& now, const UplinkSpec& wanted);

/// A published port or range, of one protocol and family.
struct ForwardSpec {
  enum class Protocol { kTcp, kUdp };
  Protocol protocol = Protocol::kTcp;
  IpAddress host_address;  // 0.0.0.0 or :: is any address of that family
  std::uint16_t first_host_port = 0;
  std::uint16_t last_host_port = 0;
  IpAddress target;  // the same family as host_address
  std::uint16_t first_port = 0;
  std::uint16_t last_port = 0;

  /// "0.0.0.0:8080-8082:80-82/tcp", as in the topology file.
  std::string text() const;
  Json ToJson() const;
  /// Also refuses what cannot be served: port 0, ranges of unequal length, mixed families.
  static Result<ForwardSpec> FromJson(const Json& json);
  friend auto operator<=>(const ForwardSpec&, const ForwardSpec&) = default;
};

/// Where the helper of `node` logs and listens.
std::string UplinkLogPath(const std::string& state_folder, const std::string& node);
std::string UplinkSocketPath(const std::string& state_folder, const std::string& node);

}  // namespace runner
