// An interactive shell inside a node, with the user's own settings and a prompt that says where one is.
#pragma once
#include <string>

#include "base/error.h"
#include "kernel/enter.h"

namespace runner::kernel {

/// Runs the user's shell ($SHELL, else /bin/sh) in the place that `spec` says, whose argv is not used, and returns its
/// exit status. bash, zsh and fish load the user's own start-up files first and show `[LAB/NODE] ` before whatever
/// prompt those set; other shells get it in PS1. TOPORUN_LAB and TOPORUN_NODE tell scripts.
Result<int> InteractiveShell(const EnterSpec& spec, const std::string& lab, const std::string& node);

}  // namespace runner::kernel
