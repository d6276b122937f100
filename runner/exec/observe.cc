#include "exec/observe.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "base/link_types.h"
#include "base/text.h"
#include "exec/apply.h"
#include "exec/namespace_view.h"
#include "exec/observe_process.h"
#include "exec/physical.h"
#include "exec/translate.h"
#include "kernel/files.h"
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

class Observer {
 public:
  explicit Observer(const ObserveContext& context) : context_(context), keepers_(context) {}

  Result<Observation> Run(const Graph& wish, const Record& record, const Observation* first) {
    Collect(wish, record);
    for (const auto& entry : TRY(ListNamespaces(context_.sessions.directory()))) entries_.emplace(entry.name, entry);
    for (const auto& [ns, questions] : by_namespace_) {
      if (first != nullptr && IsUntouched(ns)) {
        TRY(TakeOver(*first, questions));
      } else {
        TRY(VisitNamespace(ns, questions));
      }
    }
    for (const auto& [id, asked] : veths_) JoinVeth(id, *asked);
    return std::move(out_);
  }

 private:
  void Ask(const Resource& resource, const Attributes* recorded) {
    const Question question{.resource = &resource, .recorded = recorded};
    by_namespace_[NamespaceOf(resource.attributes)].push_back(question);
    if (const auto* veth = std::get_if<VethAttributes>(&resource.attributes)) {
      veths_[resource.id] = veth;
      // The ends of a cable are seen at two visits.
      if (veth->b.ns != veth->a.ns) by_namespace_[veth->b.ns].push_back(question);
    }
    // A card may be at the host yet, or again.
    if (std::holds_alternative<PhysicalAttributes>(resource.attributes)) by_namespace_[""].push_back(question);
  }

  void Collect(const Graph& wish, const Record& record) {
    std::unordered_map<ResourceId, const Attributes*> recorded;
    recorded.reserve(record.size());
    out_.reserve(std::max(record.size(), wish.resources().size()));
    for (const RecordEntry& entry : record) recorded.emplace(entry.resource.id, &entry.resource.attributes);
    for (const Resource& resource : wish.resources()) {
      const auto found = recorded.find(resource.id);
      Ask(resource, found == recorded.end() ? nullptr : found->second);
    }
    for (const RecordEntry& entry : record) {
      if (!wish.Has(entry.resource.id)) Ask(entry.resource, &entry.resource.attributes);
    }
  }

  /// The machine is everybody's.
  bool IsUntouched(const NamespaceName& ns) const {
    return !ns.empty() && !context_.lookback.touched.contains(ns) && entries_.contains(ns);
  }

  static bool EndsByItself(Kind kind) {
    switch (kind) {
      case Kind::kUplink:
      case Kind::kForward:
      case Kind::kView:
      case Kind::kContent:
      case Kind::kProcess:
      case Kind::kCondition:
        return true;
      default:
        return false;
    }
  }

  /// Processes are looked for again; the rest is as it was.
  Status TakeOver(const Observation& first, const std::vector<Question>& questions) {
    for (const Question& question : questions) {
      if (EndsByItself(question.resource->kind())) {
        TRY(AnswerOutside(question));
        continue;
      }
      // The ends of cables are remembered.
      if (question.resource->kind() == Kind::kVeth) continue;
      const auto found = first.find(question.resource->id);
      if (found != first.end()) Put(question, found->second);
    }
    return {};
  }

  /// Whatever was seen of cables' ends there.
  void ForgetEnds(const NamespaceName& ns, const std::vector<Question>& questions) {
    for (const Question& question : questions) {
      const auto* veth = std::get_if<VethAttributes>(&question.resource->attributes);
      if (veth == nullptr) continue;
      auto& [a, b] = context_.lookback.ends[question.resource->id];
      if (veth->a.ns == ns) a = {};
      if (veth->b.ns == ns) b = {};
    }
  }

