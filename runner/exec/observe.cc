#include "exec/observe.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "base/json.h"
#include "base/text.h"
#include "exec/apply.h"
#include "exec/translate.h"
#include "kernel/files.h"
#include "kernel/mark.h"
#include "kernel/nat.h"
#include "kernel/neighbour.h"
#include "kernel/nftables_user.h"
#include "kernel/sysctl.h"
#include "uplink/supervisor.h"

namespace runner {
namespace {

using Owner = Observed::Owner;

constexpr const char* kSharedFolder = "folder:";

/// One resource as it is asked for: by the wish, else by the record; with the record beside it.
struct Question {
  const Resource* resource = nullptr;
  const Attributes* recorded = nullptr;
};

std::string InterfaceName(const std::unordered_map<int, std::string>& names, int index) {
  const auto found = names.find(index);
  return found == names.end() ? "" : found->second;
}

/// One namespace, dumped.
class Visit {
 public:
  Visit(const ObserveContext& context, NamespaceName ns, Session& session)
      : context_(context), ns_(std::move(ns)), session_(session) {}

  Status ReadAll(const std::set<Kind>& kinds) {
    for (LinkInfo& link : TRY(ReadLinks(session_.socket()))) {
      names_.emplace(link.index, link.name);
      links_.emplace(link.name, std::move(link));
    }
    const auto wants = [&kinds](Kind kind) { return kinds.contains(kind); };
    if (wants(Kind::kAddress)) {
      for (AddressInfo& info : TRY(ReadAddresses(session_.socket()))) {
        const auto key = std::pair(info.index, info.prefix);
        addresses_.emplace(key, std::move(info));
      }
    }
    if (wants(Kind::kRoute)) {
      for (RouteInfo& info : TRY(ReadRoutes(session_.socket()))) {
        const auto key = std::tuple(info.to, info.table, info.metric);
        routes_.emplace(key, std::move(info));
      }
    }
    if (wants(Kind::kRule)) rules_ = TRY(ReadRules(session_.socket()));
    if (wants(Kind::kNeighbour)) neighbours_ = TRY(ReadNeighbours(session_.socket()));
    return ReadMark();
  }

  bool is_ours() const { return owner_ == Owner::kOurs; }
  Owner owner() const { return owner_; }
  const std::map<std::string, LinkInfo, std::less<>>& links() const { return links_; }

  /// The namespace itself.
  Result<Observed> SeeNamespace(const NamespaceAttributes& asked) const {
    NamespaceAttributes now = asked;
    if (owner_ == Owner::kOurs) now.attach = "";
    if (asked.forwarding_ipv4) now.forwarding_ipv4 = TRY(ReadFlag("net.ipv4.ip_forward"));
    if (asked.forwarding_ipv6) now.forwarding_ipv6 = TRY(ReadFlag("net.ipv6.conf.all.forwarding"));
    return Observed{.attributes = now, .owner = asked.attach.empty() ? owner_ : Owner::kUnknown};
  }

  std::optional<DeviceAttributes> SeeDevice(const std::string& name) const {
    const auto found = links_.find(name);
    if (found == links_.end()) return std::nullopt;
    return DeviceFrom(ns_, found->second, InterfaceName(names_, found->second.master));
  }

  const LinkInfo* FindLink(const std::string& name) const {
    const auto found = links_.find(name);
    return found == links_.end() ? nullptr : &found->second;
  }

  /// In our own namespaces all is ours; elsewhere the lab's group tells.
  Owner OwnerOf(const LinkInfo& link, std::string_view kind) const {
    if (link.kind != kind) return Owner::kForeign;
    if (is_ours()) return Owner::kOurs;
    return link.group == LinkGroup(context_.options.lab) ? Owner::kOurs : Owner::kForeign;
  }

  std::optional<Observed> See(const AddressAttributes& asked) const {
    const LinkInfo* link = FindLink(asked.dev);
    if (link == nullptr) return std::nullopt;
    const auto found = addresses_.find({link->index, asked.prefix});
    if (found == addresses_.end()) return std::nullopt;
    const AddressInfo& info = found->second;
    AddressAttributes now = asked;
    now.peer = info.peer;
    now.scope = FromKernelScope(info.scope);
    return Observed{.attributes = now, .owner = OwnerByProtocol(info.protocol)};
  }

