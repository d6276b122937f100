#include "commands/pcapng.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "base/pcapng.h"

namespace runner {
namespace {

std::string Words(std::initializer_list<std::uint32_t> words) {
  std::string bytes;
  for (const std::uint32_t word : words) bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  return bytes;
}

/// Version 2.4, Ethernet.
std::string Head(std::uint32_t magic = 0xa1b2c3d4) { return Words({magic, 0x00040002, 0, 0, 262144, 1}); }
std::string Packet(std::uint32_t seconds, std::uint32_t fraction, const std::string& bytes, std::uint32_t length) {
  return Words({seconds, fraction, static_cast<std::uint32_t>(bytes.size()), length}) + bytes;
}

struct Block {
  std::uint32_t type = 0;
  std::string body;
};

/// The file's blocks; each says its length at both ends.
std::vector<Block> Blocks(std::string_view file) {
  const auto word = [&file](std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, file.data() + at, sizeof value);
    return value;
  };
  std::vector<Block> blocks;
  while (file.size() >= 12) {
    const std::uint32_t length = word(4);
    EXPECT_EQ(length % 4, 0U);
    if (length < 12 || length > file.size()) break;
    EXPECT_EQ(word(length - 4), length);
    blocks.push_back({.type = word(0), .body = std::string(file.substr(8, length - 12))});
    file.remove_prefix(length);
  }
  EXPECT_EQ(file, "");
  return blocks;
}

struct Merged {
  std::string file;
  PcapMerger merger;
  explicit Merged(std::vector<std::string> names)
      : merger(std::move(names), [this](std::string_view bytes) -> Status {
          file.append(bytes);
          return {};
        }) {
    EXPECT_TRUE(merger.Begin().ok());
  }
};

TEST(Pcapng, TellsThePacketsDirectionAndTheInterfacesStatistics) {
  const auto blocks =
      Blocks(PcapngBlock(PcapngPacket{.interface = 2, .time = 5, .length = 9, .bytes = "abc", .is_outgoing = true}) +
             PcapngBlock(PcapngStatistics{.interface = 2, .time = 5, .passed = 7, .lost = 3, .delivered = 4}));
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks[0].body, Words({2, 0, 5, 3, 9}) + std::string("abc\0", 4) + Words({0x00040002, 2, 0}));
  EXPECT_EQ(blocks[1].type, 5U);
  EXPECT_EQ(blocks[1].body, Words({2, 0, 5, 0x00080004, 7, 0, 0x00080007, 3, 0, 0x00080008, 4, 0, 0}));
}

TEST(PcapMerger, NamesEachInterfaceAndKeepsEachPacketsTimeAndLength) {
  Merged merged({"a:eth0", "b:eth0"});
  ASSERT_TRUE(merged.merger.Take(1, Head() + Packet(1, 500000, "12345", 60)).ok());
  ASSERT_TRUE(merged.merger.Take(0, Head(0xa1b23c4d) + Packet(3, 7, "1234", 4)).ok());
  const auto blocks = Blocks(merged.file);
  ASSERT_EQ(blocks.size(), 5U);
  EXPECT_EQ(blocks[0].type, 0x0a0d0d0aU);
  EXPECT_EQ(blocks[1].type, 1U);
  EXPECT_NE(blocks[1].body.find("b:eth0"), std::string::npos);
  // A second and a half, in microseconds; then three seconds in nanoseconds.
  EXPECT_EQ(blocks[2].body, Words({0, 0, 1500000, 5, 60}) + std::string("12345\0\0\0", 8));
  EXPECT_NE(blocks[3].body.find("a:eth0"), std::string::npos);
  EXPECT_EQ(blocks[4].body, Words({1, 0, 3000000007U, 4, 4}) + "1234");
}

TEST(PcapMerger, TakesItsStreamsCutAnywhere) {
  const std::string stream = Head() + Packet(1, 2, "abcdef", 6) + Packet(3, 4, "", 0);
  Merged whole({"a:eth0"});
  ASSERT_TRUE(whole.merger.Take(0, stream).ok());
  Merged pieces({"a:eth0"});
  for (const char byte : stream) ASSERT_TRUE(pieces.merger.Take(0, {&byte, 1}).ok());
  EXPECT_EQ(pieces.file, whole.file);
  EXPECT_EQ(Blocks(whole.file).size(), 4U);
}

TEST(PcapMerger, RefusesWhatIsNoPcap) {
  Merged merged({"a:eth0"});
  const Status head = merged.merger.Take(0, std::string(24, 'x'));
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().text(), "read the packets of a:eth0: they do not begin as a pcap file does");
  Merged other({"a:eth0"});
  ASSERT_TRUE(other.merger.Take(0, Head()).ok());
  EXPECT_FALSE(other.merger.Take(0, Words({0, 0, 0xffffffff, 0})).ok());
}

}  // namespace
}  // namespace runner
