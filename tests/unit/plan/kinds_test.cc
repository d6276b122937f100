// docs/kinds.md against the code: what each kind of object is known by, what is changed on one that stands and what is
// not. With TOPORUN_UPDATE=1 the tables of the page are written anew instead.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/link_types.h"
#include "base/text.h"
#include "plan/resource.h"

namespace runner {
namespace {

using Fields = std::map<Role, std::vector<std::string>>;

template <class T>
concept HasFields = requires(T& value) {
  T::Visit(value, [](const char*, auto&, Role) {});
};

/// The fields of an object by their roles; those of an object within it under both names.
template <class T>
void Collect(T& object, const std::string& before, Fields& fields) {
  T::Visit(object, [&](const char* name, auto& value, Role role) {
    using Value = std::remove_cvref_t<decltype(value)>;
    if constexpr (HasFields<Value>) {
      // What is the object's only device goes without saying.
      Collect(value, std::string_view(name) == "device" ? before : before + name + ".", fields);
    } else {
      fields[role].push_back(before + name);
    }
  });
}

template <std::size_t Index = 0>
std::string Rows() {
  if constexpr (Index == std::variant_size_v<Attributes>) {
    return "";
  } else {
    std::variant_alternative_t<Index, Attributes> attributes;
    Fields fields;
    Collect(attributes, "", fields);
    return fmt::format("| {} | {} | {} | {} | {} | {} |\n", Traits(static_cast<Kind>(Index)).name,
                       Join(fields[Role::kIdentity], ", "), Join(fields[Role::kInPlace], ", "),
                       Join(fields[Role::kReplace], ", "), Join(fields[Role::kRecorded], ", "),
                       Join(fields[Role::kFingerprint], ", ")) +
           Rows<Index + 1>();
  }
}

std::string ObjectTable() {
  return "| object | known by | changed in place | only by replacement | known from the record alone | the kernel's "
         "own "
         "rendering |\n|---|---|---|---|---|---|\n" +
         Rows();
}

std::string TypeTable() {
  std::string out = "| type | changed in place | only by replacement |\n|---|---|---|\n";
  for (const LinkType& type : LinkTypes()) {
    std::vector<std::string> in_place;
    std::vector<std::string> replaced;
    for (const LinkOption& option : type.options) {
      auto& list = option.change == LinkOption::Change::kReplace ? replaced : in_place;
      list.emplace_back(option.name);
    }
    out += fmt::format("| {} | {} | {} |\n", type.name, Join(in_place, ", "), Join(replaced, ", "));
  }
  return out;
}

/// The text with what stands between the marks `<!-- NAME -->` and `<!-- end -->` replaced.
std::string WithTable(std::string text, const std::string& name, const std::string& table) {
  const std::string mark = "<!-- " + name + " -->\n";
  const std::size_t begin = text.find(mark);
  const std::size_t end = begin == std::string::npos ? begin : text.find("<!-- end -->", begin);
  EXPECT_NE(end, std::string::npos) << "docs/kinds.md has no place for " << name;
  if (end == std::string::npos) return text;
  return text.replace(begin + mark.size(), end - begin - mark.size(), table);
}

TEST(Kinds, AreAsTheirPageTells) {
  const std::string path = TOPORUN_SOURCE_DIR "/docs/kinds.md";
  const auto text = ReadFile(path);
  ASSERT_TRUE(text.ok()) << text.error().text();
  const std::string wanted = WithTable(WithTable(*text, "objects", ObjectTable()), "types", TypeTable());
  if (std::getenv("TOPORUN_UPDATE") != nullptr) {
    const Status written = ReplaceFile(path, wanted);
    ASSERT_TRUE(written) << written.error().text();
  } else {
    EXPECT_EQ(*text, wanted) << "TOPORUN_UPDATE=1 writes it";
  }
}

}  // namespace
}  // namespace runner