  std::optional<Observed> See(const RouteAttributes& asked) const {
    const auto found = routes_.find({asked.to, asked.table, asked.metric});
    if (found == routes_.end()) return std::nullopt;
    const RouteInfo& info = found->second;
    RouteAttributes now = asked;
    now.type = FromKernelType(info.type).value_or(RouteType::kUnicast);
    now.hops.clear();
    now.onlink = false;
    for (const RouteNextHop& hop : info.nexthops) {
      now.hops.push_back({.via = hop.via, .dev = InterfaceName(names_, hop.oif), .weight = hop.weight});
      now.onlink = now.onlink || hop.onlink;
    }
    BlankOpenDevices(asked.hops, now.hops);
    std::ranges::sort(now.hops);
    now.scope = asked.to.is_ipv6() || !info.scope ? std::nullopt : FromKernelScope(*info.scope);
    now.from = info.prefsrc;
    now.mtu = info.mtu;
    // Someone else's route with our prefix, table and metric is in the way of ours.
    return Observed{.attributes = now, .owner = info.protocol == kProtocol ? Owner::kOurs : Owner::kForeign};
  }

  std::optional<Observed> See(const RuleAttributes& asked) const {
    for (const RuleInfo& rule : rules_) {
      RuleAttributes now = RuleFrom(ns_, rule);
      if (!SelectsTheSame(now, asked)) continue;
      return Observed{.attributes = now, .owner = rule.protocol == kProtocol ? Owner::kOurs : Owner::kForeign};
    }
    return std::nullopt;
  }

  std::optional<Observed> See(const NeighbourAttributes& asked) const {
    const LinkInfo* link = FindLink(asked.dev);
    if (link == nullptr) return std::nullopt;
    for (const NeighbourInfo& info : neighbours_) {
      if (info.index != link->index || info.to != asked.to || info.proxy != asked.proxy) continue;
      NeighbourAttributes now = asked;
      now.mac = info.mac;
      return Observed{.attributes = now, .owner = OwnerByProtocol(info.protocol)};
    }
    return std::nullopt;
  }

  std::optional<Observed> See(const SysctlAttributes& asked) const {
    auto value = ReadHere(asked.key);
    if (!value.ok()) return std::nullopt;
    SysctlAttributes now = asked;
    // As written in the file, if it is the same to the kernel.
    if (*value != NormaliseSysctl(asked.value)) now.value = *value;
    return Observed{.attributes = now, .owner = Owner::kOurs};
  }

  Result<std::optional<Observed>> See(const NatAttributes& asked, const Attributes* recorded) const {
    const kernel::TableId table{.family = "inet", .name = asked.table};
    auto listing = context_.nft.ListTable(session_.place().fd(), table);
    if (!listing.ok()) {
      if (listing.error().code == ENOENT) return std::optional<Observed>();
      return std::move(listing).error();
    }
    NatAttributes now = asked;
    now.listing = kernel::NormalListing(*listing);
    // Among somebody else's tables only one that has the lab's own name is known to be ours without a record.
    const bool ours = is_ours() || recorded != nullptr || asked.table != kernel::NatTableId().name;
    return std::optional(Observed{.attributes = now, .owner = ours ? Owner::kOurs : Owner::kForeign});
  }

  Result<std::optional<Observed>> See(const NftablesAttributes& asked, const Attributes* recorded) const {
    const auto* record = recorded == nullptr ? nullptr : std::get_if<NftablesAttributes>(recorded);
    if (record == nullptr) return std::optional<Observed>();
    std::vector<kernel::TableId> tables;
    for (const std::string& text : record->tables) {
      const std::size_t space = text.find(' ');
      tables.push_back({.family = text.substr(0, space), .name = text.substr(space + 1)});
    }
    NftablesAttributes now = asked;
    now.tables.clear();
    now.listing.clear();
    if (!tables.empty()) {
      for (const auto& table : TRY(kernel::ReadTables(context_.nft, session_.place().fd(), tables))) {
        now.tables.push_back(table.id.text());
        now.listing += table.listing + "\n";
      }
    }
    return std::optional(Observed{.attributes = now, .owner = Owner::kOurs});
  }

