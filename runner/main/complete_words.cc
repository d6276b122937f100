#include "main/complete_words.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

namespace runner {
namespace {

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

const CLI::App* FindCommand(const CLI::App& app, const std::string& name) {
  const auto commands = CommandsOf(app);
  const auto found = std::ranges::find(commands, name, [](const CLI::App* command) { return command->get_name(); });
  return found == commands.end() ? nullptr : *found;
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// The option that takes the word behind it along, or null. `command` may be null.
const CLI::Option* FindTaker(const CLI::App& app, const CLI::App* command, const std::string& word) {
  if (!word.starts_with("-")) return nullptr;
  const CLI::Option* option = command == nullptr ? nullptr : command->get_option_no_throw(word);
  if (option == nullptr) option = app.get_option_no_throw(word);
  return option != nullptr && option->get_items_expected_max() > 0 ? option : nullptr;
}

CompletionPlace PlaceOf(const std::string& positional) {
  const auto names = [&positional](const char* word) { return positional.find(word) != std::string::npos; };
  if (names("IFNAME")) return CompletionPlace::kInterface;
  if (names("PROC")) return CompletionPlace::kProcess;
  if (names("NODE")) return CompletionPlace::kNode;
  if (names("LAB")) return CompletionPlace::kLab;
  return names("FILE") ? CompletionPlace::kFile : CompletionPlace::kNothing;
}

void AskForValue(const CLI::Option& option, Completion& asked) {
  if (option.check_lname("format")) asked.words = {"svg", "html", "mermaid", "ascii", "dot"};
  const std::string type = option.get_type_name();
  if (type == "FILE" || type == "DIR") asked.place = CompletionPlace::kFile;
}

void AskForOption(const CLI::App& app, const CLI::App* command, Completion& asked) {
  asked.words = OptionNames(app);
  if (command == nullptr) return;
  for (std::string& name : OptionNames(*command)) asked.words.push_back(std::move(name));
}

void AskForCommand(const CLI::App& app, Completion& asked) {
  for (const CLI::App* command : CommandsOf(app)) {
    const bool is_hidden = command->get_group().empty();
    if (!is_hidden) asked.words.push_back(command->get_name());
  }
}

/// `names` are those that stand behind the command already.
void AskForName(const CLI::App& command, const std::vector<std::string>& names, Completion& asked) {
  const auto positionals = command.get_options([](const CLI::Option* option) { return option->get_positional(); });
  if (positionals.empty()) return;
  // The last one may take several.
  const std::size_t at = std::min(names.size(), positionals.size() - 1);
  if (at < names.size() && positionals[at]->get_items_expected_max() <= 1) return;
  const std::string positional = positionals[at]->get_name(true);
  asked.place = PlaceOf(positional);
  if (positional == "SHELL") asked.words = {"bash", "zsh", "fish"};
  if (!names.empty()) asked.lab = names.front();
}

}  // namespace

Completion AskForWord(const CLI::App& app, const std::vector<std::string>& typed) {
  Completion asked;
  if (typed.empty()) return asked;
  asked.begins = typed.back();
  const CLI::App* command = nullptr;
  const CLI::Option* taker = nullptr;
  std::vector<std::string> names;
  for (std::size_t i = 0; i + 1 < typed.size(); ++i) {
    const std::string& word = typed[i];
    if (word == "--") return asked;  // another program's words
    if (std::exchange(taker, nullptr) != nullptr) continue;
    taker = FindTaker(app, command, word);
    if (word.starts_with("-")) continue;
    if (command != nullptr) {
      names.push_back(word);
    } else if (command = FindCommand(app, word); command == nullptr) {
      return asked;
    }
  }
  if (taker != nullptr) {
    AskForValue(*taker, asked);
  } else if (asked.begins.starts_with("-")) {
    AskForOption(app, command, asked);
  } else if (command == nullptr) {
    AskForCommand(app, asked);
  } else {
    AskForName(*command, names, asked);
  }
  return asked;
}

}  // namespace runner
