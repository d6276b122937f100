// Where a command's work on a lab is done: here, as root; rootless, by a process inside the lab's own namespaces. What
// the work says goes back to the command, so that the command need not know which it was.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/json_fwd.h"
#include "commands/context.h"

namespace runner {

/// What a rootless lab without a holder is to the work.
enum class Entry {
  kLook,  // nothing of it is there: the work sees an empty machine
  kUse,   // an error
  kUp,    // it gets one; the lab's lock is held. If the work leaves no record, the holder ends
  kDown   // as kLook; and as kUp, the holder ends with the record
};

/// The work's errors come back as they are; its output goes to `out` and `err` directly.
Ending InLab(const Context& context, const std::string& lab, Entry entry,
             const std::function<Ending(const Context& inside)>& work);
/// For a value that the command goes on with.
Result<Json, Errors> AskInLab(const Context& context, const std::string& lab, Entry entry,
                              const std::function<Result<Json, Errors>(const Context& inside)>& work);

/// Whether the lab has what its namespaces need to live: always, but for a rootless lab whose holder has gone.
Result<bool> HasGround(const Context& context, const std::string& lab);

/// The number of the user namespace that a rootless lab's holder keeps; nothing without one.
Result<std::optional<std::uint64_t>> UserNamespaceOf(const Context& context, const std::string& lab);

/// For who needs it and finds none.
Error HolderGone(const std::string& lab);

/// Ends what a killed run left running of a lab that has no record. The lab's lock is held.
Status EndStrayHolder(const Context& context, const std::string& lab);

}  // namespace runner
