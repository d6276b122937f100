// A node, or the host, as a place in which commands run.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "commands/context.h"
#include "commands/record.h"
#include "kernel/enter.h"
#include "kernel/netns.h"

namespace runner {

/// A lab that is up, and where its nodes are. It asks for no record of this host: `exec` works from anywhere.
struct LabPlaces {
  std::string lab;
  LabHeader header;
  std::vector<RecordedPlace> places;
};
Result<LabPlaces, Errors> FindPlaces(const Context& context, const std::string& word);

/// How to run something in a place; the namespace stays open as long as this lives.
struct Entrance {
  std::optional<Namespace> place;  // absent: the host
  Fd keeper;                       // open where the node has a view of its own
  kernel::EnterSpec spec;
};
/// `node` is a node's or switch's name, or "host".
Result<Entrance> OpenEntrance(const Context& context, const LabPlaces& lab, const std::string& node);

/// Does what needs the lab's places where they can be reached (inside.h); without them the exit status is
/// kExitNoSuchPlace.
Ending InPlaces(const Context& context, const LabPlaces& lab, const std::function<Ending(const Context&)>& work);

/// The path under which the place's namespace is bound.
std::string NamespacePath(const Context& context, const RecordedPlace& place);

}  // namespace runner
