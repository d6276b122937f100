#include "process/probe.h"

#include <gtest/gtest.h>

namespace runner::process {
namespace {

std::string Parts(const std::string& text) {
  const auto url = ParseHttpUrl(text);
  return url ? url->host + " " + url->port + " " + url->path : "none";
}

TEST(HttpUrl, HasHostPortAndPath) {
  EXPECT_EQ(Parts("http://web"), "web 80 /");
  EXPECT_EQ(Parts("http://web/"), "web 80 /");
  EXPECT_EQ(Parts("http://web:8080/a/b?c=d"), "web 8080 /a/b?c=d");
  EXPECT_EQ(Parts("http://web?c"), "web 80 /?c");
  EXPECT_EQ(Parts("http://[2001:db8::1]:81/x"), "2001:db8::1 81 /x");
  EXPECT_EQ(Parts("http://[::1]"), "::1 80 /");
}

TEST(HttpUrl, IsNothingElse) {
  for (const char* text : {"", "web", "https://web/", "http://", "http://:80/", "http://web:/", "http://web:x/",
                           "http://web:70000/", "http://[::1/", "http://[::1]x/"}) {
    EXPECT_EQ(Parts(text), "none") << text;
  }
}

}  // namespace
}  // namespace runner::process
