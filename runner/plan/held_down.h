// Interfaces that a command has set down for a while, and what goes with them: the kernel takes it away and nobody can
// put it back before they are up again, so it is neither drift nor to be made.
#pragma once
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan.h"

namespace runner {

class HeldDown {
 public:
  /// `resources` are all of a lab: those that are overridden say which interfaces are down.
  explicit HeldDown(const std::vector<const Resource*>& resources);

  /// Whether `resource` is not as it should be only because an interface is held down. `seen` is null when it is gone.
  bool Explains(const Resource& resource, const Observed* seen, const Attributes* recorded) const;

 private:
  using Interface = std::pair<NamespaceName, std::string>;

  void Note(const DeviceAttributes& device, const DeviceAttributes* declared);
  void NoteOverride(const Resource& resource);
  /// A VLAN goes down with what it stands on, and with it those that stand on it.
  void Spread(const std::vector<const Resource*>& resources);
  bool IsDown(const NamespaceName& ns, const std::string& dev) const { return down_.contains({ns, dev}); }
  bool TakesRoute(const RouteAttributes& route) const;

  std::set<Interface> down_;
  std::set<Interface> followers_;                            // down with another one
  std::set<std::pair<NamespaceName, IpAddress>> addresses_;  // IPv6 ones, which go
  std::set<NamespaceName> places_;                           // where one is down
};

}  // namespace runner