 private:
  Status ReadMark() {
    const auto loopback = std::ranges::find_if(links_, [](const auto& link) { return link.second.loopback; });
    if (loopback == links_.end() || ns_.empty()) return {};
    const auto mark = ParseNamespaceMark(loopback->second.alias);
    owner_ = mark && mark->lab + "." + mark->node == ns_ ? Owner::kOurs : Owner::kForeign;
    return {};
  }

  static Owner OwnerByProtocol(std::uint8_t protocol) { return protocol == kProtocol ? Owner::kOurs : Owner::kUnknown; }

  static bool SelectsTheSame(const RuleAttributes& a, const RuleAttributes& b) {
    return a.family == b.family && a.priority == b.priority && a.from == b.from && a.to == b.to && a.iif == b.iif &&
           a.oif == b.oif && a.fwmark == b.fwmark && a.fwmask == b.fwmask;
  }

  /// Where the wish leaves the device to the kernel, so does what is compared with it.
  static void BlankOpenDevices(const std::vector<HopAttributes>& asked, std::vector<HopAttributes>& now) {
    for (const HopAttributes& hop : asked) {
      if (!hop.dev.empty()) continue;
      for (HopAttributes& seen : now) {
        if (seen.via == hop.via) seen.dev.clear();
      }
    }
  }

  Result<std::string> ReadHere(const std::string& key) const {
    if (ns_.empty()) return ReadSysctl(key);
    const InNamespace here = TRY(InNamespace::Enter(session_.place()));
    return ReadSysctl(key);
  }
  Result<bool> ReadFlag(const std::string& key) const {
    auto value = ReadHere(key);
    // A kernel without IPv6 forwards none.
    if (!value.ok()) return value.error().code == ENOENT ? Result<bool>(false) : Result<bool>(value.error());
    return *value != "0";
  }

  const ObserveContext& context_;
  NamespaceName ns_;
  Session& session_;
  Owner owner_ = Owner::kUnknown;
  std::unordered_map<int, std::string> names_;
  std::map<std::string, LinkInfo, std::less<>> links_;
  std::map<std::pair<int, IpPrefix>, AddressInfo> addresses_;
  std::map<std::tuple<IpPrefix, std::uint32_t, std::uint32_t>, RouteInfo> routes_;
  std::vector<RuleInfo> rules_;
  std::vector<NeighbourInfo> neighbours_;
};

/// The ends of a cable are seen at two visits.
struct HalfVeth {
  std::optional<DeviceAttributes> end;
  int index = 0;
  int peer = 0;
  Owner owner = Owner::kUnknown;
};

class Observer {
 public:
  explicit Observer(const ObserveContext& context) : context_(context) {}

  Result<Observation> Run(const Graph& wish, const Record& record) {
    Collect(wish, record);
    for (const auto& entry : TRY(ListNamespaces(context_.sessions.directory()))) entries_.emplace(entry.name, entry);
    for (const auto& [ns, questions] : by_namespace_) TRY(VisitNamespace(ns, questions));
    for (const auto& [id, halves] : veths_) JoinVeth(id, halves);
    return std::move(out_);
  }

 private:
  void Ask(const Resource& resource, const Attributes* recorded) {
    const Question question{.resource = &resource, .recorded = recorded};
    by_namespace_[NamespaceOf(resource.attributes)].push_back(question);
    if (const auto* veth = std::get_if<VethAttributes>(&resource.attributes);
        veth != nullptr && veth->b.ns != veth->a.ns) {
      by_namespace_[veth->b.ns].push_back(question);
    }
  }

  void Collect(const Graph& wish, const Record& record) {
    std::unordered_map<ResourceId, const Attributes*> recorded;
    for (const RecordEntry& entry : record) recorded.emplace(entry.resource.id, &entry.resource.attributes);
    for (const Resource& resource : wish.resources()) {
      const auto found = recorded.find(resource.id);
      Ask(resource, found == recorded.end() ? nullptr : found->second);
    }
    for (const RecordEntry& entry : record) {
      if (!wish.Has(entry.resource.id)) Ask(entry.resource, &entry.resource.attributes);
    }
  }

