// What TCP carries between hosts and the lab, past libslirp. libslirp makes, accepts and ends each connection; its own
// way of carrying bytes has windows of 64 kB, copies everything twice and sums each byte. Here they go between the
// host's socket and the tap: libslirp never sees them, and what passes between it and the lab has its numbers changed
// so that neither side misses them. The window scale option (RFC 7323) is put into its SYN. Urgent data of a host comes
// as ordinary data (RFC 6093 asks for no more).
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
#include <utility>
#include <vector>

#include "uplink/packet.h"
#include "uplink/segments.h"
#include "uplink/spec.h"
#include "uplink/tcp_receiver.h"
#include "uplink/tcp_sender.h"

namespace runner {

class TcpStreams {
 public:
  /// A frame to the lab without TCP's checksum, in two parts; `segment` is the payload that each packet of it gets.
  using Send =
      std::function<void(std::span<std::uint8_t> headers, std::span<const std::uint8_t> payload, std::size_t segment)>;
  /// Takes a segment that was made in the lab's name.
  using Inject = std::function<void(std::span<const std::uint8_t> frame)>;
  TcpStreams(const UplinkSpec& spec, Send send, Inject inject);

  /// The largest window that a lab is told, where less than half a megabyte can wait on the way.
  void LimitWindow(std::size_t bytes);

  /// A TCP packet of the lab becomes the frame that libslirp is to see, empty if there is none. It goes there at once,
  /// and then comes Seen.
  std::span<std::uint8_t> FromLab(const Packet& packet, std::int64_t now);
  void Seen() { beginning_.reset(); }
  /// A segment that was made in the lab's name, with the lab's numbers.
  void InItsName(std::span<std::uint8_t> frame);
  /// A TCP frame of libslirp's becomes what the lab is to see; valid until the next call.
  std::span<std::uint8_t> ToLab(std::span<std::uint8_t> frame, std::int64_t now);
  /// What the lab takes at a time on the connection of a frame to it, as SegmentSizes::Of.
  std::uint16_t SegmentOf(std::span<const std::uint8_t> frame) const { return segments_.Of(frame); }

  /// libslirp has opened a socket, for a client that it accepts or for the packet it is just given; is about to close
  /// one.
  void Opened(int fd, bool accepted);
  void Closed(int fd);

  /// Changes and adds to what libslirp waits for.
  void Fill(std::vector<pollfd>& polled);
  /// Whether Fill would do something else than the last time.
  bool TakeChanged() { return std::exchange(changed_, false); }
  /// Lowers `timeout_ms` (-1 is none) to the next time that something is due.
  void Sleep(std::int64_t now, std::int64_t& timeout_ms) const;
  /// Reads, writes and sends; what is left in `polled` is for libslirp.
  void Dispatch(std::span<pollfd> polled, std::int64_t now);
  /// Acknowledges what came from the lab, and ends what cannot go on.
  void Settle();

 private:
  struct Stream {
    TcpConnection connection;
    int fd = -1;
    std::optional<std::uint8_t> scale;  // of the lab's windows; ours has one if there is one
    std::size_t segment = 0;
    std::size_t window = 0;             // in the lab's SYN
    std::vector<std::uint8_t> headers;  // of what was sent last

    // To the lab, from the SYN of both sides on. libslirp's number for the first byte is also its number for the end.
    std::uint32_t base = 0;
    std::optional<TcpSender> sender;
    bool at_end = false;  // the host has ended, and not all of it was sent

    // From the lab, in the same way.
    std::uint32_t lab_base = 0;
    std::optional<TcpReceiver> receiver;
    std::optional<std::uint32_t> lab_end;  // the number of the lab's FIN
    bool end_passed = false;               // to libslirp
    bool end_taken = false;                // by libslirp
    bool refused = false;                  // the host takes nothing any more
    bool known = false;                    // libslirp has seen that the lab answered
    std::size_t unacknowledged = 0;
    std::size_t room = 0;  // for what the host does not take yet
    std::size_t held = 0;  // of held_
    std::int64_t acknowledge_at = -1;
    bool owes = false;  // an acknowledgement now; in owing_

    bool waits = false;  // for a time; in waiting_
  };
  // What is looked at in each round, by descriptor.
  struct Slot {
    Stream* stream = nullptr;
    bool begun = false;      // sender and receiver are there
    bool left = false;       // to libslirp: the end, or an error
    bool reads = false;      // has room for more of the host's
    bool writes = false;     // has more for the host; in writers_
    bool asked = false;      // libslirp would read now
    bool asked_out = false;  // libslirp would write now
    std::uint64_t round = 0;
  };

  Stream* Find(const TcpConnection& connection);
  Slot* SlotOf(int fd);
  Stream& Keep(Stream stream);
  void Erase(Stream& stream);
  /// The socket of a client that libslirp presents to the lab; -1 when that cannot be told.
  int AcceptedAs(const UdpEndpoint& shown);
  std::span<std::uint8_t> FromLabSyn(const Packet& packet, Stream* stream, std::int64_t now);
  void Begin(Stream& stream, std::int64_t now);
  std::span<std::uint8_t> AddScale(std::span<std::uint8_t> frame);

  bool Read(Stream& stream, short revents, std::int64_t now);
  void Push(Stream& stream, std::int64_t now);
  void Write(Stream& stream, const TcpSender::Segment& segment, std::uint8_t flags = 0);
  void Receive(Stream& stream, const Packet& packet, std::int64_t now);
  std::size_t Deliver(Stream& stream, std::span<const std::uint8_t> bytes);
  void Flush(Stream& stream);
  void Update(Stream& stream);
  void Leave(Slot& slot);
  void Acknowledge(Stream& stream, std::uint8_t flags = 0);
  void Owe(Stream& stream);
  void WaitFor(Stream& stream);
  std::uint16_t Told(Stream& stream);
  std::size_t Limit() const;

  IpAddress gateway_;
  IpAddress gateway6_;
  std::size_t mtu_;
  Send send_;
  Inject inject_;
  SegmentSizes segments_;
  std::map<TcpConnection, std::unique_ptr<Stream>> streams_;
  std::vector<Slot> slots_;
  std::uint64_t round_ = 0;
  bool changed_ = true;
  std::size_t largest_room_;
  std::size_t held_ = 0;              // bytes that are kept, or that labs were told they may send
  std::set<int> accepted_;            // whose SYN was not sent yet
  std::optional<Stream> beginning_;   // with the packet that libslirp is given
  std::deque<TcpConnection> closed_;  // the longest ago first: segments of theirs may still come
  std::vector<Stream*> waiting_;      // for a time
  std::vector<Stream*> owing_;
  std::vector<Stream*> writers_;
  std::vector<TcpConnection> lost_;  // to be reset
  std::vector<std::uint8_t> syn_;
  std::uint16_t id_ = 0;
};

}  // namespace runner
