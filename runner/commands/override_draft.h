// What a lab shall be when some of its links are changed for a while: its record, with overrides set or ended.
#pragma once
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "commands/overrides.h"
#include "exec/executor.h"

namespace runner {

/// An interface of the lab, as the user names it.
struct LinkTarget {
  NamespaceName ns;
  std::string dev;
  std::string name;  // NODE:IFNAME, as the names of resources have it
};
/// `node` is a node's, switch's or bridge's name or "host". On the host only the lab's own interfaces may be meant.
Result<LinkTarget> FindTarget(const Record& record, const std::string& lab, const std::string& node,
                              const std::string& interface);

/// An interface that is to be looked at, but is not there.
Error NoInterface(const Record& record, const LinkTarget& target, std::string tried);

class OverrideDraft {
 public:
  OverrideDraft(std::string lab, Record record);

  Status Set(const LinkSetting& setting);
  void Restore(const Overrides& before);

  /// The objects that differ from the record, and those that may come back with them.
  const ResourceIds& touched() const { return touched_; }
  /// The interfaces that are changed, and what shows that they are there.
  const std::vector<std::pair<LinkTarget, ResourceId>>& probed() const { return probed_; }
  /// What to look at to see that.
  std::vector<Resource> probe() const { return probe_; }
  Result<Graph> Finish() &&;

 private:
  Resource* Find(const ResourceId& id);
  /// The object that says whether the interface is up; null where the record has none.
  Resource* StateOf(const LinkTarget& target);
  void SetState(const LinkTarget& target, bool up);
  void SetImpairment(const LinkTarget& target, ImpairmentAttributes impairment);
  void EndOverrides(const LinkTarget& target);
  /// `attributes` for a while; what the file says where that is the same.
  void Put(Resource& resource, Attributes attributes);
  void End(Resource& resource);
  /// What the file does not have, for a while.
  void Add(const ResourceId& id, Attributes attributes, const NamespaceName& ns);
  void Touch(const ResourceId& id) { touched_.insert(id); }
  /// With all that stands on it: it may have gone with the interface.
  void TouchDependents(const ResourceId& id);
  void Probe(const LinkTarget& target);

  std::string lab_;
  Record record_;
  std::vector<Resource> resources_;
  std::unordered_map<ResourceId, std::size_t> index_;
  ResourceIds dropped_;
  ResourceIds touched_;
  std::vector<std::pair<LinkTarget, ResourceId>> probed_;
  std::vector<Resource> probe_;
};

}  // namespace runner
