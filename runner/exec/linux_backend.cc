#include "exec/linux_backend.h"

#include "base/stopwatch.h"
#include "exec/apply.h"
#include "exec/marked.h"
#include "exec/observe.h"
#include "exec/physical.h"
#include "plan/names.h"

namespace runner {
namespace {

const char* Word(Verb verb) {
  switch (verb) {
    case Verb::kCreate:
      return "make ";
    case Verb::kChange:
      return "change ";
    case Verb::kRemove:
      return "remove ";
    case Verb::kAdopt:
    case Verb::kForget:
      break;
  }
  return "note ";
}

class LinuxBackend : public Backend {
 public:
  LinuxBackend(BackendOptions options, SessionPool sessions)
      : options_(std::move(options)),
        sessions_(std::move(sessions)),
        secrets_(options_.state, options_.lab),
        apply_{.options = options_, .sessions = sessions_, .nft = nft_, .secrets = secrets_},
        observe_{.options = options_, .sessions = sessions_, .nft = nft_, .secrets = secrets_, .lookback = lookback_} {}

  Result<Observation> Observe(const Graph& wish, const Record& record) override { return Look(wish, record, nullptr); }

  Result<Observation> ObserveAgain(const Graph& wish, const Record& record, const Observation& first) override {
    return Look(wish, record, &first);
  }

  Errors Check(const Plan& plan) override {
    const Stopwatch watch("check before the first change");
    return CheckPlan(apply_, plan);
  }

  std::optional<Attributes> ReadFormer(const Resource& resource) override {
    // Where it is taken from, not where it shall be.
    if (const auto* physical = std::get_if<PhysicalAttributes>(&resource.attributes))
      return ReadCard(sessions_, *physical);
    return ReadSetting(observe_, resource);
  }

  Result<Record> FindMarked() override { return runner::FindMarked(observe_); }

  void Expect(const Plan& plan) override {
    apply_.going.clear();
    apply_.swept.clear();
    const auto add = [this](const DeviceAttributes& device) {
      if (!apply_.IsOwnNamespace(device.ns)) apply_.going[device.ns].insert(device.name);
    };
    for (const Action& action : plan.actions) {
      const Attributes& attributes = action.resource.attributes;
      for (const NamespaceName& ns : NamespacesOf(attributes)) lookback_.touched.insert(ns);
      if (action.verb != Verb::kRemove) continue;
      if (const auto* veth = std::get_if<VethAttributes>(&attributes)) {
        add(veth->a);
        add(veth->b);
      } else if (const auto* bridge = std::get_if<BridgeAttributes>(&attributes)) {
        add(bridge->device);
      } else if (const auto* link = std::get_if<LinkAttributes>(&attributes)) {
        add(link->device);
      }
    }
  }

  Result<Attributes> Apply(const Action& action) override {
    const std::string part = Word(action.verb) + std::string(Traits(action.resource.kind()).name);
    const Stopwatch watch(part);
    Attributes attributes = action.resource.attributes;
    TRY(std::visit([&](auto& typed) { return Do(action, typed); }, attributes));
    return attributes;
  }

  Errors Settle() override {
    const Stopwatch watch("wait for what the kernel ends by itself");
    Errors errors = SettleAddresses(apply_);
    if (errors.empty()) errors = SettleProcesses(apply_);
    return errors;
  }

 private:
  Result<Observation> Look(const Graph& wish, const Record& record, const Observation* first) {
    const Stopwatch watch("look at what there is");
    for (const RecordEntry& entry : record) Learn(entry.resource);
    // The wish has the last word.
    for (const Resource& resource : wish.resources()) Learn(resource);
    return ObserveKernel(observe_, wish, record, first);
  }