  Status VisitNamespace(const NamespaceName& ns, const std::vector<Question>& questions) {
    ForgetEnds(ns, questions);
    for (const Question& question : questions) TRY(AnswerOutside(question));
    std::set<Kind> kinds;
    for (const Question& question : questions) kinds.insert(question.resource->kind());
    if (std::ranges::all_of(kinds, [](Kind kind) { return kind == Kind::kFolder || kind == Kind::kFile; })) return {};
    if (!ns.empty()) {
      const auto entry = entries_.find(ns);
      if (entry == entries_.end()) return PeekAttached(ns, kinds, questions);
      if (entry->second.state == NamespaceEntry::State::kStray) {
        NoteStray(questions);
        return {};
      }
    }
    Session& session = *TRY(context_.sessions.Get(ns).Wrap("namespace " + ns));
    NamespaceView view(context_, ns, session);
    TRY(view.ReadAll(kinds).Wrap(ns.empty() ? "host" : "namespace " + ns));
    const bool somebody_elses = !ns.empty() && view.owner() == Owner::kForeign && !IsAttached(questions);
    for (const Question& question : questions) {
      // In another's namespace nothing is ours, whatever its name.
      if (somebody_elses && question.resource->kind() != Kind::kNamespace) continue;
      TRY(Answer(view, ns, question).Wrap(question.resource->id.text()));
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
      NamespaceView view(context_, ns, session);
      TRY(view.ReadAll(kinds).Wrap("namespace " + ns));
      for (const Question& other : questions) {
        if (other.resource->kind() == Kind::kNamespace) continue;
        TRY(Answer(view, ns, other).Wrap(other.resource->id.text()));
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

  void PutIfSeen(const Question& question, std::optional<Observed> seen) {
    if (seen) Put(question, std::move(*seen));
  }

  /// What is no object of a namespace: folders, files, helpers, processes.
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
      } else if (question.recorded != nullptr && RunsSilently(uplink->node)) {
        // It does not answer and is no use, but it is to be ended.
        UplinkAttributes now = *uplink;
        now.interface.clear();
        Put(question, {.attributes = now, .owner = Owner::kOurs});
      }
    } else if (const auto* forward = std::get_if<ForwardAttributes>(&attributes)) {
      SeeForward(question, *forward);
    } else if (const auto* view = std::get_if<ViewAttributes>(&attributes)) {
      PutIfSeen(question, keepers_.See(*view));
    } else if (const auto* content = std::get_if<ContentAttributes>(&attributes)) {
      PutIfSeen(question, TRY(keepers_.See(*content)));
    } else if (const auto* process = std::get_if<ProcessAttributes>(&attributes)) {
      PutIfSeen(question, keepers_.See(*process));
    } else if (const auto* condition = std::get_if<ConditionAttributes>(&attributes)) {
      PutIfSeen(question, keepers_.See(*condition));
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
    // What the shared file says is another question.
    const auto content = now.shared ? std::optional<std::string>() : TRY(files.Read(asked.name));
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

  /// Whether there is a process of a helper, by its command line.
  bool RunsSilently(const std::string& node) {
    if (!helpers_) {
      helpers_.emplace();
      const std::string folder = context_.options.state.LabFolder(context_.options.lab);
      for (const UplinkProcess& helper : FindUplinks(context_.options.lab, folder)) helpers_->insert(helper.node);
    }
    return helpers_->contains(node);
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

  Status Answer(const NamespaceView& view, const NamespaceName& ns, const Question& question) {
    const Resource& resource = *question.resource;
    const Attributes& attributes = resource.attributes;
    std::optional<Observed> seen;
    if (const auto* place = std::get_if<NamespaceAttributes>(&attributes)) {
      seen = TRY(view.SeeNamespace(*place));
    } else if (const auto* veth = std::get_if<VethAttributes>(&attributes)) {
      SeeVethEnds(view, ns, resource.id, *veth);
    } else if (const auto* bridge = std::get_if<BridgeAttributes>(&attributes)) {
      seen = SeeBridge(view, *bridge);
    } else if (const auto* tap = std::get_if<TapAttributes>(&attributes)) {
      if (auto device = view.SeeDevice(tap->device.name)) {
        Fit(tap->device, *view.FindLink(tap->device.name), *device);
        seen = Observed{.attributes = TapAttributes{.device = *device},
                        .owner = view.OwnerOf(*view.FindLink(tap->device.name), "tun")};
      }
    } else if (const auto* typed = std::get_if<LinkAttributes>(&attributes)) {
      seen = TRY(SeeLink(view, *typed));
    } else if (const auto* interface = std::get_if<InterfaceAttributes>(&attributes)) {
      if (auto device = view.SeeDevice(interface->device.name)) {
        Fit(interface->device, *view.FindLink(interface->device.name), *device);
        seen = Observed{.attributes = InterfaceAttributes{.device = *device}, .owner = Owner::kOurs};
      }
    } else if (const auto* state = std::get_if<ActivationAttributes>(&attributes)) {
      if (const LinkInfo* link = view.FindLink(state->dev)) {
        ActivationAttributes now = *state;
        now.up = link->up;
        seen = Observed{.attributes = now, .owner = Owner::kOurs};
      }
    } else if (const auto* address = std::get_if<AddressAttributes>(&attributes)) {
      seen = view.See(*address);
    } else if (const auto* route = std::get_if<RouteAttributes>(&attributes)) {
      seen = TRY(view.See(*route));
    } else if (const auto* rule = std::get_if<RuleAttributes>(&attributes)) {
      seen = view.See(*rule);
    } else if (const auto* neighbour = std::get_if<NeighbourAttributes>(&attributes)) {
      seen = view.See(*neighbour);
    } else if (const auto* sysctl = std::get_if<SysctlAttributes>(&attributes)) {
      seen = view.See(*sysctl);
    } else if (const auto* impairment = std::get_if<ImpairmentAttributes>(&attributes)) {
      seen = view.See(*impairment);
    } else if (const auto* vlans = std::get_if<VlansAttributes>(&attributes)) {
      seen = view.See(*vlans);
    } else if (const auto* fdb = std::get_if<FdbAttributes>(&attributes)) {
      seen = view.See(*fdb);
    } else if (const auto* peer = std::get_if<PeerAttributes>(&attributes)) {
      seen = TRY(view.See(*peer, question.recorded));
    } else if (const auto* physical = std::get_if<PhysicalAttributes>(&attributes)) {
      seen = SeePhysical(view, ns, context_.options.lab, *physical, question.recorded);
    } else if (const auto* nat = std::get_if<NatAttributes>(&attributes)) {
      seen = TRY(view.See(*nat, question.recorded));
    } else if (const auto* nftables = std::get_if<NftablesAttributes>(&attributes)) {
      seen = TRY(view.See(*nftables, question.recorded));
    }
    if (seen) Put(question, std::move(*seen));
    return {};
  }

  /// What the kernel cannot show for this device counts as it was asked for.
  static void Fit(const DeviceAttributes& asked, const LinkInfo& link, DeviceAttributes& now) {
    // The members of a bond have its address.
    if (link.master_kind == "bond") now.mac = asked.mac;
    if (!now.ipv6) now.ipv6 = asked.ipv6;
    // Names are what the file calls it, also after a rename in the kernel.
    now.ns = asked.ns;
  }

  /// The interface that an option names, as the plan writes it: `eth0`, or `host:eth0` for one of the host's.
  Result<std::string> NameOfOption(const NamespaceView& view, const std::string& asked, int index, bool elsewhere) {
    if (!elsewhere) return view.NameOf(index);
    constexpr std::string_view kHost = "host:";
    if (asked.starts_with(kHost)) {
      const std::string name = asked.substr(kHost.size());
      const auto there = TRY(context_.sessions.Get(""))->IndexOf(name);
      if (there.ok() && *there == index) return asked;
    }
    return "interface " + std::to_string(index) + " of another namespace";
  }

  /// The settings of its type, those that another family tells too.
  static Result<LinkOptions> OptionsOf(const NamespaceView& view, const LinkInfo& link) {
    if (link.kind != "wireguard") return link.options;
    const WireguardInfo& info = *TRY(view.ReadWireguard(link));
    LinkOptions options = {{"listen_port", std::to_string(info.listen_port)}};
    if (!info.public_key.is_zero()) options.emplace("public_key", info.public_key.text());
    return options;
  }

  Result<std::optional<Observed>> SeeLink(const NamespaceView& view, const LinkAttributes& asked) {
    auto device = view.SeeDevice(asked.device.name);
    if (!device) return std::optional<Observed>();
    const LinkInfo& link = *view.FindLink(asked.device.name);
    Fit(asked.device, link, *device);
    LinkAttributes now = asked;
    now.device = *device;
    const bool taps = link.kind == "tun";
    now.type = taps ? (link.is_tun ? "tun" : "tap") : link.kind;
    now.options.clear();
    const LinkOptions told = TRY(OptionsOf(view, link));
    for (const OptionAttributes& option : asked.options) {
      const LinkOption* known = FindLinkOption(asked.type, option.name);
      const auto found = told.find(option.name);
      if (option.name == "link") {
        const std::string name = TRY(NameOfOption(view, option.value, link.peer, link.link_netnsid.has_value()));
        now.options.push_back({option.name, name});
      } else if (found != told.end()) {
        std::string value = found->second;
        if (known != nullptr && known->form == LinkOption::Form::kDevice) {
          const int index = static_cast<int>(ParseInteger(value).value_or(0));
          value = TRY(NameOfOption(view, option.value, index, option.value.starts_with("host:")));
        } else if (known != nullptr && known->form == LinkOption::Form::kTunUser && UserNumber(option.value) == value) {
          value = option.value;
        }
        now.options.push_back({option.name, value});
      }
    }
    // In our own namespaces one of another type is replaced; elsewhere the lab's group tells.
    const Owner owner = view.is_ours() ? Owner::kOurs : view.OwnerOf(link, link.kind);
    return std::optional(Observed{.attributes = now, .owner = owner});
  }

  static std::optional<Observed> SeeBridge(const NamespaceView& view, const BridgeAttributes& asked) {
    auto device = view.SeeDevice(asked.device.name);
    if (!device) return std::nullopt;
    const LinkInfo& link = *view.FindLink(asked.device.name);
    Fit(asked.device, link, *device);
    BridgeAttributes now = asked;
    now.device = *device;
    if (link.bridge) {
      now.stp = link.bridge->stp.value_or(asked.stp);
      now.priority = link.bridge->priority.value_or(asked.priority);
      now.ageing = link.bridge->ageing.value_or(asked.ageing);
      now.vlan_filtering = link.bridge->vlan_filtering.value_or(false);
    }
    return Observed{.attributes = now, .owner = view.OwnerOf(link, "bridge")};
  }

  void SeeVethEnds(const NamespaceView& view, const NamespaceName& ns, const ResourceId& id,
                   const VethAttributes& asked) {
    auto& ends = context_.lookback.ends[id];
    for (const auto& [end, half] : {std::pair(&asked.a, &ends.first), std::pair(&asked.b, &ends.second)}) {
      if (end->ns != ns) continue;
      const LinkInfo* link = view.FindLink(end->name);
      if (link == nullptr) continue;
      half->device = view.SeeDevice(end->name);
      Fit(*end, *link, *half->device);
      half->index = link->index;
      half->peer = link->peer;
      half->owner = view.OwnerOf(*link, "veth");
    }
  }

  void JoinVeth(const ResourceId& id, const VethAttributes& asked) {
    const auto& [a, b] = context_.lookback.ends[id];
    if (!a.device && !b.device) return;
    VethAttributes now = asked;
    now.joined = a.device && b.device && a.peer == b.index && b.peer == a.index;
    if (a.device) now.a = *a.device;
    if (b.device) now.b = *b.device;
    const bool foreign = (a.device && a.owner == Owner::kForeign) || (b.device && b.owner == Owner::kForeign);
    out_.insert_or_assign(id, Observed{.attributes = now, .owner = foreign ? Owner::kForeign : Owner::kOurs});
  }

  const ObserveContext& context_;
  std::map<NamespaceName, std::vector<Question>> by_namespace_;
  std::map<NamespaceName, NamespaceEntry> entries_;
  std::unordered_map<ResourceId, const VethAttributes*> veths_;
  std::map<std::string, UplinkState> uplinks_;
  KeeperReader keepers_;
  std::optional<std::set<std::string>> helpers_;  // by node; asked for once, and only where one does not answer
  Observation out_;
};

}  // namespace

Result<Observation> ObserveKernel(const ObserveContext& context, const Graph& wish, const Record& record,
                                  const Observation* first) {
  return Observer(context).Run(wish, record, first);
}

std::optional<Attributes> ReadSetting(const ObserveContext& context, const Resource& resource) {
  auto graph = Graph::Make({resource});
  if (!graph.ok()) return std::nullopt;
  auto seen = Observer(context).Run(*graph, {}, nullptr);
  if (!seen.ok()) return std::nullopt;
  const auto found = seen->find(resource.id);
  return found == seen->end() ? std::nullopt : std::optional(found->second.attributes);
}

}  // namespace runner
