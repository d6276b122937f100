#include "commands/checked_lab.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "commands/interrupts.h"
#include "exec/journal.h"
#include "kernel/address.h"
#include "kernel/link.h"

namespace runner {
namespace {

constexpr const char* kOutside = "outside";

std::string ReadOrNothing(const std::string& path) {
  auto text = ReadFile(path);
  return text.ok() ? std::move(*text) : std::string();
}

class NodeVantage : public check::Vantage {
 public:
  explicit NodeVantage(Entrance entrance) : entrance_(std::move(entrance)) {}

  Result<Fd> OpenSocket(int domain, int type, int protocol) override {
    if (!entrance_.place) return OpenSocketHere(domain, type, protocol);
    const InNamespace inside = TRY(InNamespace::Enter(*entrance_.place));
    return OpenSocketHere(domain, type, protocol);
  }
  Result<check::Output> Run(const std::vector<std::string>& command, std::chrono::milliseconds limit) override {
    return RunAndKeep(entrance_.spec, command, limit);
  }
  std::string HostsFile() override { return FileOf("hosts"); }
  std::string ResolverFile() override { return FileOf("resolv.conf"); }

 private:
  std::string FileOf(const std::string& name) const {
    const auto own = ReadFile(entrance_.spec.files + "/" + name);
    return !entrance_.spec.files.empty() && own.ok() ? *own : ReadOrNothing("/etc/" + name);
  }

  Entrance entrance_;
};

class OutsideVantage : public check::Vantage {
 public:
  explicit OutsideVantage(const OutsideProcess& outside) : outside_(outside) {}
  Result<Fd> OpenSocket(int domain, int type, int protocol) override {
    return outside_.OpenSocket(domain, type, protocol);
  }
  Result<check::Output> Run(const std::vector<std::string>& command, std::chrono::milliseconds limit) override {
    return outside_.Run(command, limit);
  }
  std::string HostsFile() override { return ReadOrNothing("/etc/hosts"); }
  std::string ResolverFile() override { return ReadOrNothing("/etc/resolv.conf"); }

 private:
  const OutsideProcess& outside_;
};

/// NODE:IFNAME of each uplink, as recorded.
std::set<std::string> UplinkInterfaces(const Record& record) {
  std::set<std::string> found;
  for (const RecordEntry& entry : record) {
    if (const auto* uplink = std::get_if<UplinkAttributes>(&entry.resource.attributes)) {
      found.insert(uplink->node + ":" + uplink->interface);
    }
  }
  return found;
}

/// Where the file has the interface; what it does not name comes behind, and `lo` last.
std::size_t OrderOf(const Topology* topology, const std::string& node, const LinkInfo& link) {
  const std::size_t last = SIZE_MAX;
  if (link.loopback) return last;
  const Node* found = topology == nullptr ? nullptr : topology->FindNode(node);
  if (found == nullptr) return last - 1;
  const auto at = std::ranges::find(found->interfaces, link.name, &Interface::name);
  return at == found->interfaces.end() ? last - 1 : static_cast<std::size_t>(at - found->interfaces.begin());
}

Result<check::NodeAddresses> ReadNode(const Context& context, const RecordedPlace& place, const Topology* topology,
                                      const std::set<std::string>& uplinks) {
  check::NodeAddresses node{.node = place.node};
  const auto ns = Namespace::OpenPath(NamespacePath(context, place));
  // Gone: a check from it or to it says so.
  if (!ns.ok()) return node;
  NetlinkSocket socket = TRY(NetlinkSocket::OpenIn(*ns));
  std::vector<LinkInfo> links = TRY(ReadLinks(socket));
  const std::vector<AddressInfo> addresses = TRY(ReadAddresses(socket));
  std::ranges::stable_sort(links, {}, [&](const LinkInfo& link) { return OrderOf(topology, place.node, link); });
  for (const LinkInfo& link : links) {
    check::InterfaceAddresses interface {
      .name = link.name, .leads_out = uplinks.contains(place.node + ":" + link.name)
    };
    for (const AddressInfo& address : addresses) {
      if (address.index == link.index) interface.addresses.push_back(address.prefix);
    }
    node.interfaces.push_back(std::move(interface));
  }
  return node;
}

Result<check::AddressBook> ReadBook(const Context& context, const LabPlaces& places, const Topology* topology) {
  const Journal journal = TRY(Journal::Open(context.state.JournalPath(places.lab)));
  const std::set<std::string> uplinks = UplinkInterfaces(journal.record());
  std::vector<check::NodeAddresses> nodes;
  for (const RecordedPlace& place : places.places) {
    if (place.is_switch) continue;
    nodes.push_back(TRY(ReadNode(context, place, topology, uplinks).Wrap("node " + Quote(place.node))));
  }
  return check::AddressBook(std::move(nodes));
}

}  // namespace

CheckedLab::CheckedLab(const Context& context, const LabPlaces& places, const OutsideProcess* outside)
    : context_(context), places_(places), outside_(outside) {
  lab_.at = [this](const std::string& place) { return At(place); };
  lab_.interrupted = Interrupts::flag();
}

Result<std::unique_ptr<CheckedLab>> CheckedLab::Open(const Context& context, const LabPlaces& places,
                                                     const Topology* topology, const OutsideProcess* outside) {
  auto lab = std::unique_ptr<CheckedLab>(new CheckedLab(context, places, outside));
  lab->lab_.book = TRY(ReadBook(context, places, topology));
  return lab;
}

Result<std::unique_ptr<check::Vantage>> CheckedLab::Open(const std::string& place) const {
  if (place == kOutside && outside_ != nullptr) {
    return std::unique_ptr<check::Vantage>(std::make_unique<OutsideVantage>(*outside_));
  }
  Entrance entrance = TRY(OpenEntrance(context_, places_, place == kOutside ? "host" : place));
  if (place != kOutside) {
    entrance.spec.environment.emplace_back("TOPORUN_LAB", places_.lab);
    entrance.spec.environment.emplace_back("TOPORUN_NODE", place);
  }
  return std::unique_ptr<check::Vantage>(std::make_unique<NodeVantage>(std::move(entrance)));
}

Result<check::Vantage*> CheckedLab::At(const std::string& place) {
  auto found = open_.find(place);
  if (found == open_.end()) found = open_.emplace(place, TRY(Open(place))).first;
  return found->second.get();
}

}  // namespace runner
