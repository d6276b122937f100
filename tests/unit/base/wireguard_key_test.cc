#include "base/wireguard_key.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(WireguardKey, IsReadAndWrittenInBase64) {
  WireguardKey::Bytes bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  const WireguardKey key(bytes);
  EXPECT_EQ(key.text(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
  EXPECT_EQ(WireguardKey::Parse(key.text()), key);
  EXPECT_EQ(WireguardKey::Parse("/////////////////////////////////////////w8=")->data()[31], 0x0f);
  EXPECT_TRUE(WireguardKey().is_zero());
  EXPECT_EQ(WireguardKey().text(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
}

TEST(WireguardKey, WhatIsNoneIsRefused) {
  for (const char* text :
       {"", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh -=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"}) {
    EXPECT_FALSE(WireguardKey::Parse(text)) << text;
  }
}

TEST(WireguardKey, RandomBytesBecomeAPrivateKey) {
  WireguardKey::Bytes ones{};
  ones.fill(0xff);
  const WireguardKey key = WireguardKey::PrivateFrom(ones);
  EXPECT_EQ(key.data()[0], 0xf8);
  EXPECT_EQ(key.data()[31], 0x7f);
  EXPECT_EQ(WireguardKey::PrivateFrom({}).data()[31], 0x40);
}

TEST(WireguardKey, AFingerprintTellsKeysApartAndIsShorterThanThey) {
  WireguardKey::Bytes bytes{};
  const WireguardKey zero(bytes);
  bytes[31] = 1;
  const WireguardKey one(bytes);
  EXPECT_NE(zero.fingerprint(), one.fingerprint());
  EXPECT_EQ(one.fingerprint(), WireguardKey(bytes).fingerprint());
  EXPECT_EQ(one.fingerprint().size(), 16U);
}

}  // namespace
}  // namespace runner
