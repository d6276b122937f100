// Any bytes as the record of a lab: no crash; what is read is the same when it is written anew, and can be planned
// with.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/json.h"
#include "exec/journal.h"
#include "plan/codec.h"

namespace {

void Require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

std::string Text(const runner::Record& record) {
  std::string text;
  for (const runner::RecordEntry& entry : record) {
    text += runner::JsonText(runner::EncodeResource(entry.resource));
    if (entry.former) text += runner::JsonText(runner::EncodeAttributes(*entry.former));
    text += entry.state == runner::RecordEntry::State::kMade ? " made\n" : " begun\n";
  }
  return text;
}

const std::string& Path() {
  static const std::string path = [] {
    std::string pattern = "/tmp/journal-fuzz.XXXXXX";
    Require(mkdtemp(pattern.data()) != nullptr, "there is a folder to write in");
    return pattern + "/journal";
  }();
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Require(runner::ReplaceFile(Path(), text).ok(), "it can be written");
  auto journal = runner::Journal::Open(Path());
  // By its first word another version's.
  if (!journal.ok()) return 0;
  const std::string before = Text(journal->record());
  runner::MakePlan(runner::Graph(), journal->record(), {}, runner::Purpose::kDown);
  Require(journal->Compact().ok(), "it can be written anew");
  const auto again = runner::Journal::Open(Path());
  Require(again.ok(), "what is written anew can be read");
  Require(again->damage().empty(), "what is written anew is not damaged");
  Require(Text(again->record()) == before, "what is written anew is the same");
  return 0;
}
