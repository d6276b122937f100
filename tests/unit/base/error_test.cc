#include "base/error.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <memory>

namespace runner {
namespace {

TEST(Error, TextJoinsWhatIsKnown) {
  EXPECT_EQ((Error{.where = "route r1/default", .tried = "add via 10.0.0.254", .why = "network is unreachable"}).text(),
            "route r1/default: add via 10.0.0.254: network is unreachable");
  EXPECT_EQ((Error{.where = {}, .tried = "bind", .why = "no"}).text(), "bind: no");
  EXPECT_EQ(Fail("no").text(), "no");
  EXPECT_EQ(Fail("bind", "no").text(), "bind: no");
}

TEST(Error, WrapPutsTheObjectInFront) {
  Error error = Fail("add", "no");
  error = std::move(error).Wrap("address 10.0.0.1/24");
  EXPECT_EQ(error.text(), "address 10.0.0.1/24: add: no");
  error = std::move(error).Wrap("interface r1:eth0");
  EXPECT_EQ(error.text(), "interface r1:eth0: address 10.0.0.1/24: add: no");
}

TEST(Error, SystemErrorTellsTheSentenceInLowerCase) {
  const Error error = SystemError(ENOENT, "open \"x\"");
  EXPECT_EQ(error.text(), "open \"x\": no such file or directory");
  EXPECT_EQ(error.code, ENOENT);
  EXPECT_EQ(error.failure, Failure::kRuntime);
}

Result<int> Half(int number) {
  if (number % 2 != 0) return Fail("halve " + std::to_string(number), "it is odd");
  return number / 2;
}

Result<int> Quarter(int number) {
  const int half = TRY(Half(number));
  return TRY(Half(half).Wrap("second step"));
}

Status OnlyQuarters(int number) {
  TRY(Quarter(number));
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(*Half(4), 2);
  EXPECT_FALSE(Half(3));
  EXPECT_EQ(Half(3).error().text(), "halve 3: it is odd");
}

TEST(Result, TryPassesTheErrorOn) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).error().text(), "second step: halve 3: it is odd");
  EXPECT_TRUE(OnlyQuarters(4).ok());
  EXPECT_EQ(OnlyQuarters(5).error().text(), "halve 5: it is odd");
}

TEST(Result, MovesWhatCannotBeCopied) {
  auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  auto twice = [&make]() -> Result<int> {
    auto pointer = TRY(make());
    return *pointer * 2;
  };
  EXPECT_EQ(*twice(), 14);
}

TEST(Result, WrapLeavesAValueAlone) {
  EXPECT_EQ(*Half(4).Wrap("x"), 2);
  EXPECT_TRUE(Status().Wrap("x").ok());
  EXPECT_EQ(Status(Fail("no")).Wrap("x").error().text(), "x: no");
}

}  // namespace
}  // namespace runner
