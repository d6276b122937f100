#include "base/text.h"

#include <gmock/gmock.h>

#include <limits>

namespace runner {
namespace {

using testing::ElementsAre;
using Words = std::vector<std::string>;

TEST(Text, QuoteIsOneSafeLine) {
  EXPECT_EQ(Quote("a b"), "\"a b\"");
  EXPECT_EQ(Quote("a\"b\\c\n"), R"("a\"b\\c\n")");
  EXPECT_EQ(Quote("\x1b[2J\x7f"), R"("\x1b[2J\x7f")");
  EXPECT_EQ(Quote("größe"), "\"größe\"");
}

TEST(Text, HashNeverChanges) {
  // Names of ports and MAC addresses of labs that are up hang on these.
  EXPECT_EQ(StableHash(""), 0xefd01f60ba992926U);
  EXPECT_EQ(StableHash("a"), 0x82a2a958a9bece5bU);
  EXPECT_NE(StableHash("r1:eth0"), StableHash("r1:eth1"));
}

TEST(Text, NearNameFindsSlips) {
  const Words names = {"interfaces", "routes", "rules", "nat", "neighbours"};
  EXPECT_EQ(NearName("interfces", names), "interfaces");
  EXPECT_EQ(NearName("roteus", names), "routes");
  EXPECT_EQ(NearName("nta", names), "nat");
  EXPECT_EQ(NearName("neighbors", names), "neighbours");
  EXPECT_EQ(NearName("sysctl", names), std::nullopt);
  EXPECT_EQ(NearName("", names), std::nullopt);
  EXPECT_EQ(NearName("x", names), std::nullopt);
  EXPECT_EQ(NearName(std::string(1000, 'r'), names), std::nullopt);
  EXPECT_EQ(DidYouMean("rule", names), " (did you mean \"rules\"?)");
  EXPECT_EQ(DidYouMean("banana", names), "");
  EXPECT_EQ(DidYouMeanAmong("rule", names), " (did you mean \"rules\"?)");
  EXPECT_EQ(DidYouMeanAmong("banana", Words{"r1", "r2"}), "; there are: r1, r2");
}

TEST(Text, NearNameTakesTheNearest) {
  EXPECT_EQ(NearName("r22", Words{"r1", "r2", "r23"}), "r2");
  EXPECT_EQ(NearName("hostt", Words{"hosts", "host"}), "hosts");
}

TEST(Text, ParseIntegerTakesTheWholeText) {
  EXPECT_EQ(ParseInteger("-12"), -12);
  EXPECT_EQ(ParseInteger("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  for (const std::string_view text : {"", "-", "+1", "1 ", " 1", "1.0", "0x10", "9223372036854775808"}) {
    EXPECT_EQ(ParseInteger(text), std::nullopt) << text;
  }
}

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_THAT(Split("a::b", ':'), ElementsAre("a", "", "b"));
  EXPECT_THAT(Split("", ':'), ElementsAre(""));
  EXPECT_EQ(Join(Words{"a", "", "b"}, ", "), "a, , b");
}

TEST(ShellSplit, QuotesAsAPosixShell) {
  EXPECT_THAT(*ShellSplit("  a  b\tc\n"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(*ShellSplit(R"(a'b c'"d e"\ f)"), ElementsAre("ab cd e f"));
  EXPECT_THAT(*ShellSplit(R"('' "")"), ElementsAre("", ""));
  EXPECT_THAT(*ShellSplit(R"("\$x \"y\" \z")"), ElementsAre(R"($x "y" \z)"));
  EXPECT_THAT(*ShellSplit(R"('\n')"), ElementsAre(R"(\n)"));
  EXPECT_THAT(*ShellSplit("a\\\nb"), ElementsAre("ab"));
  EXPECT_THAT(*ShellSplit("echo $HOME *"), ElementsAre("echo", "$HOME", "*"));
  EXPECT_THAT(*ShellSplit(""), ElementsAre());
}

TEST(ShellSplit, AnOpenQuoteIsNoCommand) {
  for (const std::string_view text : {"'a", "\"a", "a\\", "a 'b\" c"})
    EXPECT_EQ(ShellSplit(text), std::nullopt) << text;
}

TEST(ShellQuote, IsReadBackAsOneWord) {
  EXPECT_EQ(ShellQuote("a/b-c:1"), "a/b-c:1");
  EXPECT_EQ(ShellQuote("it's"), "'it'\\''s'");
  for (const std::string word : {"", "a b", "'", "\"", "\\", "$(x)", "a\nb", "*", "~"}) {
    EXPECT_THAT(*ShellSplit(ShellQuote(word)), ElementsAre(word));
  }
}

}  // namespace
}  // namespace runner
