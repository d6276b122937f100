#include "kernel/enter_shell.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/fd.h"
#include "base/text.h"

namespace runner::kernel {
namespace {

/// A folder of start-up files that goes with the shell. Anybody may read it: `-u USER` must be able to.
class StartupFolder {
 public:
  static Result<StartupFolder> Make() {
    const char* base = std::getenv("TMPDIR");
    std::string path = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/toporun-shell-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) return SystemError(errno, "make a folder " + Quote(path));
    StartupFolder folder(path);
    if (chmod(path.c_str(), 0755) != 0) return SystemError(errno, "open up " + Quote(path));
    return folder;
  }
  StartupFolder(StartupFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), files_(std::move(other.files_)) {}
  StartupFolder& operator=(StartupFolder&&) = delete;
  ~StartupFolder() {
    if (path_.empty()) return;
    // The shell may have left something of its own there: then the folder stays, and /tmp is emptied by the system.
    for (const std::string& file : files_) unlink(file.c_str());
    rmdir(path_.c_str());
  }

  const std::string& path() const { return path_; }
  Result<std::string> Write(const std::string& name, const std::string& content) {
    const std::string file = path_ + "/" + name;
    files_.push_back(file);
    TRY(ReplaceFile(file, content));
    return file;
  }

 private:
  explicit StartupFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
  std::vector<std::string> files_;
};

// bash reads /etc/bash.bashrc by itself. The mark is put on before each prompt, because settings may set PS1 anew
// each time, and last, so that theirs see the status of the user's command.
constexpr const char* kBash = R"(
if [ -r ~/.bashrc ]; then . ~/.bashrc; fi
__toporun_mark={mark}
__toporun_prompt() {{
  case $PS1 in "$__toporun_mark"*) ;; *) PS1=$__toporun_mark$PS1 ;; esac
}}
case $(declare -p PROMPT_COMMAND 2>/dev/null) in
  "declare -a"*) PROMPT_COMMAND+=(__toporun_prompt) ;;
  *) PROMPT_COMMAND=${{PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}}__toporun_prompt ;;
esac
)";

// zsh looks for its files in ZDOTDIR alone: ours leads there, and each of ours puts the user's own folder back first,
// so that the user's files find what they would find otherwise.
constexpr const char* kZshenv = R"(
typeset -g __toporun_folder=$ZDOTDIR
if [[ -n $TOPORUN_ZDOTDIR ]]; then ZDOTDIR=$TOPORUN_ZDOTDIR; else unset ZDOTDIR; fi
unset TOPORUN_ZDOTDIR
if [[ -r ${ZDOTDIR:-$HOME}/.zshenv ]]; then source ${ZDOTDIR:-$HOME}/.zshenv; fi
typeset -g __toporun_user_folder=$ZDOTDIR
export ZDOTDIR=$__toporun_folder
)";
constexpr const char* kZshrc = R"(
if [[ -n $__toporun_user_folder ]]; then ZDOTDIR=$__toporun_user_folder; else unset ZDOTDIR; fi
unset __toporun_folder __toporun_user_folder
if [[ -r ${{ZDOTDIR:-$HOME}}/.zshrc ]]; then source ${{ZDOTDIR:-$HOME}}/.zshrc; fi
typeset -g __toporun_mark={mark}
__toporun_prompt() {{
  [[ ${{PROMPT[1,$#__toporun_mark]}} == "$__toporun_mark" ]] ||
    PROMPT=$__toporun_mark$PROMPT
}}
autoload -Uz add-zsh-hook
add-zsh-hook precmd __toporun_prompt
)";

constexpr const char* kFish = R"(
functions -q fish_prompt; and functions -c fish_prompt __toporun_user_prompt
function __toporun_status; return $argv[1]; end
function fish_prompt
  set -l last $status
  echo -n {mark}
  if functions -q __toporun_user_prompt
    __toporun_status $last
    __toporun_user_prompt
  else
    echo -n '> '
  end
end
)";

/// A word that fish reads back: inside single quotes it knows \' and \\.
std::string FishQuote(std::string_view word) {
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

std::string Doubled(std::string_view text, char special) {
  std::string doubled;
  for (const char c : text) doubled.append(c == special ? 2 : 1, c);
  return doubled;
}

std::string ShellOf(const EnterSpec& spec) {
  // Another user's shell is that user's, as with su.
  if (!spec.user.empty()) {
    const passwd* entry = getpwnam(spec.user.c_str());
    return entry != nullptr && *entry->pw_shell != '\0' ? entry->pw_shell : "/bin/sh";
  }
  const char* shell = std::getenv("SHELL");
  return shell != nullptr && *shell != '\0' ? shell : "/bin/sh";
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string VariableOr(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

}  // namespace

Result<int> InteractiveShell(const EnterSpec& spec, const std::string& lab, const std::string& node) {
  EnterSpec shell = spec;
  const std::string path = ShellOf(spec);
  const std::string kind = NameOf(path);
  const std::string mark = fmt::format("[{}/{}] ", lab, node);
  shell.argv = {path};
  shell.environment.emplace_back("TOPORUN_LAB", lab);
  shell.environment.emplace_back("TOPORUN_NODE", node);
  if (kind == "fish") {
    shell.argv = {path, "-C", fmt::format(kFish, fmt::arg("mark", FishQuote(mark)))};
    return RunIn(shell);
  }
  if (kind == "bash") {
    StartupFolder folder = TRY(StartupFolder::Make());
    const std::string script = fmt::format(kBash, fmt::arg("mark", ShellQuote(Doubled(mark, '\\'))));
    shell.argv = {path, "--rcfile", TRY(folder.Write("bashrc", script))};
    return RunIn(shell);
  }
  if (kind == "zsh") {
    StartupFolder folder = TRY(StartupFolder::Make());
    TRY(folder.Write(".zshenv", kZshenv));
    TRY(folder.Write(".zshrc", fmt::format(kZshrc, fmt::arg("mark", ShellQuote(Doubled(mark, '%'))))));
    shell.environment.emplace_back("TOPORUN_ZDOTDIR", VariableOr("ZDOTDIR", ""));
    shell.environment.emplace_back("ZDOTDIR", folder.path());
    return RunIn(shell);
  }
  shell.environment.emplace_back("PS1", mark + VariableOr("PS1", geteuid() == 0 ? "# " : "$ "));
  return RunIn(shell);
}

}  // namespace runner::kernel
