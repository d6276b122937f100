#include "base/pcapng.h"

#include <gtest/gtest.h>

#include <bit>
#include <initializer_list>

namespace runner {
namespace {

/// Of a machine that has the low byte first; another one's file would differ.
static_assert(std::endian::native == std::endian::little);

std::string Bytes(std::initializer_list<int> numbers) {
  std::string bytes;
  for (const int number : numbers) bytes += static_cast<char>(number);
  return bytes;
}

TEST(Pcapng, BeginsWithAHeaderOfASectionWithoutLength) {
  EXPECT_EQ(PcapngHeader(), Bytes({0x0a, 0x0d, 0x0d, 0x0a, 44,   0,    0,    0,     // type, length
                                   0x4d, 0x3c, 0x2b, 0x1a, 1,    0,    0,    0,     // byte order, version 1.0
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  // unknown length
                                   4,    0,    7,    0,    't',  'o',  'p',  'o',  'r', 'u', 'n', 0,  // shb_userappl
                                   0,    0,    0,    0,    44,   0,    0,    0}));
}

TEST(Pcapng, DescribesAnInterfaceWithItsNameAndTheUnitOfItsTimes) {
  EXPECT_EQ(PcapngBlock(PcapngInterface{.name = "a:eth0", .longest_packet = 0x40000}),
            Bytes({1, 0, 0, 0, 44,  0,   0,   0,   1,   0,   0, 0, 0,  0, 4, 0,     // Ethernet, up to 262144 bytes
                   2, 0, 6, 0, 'a', ':', 'e', 't', 'h', '0', 0, 0,                  // if_name
                   9, 0, 1, 0, 6,   0,   0,   0,   0,   0,   0, 0, 44, 0, 0, 0}));  // if_tsresol: microseconds
  EXPECT_EQ(PcapngBlock(PcapngInterface{.name = "wg0", .link_type = 101, .time = PcapngTime::kNanoseconds}),
            Bytes({1, 0, 0, 0, 40,  0,   0,   0, 101, 0, 0, 0, 0,  0, 0, 0,     // raw IP
                   2, 0, 3, 0, 'w', 'g', '0', 0,                                //
                   9, 0, 1, 0, 9,   0,   0,   0, 0,   0, 0, 0, 40, 0, 0, 0}));  // nanoseconds
}

TEST(Pcapng, WritesAPacketWithTheUpperHalfOfItsTimeFirst) {
  const PcapngPacket packet{.interface = 3, .time = 0x0102030405060708, .length = 60, .bytes = "12345"};
  EXPECT_EQ(PcapngBlock(packet),
            Bytes({6,   0,   0,   0,   40,  0, 0, 0, 3,  0, 0, 0,               //
                   4,   3,   2,   1,   8,   7, 6, 5, 5,  0, 0, 0, 60, 0, 0, 0,  // time, captured, length
                   '1', '2', '3', '4', '5', 0, 0, 0, 40, 0, 0, 0}));            // padded
  EXPECT_EQ(PcapngBlock(PcapngPacket{}),
            Bytes({6, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0}));
}

}  // namespace
}  // namespace runner
