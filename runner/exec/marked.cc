#include "exec/marked.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <set>

#include "base/link_types.h"
#include "base/text.h"
#include "exec/translate.h"
#include "kernel/files.h"
#include "kernel/label_route.h"
#include "kernel/mark.h"
#include "kernel/nat.h"
#include "kernel/neighbour.h"
#include "process/client.h"
#include "uplink/supervisor.h"

namespace runner {
namespace {

constexpr std::string_view kFolderKey = "folder:";
constexpr std::string_view kSysctlKey = "sysctl:";

std::set<std::string> NamesIn(const std::string& path) {
  std::set<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()), closedir);
  while (const dirent* entry = folder ? readdir(folder.get()) : nullptr) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.insert(name);
  }
  return names;
}

std::optional<NamespaceOwner> MarkOf(const std::vector<LinkInfo>& links) {
  const auto loopback = std::ranges::find_if(links, [](const LinkInfo& link) { return link.loopback; });
  return loopback == links.end() ? std::nullopt : ParseNamespaceMark(loopback->alias);
}

class MarkFinder {
 public:
  explicit MarkFinder(const ObserveContext& context) : context_(context), lab_(context.options.lab) {}

  Result<Record> Find() {
    AddShared();
    TRY(AddNamespaces());
    TRY(AddPlace("", {}));
    AddUplinks();
    AddKeepers();
    AddFiles();
    return std::move(record_);
  }

 private:
  void Add(Kind kind, const std::string& name, Attributes attributes) {
    Resource resource{
        .id = {.kind = kind, .name = name}, .attributes = std::move(attributes), .dependencies = {}, .at = {}};
    const NamespaceName& ns = NamespaceOf(resource.attributes);
    if (const auto place = places_.find(ns); place != places_.end() && kind != Kind::kNamespace) {
      resource.dependencies.push_back({.id = {.kind = Kind::kNamespace, .name = place->second}});
    }
    record_.push_back({.resource = std::move(resource), .former = {}});
  }

  /// Counted on the host, with their former values.
  void AddShared() {
    for (const std::string& key : SharedHost(context_.options.state).KeysOf(lab_)) {
      const std::string_view text = key;
      if (text.starts_with(kFolderKey)) {
        const std::string name(text.substr(kFolderKey.size()));
        Add(Kind::kFolder, name, FolderAttributes{.ns = "", .name = name});
      } else if (text.starts_with(kSysctlKey)) {
        const std::string name(text.substr(kSysctlKey.size()));
        Add(Kind::kSysctl, "host/" + name, SysctlAttributes{.ns = "", .key = name, .value = {}});
      }
    }
  }

  Status AddNamespaces() {
    for (const NamespaceEntry& entry : TRY(ListNamespaces(context_.sessions.directory()))) {
      if (!entry.name.starts_with(lab_ + ".")) continue;
      const std::string node = entry.name.substr(lab_.size() + 1);
      NamespaceAttributes place{.name = entry.name, .node = node};
      if (entry.state == NamespaceEntry::State::kStray) {
        // As a kill between the file and the bind leaves it: the name says whose it was to be.
        AddNamespace(place);
        continue;
      }
      Session& session = *TRY(context_.sessions.Get(entry.name).Wrap("namespace " + entry.name));
      const auto links = TRY(ReadLinks(session.socket()).Wrap("namespace " + entry.name));
      if (const auto mark = MarkOf(links); mark && mark->lab == lab_ && mark->node == node) {
        AddNamespace(place);
        // All else in it goes with it; what is the host's must not.
        for (const LinkInfo& link : links) AddLentCard(link);
        continue;
      }
      const bool holds_ours = std::ranges::any_of(links, [this](const LinkInfo& link) { return IsOurs(link); });
      // Somebody else's, and nothing in it says that the lab was ever there.
      if (!holds_ours) continue;
      place.attach = "path " + context_.sessions.directory().Path(entry.name);
      AddNamespace(place);
      TRY(AddPlace(entry.name, node));
    }
    return {};
  }
  void AddNamespace(const NamespaceAttributes& place) {
    Add(Kind::kNamespace, place.node, place);
    places_.emplace(place.name, place.node);
  }

