// What hosts send to the lab over TCP, past libslirp. libslirp makes, accepts and ends each connection and takes what
// the lab sends; its own way of sending has a window of 64 kB, copies everything twice and sums each byte. Here the
// bytes go from the host's socket to the tap: libslirp never sees them, and what passes between it and the lab has its
// numbers changed so that neither side misses them. The window scale option (RFC 7323) is put into its SYN.
// Urgent data of a host comes as ordinary data (RFC 6093 asks for no more).
#pragma once
#include <poll.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "uplink/packet.h"
#include "uplink/segments.h"
#include "uplink/spec.h"
#include "uplink/tcp_sender.h"

namespace runner {

class HostStreams {
 public:
  /// A frame to the lab without TCP's checksum, in two parts; `segment` is the payload that each packet of it gets.
  using Send =
      std::function<void(std::span<std::uint8_t> headers, std::span<const std::uint8_t> payload, std::size_t segment)>;
  /// Takes a reset in the name of the lab.
  using Reset = std::function<void(std::span<const std::uint8_t> frame)>;
  HostStreams(const UplinkSpec& spec, Send send, Reset reset);

  /// A TCP packet of the lab becomes what libslirp is to see. It goes there at once, and then comes Seen.
  void FromLab(const Packet& packet, std::int64_t now);
  void Seen() { beginning_.reset(); }
  /// A TCP frame of libslirp's becomes what the lab is to see; valid until the next call.
  std::span<std::uint8_t> ToLab(std::span<std::uint8_t> frame, std::int64_t now);
  /// What the lab takes at a time on the connection of a frame to it, as SegmentSizes::Of.
  std::uint16_t SegmentOf(std::span<const std::uint8_t> frame) const { return segments_.Of(frame); }

  /// libslirp has opened a socket, for a client that it accepts or for the packet it is just given; is about to close
  /// one.
  void Opened(int fd, bool accepted);
  void Closed(int fd);

  /// Changes what libslirp waits for to what there is to wait for; lowers `timeout_ms` (-1 is none).
  void Fill(std::span<pollfd> polled, std::int64_t now, std::int64_t& timeout_ms);
  /// Reads and sends; what is left in `polled` is for libslirp.
  void Dispatch(std::span<pollfd> polled, std::int64_t now);

 private:
  struct Stream {
    TcpConnection connection;
    int fd = -1;
    std::optional<std::uint8_t> scale;  // of the lab's windows
    std::size_t segment = 0;
    std::size_t window = 0;  // in the lab's SYN
    std::uint32_t window_sequence = 0;
    std::uint32_t base = 0;             // libslirp's number for the first byte, and for the one behind the last
    std::optional<TcpSender> sender;    // from the SYN of both sides on
    std::vector<std::uint8_t> headers;  // of what libslirp sent last
    bool asked = false;                 // libslirp would read now
    bool at_end = false;                // the host has ended, and not all of it was sent
    bool left = false;                  // to libslirp: the end, or an error
    bool waits = false;                 // in waiting_
  };

  Stream* Find(const TcpConnection& connection);
  Stream* FindByFd(int fd);
  Stream& Keep(Stream stream);
  /// The socket of a client that libslirp presents to the lab; -1 when that cannot be told.
  int AcceptedAs(const UdpEndpoint& shown);
  std::span<std::uint8_t> AddScale(std::span<std::uint8_t> frame);
  void Begin(Stream& stream, std::int64_t now);
  bool Read(Stream& stream, short revents, std::int64_t now);
  void Push(Stream& stream, std::int64_t now);
  void Write(Stream& stream, const TcpSender::Segment& segment);
  std::size_t Limit() const;

  IpAddress gateway_;
  IpAddress gateway6_;
  std::size_t mtu_;
  Send send_;
  Reset reset_;
  SegmentSizes segments_;
  std::map<TcpConnection, std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> by_fd_;
  std::size_t open_ = 0;
  std::set<int> accepted_;            // whose SYN was not sent yet
  std::optional<Stream> beginning_;   // with the packet that libslirp is given
  std::deque<TcpConnection> closed_;  // the longest ago first: segments of theirs may still come
  std::vector<Stream*> waiting_;      // for a time
  std::vector<std::uint8_t> syn_;
  std::uint16_t id_ = 0;
};

}  // namespace runner