  Status VisitNamespace(const NamespaceName& ns, const std::vector<Question>& questions) {
    for (const Question& question : questions) TRY(AnswerOutside(question));
    std::set<Kind> kinds;
    for (const Question& question : questions) kinds.insert(question.resource->kind());
    if (!ns.empty()) {
      const auto entry = entries_.find(ns);
      if (entry == entries_.end()) return PeekAttached(ns, kinds, questions);
      if (entry->second.state == NamespaceEntry::State::kStray) {
        NoteStray(questions);
        return {};
      }
    } else if (std::ranges::all_of(kinds, [](Kind kind) { return kind == Kind::kFolder || kind == Kind::kFile; })) {
      return {};
    }
    Session& session = *TRY(context_.sessions.Get(ns).Wrap("namespace " + ns));
    Visit visit(context_, ns, session);
    TRY(visit.ReadAll(kinds).Wrap(ns.empty() ? "host" : "namespace " + ns));
    const bool somebody_elses = !ns.empty() && visit.owner() == Owner::kForeign && !IsAttached(questions);
    for (const Question& question : questions) {
      // In another's namespace nothing is ours, whatever its name.
      if (somebody_elses && question.resource->kind() != Kind::kNamespace) continue;
      TRY(Answer(visit, ns, question).Wrap(question.resource->id.text()));
    }
    return {};
  }

  /// A namespace that is to be attached is not bound yet, but what stands in it may be in the way already.
  Status PeekAttached(const NamespaceName& ns, const std::set<Kind>& kinds, const std::vector<Question>& questions) {
    for (const Question& question : questions) {
      const auto* asked = std::get_if<NamespaceAttributes>(&question.resource->attributes);
      if (asked == nullptr || asked->attach.empty()) continue;
      auto place = OpenAttached(asked->attach);
      // Backend::Check tells that it is not there.
      if (!place.ok()) return {};
      NetlinkSocket socket = TRY(NetlinkSocket::OpenIn(*place));
      Session session(std::move(*place), std::move(socket));
      Visit visit(context_, ns, session);
      TRY(visit.ReadAll(kinds).Wrap("namespace " + ns));
      for (const Question& other : questions) {
        if (other.resource->kind() == Kind::kNamespace) continue;
        TRY(Answer(visit, ns, other).Wrap(other.resource->id.text()));
      }
    }
    return {};
  }

  static bool IsAttached(const std::vector<Question>& questions) {
    return std::ranges::any_of(questions, [](const Question& question) {
      const auto* place = std::get_if<NamespaceAttributes>(&question.resource->attributes);
      return place != nullptr && !place->attach.empty();
    });
  }

  /// A file without a namespace, as a crash leaves it: ours if the record says so, else in the way.
  void NoteStray(const std::vector<Question>& questions) {
    for (const Question& question : questions) {
      const auto* asked = std::get_if<NamespaceAttributes>(&question.resource->attributes);
      if (asked == nullptr) continue;
      NamespaceAttributes now = *asked;
      now.attach = "a stray file without a namespace";
      Put(question, {.attributes = now, .owner = question.recorded == nullptr ? Owner::kForeign : Owner::kOurs});
    }
  }

  void Put(const Question& question, Observed observed) {
    out_.insert_or_assign(question.resource->id, std::move(observed));
  }

  /// What is no object of a namespace: folders, files, helpers.
  Status AnswerOutside(const Question& question) {
    const Attributes& attributes = question.resource->attributes;
    if (const auto* folder = std::get_if<FolderAttributes>(&attributes)) {
      const auto users = SharedHost(context_.options.state).Users(kSharedFolder + folder->name);
      const bool names = folder->name == "netns";
      const std::string& path = names ? context_.options.namespace_directory : context_.options.files_base;
      if (std::ranges::find(users, context_.options.lab) != users.end()) {
        FolderAttributes now = *folder;
        now.there = access(path.c_str(), F_OK) == 0;
        Put(question, {.attributes = now, .owner = Owner::kOurs});
      }
    } else if (const auto* file = std::get_if<FileAttributes>(&attributes)) {
      return SeeFile(question, *file).Wrap(question.resource->id.text());
    } else if (const auto* uplink = std::get_if<UplinkAttributes>(&attributes)) {
      const UplinkState& state = UplinkOf(uplink->node);
      if (state.life == UplinkState::Life::kServing) {
        Put(question, {.attributes = UplinkFrom(state.spec, *uplink), .owner = Owner::kOurs});
      }
    } else if (const auto* forward = std::get_if<ForwardAttributes>(&attributes)) {
      SeeForward(question, *forward);
    } else if (std::holds_alternative<ExecAttributes>(attributes) && question.recorded != nullptr) {
      Put(question, {.attributes = *question.recorded, .owner = Owner::kOurs});
    }
    return {};
  }

