#include "machine/scratch.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/json.h"

namespace runner::machine {
namespace {

constexpr int kNamespaces = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

// Each step by itself: a machine may let a user namespace come to be and give no power in it.
Status EnterAsUser() {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  if (unshare(CLONE_NEWUSER) != 0) return SystemError(errno, "unshare");
  TRY(WriteExisting("/proc/self/setgroups", "deny"));
  TRY(WriteExisting("/proc/self/uid_map", fmt::format("0 {} 1", user)));
  TRY(WriteExisting("/proc/self/gid_map", fmt::format("0 {} 1", group)));
  return {};
}

Status Enter(Entry entry) {
  if (entry == Entry::kHere) return {};
  if (entry == Entry::kUserNamespace) TRY(EnterAsUser());
  if (unshare(kNamespaces) != 0) return SystemError(errno, "unshare");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return SystemError(errno, "mount");
  return {};
}

std::string Encode(const Features& features) {
  Json json = Json::array();
  for (const Feature& feature : features) {
    json.push_back({feature.name, static_cast<int>(feature.level), feature.detail, feature.remedy});
  }
  return JsonText(json);
}

// From our own child.
Features Decode(const Json& json) {
  Features features;
  for (const Json& one : json) {
    features.push_back({.name = one[0].get<std::string>(),
                        .level = static_cast<Level>(one[1].get<int>()),
                        .detail = one[2].get<std::string>(),
                        .remedy = one[3].get<std::string>()});
  }
  return features;
}

[[noreturn]] void Child(int out, Entry entry, const Feature& refusal, const std::function<Features()>& body) {
  Features found;
  if (const Status entered = Enter(entry)) {
    found = body();
  } else {
    found = {refusal};
    found[0].detail = entered.error().text();
  }
  const std::string text = Encode(found);
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = write(out, text.data() + at, text.size() - at);
    if (written <= 0) break;
    at += static_cast<std::size_t>(written);
  }
  std::_Exit(0);
}

}  // namespace

Features InScratch(Entry entry, const Feature& refusal, const std::function<Features()>& body) {
  Feature failed = refusal;
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    failed.detail = "no pipe to a probe";
    return {failed};
  }
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) Child(theirs.get(), entry, refusal, body);
  theirs.Reset();
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t size; (size = read(ours.get(), buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  if (child > 0) {
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  const auto json = ParseJson(text);
  if (child < 0 || !json) {
    failed.detail = "the probe ended early";
    return {failed};
  }
  return Decode(*json);
}

}  // namespace runner::machine