  /// Whether it is a card of the host's that the lab has.
  bool AddLentCard(const LinkInfo& link) {
    const auto card = ParseLentCard(link.alias);
    if (!card || card->lab != lab_) return false;
    PhysicalAttributes attributes;
    attributes.device = {.ns = lab_ + "." + card->node, .name = card->interface};
    attributes.card = card->card;
    Add(Kind::kPhysical, card->node + ":" + card->interface, attributes);
    return true;
  }

  bool IsOurs(const LinkInfo& link) const { return link.group == LinkGroup(lab_); }

  /// What the lab has put into a namespace that it did not make.
  Status AddPlace(const NamespaceName& ns, const std::string& node) {
    Session& session = *TRY(context_.sessions.Get(ns));
    const auto links = TRY(ReadLinks(session.socket()));
    const std::string prefix = (ns.empty() ? "host" : node) + ":";
    std::map<int, std::string> others;
    for (const LinkInfo& link : links) {
      if (IsOurs(link)) {
        if (!AddLentCard(link)) AddLink(ns, prefix, link);
      } else {
        others.emplace(link.index, link.name);
      }
    }
    TRY(AddTables(ns, node));
    // On the host every address and route of ours is on an interface of ours, and goes with it.
    if (ns.empty()) return {};
    for (const AddressInfo& info : TRY(ReadAddresses(session.socket()))) {
      const auto dev = others.find(info.index);
      if (info.protocol != kProtocol || dev == others.end()) continue;
      Add(Kind::kAddress, prefix + dev->second + "/" + info.prefix.text(),
          AddressAttributes{.ns = ns, .dev = dev->second, .prefix = info.prefix, .peer = info.peer});
    }
    for (const RootQdisc& qdisc : TRY(ReadRootQdiscs(session.socket()))) {
      const auto dev = others.find(qdisc.index);
      if (qdisc.handle != kImpairHandle || dev == others.end()) continue;
      Add(Kind::kImpairment, prefix + dev->second, ImpairmentAttributes{.ns = ns, .dev = dev->second});
    }
    for (const RouteInfo& info : TRY(ReadRoutes(session.socket()))) {
      if (info.protocol == kProtocol && !HasHopOfOurs(info, others)) AddRoute(ns, node, info, others);
    }
    for (const LabelRoute& info : TRY(ReadLabelRoutes(session.socket()))) {
      if (info.protocol != kProtocol) continue;
      Add(Kind::kRoute, node + "/mpls=" + std::to_string(info.label), RouteAttributes{.ns = ns, .label = info.label});
    }
    for (const RuleInfo& info : TRY(ReadRules(session.socket()))) {
      if (info.protocol != kProtocol) continue;
      Add(Kind::kRule, node + "/marked-" + std::to_string(record_.size()), RuleFrom(ns, info));
    }
    for (const NeighbourInfo& info : TRY(ReadNeighbours(session.socket()))) {
      const auto dev = others.find(info.index);
      if (info.protocol != kProtocol || dev == others.end()) continue;
      Add(Kind::kNeighbour, prefix + dev->second + "/" + info.to.text() + (info.proxy ? ",proxy" : ""),
          NeighbourAttributes{.ns = ns, .dev = dev->second, .to = info.to, .proxy = info.proxy, .mac = info.mac});
    }
    return {};
  }

  static bool HasHopOfOurs(const RouteInfo& info, const std::map<int, std::string>& others) {
    return std::ranges::any_of(info.nexthops,
                               [&](const RouteNextHop& hop) { return hop.oif != 0 && !others.contains(hop.oif); });
  }

  void AddRoute(const NamespaceName& ns, const std::string& node, const RouteInfo& info,
                const std::map<int, std::string>& others) {
    RouteAttributes route{.ns = ns, .to = info.to, .table = info.table, .metric = info.metric};
    route.type = FromKernelType(info.type).value_or(RouteType::kUnicast);
    for (const RouteNextHop& hop : info.nexthops) {
      const auto dev = others.find(hop.oif);
      route.hops.push_back({.via = hop.via, .dev = dev == others.end() ? "" : dev->second, .weight = hop.weight});
      route.onlink = route.onlink || hop.onlink;
    }
    Add(Kind::kRoute, node + "/marked-" + std::to_string(record_.size()), route);
  }

