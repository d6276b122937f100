// The effects: one function a kind and verb, each called with one action of a plan.
#pragma once
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exec/key_ring.h"
#include "exec/linux_backend.h"
#include "exec/session.h"
#include "kernel/nftables.h"
#include "kernel/process.h"
#include "plan/plan.h"

namespace runner {

/// What a run carries from one action to the next.
struct ApplyContext {
  const BackendOptions& options;
  SessionPool& sessions;
  kernel::NftWorker& nft;
  Secrets& secrets;
  /// Namespaces that existed before (attached): links in them get the lab's group.
  std::set<NamespaceName> attached = {};
  /// All processes by namespace, read once when the first namespace is removed.
  std::optional<std::map<kernel::NamespaceInode, std::vector<kernel::ProcessInfo>>> processes = {};
  /// The names of the interfaces that each namespace has by the wish.
  std::map<NamespaceName, std::set<std::string>> interfaces = {};
  /// The wish and the record: what an action finds beside its own object.
  std::unordered_map<ResourceId, Attributes> known = {};

  /// The interfaces in others' namespaces that the plan removes, by namespace.
  std::map<NamespaceName, std::set<std::string>> going = {};
  /// Those of them that went together.
  std::set<std::pair<NamespaceName, std::string>> swept = {};

  /// Processes that this run has started, and as what.
  std::map<ResourceId, ProcessAttributes> started = {};

  /// Addresses whose duplicate address detection this run has begun.
  std::vector<Resource> detecting = {};

  std::string StateFolder() const { return options.state.LabFolder(options.lab); }
  std::string SharedHosts() const { return StateFolder() + "/hosts"; }
  std::vector<std::string> InterfacesOf(const NamespaceName& ns) const {
    const auto found = interfaces.find(ns);
    if (found == interfaces.end()) return {};
    return {found->second.begin(), found->second.end()};
  }
  bool IsOwnNamespace(const NamespaceName& ns) const { return !ns.empty() && !attached.contains(ns); }
};

Status ApplyFolder(ApplyContext& context, const Action& action, const FolderAttributes& folder);
Status ApplyNamespace(ApplyContext& context, const Action& action, const NamespaceAttributes& ns);
Status ApplySysctl(ApplyContext& context, const Action& action, const SysctlAttributes& sysctl);
Status ApplyBridge(ApplyContext& context, const Action& action, const BridgeAttributes& bridge);
Status ApplyVeth(ApplyContext& context, const Action& action, const VethAttributes& veth);
Status ApplyTap(ApplyContext& context, const Action& action, const TapAttributes& tap);
Status ApplyInterface(ApplyContext& context, const Action& action, const InterfaceAttributes& interface);
Status ApplyActivation(ApplyContext& context, const Action& action, const ActivationAttributes& activation);
Status ApplyAddress(ApplyContext& context, const Action& action, const AddressAttributes& address);
Status ApplyRoute(ApplyContext& context, const Action& action, const RouteAttributes& route);
Status ApplyRule(ApplyContext& context, const Action& action, const RuleAttributes& rule);
Status ApplyNeighbour(ApplyContext& context, const Action& action, const NeighbourAttributes& neighbour);
Status ApplyNat(ApplyContext& context, const Action& action, NatAttributes& nat);
Status ApplyNftables(ApplyContext& context, const Action& action, NftablesAttributes& nftables);
Status ApplyFile(ApplyContext& context, const Action& action, const FileAttributes& file);
Status ApplyUplink(ApplyContext& context, const Action& action, const UplinkAttributes& uplink);
Status ApplyForward(ApplyContext& context, const Action& action, const ForwardAttributes& forward);
Status ApplyLink(ApplyContext& context, const Action& action, const LinkAttributes& link);
Status ApplyImpairment(ApplyContext& context, const Action& action, const ImpairmentAttributes& impairment);
Status ApplyVlans(ApplyContext& context, const Action& action, const VlansAttributes& vlans);
Status ApplyFdb(ApplyContext& context, const Action& action, const FdbAttributes& fdb);
Status ApplyPeer(ApplyContext& context, const Action& action, const PeerAttributes& peer);
Status ApplyPhysical(ApplyContext& context, const Action& action, const PhysicalAttributes& physical);
Status ApplyView(ApplyContext& context, const Action& action, const ViewAttributes& view);
Status ApplyContent(ApplyContext& context, const Action& action, const ContentAttributes& content);
Status ApplyProcess(ApplyContext& context, const Action& action, const ProcessAttributes& process);
Status ApplyCondition(ApplyContext& context, const Action& action, const ConditionAttributes& condition);
Status ApplyExec(ApplyContext& context, const Action& action, const ExecAttributes& exec);

/// Before the first change; see Backend::Check.
Errors CheckPlan(ApplyContext& context, const Plan& plan);

/// After the last action; see Backend::Settle.
Errors SettleAddresses(ApplyContext& context);
/// What was started has not failed meanwhile.
Errors SettleProcesses(ApplyContext& context);

/// The hosts or resolver of the node, or of all (the empty name), were written: its view shows the new ones.
Status RefreshViews(ApplyContext& context, const NamespaceName& ns);

/// Writes a setting in the namespace.
Status WriteSysctlIn(ApplyContext& context, const NamespaceName& ns, const std::string& key, const std::string& value);

/// The namespace that an `attach` text ("pid 1", "path /…", "container c") means.
Result<Namespace> OpenAttached(const std::string& attach);

}  // namespace runner
