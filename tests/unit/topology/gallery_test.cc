// Every mistake has its file in tests/gallery, and beside it the whole text that a user sees. With
// TOPORUN_UPDATE_GALLERY=1 the texts are written anew, to be read and committed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.h"
#include "base/report.h"
#include "topology/load.h"

namespace runner {
namespace {

namespace fs = std::filesystem;

const fs::path kGallery = fs::path(TOPORUN_SOURCE_DIR) / "tests" / "gallery";

std::vector<std::string> Cases(const fs::path& folder) {
  std::vector<std::string> cases;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") cases.push_back(entry.path().stem());
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

std::string Read(const fs::path& path) {
  auto text = ReadFile(path);
  EXPECT_TRUE(text.ok()) << path;
  return text.ok() ? std::move(text).value() : std::string();
}

LoadResult Load(const fs::path& path) {
  const LoadOptions options{.file = path.filename(), .set = {}, .environment = [](const std::string&) {
                              return std::optional<std::string>();
                            }};
  return LoadTopology(Read(path), options);
}

std::string Render(const Errors& errors) {
  std::string text;
  for (const Error& error : errors) text += RenderError(error, Colour::kOff);
  return text;
}

void ExpectText(const fs::path& path, const std::string& text) {
  if (std::getenv("TOPORUN_UPDATE_GALLERY") != nullptr) {
    ASSERT_TRUE(ReplaceFile(path, text).ok());
    return;
  }
  EXPECT_EQ(text, Read(path)) << path;
}

class BadFile : public testing::TestWithParam<std::string> {};

TEST_P(BadFile, IsToldInFull) {
  const auto result = Load(kGallery / (GetParam() + ".yaml"));
  EXPECT_FALSE(result.ok());
  for (const Error& error : result.errors) {
    EXPECT_TRUE(error.at.known()) << error.text();
    EXPECT_EQ(error.failure, Failure::kTopology);
  }
  ExpectText(kGallery / (GetParam() + ".txt"), Render(result.errors));
}

std::string TestName(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Gallery, BadFile, testing::ValuesIn(Cases(kGallery)), TestName);

class GoodFile : public testing::TestWithParam<std::string> {};

TEST_P(GoodFile, LoadsWithItsWarnings) {
  const auto result = Load(kGallery / "good" / (GetParam() + ".yaml"));
  EXPECT_TRUE(result.ok()) << Render(result.errors);
  ExpectText(kGallery / "good" / (GetParam() + ".txt"), Render(result.errors));
}

INSTANTIATE_TEST_SUITE_P(Gallery, GoodFile, testing::ValuesIn(Cases(kGallery / "good")), TestName);

TEST(Gallery, TellsTwentyMistakesInOneRun) {
  const auto result = Load(kGallery / "twenty.yaml");
  EXPECT_EQ(result.errors.size(), 20u) << Render(result.errors);
}

}  // namespace
}  // namespace runner
