// What the cross-checks share: where findings go, and every device of the lab by place and name.
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "topology/model.h"

namespace runner::validate {

/// Collects findings. One entry of the file may have become many: the loader tells equal ones at one place once.
class Findings {
 public:
  void Add(Severity severity, const Mark& at, std::string where, std::string tried, std::string why,
           std::vector<Note> notes = {});
  void Wrong(const Mark& at, std::string where, std::string tried, std::string why, std::vector<Note> notes = {}) {
    Add(Severity::kError, at, std::move(where), std::move(tried), std::move(why), std::move(notes));
  }
  void Warn(const Mark& at, std::string where, std::string tried, std::string why, std::vector<Note> notes = {}) {
    Add(Severity::kWarning, at, std::move(where), std::move(tried), std::move(why), std::move(notes));
  }
  Errors Take() { return std::move(errors_); }

 private:
  Errors errors_;
};

/// What a device has been made a port or member of.
enum class MasterKind { kNone, kBridge, kBond, kVrf };

/// One network device of a place, whoever declared it.
struct Device {
  std::string_view name;
  const Interface* interface = nullptr;  // null: `lo` without an entry, or an uplink's
  const Bridge* bridge = nullptr;        // the device is this bridge
  const Uplink* uplink = nullptr;        // the device is this uplink's
  const LinkEnd* end = nullptr;          // the device is this end of a link
  MasterKind master_kind = MasterKind::kNone;
  std::string_view master = {};
  Mark master_at = {};

  bool is_up() const { return interface == nullptr || interface->is_up(); }
  bool has_ipv6() const { return interface == nullptr || interface->has_ipv6(); }
  bool is_port() const { return master_kind == MasterKind::kBridge || master_kind == MasterKind::kBond; }
  /// The VRF that the device's routes belong to; empty: the main one.
  std::string_view vrf() const { return master_kind == MasterKind::kVrf ? master : std::string_view(); }
  Mark at() const;
};

/// The devices of one namespace.
struct PlaceDevices {
  Place place;
  const Node* node = nullptr;   // null for a switch and the host
  std::vector<Device> devices;  // in file order
  std::unordered_map<std::string_view, std::size_t> by_name;

  /// False where there may be devices that the file does not tell of: the host, an attached namespace.
  bool knows_all() const { return !place.is_host() && (node == nullptr || !node->attach); }
  const Device* Find(std::string_view name) const;
  Device* Find(std::string_view name);
  /// ` (did you mean "NAME"?)` among the devices here, or nothing.
  std::string Near(std::string_view name) const;
};

class Index {
 public:
  /// Reads the whole topology once; two things that claim one name, and masters that don't fit, are findings.
  Index(const Topology& topology, Findings& findings);

  const PlaceDevices* Find(const Place& place) const;
  const std::vector<PlaceDevices>& places() const { return places_; }
  const Node* FindNode(std::string_view name) const;
  const Bridge* FindBridge(std::string_view name) const;

 private:
  PlaceDevices& PlaceOf(const Place& place);
  void AddDevice(PlaceDevices& place, Device device, Findings& findings);
  void AddLinkEnd(const LinkEnd& end, const Mark& link_at, Findings& findings);
  void SetMaster(PlaceDevices& place, const At<std::string>& member, MasterKind kind, std::string_view master,
                 Findings& findings);

  std::vector<PlaceDevices> places_;  // nodes, switches, the host last
  std::map<Place, std::size_t> by_place_;
  std::unordered_map<std::string_view, const Node*> nodes_;
  std::unordered_map<std::string_view, const Bridge*> bridges_;
};

/// `node "r1"`, `bridge "lan"`, `host`.
std::string PlaceName(const Place& place);
/// `interface "r1:eth0"`; a bridge's own device is `bridge "lan"`.
std::string DeviceName(const Place& place, const Device& device);
/// `bridge "br0"`, `bond "b"`, `vrf "red"`.
std::string MasterName(MasterKind kind, std::string_view name);

// One file a field of checks. Each may be called alone; none depends on another's findings.
void CheckInterfaces(const Topology& topology, const Index& index, Findings& findings);
void CheckSegments(const Topology& topology, const Index& index, Findings& findings);
void CheckRoutes(const Topology& topology, const Index& index, Findings& findings);
void CheckNat(const Topology& topology, const Index& index, Findings& findings);
void CheckUplinks(const Topology& topology, const Index& index, Findings& findings);
void CheckPorts(const Topology& topology, const Index& index, Findings& findings);
void CheckNodes(const Topology& topology, const Index& index, Findings& findings);
void CheckWireguard(const Topology& topology, const Index& index, Findings& findings);
void CheckProcesses(const Topology& topology, const Index& index, Findings& findings);
void CheckTests(const Topology& topology, const Index& index, Findings& findings);

}  // namespace runner::validate
