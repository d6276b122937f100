// The part of a helper that stays outside of its confinement: a child process that knows the file system and the users
// of the machine, and nothing of the lab's frames. It tells when the node or the lab is gone, lets the right clients of
// the control socket in, and reads resolv.conf. It ends with the helper, and the helper with it.
#pragma once
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "uplink/control.h"
#include "uplink/loop.h"
#include "uplink/resolv_conf.h"
#include "uplink/spec.h"

namespace runner {

class Porter {
 public:
  using Client = std::function<void(Fd client)>;
  using End = std::function<void(const std::string& why)>;

  Porter(Loop& loop, Client client, End end) : loop_(loop), client_(std::move(client)), end_(std::move(end)) {}
  Porter(const Porter&) = delete;
  Porter& operator=(const Porter&) = delete;
  /// Has the control socket removed and waits for the child's end.
  ~Porter();

  /// Before anything is confined, and before anything is opened that the child should not hold. The child writes
  /// `kPorterCommand` over `role`, the helper's own first argument: it is no helper for those who look for one.
  Status Start(const UplinkSpec& spec, char* role);

  /// What resolv.conf says now; nothing where the child does not answer.
  std::vector<NameServer> Servers();

 private:
  void Ready();

  Loop& loop_;
  Client client_;
  End end_;
  pid_t pid_ = -1;
  Fd events_;     // from the child: clients, and the node's end
  Fd questions_;  // to the child: resolv.conf
};

/// As long as kUplinkHelperCommand.
inline constexpr char kPorterCommand[] = "uplink-porter";

}  // namespace runner
