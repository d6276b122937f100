#include "exec/key_ring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.h"

namespace runner {
namespace {

WireguardKey Key(std::uint8_t seed) {
  WireguardKey::Bytes bytes{};
  bytes.fill(seed);
  return WireguardKey::PrivateFrom(bytes);
}

class KeyFile : public testing::Test {
 protected:
  KeyFile() {
    std::string pattern = testing::TempDir() + "keys.XXXXXX";
    root_.path = mkdtemp(pattern.data());
    std::filesystem::create_directory(root_.LabFolder("lab"));
  }
  ~KeyFile() override { std::filesystem::remove_all(root_.path); }
  std::string path() const { return root_.LabFolder("lab") + "/keys"; }
  KeyRing Load() {
    auto ring = KeyRing::Load(root_, "lab");
    EXPECT_TRUE(ring.ok()) << (ring.ok() ? "" : ring.error().text());
    return ring.ok() ? std::move(ring).value() : KeyRing();
  }
  StateRoot root_;
};

TEST_F(KeyFile, HoldsKeysForItsOwnerOnly) {
  KeyRing ring = Load();
  EXPECT_FALSE(ring.FindMade("a:wg0"));
  ring.AddMade("a:wg0", Key(1));
  ring.Add("PUBLIC", Key(1));
  ASSERT_TRUE(ring.Save(root_, "lab").ok());
  struct stat about {};
  ASSERT_EQ(stat(path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  const KeyRing again = Load();
  EXPECT_EQ(again.FindMade("a:wg0"), Key(1));
  EXPECT_EQ(again.Find("PUBLIC"), Key(1));
  EXPECT_EQ(again.NameOf(Key(1)), "PUBLIC");
  EXPECT_FALSE(again.NameOf(Key(2)));
}

TEST_F(KeyFile, IsNotWrittenWithoutNeed) {
  ASSERT_TRUE(KeyRing().Save(root_, "lab").ok());
  EXPECT_FALSE(std::filesystem::exists(path()));
  KeyRing ring;
  ring.Add("PUBLIC", Key(1));
  ASSERT_TRUE(ring.Save(root_, "lab").ok());
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(stat(path().c_str(), &before), 0);
  ASSERT_TRUE(Load().Save(root_, "lab").ok());
  ASSERT_EQ(stat(path().c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(KeyFile, ForgetsWhatNobodyNames) {
  KeyRing ring;
  ring.Add("OLD", Key(1));
  ring.Add("NEW", Key(2));
  ring.AddMade("a:wg0", Key(1));
  ring.KeepOnly({"NEW"});
  EXPECT_FALSE(ring.Find("OLD"));
  EXPECT_TRUE(ring.Find("NEW"));
  EXPECT_TRUE(ring.FindMade("a:wg0")) << "a key that was made is the interface's as long as the lab is up";
}

TEST_F(KeyFile, ADamagedOneIsToldWithoutWhatStandsInIt) {
  const std::string secret = Key(1).text().substr(0, 40);
  ASSERT_TRUE(ReplaceFile(path(), R"({"secrets": {"A": ")" + secret + R"("}, "made": {}})").ok());
  const auto ring = KeyRing::Load(root_, "lab");
  ASSERT_FALSE(ring.ok());
  EXPECT_EQ(ring.error().text(),
            "read \"" + path() + "\": it holds no keys as toporun writes them; without it they are made anew");
}

TEST_F(KeyFile, ARunKnowsWhatItSawBeforeTheFile) {
  KeyRing ring;
  ring.Add("FILED", Key(1));
  ASSERT_TRUE(ring.Save(root_, "lab").ok());
  Secrets secrets(root_, "lab");
  secrets.Learn("SEEN", Key(2));
  EXPECT_EQ(secrets.Find("SEEN").value(), Key(2));
  EXPECT_EQ(secrets.Find("FILED").value(), Key(1));
  const auto unknown = secrets.Find("(new)");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().tried, "find the key that \"(new)\" stands for");
}

}  // namespace
}  // namespace runner