  void AddLink(const NamespaceName& ns, const std::string& prefix, const LinkInfo& link) {
    const DeviceAttributes device{.ns = ns, .name = link.name};
    if (link.kind == "bridge") return Add(Kind::kBridge, prefix + link.name, BridgeAttributes{.device = device});
    if (link.kind == "tun") return Add(Kind::kTap, prefix + link.name, TapAttributes{.device = device});
    if (FindLinkType(link.kind) != nullptr) {
      return Add(Kind::kLink, prefix + link.name, LinkAttributes{.device = device, .type = link.kind});
    }
    // Where the other end is does not matter: it goes along.
    if (link.kind == "veth") Add(Kind::kVeth, prefix + link.name, VethAttributes{.a = device, .b = device});
  }

  Status AddTables(const NamespaceName& ns, const std::string& node) {
    Session& session = *TRY(context_.sessions.Get(ns));
    for (const kernel::TableId& table : TRY(context_.nft.ListTables(session.place().fd()))) {
      if (ns.empty() ? IsHostTable(table) : table == kernel::NatTableId()) {
        Add(Kind::kNat, (ns.empty() ? "host/" + table.name : node), NatAttributes{.ns = ns, .table = table.name});
      }
    }
    return {};
  }

  /// toporun-LAB-NODE. Both may have hyphens: the lab that is up and has the longest name that fits has it.
  bool IsHostTable(const kernel::TableId& table) const {
    if (table.family != "inet") return false;
    const auto fits = [&table](const std::string& lab) { return table.name.starts_with("toporun-" + lab + "-"); };
    if (!fits(lab_)) return false;
    return std::ranges::none_of(context_.options.state.Labs(),
                                [&](const std::string& other) { return other.size() > lab_.size() && fits(other); });
  }

  void AddUplinks() {
    for (const UplinkProcess& helper : FindUplinks(lab_, context_.options.state.LabFolder(lab_))) {
      Add(Kind::kUplink, helper.node, UplinkAttributes{.ns = lab_ + "." + helper.node, .node = helper.node});
    }
  }

  /// What runs in a keeper's care is stopped with it.
  void AddKeepers() {
    for (const process::KeeperProcess& keeper : process::FindKeepers(lab_, context_.options.state.LabFolder(lab_))) {
      Add(Kind::kView, keeper.node, ViewAttributes{.ns = lab_ + "." + keeper.node, .node = keeper.node});
    }
  }

  /// Files of namespaces that are ours by their mark, and of folders that hold a link to the lab's own hosts file.
  void AddFiles() {
    const std::string& base = context_.options.files_base;
    const std::string shared = context_.options.state.LabFolder(lab_) + "/hosts";
    for (const std::string& name : NamesIn(base)) {
      if (!name.starts_with(lab_ + ".")) continue;
      const std::string node = name.substr(lab_.size() + 1);
      const kernel::NodeFiles files(base, name);
      if (!places_.contains(name) && files.LinkTarget("hosts") != shared) continue;
      for (const std::string file : {"hosts", "resolv.conf"}) {
        struct stat info {};
        const std::string path = files.path(file);
        if (lstat(path.c_str(), &info) != 0 && lstat((path + ".new").c_str(), &info) != 0) continue;
        Add(Kind::kFile, node + "/" + file, FileAttributes{.ns = name, .name = file});
      }
    }
  }

  const ObserveContext& context_;
  const std::string& lab_;
  Record record_;
  std::map<NamespaceName, std::string> places_;  // ours, and those that are attached: to the node's name
};

}  // namespace

Result<Record> FindMarked(const ObserveContext& context) { return MarkFinder(context).Find(); }

Result<std::vector<std::string>> FindMarkedLabs(const NamespaceDirectory& directory) {
  std::set<std::string> labs;
  for (const NamespaceEntry& entry : TRY(ListNamespaces(directory))) {
    if (entry.state != NamespaceEntry::State::kNamespace || entry.name.find('.') == std::string::npos) continue;
    const auto place = Namespace::OpenPath(directory.Path(entry.name));
    // Gone since the folder was read, with a lab that is being taken down.
    if (!place.ok()) continue;
    NetlinkSocket socket = TRY(NetlinkSocket::OpenIn(*place));
    const auto mark = MarkOf(TRY(ReadLinks(socket)));
    if (mark && mark->lab + "." + mark->node == entry.name) labs.insert(mark->lab);
  }
  return std::vector<std::string>(labs.begin(), labs.end());
}

}  // namespace runner
