#include "kernel/enter_shell.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <chrono>
#include <csignal>
#include <cstdlib>

#include "base/text.h"
#include "kernel/process.h"
#include "tests/kernel/throwaway.h"

namespace runner::kernel {
namespace {

using test::ThrowawayNet;
using ::testing::HasSubstr;

using Settings = std::vector<std::pair<std::string, std::string>>;  // file below the home folder, content

/// A shell in a node at the far end of a terminal.
class ShellTest : public ::testing::Test {
 protected:
  ShellTest() {
    std::string path = ::testing::TempDir() + "toporun-home-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) std::abort();
    home_ = path;
    mkdir((home_ + "/tmp").c_str(), 0755);
  }
  ~ShellTest() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    // What a shell leaves running: fish makes completions out of the manual pages.
    EXPECT_TRUE(EndProcesses(net_.fd()).ok());
    net_.Run("rm -r " + home_);
  }

  /// False when the shell is not installed.
  bool Start(const std::string& shell, const Settings& settings, const Settings& environment = {}) {
    if (access(shell.c_str(), X_OK) != 0) return false;
    for (const auto& [name, content] : settings) {
      EXPECT_TRUE(MakeFolders((home_ + "/" + name).substr(0, (home_ + "/" + name).rfind('/'))).ok());
      EXPECT_TRUE(ReplaceFile(home_ + "/" + name, content).ok());
    }
    int terminal = -1;
    pid_ = forkpty(&terminal, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      clearenv();
      setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
      setenv("HOME", home_.c_str(), 1);
      setenv("TMPDIR", (home_ + "/tmp").c_str(), 1);
      setenv("SHELL", shell.c_str(), 1);
      setenv("TERM", "dumb", 1);
      for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
      EnterSpec spec{.ns_fd = net_.fd(), .name = "lab.r1", .host_name = "r1"};
      const auto status = InteractiveShell(spec, "lab", "r1");
      _exit(status.ok() ? *status : 99);
    }
    terminal_.Reset(terminal);
    return true;
  }