  /// What actions need to know of other objects.
  void Learn(const Resource& resource) {
    if (const auto* ns = std::get_if<NamespaceAttributes>(&resource.attributes); ns != nullptr && !ns->attach.empty()) {
      apply_.attached.insert(ns->name);
    }
    const auto add = [this](const DeviceAttributes& device) { apply_.interfaces[device.ns].insert(device.name); };
    if (const auto* veth = std::get_if<VethAttributes>(&resource.attributes)) {
      add(veth->a);
      add(veth->b);
      if (NodeOfPacketEnd(veth->b.ns)) apply_.known.insert_or_assign(resource.id, resource.attributes);
    } else if (const auto* tap = std::get_if<TapAttributes>(&resource.attributes)) {
      add(tap->device);
      apply_.known.insert_or_assign(resource.id, resource.attributes);
    } else if (const auto* bridge = std::get_if<BridgeAttributes>(&resource.attributes)) {
      add(bridge->device);
    } else if (const auto* link = std::get_if<LinkAttributes>(&resource.attributes)) {
      add(link->device);
    } else if (const auto* physical = std::get_if<PhysicalAttributes>(&resource.attributes)) {
      add(physical->device);
    } else if (std::holds_alternative<UplinkAttributes>(resource.attributes) ||
               std::holds_alternative<ViewAttributes>(resource.attributes)) {
      apply_.known.insert_or_assign(resource.id, resource.attributes);
    }
  }

  Status Do(const Action& action, FolderAttributes& a) { return ApplyFolder(apply_, action, a); }
  Status Do(const Action& action, NamespaceAttributes& a) { return ApplyNamespace(apply_, action, a); }
  Status Do(const Action& action, SysctlAttributes& a) { return ApplySysctl(apply_, action, a); }
  Status Do(const Action& action, BridgeAttributes& a) { return ApplyBridge(apply_, action, a); }
  Status Do(const Action& action, VethAttributes& a) { return ApplyVeth(apply_, action, a); }
  Status Do(const Action& action, TapAttributes& a) { return ApplyTap(apply_, action, a); }
  Status Do(const Action& action, InterfaceAttributes& a) { return ApplyInterface(apply_, action, a); }
  Status Do(const Action& action, ActivationAttributes& a) { return ApplyActivation(apply_, action, a); }
  Status Do(const Action& action, AddressAttributes& a) { return ApplyAddress(apply_, action, a); }
  Status Do(const Action& action, RouteAttributes& a) { return ApplyRoute(apply_, action, a); }
  Status Do(const Action& action, RuleAttributes& a) { return ApplyRule(apply_, action, a); }
  Status Do(const Action& action, NeighbourAttributes& a) { return ApplyNeighbour(apply_, action, a); }
  Status Do(const Action& action, NatAttributes& a) { return ApplyNat(apply_, action, a); }
  Status Do(const Action& action, NftablesAttributes& a) { return ApplyNftables(apply_, action, a); }
  Status Do(const Action& action, FileAttributes& a) { return ApplyFile(apply_, action, a); }
  Status Do(const Action& action, UplinkAttributes& a) { return ApplyUplink(apply_, action, a); }
  Status Do(const Action& action, ForwardAttributes& a) { return ApplyForward(apply_, action, a); }
  Status Do(const Action& action, ExecAttributes& a) { return ApplyExec(apply_, action, a); }
  Status Do(const Action& action, LinkAttributes& a) { return ApplyLink(apply_, action, a); }
  Status Do(const Action& action, ImpairmentAttributes& a) { return ApplyImpairment(apply_, action, a); }
  Status Do(const Action& action, VlansAttributes& a) { return ApplyVlans(apply_, action, a); }
  Status Do(const Action& action, FdbAttributes& a) { return ApplyFdb(apply_, action, a); }
  Status Do(const Action& action, PeerAttributes& a) { return ApplyPeer(apply_, action, a); }
  Status Do(const Action& action, PhysicalAttributes& a) { return ApplyPhysical(apply_, action, a); }
  Status Do(const Action& action, ViewAttributes& a) { return ApplyView(apply_, action, a); }
  Status Do(const Action& action, ContentAttributes& a) { return ApplyContent(apply_, action, a); }
  Status Do(const Action& action, ProcessAttributes& a) { return ApplyProcess(apply_, action, a); }
  Status Do(const Action& action, ConditionAttributes& a) { return ApplyCondition(apply_, action, a); }

  const BackendOptions options_;
  SessionPool sessions_;
  kernel::NftWorker nft_;
  Secrets secrets_;
  Lookback lookback_;
  ApplyContext apply_;
  ObserveContext observe_;
};

}  // namespace

Result<std::unique_ptr<Backend>> OpenLinuxBackend(BackendOptions options) {
  SessionPool sessions = TRY(SessionPool::Open({.path = options.namespace_directory}));
  return std::unique_ptr<Backend>(std::make_unique<LinuxBackend>(std::move(options), std::move(sessions)));
}

}  // namespace runner
