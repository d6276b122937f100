// What `watch` reads of a lab once a second: counters of the interfaces, uplinks and processes that are on the screen.
#pragma once
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commands/context.h"
#include "exec/journal.h"
#include "kernel/link_counters.h"

namespace runner {

struct WatchWish {
  std::set<NamespaceName> places;  // the empty name is the host
  std::set<std::string> uplinks;   // nodes
  std::set<std::string> process_nodes;
  friend bool operator==(const WatchWish&, const WatchWish&) = default;
};

struct WatchReading {
  /// A place that is gone is absent.
  std::map<NamespaceName, std::map<std::string, LinkCounters>> places;
  std::map<std::string, std::string> uplinks;  // node -> "serving"
  /// Node and name -> state, pid, health, restarts, since.
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> processes;
};

/// One dump a place, one place open at a time; in the lab's own namespaces, or on the host.
Result<WatchReading, Errors> ReadWatched(const Context& context, const std::string& lab, const Record& record,
                                         const WatchWish& wish);

}  // namespace runner
