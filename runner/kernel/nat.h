// Network address translation of a node as one nftables table of our own, replaced as a whole in one batch.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "base/json_fwd.h"
#include "kernel/nftables.h"

namespace runner::kernel {

enum class Transport { kTcp, kUdp };

/// What leaves by `out` (and comes from `source`) goes on with the address of `out`.
struct Masquerade {
  std::string out;
  std::optional<IpPrefix> source = {};
  friend bool operator==(const Masquerade&, const Masquerade&) = default;
};

/// What leaves by `out` (and comes from `source`) goes on with the address `to`.
struct SourceNat {
  std::string out;
  std::optional<IpPrefix> source = {};
  IpAddress to;
  friend bool operator==(const SourceNat&, const SourceNat&) = default;
};

/// What is addressed to the node itself at ports `first` to `last` goes on to `to`, port `to_first` and up. The node's
/// own packets to its loopback addresses stay, unless the target is one (as Docker: no other node could answer them).
struct PortForward {
  std::optional<std::string> in = {};  // only what comes in there; without, the node's own packets too
  Transport protocol = Transport::kTcp;
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  IpAddress to;
  std::uint16_t to_first = 0;
  std::optional<IpAddress> address = {};  // only this address of the node; without, each that it has
  /// The segment that the target is in, where known: its own hosts reach the forwarded port too, under the node's
  /// address, since the target would answer them past the node. Only without `in`.
  std::optional<IpPrefix> hairpin = {};
  friend bool operator==(const PortForward&, const PortForward&) = default;
};

using NatRule = std::variant<Masquerade, SourceNat, PortForward>;

/// "masquerade out eth0", "forward tcp 8080 to 10.0.0.2:80"; also the comment of its nft rules.
std::string NatRuleText(const NatRule& rule);

inline TableId NatTableId() { return {.family = "inet", .name = "toporun"}; }

/// The batch that makes the table hold exactly these rules, whatever it held before; without rules there is no table.
Json NatBatch(const TableId& table, const std::vector<NatRule>& rules);

Status ReplaceNat(NftWorker& worker, int ns_fd, const TableId& table, const std::vector<NatRule>& rules);

/// Whether ports published on the host answer at its 127.0.0.1 too. That needs the sysctl
/// net.ipv4.conf.INTERFACE.route_localnet=1, which is the caller's to set; ::1 cannot be led anywhere.
enum class LoopbackPorts { kClosed, kOpen };

/// The host's part of an uplink of type nat: lets the packets of `interface` through and out under the host's address,
/// and leads published ports in.
struct HostNat {
  std::string interface;           // the host's end of the veth
  std::vector<IpPrefix> sources;   // one of each family that the uplink carries
  std::vector<PortForward> ports;  // towards the node
  LoopbackPorts loopback = LoopbackPorts::kClosed;
};

/// toporun-LAB-NODE, family inet.
TableId HostTableId(std::string_view lab, std::string_view node);
Json HostNatBatch(const TableId& table, const HostNat& nat);
Status ReplaceHostNat(NftWorker& worker, int ns_fd, const TableId& table, const HostNat& nat);

}  // namespace runner::kernel
