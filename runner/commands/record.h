// The record of a lab as a command may use it: of this boot, and of this host's namespace.
#pragma once
#include <string>

#include "commands/context.h"
#include "exec/journal.h"

namespace runner {

enum class Access {
  kLook,  // as it stands, to compare it with the system
  kPlan,  // as kWrite, but nothing is written
  kWrite
};

/// Opens the lab's record. One from before a reboot loses all but its files (not with kLook): nothing else outlived it.
/// A lab of another host namespace is a conflict.
Result<Journal> OpenRecord(const Context& context, const std::string& lab, Access access);

/// The namespaces that the lab has now, as recorded: nodes first, then switches, each in the order in which it was
/// made.
struct RecordedPlace {
  std::string node;     // the node's or the switch's name
  std::string ns_name;  // LAB.NODE
  bool is_switch = false;
  bool is_attached = false;
  bool has_view = false;  // a keeper holds its view of the files, and its processes
};
std::vector<RecordedPlace> PlacesOf(const Record& record);

/// The place named `node`; the error has a near name.
Result<RecordedPlace> FindPlace(const std::vector<RecordedPlace>& places, const std::string& lab,
                                const std::string& node);

}  // namespace runner
