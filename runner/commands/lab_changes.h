// Links of a lab that is up taken down, up again, and impaired for a while by its tests. What the kernel drops with a
// link that goes down comes back by the record, as with `status --heal`.
#pragma once
#include <set>
#include <string>
#include <utility>

#include "check/changes.h"
#include "commands/place.h"
#include "topology/model.h"

namespace runner {

class LabChanges : public check::Changes {
 public:
  /// Inside the lab; its lock is held. All three outlive this object.
  LabChanges(const Context& context, const LabPlaces& places, const Topology& topology)
      : context_(context), places_(places), topology_(topology) {}

  Status Make(const LinkChange& change) override;
  Status Make(const NodeChange& change) override;
  Status Make(const ProcessChange& change) override;
  Errors PutBack() override;

  /// What a run that was killed left changed.
  static Errors PutBackLeftovers(const Context& context, const std::string& lab);

 private:
  using Device = std::pair<std::string, std::string>;  // node, interface
  Status SetUp(const Device& device, bool up) const;
  Status TakeDown(const Device& device);
  Status BringUp(const std::set<Device>& devices);
  Status Impair(const Device& device, const Impairment& impairment);
  Status Remember() const;

  const Context& context_;
  const LabPlaces& places_;
  const Topology& topology_;
  std::set<Device> down_;
  std::set<Device> impaired_;
  bool has_changed_ = false;
};

}  // namespace runner