  Status SeeFile(const Question& question, const FileAttributes& asked) {
    const std::string& lab = context_.options.lab;
    const std::string shared = context_.options.state.LabFolder(lab) + "/hosts";
    FileAttributes now = asked;
    if (asked.ns.empty()) {
      auto content = ReadFile(shared);
      if (!content.ok()) return content.error().code == ENOENT ? Status() : Status(content.error());
      now.content = *content;
      Put(question, {.attributes = now, .owner = Owner::kOurs});
      return {};
    }
    const kernel::NodeFiles files(context_.options.files_base, asked.ns);
    now.shared = files.LinkTarget(asked.name) == shared;
    const auto content = TRY(files.Read(asked.name));
    if (!content && !now.shared) {
      // What a run that was killed was about to put there.
      struct stat info {};
      if (question.recorded == nullptr || lstat((files.path(asked.name) + ".new").c_str(), &info) != 0) return {};
      now.content = "half made";
      Put(question, {.attributes = now, .owner = Owner::kOurs});
      return {};
    }
    now.content = now.shared ? "" : *content;
    const bool same = now.content == asked.content && now.shared == asked.shared;
    Put(question, {.attributes = now, .owner = same ? Owner::kOurs : Owner::kUnknown});
    return {};
  }

  const UplinkState& UplinkOf(const std::string& node) {
    const auto found = uplinks_.find(node);
    if (found != uplinks_.end()) return found->second;
    const std::string folder = context_.options.state.LabFolder(context_.options.lab);
    return uplinks_.emplace(node, ReadUplink(folder, node)).first->second;
  }

  void SeeForward(const Question& question, const ForwardAttributes& asked) {
    const UplinkState& state = UplinkOf(asked.node);
    if (state.life != UplinkState::Life::kServing) return;
    const ForwardSpec wanted = ForwardFrom(asked);
    for (const ForwardSpec& forward : state.forwards) {
      if (forward.protocol != wanted.protocol || forward.host_address != wanted.host_address ||
          forward.first_host_port != wanted.first_host_port || forward.last_host_port != wanted.last_host_port) {
        continue;
      }
      ForwardAttributes now = asked;
      now.port = {.first = forward.first_port, .last = forward.last_port};
      now.target = forward.target;
      Put(question, {.attributes = now, .owner = Owner::kOurs});
    }
  }

  Status Answer(const Visit& visit, const NamespaceName& ns, const Question& question) {
    const Resource& resource = *question.resource;
    const Attributes& attributes = resource.attributes;
    std::optional<Observed> seen;
    if (const auto* place = std::get_if<NamespaceAttributes>(&attributes)) {
      seen = TRY(visit.SeeNamespace(*place));
    } else if (const auto* veth = std::get_if<VethAttributes>(&attributes)) {
      SeeVethEnds(visit, ns, resource.id, *veth);
    } else if (const auto* bridge = std::get_if<BridgeAttributes>(&attributes)) {
      seen = SeeBridge(visit, *bridge);
    } else if (const auto* tap = std::get_if<TapAttributes>(&attributes)) {
      if (auto device = visit.SeeDevice(tap->device.name)) {
        Fit(tap->device, *device);
        seen = Observed{.attributes = TapAttributes{.device = *device},
                        .owner = visit.OwnerOf(*visit.FindLink(tap->device.name), "tun")};
      }
    } else if (const auto* interface = std::get_if<InterfaceAttributes>(&attributes)) {
      if (auto device = visit.SeeDevice(interface->device.name)) {
        Fit(interface->device, *device);
        seen = Observed{.attributes = InterfaceAttributes{.device = *device}, .owner = Owner::kOurs};
      }
    } else if (const auto* state = std::get_if<ActivationAttributes>(&attributes)) {
      if (const LinkInfo* link = visit.FindLink(state->dev)) {
        ActivationAttributes now = *state;
        now.up = link->up;
        seen = Observed{.attributes = now, .owner = Owner::kOurs};
      }
    } else if (const auto* address = std::get_if<AddressAttributes>(&attributes)) {
      seen = visit.See(*address);
    } else if (const auto* route = std::get_if<RouteAttributes>(&attributes)) {
      seen = visit.See(*route);
    } else if (const auto* rule = std::get_if<RuleAttributes>(&attributes)) {
      seen = visit.See(*rule);
    } else if (const auto* neighbour = std::get_if<NeighbourAttributes>(&attributes)) {
      seen = visit.See(*neighbour);
    } else if (const auto* sysctl = std::get_if<SysctlAttributes>(&attributes)) {
      seen = visit.See(*sysctl);
    } else if (const auto* nat = std::get_if<NatAttributes>(&attributes)) {
      seen = TRY(visit.See(*nat, question.recorded));
    } else if (const auto* nftables = std::get_if<NftablesAttributes>(&attributes)) {
      seen = TRY(visit.See(*nftables, question.recorded));
    }
    if (seen) Put(question, std::move(*seen));
    return {};
  }

