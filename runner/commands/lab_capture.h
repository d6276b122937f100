// What passed the interfaces of a lab last, kept in memory by a process of its own for whoever asks what happened.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "commands/context.h"

namespace runner {

struct CapturedInterface {
  std::string name;
  std::uint64_t passed = 0;  // packets
  std::uint64_t lost = 0;    // of which so many came too fast
  std::uint64_t kept = 0;    // and so many are in the file
  std::string why_not;       // it is not captured; empty: it is
};
struct CapturedNode {
  std::string node;
  std::string file;  // in the folder
  std::vector<CapturedInterface> interfaces;
};

/// Packet sockets of our own in the lab's namespaces: the lab stays as it is, but for what `ss -0` lists. Interfaces
/// and namespaces that appear later are found as the kernel announces them. The host's side is the lab's own interfaces
/// there.
class LabCapture {
 public:
  /// Where the lab is, or where it will be; a rootless lab with a holder is up. It ends with this object, or with its
  /// starter.
  static Result<LabCapture> Start(const Context& context, const std::string& lab);
  LabCapture(LabCapture&& other) noexcept;
  LabCapture& operator=(LabCapture&&) = delete;
  ~LabCapture();

  /// When it returns, each interface that was there when it was called is captured.
  Status CatchUp() const;
  /// Makes the folder and writes NODE.pcapng for each node, its packets in the order of time.
  Result<std::vector<CapturedNode>> Write(const std::string& folder) const;

 private:
  LabCapture(pid_t child, Fd channel) : child_(child), channel_(std::move(channel)) {}
  pid_t child_ = -1;
  Fd channel_;
};

}  // namespace runner
