#include "commands/lab.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/stopwatch.h"
#include "base/text.h"

namespace runner {
namespace {

std::vector<std::string> NamesOf(const std::map<std::string, LabHeader>& up) {
  std::vector<std::string> names;
  for (const auto& [name, header] : up) names.push_back(name);
  return names;
}

Error NotUp(const std::map<std::string, LabHeader>& up, const std::string& name) {
  return Fail("lab " + Quote(name) + " is not up" + DidYouMean(name, NamesOf(up)));
}

bool IsThere(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

/// `given` over `recorded`, name by name.
Settings Merge(const Settings& recorded, const Settings& given) {
  Settings merged = recorded;
  for (const auto& [name, value] : given) {
    const auto same = std::ranges::find(merged, name, &std::pair<std::string, std::string>::first);
    if (same == merged.end()) {
      merged.emplace_back(name, value);
    } else {
      same->second = value;
    }
  }
  return merged;
}

/// The lab that a file stands for: by its path, else by the name in it.
Result<std::string, Errors> NameOfFile(const Context& context, const std::map<std::string, LabHeader>& up,
                                       const std::string& file) {
  if (context.name) return *context.name;
  const std::string path = AbsolutePath(file);
  auto by_path = LabOfPath(up, path, std::nullopt);
  if (by_path.ok() && *by_path) return **by_path;
  // Its text decides: where several copies are up, and where none is.
  auto source = ReadSource(file);
  if (!source.ok()) return Errors{std::move(source).error()};
  auto loaded = LoadSource(*source, context.set, std::nullopt);
  if (!loaded.ok()) return std::move(loaded).error();
  auto by_name = LabOfPath(up, path, loaded->topology.name);
  if (!by_name.ok()) return Errors{std::move(by_name).error()};
  return by_name->value_or(loaded->topology.name);
}

void WarnOfOldName(const Context& context, const std::string& file, const std::string& old, const std::string& fresh) {
  Say(context, fmt::format("warning: {} was up as {}: it stays {} until `toporun down {}`, although it says {} now",
                           Quote(file), Quote(old), Quote(old), old, Quote(fresh)));
}

/// A file that was moved: its lab is up under the old path and name.
void WarnOfOldPath(const Context& context, const std::map<std::string, LabHeader>& up, const Source& source,
                   const std::string& name) {
  for (const auto& [old, header] : up) {
    if (old == name || header.is_copy || header.digest != source.digest || header.file == "-") continue;
    if (IsThere(header.file)) continue;
    Say(context, fmt::format("warning: {} was up as {}, from {}, which is gone; `toporun down {}` removes that lab",
                             Quote(source.shown), Quote(old), Quote(header.file), old));
  }
}

/// Whether --name is another than the file's own.
bool IsCopy(const Context& context, const Source& source, const Settings& set) {
  if (!context.name) return false;
  const auto own = LoadSource(source, set, std::nullopt);
  return !own.ok() || own->topology.name != *context.name;
}

struct Reading {
  std::string file;
  Settings set;
  std::optional<std::string> name;  // of the lab, where it is known before the file is read
};

/// What to read for LAB.
Result<Reading> WhatToRead(const Context& context, const std::map<std::string, LabHeader>& up,
                           const std::string& word) {
  const auto lab = LooksLikeFile(word) ? up.end() : up.find(word);
  if (lab == up.end()) {
    if (!LooksLikeFile(word) && !IsThere(word)) {
      Error error = NotUp(up, word);
      error.why += ", and there is no file of that name";
      return error;
    }
    return Reading{.file = word, .set = context.set, .name = context.name};
  }
  const LabHeader& header = lab->second;
  if (header.file == "-" || header.file.empty()) {
    return Fail("read the file of lab " + Quote(word), header.file.empty()
                                                           ? "its record does not say which it is; name the file"
                                                           : "it came from standard input, which is gone; name a file");
  }
  return Reading{.file = header.file, .set = Merge(header.set, context.set), .name = context.name.value_or(word)};
}

}  // namespace

bool LooksLikeFile(const std::string& word) {
  const std::string_view text = word;
  return text == "-" || text.find('/') != std::string_view::npos || text.ends_with(".yaml") || text.ends_with(".yml");
}

std::map<std::string, LabHeader> LabsThatAreUp(const StateRoot& state) {
  std::map<std::string, LabHeader> up;
  for (const std::string& name : state.Labs()) {
    auto read = Journal::ReadHeader(state.JournalPath(name));
    LabHeader header = read.ok() ? std::move(*read) : LabHeader{};
    header.lab = name;
    up.emplace(name, std::move(header));
  }
  return up;
}

Result<std::optional<std::string>> LabOfPath(const std::map<std::string, LabHeader>& up, const std::string& path,
                                             const std::optional<std::string>& own_name) {
  if (path == "-") return std::optional<std::string>();
  std::vector<std::string> all;
  std::vector<std::string> own;
  for (const auto& [name, header] : up) {
    if (header.file != path) continue;
    if (own_name && name == *own_name) return std::optional(name);
    all.push_back(name);
    if (!header.is_copy) own.push_back(name);
  }
  if (all.empty()) return std::optional<std::string>();
  if (own.size() == 1) return std::optional(own.front());
  if (all.size() == 1) return std::optional(all.front());
  return Fail("find the lab of " + Quote(path),
              "it was brought up more than once: " + Join(all, ", ") + "; name one of them");
}

Result<LabName, Errors> FindLab(const Context& context, const std::string& word) {
  const auto up = LabsThatAreUp(context.state);
  const bool is_file = LooksLikeFile(word) || (!up.contains(word) && IsThere(word));
  std::string name = is_file ? TRY(NameOfFile(context, up, word)) : word;
  const bool is_up = up.contains(name);
  return LabName{.name = std::move(name), .is_up = is_up};
}

Result<std::string, Errors> FindLabThatIsUp(const Context& context, const std::string& word) {
  LabName lab = TRY(FindLab(context, word));
  if (!lab.is_up) return Errors{NotUp(LabsThatAreUp(context.state), lab.name)};
  return std::move(lab.name);
}

Result<WantedLab, Errors> ReadWantedLab(const Context& context, const std::string& word) {
  const Stopwatch watch("read and check the file");
  const auto up = LabsThatAreUp(context.state);
  auto reading = WhatToRead(context, up, word);
  if (!reading.ok()) return Errors{std::move(reading).error()};
  auto source = ReadSource(reading->file);
  if (!source.ok()) return Errors{std::move(source).error()};
  Loaded loaded = TRY(LoadSource(*source, reading->set, reading->name));
  if (!reading->name) {
    const std::string own = loaded.topology.name;
    // Copies do not keep the file from going up under its own name.
    auto originals = up;
    std::erase_if(originals, [](const auto& lab) { return lab.second.is_copy; });
    auto name = LabOfPath(originals, source->path, own);
    if (!name.ok()) return Errors{std::move(name).error()};
    if (*name && **name != own) {
      WarnOfOldName(context, source->shown, **name, own);
      loaded = TRY(LoadSource(*source, reading->set, *name));
    } else {
      WarnOfOldPath(context, up, *source, own);
    }
  }
  const auto lab = up.find(loaded.topology.name);
  const bool is_copy = lab != up.end() ? lab->second.is_copy : IsCopy(context, *source, reading->set);
  return WantedLab{.source = std::move(*source),
                   .topology = std::move(loaded.topology),
                   .warnings = std::move(loaded.warnings),
                   .set = std::move(reading->set),
                   .is_copy = is_copy};
}

}  // namespace runner