  /// What the kernel cannot show for this device counts as it was asked for.
  static void Fit(const DeviceAttributes& asked, DeviceAttributes& now) {
    if (!now.ipv6) now.ipv6 = asked.ipv6;
    // Names are what the file calls it, also after a rename in the kernel.
    now.ns = asked.ns;
  }

  static std::optional<Observed> SeeBridge(const Visit& visit, const BridgeAttributes& asked) {
    auto device = visit.SeeDevice(asked.device.name);
    if (!device) return std::nullopt;
    const LinkInfo& link = *visit.FindLink(asked.device.name);
    Fit(asked.device, *device);
    BridgeAttributes now = asked;
    now.device = *device;
    if (link.bridge) {
      now.stp = link.bridge->stp.value_or(asked.stp);
      now.priority = link.bridge->priority.value_or(asked.priority);
      now.ageing = link.bridge->ageing.value_or(asked.ageing);
    }
    return Observed{.attributes = now, .owner = visit.OwnerOf(link, "bridge")};
  }

  void SeeVethEnds(const Visit& visit, const NamespaceName& ns, const ResourceId& id, const VethAttributes& asked) {
    auto& halves = veths_[id];
    halves.asked = &asked;
    for (const auto& [end, half] : {std::pair(&asked.a, &halves.a), std::pair(&asked.b, &halves.b)}) {
      if (end->ns != ns) continue;
      const LinkInfo* link = visit.FindLink(end->name);
      if (link == nullptr) continue;
      half->end = visit.SeeDevice(end->name);
      Fit(*end, *half->end);
      half->index = link->index;
      half->peer = link->peer;
      half->owner = visit.OwnerOf(*link, "veth");
    }
  }

  struct Halves {
    const VethAttributes* asked = nullptr;
    HalfVeth a;
    HalfVeth b;
  };

  void JoinVeth(const ResourceId& id, const Halves& halves) {
    if (!halves.a.end && !halves.b.end) return;
    VethAttributes now = *halves.asked;
    now.joined = halves.a.end && halves.b.end && halves.a.peer == halves.b.index && halves.b.peer == halves.a.index;
    if (halves.a.end) now.a = *halves.a.end;
    if (halves.b.end) now.b = *halves.b.end;
    const bool foreign =
        (halves.a.end && halves.a.owner == Owner::kForeign) || (halves.b.end && halves.b.owner == Owner::kForeign);
    out_.insert_or_assign(id, Observed{.attributes = now, .owner = foreign ? Owner::kForeign : Owner::kOurs});
  }

  const ObserveContext& context_;
  std::map<NamespaceName, std::vector<Question>> by_namespace_;
  std::map<NamespaceName, NamespaceEntry> entries_;
  std::unordered_map<ResourceId, Halves> veths_;
  std::map<std::string, UplinkState> uplinks_;
  Observation out_;
};

}  // namespace

Result<Observation> ObserveKernel(const ObserveContext& context, const Graph& wish, const Record& record) {
  return Observer(context).Run(wish, record);
}

std::optional<Attributes> ReadSetting(const ObserveContext& context, const Resource& resource) {
  auto graph = Graph::Make({resource});
  if (!graph.ok()) return std::nullopt;
  auto seen = Observer(context).Run(*graph, {});
  if (!seen.ok()) return std::nullopt;
  const auto found = seen->find(resource.id);
  return found == seen->end() ? std::nullopt : std::optional(found->second.attributes);
}

}  // namespace runner