  /// Reads until `wanted` has been shown; what was shown until then and after the last call.
  std::string Until(const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (unread_.find(wanted) == std::string::npos) {
      pollfd waiting{.fd = terminal_.get(), .events = POLLIN, .revents = 0};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) break;
      char buffer[4096];
      const ssize_t n = read(terminal_.get(), buffer, sizeof(buffer));
      if (n <= 0) break;
      unread_.append(buffer, static_cast<std::size_t>(n));
    }
    const std::size_t at = unread_.find(wanted);
    EXPECT_NE(at, std::string::npos) << "never shown: " << Quote(wanted) << " in " << Quote(unread_);
    if (at == std::string::npos) return "";
    const std::string shown = unread_.substr(0, at + wanted.size());
    unread_.erase(0, at + wanted.size());
    return shown;
  }
  void Type(const std::string& line) {
    ASSERT_EQ(write(terminal_.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }
  int Wait() {
    const Fd ended(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    pollfd waiting[] = {{.fd = ended.get(), .events = POLLIN, .revents = 0},
                        {.fd = terminal_.get(), .events = POLLIN, .revents = 0}};
    // A terminal whose output nobody reads holds its writers.
    while (waiting[0].revents == 0) {
      if (poll(waiting, 2, 30'000) <= 0) {
        ADD_FAILURE() << "still running after " << Quote(unread_);
        return -1;  // The destructor ends it.
      }
      char buffer[4096];
      const ssize_t n = waiting[1].revents != 0 ? read(terminal_.get(), buffer, sizeof(buffer)) : 0;
      if (n > 0) unread_.append(buffer, static_cast<std::size_t>(n));
      if (waiting[1].revents != 0 && n <= 0) waiting[1].fd = -1;
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void ExpectNothingLeft() { EXPECT_EQ(net_.Run("ls -A " + home_ + "/tmp"), ""); }

  ThrowawayNet net_;
  std::string home_;
  pid_t pid_ = 0;
  Fd terminal_;
  std::string unread_;
};

TEST_F(ShellTest, BashShowsWhereBeforeTheUsersPrompt) {
  ASSERT_TRUE(Start("/bin/bash", {{".bashrc", "PS1='mine$? > '; alias greet='echo from-alias'\n"}}));
  Until("[lab/r1] mine0 > ");
  Type("hostname; greet; echo $TOPORUN_LAB-$TOPORUN_NODE; false\n");
  const std::string shown = Until("[lab/r1] mine1 > ");
  EXPECT_THAT(shown, HasSubstr("r1\r\n"));
  EXPECT_THAT(shown, HasSubstr("from-alias\r\n"));
  EXPECT_THAT(shown, HasSubstr("lab-r1\r\n"));
  Type("exit 7\n");
  EXPECT_EQ(Wait(), 7);
  ExpectNothingLeft();
}

TEST_F(ShellTest, BashKeepsAPromptThatIsSetAnewEachTime) {
  ASSERT_TRUE(Start("/bin/bash", {{".bashrc", "n=0; PROMPT_COMMAND=('n=$((n+1))' 'PS1=\"p$n> \"')\n"}}));
  Until("[lab/r1] p1> ");
  Type("\n");
  Until("[lab/r1] p2> ");
  Type("PROMPT_COMMAND=; true\n");
  Until("[lab/r1] p2> ");
  Type("exit\n");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ShellTest, BashTakesATextAsPromptCommand) {
  ASSERT_TRUE(Start("/bin/bash", {{".bashrc", "PROMPT_COMMAND='PS1=\"text> \"; true; '\n"}}));
  Until("[lab/r1] text> ");
  Type("exit\n");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ShellTest, BashWithoutSettingsShowsWhereToo) {
  ASSERT_TRUE(Start("/bin/bash", {}));
  Until("[lab/r1] ");
  Type("exit 3\n");
  EXPECT_EQ(Wait(), 3);
}

TEST_F(ShellTest, KeysReachTheCommandAndTheShellStays) {
  ASSERT_TRUE(Start("/bin/bash", {{".bashrc", "PS1='> '\n"}}));
  Until("[lab/r1] > ");
  Type("sh -c 'echo run\"\"ning; exec sleep 100'\n");
  Until("running\r\n");
  Type("\x03");
  Until("[lab/r1] > ");
  Type("echo $?\n");
  Until("130\r\n");
  Type("sh -c 'echo aga\"\"in; exec sleep 100'\n");
  Until("again\r\n");
  Type("\x1a");
  Until("Stopped");
  Until("[lab/r1] > ");
  Type("kill -9 %1; exec sh -c 'exit 4'\n");
  EXPECT_EQ(Wait(), 4);
}

TEST_F(ShellTest, ZshShowsWhereBeforeTheUsersPrompt) {
  if (!Start("/usr/bin/zsh", {{".zshenv", "FROM_ENV=seen-env\n"},
                              {".zshrc",
                               "unsetopt zle promptsp promptcr; PROMPT='mine%? > '; HISTFILE=$HOME/h\n"
                               "precmd() { PROMPT=\"set%? > \" }\nalias greet='echo from-alias'\n"}})) {
    GTEST_SKIP() << "no zsh here";
  }
  Until("[lab/r1] set0 > ");
  Type("hostname; greet; echo $FROM_ENV-${ZDOTDIR-none}-$TOPORUN_NODE; false\n");
  const std::string shown = Until("[lab/r1] set1 > ");
  EXPECT_THAT(shown, HasSubstr("from-alias\r\n"));
  EXPECT_THAT(shown, HasSubstr("seen-env-none-r1\r\n"));
  EXPECT_THAT(shown, HasSubstr("r1\r\n"));
  Type("exit 7\n");
  EXPECT_EQ(Wait(), 7);
  ExpectNothingLeft();
}

TEST_F(ShellTest, ZshFindsSettingsElsewhere) {
  // ZDOTDIR in the environment, and changed again by .zshenv as many do.
  if (!Start("/usr/bin/zsh",
             {{"z1/.zshenv", "ZDOTDIR=$HOME/z2\n"},
              {"z2/.zshrc", "unsetopt zle promptsp promptcr; PROMPT='elsewhere> '\n"}},
             {{"ZDOTDIR", home_ + "/z1"}})) {
    GTEST_SKIP() << "no zsh here";
  }
  Until("[lab/r1] elsewhere> ");
  Type("echo in-$ZDOTDIR\n");
  Until("in-" + home_ + "/z2\r\n");
  Type("exit\n");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ShellTest, FishShowsWhereBeforeTheUsersPrompt) {
  if (!Start("/usr/bin/fish", {{".config/fish/config.fish",
                                "function fish_greeting; end\n"
                                "function fish_prompt; echo -n \"mine$status> \"; end\n"
                                "function greet; echo from-function; end\n"}})) {
    GTEST_SKIP() << "no fish here";
  }
  Until("[lab/r1] mine0> ");
  Type("hostname; greet; echo $TOPORUN_LAB-$TOPORUN_NODE; false\n");
  const std::string shown = Until("[lab/r1] mine1> ");
  EXPECT_THAT(shown, HasSubstr("from-function"));
  EXPECT_THAT(shown, HasSubstr("lab-r1"));
  Type("exit 7\n");
  EXPECT_EQ(Wait(), 7);
}

TEST_F(ShellTest, FishWithoutSettingsShowsWhereToo) {
  if (!Start("/usr/bin/fish", {})) GTEST_SKIP() << "no fish here";
  Until("[lab/r1] ");
  Type("exit 3\n");
  EXPECT_EQ(Wait(), 3);
}

TEST_F(ShellTest, AnotherShellGetsItsPromptFromTheEnvironment) {
  ASSERT_TRUE(Start("/bin/sh", {}));
  Until("[lab/r1] ");
  Type("echo $TOPORUN_LAB; exit 6\n");
  Until("lab\r\n");
  EXPECT_EQ(Wait(), 6);
}

}  // namespace
}  // namespace runner::kernel
