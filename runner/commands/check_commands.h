// The commands that hold a lab against what its file says must hold: `check` and `test`.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "commands/context.h"
#include "commands/ending.h"
#include "topology/model.h"

namespace runner {

/// Beside the text for people, or in its place.
struct ReportOptions {
  std::string junit;  // a file
  bool tap = false;   // on standard output
};

struct CheckOptions {
  std::string lab;
  std::string pattern;                              // a glob over the names of tests; empty: all
  std::optional<Check> one;                         // in place of the file's tests
  bool all_pairs = false;                           // every node to every other's addresses instead
  std::optional<Family> family;                     // with all_pairs
  std::optional<std::chrono::milliseconds> within;  // with all_pairs
  ReportOptions report;
};
/// Runs the file's tests on a lab that is up.
Ending CheckLab(const Context& context, const CheckOptions& options);

struct TestOptions {
  std::vector<std::string> files;    // folders stand for their *.yaml
  std::vector<std::string> command;  // in place of the files' tests
  int jobs = 1;
  bool here = false;  // in the namespaces of the caller, not in fresh ones
  bool keep_on_failure = false;
  std::string evidence;      // a folder; empty: none is kept
  bool no_captures = false;  // among it
  ReportOptions report;
};
/// Up, check, down, for each file.
Ending TestFiles(const Context& context, const TestOptions& options);

}  // namespace runner
