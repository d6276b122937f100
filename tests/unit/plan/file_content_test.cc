#include "plan/file_content.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(FileContent, TextStaysText) {
  for (const std::string text : {"", "a\n\tb \"c\" \\", "späte Grüße ✓"}) {
    EXPECT_EQ(EncodeContent(text), (FileContent{.text = text, .is_hex = false}));
    EXPECT_EQ(DecodeContent(EncodeContent(text)).value(), text);
  }
  const std::string with_zero("a\0b", 3);
  EXPECT_EQ(DecodeContent(EncodeContent(with_zero)).value(), with_zero);
}

TEST(FileContent, OtherBytesAreHex) {
  const std::string bytes("\x00\xff\x80", 3);
  EXPECT_EQ(EncodeContent(bytes), (FileContent{.text = "00ff80", .is_hex = true}));
  EXPECT_EQ(DecodeContent(EncodeContent(bytes)).value(), bytes);
}

TEST(FileContent, WhatIsNoHexIsRefused) {
  EXPECT_FALSE(DecodeContent({.text = "0", .is_hex = true}).ok());
  EXPECT_FALSE(DecodeContent({.text = "0g", .is_hex = true}).ok());
}

}  // namespace
}  // namespace runner
