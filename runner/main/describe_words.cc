#include "main/describe_words.h"

#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/json.h"

namespace runner {
namespace {

Json DescribeOption(const CLI::Option& option) {
  Json names = Json::array();
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  Json excludes = Json::array();
  for (const CLI::Option* other : option.get_excludes()) excludes.push_back(other->get_name());
  const bool takes_value = option.get_items_expected_max() > 0;
  return {{"names", std::move(names)},
          {"value", takes_value ? option.get_type_name() : ""},
          {"repeats", takes_value && option.get_expected_max() > 1},
          {"excludes", std::move(excludes)},
          {"about", option.get_description()}};
}

/// Words that stand by their place, and options, apart.
void DescribeOptions(const CLI::App& app, Json& into) {
  into["words"] = Json::array();
  into["options"] = Json::array();
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    if (option->get_positional()) {
      into["words"].push_back({{"name", option->get_name(true)}, {"about", option->get_description()}});
    } else {
      into["options"].push_back(DescribeOption(*option));
    }
  }
}

}  // namespace

Json DescribeWords(const CLI::App& app) {
  Json all = {{"about", app.get_description()}};
  DescribeOptions(app, all);
  all["commands"] = Json::array();
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group().empty()) continue;
    Json one = {{"name", command->get_name()}, {"about", command->get_description()}};
    DescribeOptions(*command, one);
    all["commands"].push_back(std::move(one));
  }
  return all;
}

}  // namespace runner
