// Any text as an address, a prefix, a MAC or a number: no crash, and what is taken prints to what is taken as the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/ip.h"
#include "base/mac.h"
#include "base/text.h"

namespace {

template <class T>
void SameAgain(std::string_view text, const char* what) {
  const auto value = T::Parse(text);
  if (!value || T::Parse(value->text()) == value) return;
  std::fprintf(stderr, "does not hold: %s is the same when it is printed\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  SameAgain<runner::IpAddress>(text, "an address");
  SameAgain<runner::IpPrefix>(text, "a prefix");
  SameAgain<runner::MacAddress>(text, "a MAC address");
  runner::ParseInteger(text);
  runner::ShellSplit(text);
  return 0;
}
