#include "base/json.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(Json, KeepsTheOrderOfKeys) {
  Json json;
  json["z"] = 1;
  json["a"] = {1, 2};
  EXPECT_EQ(JsonText(json), R"({"z":1,"a":[1,2]})");
  EXPECT_EQ(JsonPretty(json), "{\n  \"z\": 1,\n  \"a\": [\n    1,\n    2\n  ]\n}");
  EXPECT_EQ(JsonText(*ParseJson(JsonText(json))), JsonText(json));
}

TEST(Json, ParsesOrTellsWithoutThrowing) {
  EXPECT_EQ((*ParseJson(R"({"a": "b"})"))["a"], "b");
  for (const std::string_view text : {"", "{", "[1,]", "{\"a\":1} x", "\"\xff\""}) {
    EXPECT_EQ(ParseJson(text).error().text(), "parse JSON: not valid JSON") << text;
  }
}

TEST(Json, ReplacesBytesThatAreNoText) { EXPECT_EQ(JsonText(Json("a\xff")), "\"a\xEF\xBF\xBD\""); }

}  // namespace
}  // namespace runner
