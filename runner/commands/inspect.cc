#include "commands/inspect.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/inside.h"
#include "commands/place.h"
#include "kernel/process.h"

namespace runner {
namespace {

Status ReadNetwork(NetlinkSocket& socket, PlaceView& view) {
  view.links = TRY(ReadLinks(socket));
  view.addresses = TRY(ReadAddresses(socket));
  view.routes = TRY(ReadRoutes(socket));
  view.rules = TRY(ReadRules(socket));
  // Three rules a family are the kernel's own and always there.
  std::erase_if(view.rules, [](const RuleInfo& rule) { return rule.protocol == RTPROT_KERNEL; });
  return {};
}

using ProcessesByNamespace = std::map<kernel::NamespaceInode, std::vector<kernel::ProcessInfo>>;

Result<PlaceView> ReadPlace(const Context& context, const RecordedPlace& place, const ProcessesByNamespace& processes) {
  PlaceView view{.node = place.node, .ns_name = place.ns_name};
  view.kind = place.is_switch ? PlaceView::Kind::kSwitch : PlaceView::Kind::kNode;
  const auto ns = Namespace::OpenPath(NamespacePath(context, place));
  if (!ns.ok()) {
    view.is_gone = true;
    return view;
  }
  NetlinkSocket socket = TRY(NetlinkSocket::OpenIn(*ns));
  TRY(ReadNetwork(socket, view));
  const auto inside = processes.find(TRY(kernel::ReadNamespaceInode(ns->fd())));
  view.processes = inside == processes.end() ? 0 : inside->second.size();
  return view;
}

/// The lab's devices outside its own namespaces.
std::set<std::string> HostDevices(const Record& record) {
  std::set<std::string> names;
  const auto add = [&names](const DeviceAttributes& device) {
    if (device.ns.empty()) names.insert(device.name);
  };
  for (const RecordEntry& entry : record) {
    const Attributes& attributes = entry.resource.attributes;
    if (const auto* veth = std::get_if<VethAttributes>(&attributes)) {
      add(veth->a);
      add(veth->b);
    }
    if (const auto* bridge = std::get_if<BridgeAttributes>(&attributes)) add(bridge->device);
    if (const auto* tap = std::get_if<TapAttributes>(&attributes)) add(tap->device);
    if (const auto* link = std::get_if<LinkAttributes>(&attributes)) add(link->device);
  }
  return names;
}

/// Of the host only what is the lab's.
Result<PlaceView> ReadHost(const std::set<std::string>& devices) {
  PlaceView view{.node = "host", .ns_name = {}, .kind = PlaceView::Kind::kHost};
  NetlinkSocket socket = TRY(NetlinkSocket::Open());
  TRY(ReadNetwork(socket, view));
  std::set<int> ours;
  for (const LinkInfo& link : view.links) {
    if (devices.contains(link.name)) ours.insert(link.index);
  }
  const auto is_foreign = [&ours](int index) { return !ours.contains(index); };
  std::erase_if(view.addresses, [&](const AddressInfo& address) { return is_foreign(address.index); });
  std::erase_if(view.routes, [&](const RouteInfo& route) {
    return std::ranges::all_of(route.nexthops, [&](const RouteNextHop& hop) { return is_foreign(hop.oif); });
  });
  std::erase_if(view.rules, [](const RuleInfo& rule) { return rule.protocol != kProtocol; });
  std::erase_if(view.links, [&](const LinkInfo& link) { return is_foreign(link.index); });
  return view;
}

class Inspector {
 public:
  Inspector(const Context& context, const Record& record, LabView& view)
      : context_(context), record_(record), view_(view) {}

  Status Look() {
    const ProcessesByNamespace processes = kernel::FindProcessesByNamespace();
    for (const RecordedPlace& place : PlacesOf(record_)) {
      nodes_[place.ns_name] = place.node;
      view_.places.push_back(TRY(ReadPlace(context_, place, processes).Wrap("node " + Quote(place.node))));
    }
    if (const auto devices = HostDevices(record_); !devices.empty()) view_.places.push_back(TRY(ReadHost(devices)));
    for (const RecordEntry& entry : record_) AddRecorded(entry.resource);
    view_.processes = ReadProcesses(context_, view_.lab, record_);
    return {};
  }

 private:
  std::string End(const DeviceAttributes& device) const {
    const auto node = nodes_.find(device.ns);
    return (node == nodes_.end() ? "host" : node->second) + ":" + device.name;
  }

  void AddRecorded(const Resource& resource) {
    if (const auto* veth = std::get_if<VethAttributes>(&resource.attributes)) {
      view_.cables.push_back({.id = resource.id.name, .a = End(veth->a), .b = End(veth->b)});
    } else if (const auto* uplink = std::get_if<UplinkAttributes>(&resource.attributes)) {
      view_.uplinks.push_back({.node = uplink->node,
                               .is_nat = uplink->relay_only,
                               .interface = uplink->interface,
                               .cidr = uplink->cidr,
                               .state = ReadUplink(context_.state.LabFolder(view_.lab), uplink->node)});
    } else if (const auto* forward = std::get_if<ForwardAttributes>(&resource.attributes)) {
      view_.ports.push_back(*forward);
    }
  }

  const Context& context_;
  const Record& record_;
  LabView& view_;
  std::map<NamespaceName, std::string> nodes_;
};

Ending Show(const Context& context, const LabPlaces& places) {
  const LabView view = TRY(ViewLab(context, places));
  if (context.json()) {
    PrintJson(context, LabViewJson(view));
  } else {
    *context.out << LabViewText(view);
  }
  return kExitDone;
}

}  // namespace

Result<LabView> ViewLab(const Context& inside, const LabPlaces& places) {
  const Journal journal = TRY(Journal::Open(inside.state.JournalPath(places.lab)));
  LabView view;
  view.lab = places.lab;
  view.file = places.header.file;
  view.since = places.header.since;
  const Record& record = journal.record();
  TRY(Inspector(inside, record, view).Look());
  return view;
}

Ending Inspect(const Context& context, const std::string& lab) {
  TRY(CheckPrivilege(context));
  const LabPlaces places = TRY(FindPlaces(context, lab));
  return InLab(context, places.lab, Entry::kLook, [&](const Context& inside) { return Show(inside, places); });
}

}  // namespace runner
