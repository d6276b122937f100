// The header before each frame of the tap: checksums that the kernel left to us are completed, and segments
// larger than the tap's MTU are left to the kernel to cut.
#pragma once
#include <cstdint>
#include <span>

namespace runner {

/// What the kernel calls struct virtio_net_hdr (its header is no C++), in the machine's byte order.
struct VnetHeader {
  static constexpr std::uint8_t kNeedsChecksum = 1;
  static constexpr std::uint8_t kDataValid = 2;
  static constexpr std::uint8_t kSegmentsTcp4 = 1;
  static constexpr std::uint8_t kSegmentsTcp6 = 4;
  std::uint8_t flags = 0;
  std::uint8_t segments = 0;  // gso_type
  std::uint16_t headers = 0;  // hdr_len
  std::uint16_t segment_size = 0;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(VnetHeader) == 10);

/// Completes a frame read from the tap; false where the header points outside of it.
bool CompleteChecksum(const VnetHeader& header, std::span<std::uint8_t> frame);

/// What a frame to the tap is, besides its bytes.
struct Outgoing {
  std::uint32_t mtu = 1500;   // the tap's
  std::uint16_t segment = 0;  // what the receiver of TCP takes at a time, options of TCP counted in; 0 is unknown
  std::span<const std::uint8_t> rest = {};  // payload that follows the frame
  std::size_t cut = 0;  // TCP's checksum is missing, and each packet is to have so much payload; 0: it is whole
};

/// The header for a frame that goes to the tap. TCP that is longer than the MTU or the receiver's segment is marked for
/// segmentation, and so is what lacks its checksum; that changes the checksum field.
VnetHeader PrepareOffload(std::span<std::uint8_t> frame, const Outgoing& outgoing);

}  // namespace runner
