// Any bytes as a topology file: no crash, no error without a place, and what loads loads again to the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/json.h"
#include "base/report.h"
#include "topology/load.h"

namespace {

void Require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  runner::LoadOptions options;
  options.file = "fuzz.yaml";
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "HOSTS") return "3";
    return std::nullopt;
  };
  const runner::LoadResult result = runner::LoadTopology(text, options);
  bool any_error = false;
  for (const runner::Error& error : result.errors) {
    Require(error.at.known(), "every mistake has a place");
    Require(error.failure == runner::Failure::kTopology, "every mistake is the topology's");
    Require(!runner::RenderError(error, runner::Colour::kOff).empty(), "every mistake can be shown");
    any_error = any_error || error.severity == runner::Severity::kError;
  }
  runner::JsonText(runner::ErrorsJson(result.errors));
  Require(result.ok() != any_error, "a topology exactly if there is no error");
  if (!result.ok()) return 0;
  const std::string printed = runner::PrintYaml(*result.topology);
  const runner::LoadResult again = runner::LoadTopology(printed, options);
  Require(again.ok(), "what is printed loads");
  // A secret is not printed.
  const bool is_whole = printed.find(runner::kSecretPlace) == std::string::npos;
  Require(!is_whole || *again.topology == *result.topology, "load, print and load again is the same");
  Require(runner::PrintYaml(*again.topology) == printed, "it is printed the same again");
  return 0;
}
