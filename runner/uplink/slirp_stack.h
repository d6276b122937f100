// libslirp behind one interface: frames in and out, published TCP ports, its sockets as a source of the loop. The only
// file that includes its header is slirp_stack.cc.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "uplink/log.h"
#include "uplink/loop.h"
#include "uplink/offload.h"
#include "uplink/packet.h"
#include "uplink/spec.h"

namespace runner {

class SlirpStack : public Loop::Source {
 public:
  /// A frame to the lab; how long it may be, the receiver decides.
  using Send = std::function<void(std::span<std::uint8_t> frame, const Outgoing& outgoing)>;

  /// In the namespace where the traffic leaves from. The caller makes it the source of `loop`.
  static Result<std::unique_ptr<SlirpStack>> Open(Loop& loop, const UplinkSpec& spec, Log& log, Send send);
  static std::string Version();

  /// A filtered packet of the lab with complete checksums.
  virtual void Input(const Packet& packet) = 0;
  /// A TCP segment made in the name of the lab.
  virtual void Inject(std::span<std::uint8_t> frame) = 0;
  /// Sends what waited for the frames just put in, and acknowledges them.
  virtual void Settle() = 0;

  /// The largest window of TCP that the lab is told, where it is less than the stack's own.
  virtual void LimitWindow(std::size_t bytes) = 0;

  /// Whether a socket of libslirp's has this address and port at its near end.
  virtual bool Owns(const UdpEndpoint& near) const = 0;

  /// `sockets`: bound and listening already, one a port, by somebody who may; else empty.
  virtual Status Listen(const ForwardSpec& forward, std::vector<Fd> sockets) = 0;
  virtual void Unlisten(const ForwardSpec& forward) = 0;
};

}  // namespace runner
