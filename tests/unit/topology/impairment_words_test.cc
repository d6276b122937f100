#include "topology/impairment_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace runner {
namespace {

Result<Impairment, Errors> Parse(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string_view word : Split(text, ' ')) words.emplace_back(word);
  return ParseImpairment(words, "impair");
}

TEST(ImpairmentWords, AreThoseOfTcAndOfTheLanguage) {
  const auto one = Parse("delay 20ms 5ms 25% distribution normal loss random 1% rate 10mbit limit 500 seed 7");
  ASSERT_TRUE(one.ok()) << one.error().front().text();
  EXPECT_EQ(one->delay_ns, 20'000'000);
  EXPECT_EQ(one->jitter_ns, 5'000'000);
  EXPECT_EQ(one->correlation, 25);
  EXPECT_EQ(one->distribution, "normal");
  EXPECT_EQ(one->loss, 1);
  EXPECT_EQ(one->rate_bits, 10'000'000U);
  EXPECT_EQ(one->limit, 500U);
  EXPECT_EQ(one->seed, 7U);
  const auto same =
      Parse("delay=20ms jitter=5ms correlation 25% distribution=normal loss=1% rate=10mbit limit=500 seed 7");
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(*one, *same);
}

TEST(ImpairmentWords, TellEveryMistake) {
  for (const auto& [text, why] : {
           std::pair("dely 20ms", "impair: unknown key \"dely\" (did you mean \"delay\"?)"),
           std::pair("delay", "impair: the value of \"delay\" is missing"),
           std::pair("delay loss 1%", "impair: the value of \"delay\" is missing"),
           std::pair("delay=", "impair: \"delay\" must be a time with its unit (20ms, 1.5s, 2m), not \"\""),
           std::pair("loss 1", "impair: \"loss\" must be a share from 0% to 100%, with its unit (1.5%), not \"1\""),
           std::pair("loss 1% 25%", "impair: unknown key \"25%\""),
           std::pair("loss=1% loss=2%", "impair: \"loss\" is given twice"),
           std::pair("reorder 25%", "impair: \"reorder\" needs a \"delay\""),
       }) {
    const auto parsed = Parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().front().text(), why) << text;
    EXPECT_EQ(parsed.error().front().failure, Failure::kUsage);
  }
  EXPECT_EQ(Parse("loss 1 rate 5").error().size(), 2U);
}

}  // namespace
}  // namespace runner
