#include "plan/graph.h"

#include <algorithm>
#include <queue>

namespace runner {
namespace {

// Where each object stands in a list, by its own id: nothing is copied.
struct IdHash {
  std::size_t operator()(const ResourceId* id) const { return std::hash<ResourceId>()(*id); }
};
struct IdEqual {
  bool operator()(const ResourceId* a, const ResourceId* b) const { return *a == *b; }
};
using Index = std::unordered_map<const ResourceId*, std::size_t, IdHash, IdEqual>;

// Follows unmet dependencies from `start` until one comes round again, and names the ring.
Error DescribeCycle(const std::vector<const Resource*>& resources, const Index& index,
                    const std::vector<std::size_t>& missing, std::size_t start) {
  std::vector<std::size_t> path;
  std::size_t at = start;
  while (std::ranges::find(path, at) == path.end()) {
    path.push_back(at);
    for (const DependsOn& on : resources[at]->dependencies) {
      const auto found = index.find(&on.id);
      if (found != index.end() && missing[found->second] > 0) {
        at = found->second;
        break;
      }
    }
  }
  std::string ring;
  for (auto step = std::ranges::find(path, at); step != path.end(); ++step) ring += resources[*step]->id.text() + " → ";
  ring += resources[at]->id.text();
  Error error = Fail("order the lab's objects", "they need each other in a circle: " + ring);
  error.failure = Failure::kTopology;
  error.at = resources[at]->at;
  return error;
}

}  // namespace

const Resource* Graph::Find(const ResourceId& id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &resources_[found->second];
}

Result<std::vector<std::size_t>> DependencyOrder(const std::vector<const Resource*>& resources) {
  Index index;
  index.reserve(resources.size());
  for (std::size_t i = 0; i < resources.size(); ++i) {
    if (!index.emplace(&resources[i]->id, i).second) {
      Error error = Fail(resources[i]->id.text(), "stands twice in the lab");
      error.failure = Failure::kTopology;
      error.at = resources[i]->at;
      return error;
    }
  }
  std::vector<std::size_t> missing(resources.size(), 0);
  std::vector<std::vector<std::size_t>> dependents(resources.size());
  for (std::size_t i = 0; i < resources.size(); ++i) {
    for (const DependsOn& on : resources[i]->dependencies) {
      const auto found = index.find(&on.id);
      if (found == index.end()) continue;
      ++missing[i];
      dependents[found->second].push_back(i);
    }
  }
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < resources.size(); ++i) {
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<std::size_t> order;
  order.reserve(resources.size());
  while (!ready.empty()) {
    const std::size_t i = ready.top();
    ready.pop();
    for (const std::size_t dependent : dependents[i]) {
      if (--missing[dependent] == 0) ready.push(dependent);
    }
    order.push_back(i);
  }
  if (order.size() < resources.size()) {
    const auto start = std::ranges::find_if(missing, [](std::size_t count) { return count > 0; });
    return DescribeCycle(resources, index, missing, static_cast<std::size_t>(start - missing.begin()));
  }
  return order;
}

Result<Graph> Graph::Make(std::vector<Resource> resources) {
  std::vector<const Resource*> pointers;
  pointers.reserve(resources.size());
  for (const Resource& resource : resources) pointers.push_back(&resource);
  const std::vector<std::size_t> order = TRY(DependencyOrder(pointers));
  Graph graph;
  graph.resources_.reserve(resources.size());
  graph.index_.reserve(resources.size());
  for (const std::size_t i : order) {
    graph.index_.emplace(resources[i].id, graph.resources_.size());
    graph.resources_.push_back(std::move(resources[i]));
  }
  return graph;
}

}  // namespace runner
