// What a shell offers for the word that is being typed: scripts for shells, and what they ask.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "commands/context.h"

namespace runner {

/// What stands at the place of the word, apart from what the command line itself knows.
enum class CompletionPlace { kNothing, kFile, kLab, kNode, kInterface, kProcess };

struct Completion {
  std::vector<std::string> words = {};  // what the command line itself knows
  CompletionPlace place = CompletionPlace::kNothing;
  std::string lab = {};     // LAB as it was typed; kNode, kInterface, kProcess
  std::string begins = {};  // what is typed of the word
};

/// One candidate a line. A last line ":files" says that files fit too. Whatever cannot be read is passed over: while
/// somebody types is no time for errors.
Ending Complete(const Context& context, const Completion& asked);

/// The script of a shell: "bash", "zsh" or "fish"; empty for another.
std::string_view CompletionScript(std::string_view shell);

}  // namespace runner
