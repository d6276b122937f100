// One namespace, dumped: what stands in it of each kind that is asked for, and whose it is.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exec/observe.h"
#include "exec/session.h"
#include "exec/translate.h"
#include "kernel/label_route.h"
#include "kernel/neighbour.h"
#include "kernel/wireguard.h"

namespace runner {

class NamespaceView {
 public:
  NamespaceView(const ObserveContext& context, NamespaceName ns, Session& session)
      : context_(context), ns_(std::move(ns)), session_(session) {}
  /// Dumps what the kinds need, routes aside; the links always.
  Status ReadAll(const std::set<Kind>& kinds);
  bool is_ours() const { return owner_ == Observed::Owner::kOurs; }
  Observed::Owner owner() const { return owner_; }
  const std::map<std::string, LinkInfo, std::less<>>& links() const { return links_; }
  /// Empty: none has it here.
  std::string NameOf(int index) const;
  /// The namespace itself.
  Result<Observed> SeeNamespace(const NamespaceAttributes& asked) const;
  std::optional<DeviceAttributes> SeeDevice(const std::string& name) const;
  const LinkInfo* FindLink(const std::string& name) const;
  /// In our own namespaces all is ours; elsewhere the lab's group tells.
  Observed::Owner OwnerOf(const LinkInfo& link, std::string_view kind) const;
  std::optional<Observed> See(const AddressAttributes& asked) const;
  Result<std::optional<Observed>> See(const RouteAttributes& asked) const;
  std::optional<Observed> See(const RuleAttributes& asked) const;
  std::optional<Observed> See(const NeighbourAttributes& asked) const;
  std::optional<Observed> See(const SysctlAttributes& asked) const;
  std::optional<Observed> See(const ImpairmentAttributes& asked) const;
  std::optional<Observed> See(const VlansAttributes& asked) const;
  std::optional<Observed> See(const FdbAttributes& asked) const;
  /// `recorded`: what the record says of it.
  Result<std::optional<Observed>> See(const PeerAttributes& asked, const Attributes* recorded) const;
  /// Of an interface that stands here. Its secrets are learnt.
  Result<const WireguardInfo*> ReadWireguard(const LinkInfo& link) const;
  Result<std::optional<Observed>> See(const NatAttributes& asked, const Attributes* recorded) const;
  Result<std::optional<Observed>> See(const NftablesAttributes& asked, const Attributes* recorded) const;

 private:
  Status ReadMark();
  Result<std::string> ReadHere(const std::string& key) const;
  using Routes = std::map<std::tuple<IpPrefix, std::uint32_t, std::uint32_t>, RouteInfo>;  // by prefix, table, metric
  /// Of one family; dumped when one is first asked for.
  Result<const Routes*> RoutesOf(Family family) const;
  Result<std::optional<Observed>> SeeLabelRoute(const RouteAttributes& asked) const;

  const ObserveContext& context_;
  NamespaceName ns_;
  Session& session_;
  Observed::Owner owner_ = Observed::Owner::kUnknown;
  std::unordered_map<int, std::string> names_;
  std::map<std::string, LinkInfo, std::less<>> links_;
  std::map<std::pair<int, IpPrefix>, AddressInfo> addresses_;
  mutable std::map<Family, Routes> routes_;
  mutable std::optional<std::map<std::uint32_t, LabelRoute>> label_routes_;  // once one was asked for
  std::vector<RuleInfo> rules_;
  std::vector<NeighbourInfo> neighbours_;
  std::map<int, RootQdisc> qdiscs_;
  std::map<int, VlanMembership> vlans_;
  std::vector<TunnelFdbEntry> fdb_;
  mutable std::map<int, WireguardInfo> wireguards_;  // by interface, once it was asked for
};

}  // namespace runner
