// What the word LAB stands for: a topology file, or a lab that is up.
//
// `-`, and anything with a `/` or ending in `.yaml` or `.yml`, is a file; else the name of a lab that is up; else a
// file. A file stands for the lab that was brought up from that path, else for the lab that it names.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "commands/context.h"
#include "commands/source.h"
#include "exec/journal.h"

namespace runner {

/// Whether LAB says by its form that it is a file.
bool LooksLikeFile(const std::string& word);

/// The labs that are up, by name. One whose record cannot be read has a header with its name only.
std::map<std::string, LabHeader> LabsThatAreUp(const StateRoot& state);

/// The lab among `up` that a file stands for; nothing when none was brought up from `path`. Several may have been: then
/// the one that the file itself names, or the only one that is no copy. An error where that does not decide.
Result<std::optional<std::string>> LabOfPath(const std::map<std::string, LabHeader>& up, const std::string& path,
                                             const std::optional<std::string>& own_name);

/// For commands that work on a lab that is up: its name.
struct LabName {
  std::string name;
  bool is_up = false;
};
Result<LabName, Errors> FindLab(const Context& context, const std::string& word);

/// As FindLab; a lab that is not up is an error, with a near name.
Result<std::string, Errors> FindLabThatIsUp(const Context& context, const std::string& word);

/// For commands that read the file.
struct WantedLab {
  Source source;
  Topology topology;
  Errors warnings;
  Settings set;
  bool is_copy = false;
};
/// Reads the file that LAB is, or the recorded one of the lab (with its recorded settings, which --set replaces one by
/// one). The topology has the name of the lab that the file stands for.
Result<WantedLab, Errors> ReadWantedLab(const Context& context, const std::string& word);

}  // namespace runner
