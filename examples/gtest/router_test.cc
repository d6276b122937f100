// Tests of a network with GoogleTest: one lab for all tests of a suite, and one for a single test.
#include <gtest/gtest.h>

#include <memory>

#include <toporun/lab.h>

namespace {

class Router : public testing::Test {
 protected:
  static void SetUpTestSuite() { lab_ = std::make_unique<toporun::Lab>(LAB_FILE); }
  static void TearDownTestSuite() { lab_.reset(); }

  static std::unique_ptr<toporun::Lab> lab_;
};
std::unique_ptr<toporun::Lab> Router::lab_;

TEST_F(Router, LeadsToTheServer) {
  EXPECT_EQ(lab_->Address("server", "eth0"), "10.0.2.2");
  EXPECT_EQ(lab_->Address("server", "eth0", 6), "fd00:2::2");
  EXPECT_TRUE(lab_->Check("server *"));
}

TEST_F(Router, LeavesTheTimeToLiveOneLess) {
  const toporun::Output ping = lab_->Run("client", {"ping", "-c", "1", "-W", "5", lab_->Address("server", "eth0")});
  EXPECT_EQ(ping.status, 0) << ping.err;
  EXPECT_NE(ping.out.find("ttl=63"), std::string::npos) << ping.out;
}

TEST(Bottleneck, TakesNoLargePackets) {
  toporun::Options options;
  options.set["MTU"] = "1400";
  const toporun::Lab lab(LAB_FILE, options);
  EXPECT_TRUE(lab.Check("server *"));
  EXPECT_FALSE(lab.Check("full packets pass"));
}

}  // namespace
