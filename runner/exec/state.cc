#include "exec/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>

#include "base/json.h"
#include "base/text.h"
#include "kernel/netlink.h"
#include "kernel/netns.h"

namespace runner {
namespace {

constexpr int kPrivate = 0700;

std::string LockPath(const StateRoot& root, const std::string& lab) { return root.LabFolder(lab) + "/lock"; }
std::string SharedPath(const StateRoot& root) { return (root.shared.empty() ? root.path : root.shared) + "/.shared"; }

std::vector<std::string> ListFolder(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()), closedir);
  if (!folder) return names;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

/// The folder is a real one, ours, and nobody else's business.
Status CheckPrivateFolder(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return SystemError(errno, "look at " + Quote(path));
  if (!S_ISDIR(info.st_mode)) return Fail("use " + Quote(path), "it is not a folder");
  if (info.st_uid != geteuid()) return Fail("use " + Quote(path), "it belongs to another user");
  if ((info.st_mode & 022) != 0) return Fail("use " + Quote(path), "others may write in it; chmod 0700 mends it");
  return {};
}

bool IsThere(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

/// One name for one folder: helpers are told by it.
std::string WithoutLinks(const std::string& path) {
  std::error_code ignored;  // What is not there yet has no links.
  const auto resolved = std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
  return resolved.empty() ? path : resolved.string();
}

std::string Now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char buffer[32];
  const std::size_t size = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {buffer, size};
}

/// flock(2) says nothing of when it will be free, so it is asked again in short steps until the time is over.
Status WaitForLock(int fd, std::chrono::milliseconds timeout, const std::string& path) {
  // Whoever asks only whether it is held (IsHeld) has it for a moment.
  constexpr std::chrono::milliseconds kGlimpse(20);
  const auto end = std::chrono::steady_clock::now() + std::max(timeout, kGlimpse);
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return SystemError(errno, "lock " + Quote(path));
    if (std::chrono::steady_clock::now() >= end) {
      const auto holder = ReadFile(path);
      std::string who = holder.ok() ? *holder : "";
      while (!who.empty() && who.back() == '\n') who.pop_back();
      Error error = Fail("take the lab's lock", "another command holds it" + (who.empty() ? "" : " (" + who + ")") +
                                                    "; --lock-timeout SECONDS waits for it");
      error.code = EWOULDBLOCK;
      return error;
    }
    poll(nullptr, 0, 10);
  }
  return {};
}

bool IsStill(int fd, const std::string& path) {
  struct stat open_one {};
  struct stat named {};
  return fstat(fd, &open_one) == 0 && stat(path.c_str(), &named) == 0 && open_one.st_ino == named.st_ino &&
         open_one.st_dev == named.st_dev;
}

Result<Json> ReadShared(const StateRoot& root) {
  auto text = ReadFile(SharedPath(root));
  if (!text.ok()) {
    if (text.error().code == ENOENT) return Json::object();
    return std::move(text).error();
  }
  if (text->empty()) return Json::object();
  Json json = TRY(ParseJson(*text).Wrap(Quote(SharedPath(root))));
  if (!json.is_object()) return Fail("read " + Quote(SharedPath(root)), "it is damaged");
  return json;
}

/// The registry's lock is a file of its own: the registry itself is replaced by rename.
Result<Fd> LockShared(const StateRoot& root) {
  const std::string path = SharedPath(root) + ".lock";
  TRY(MakeFolders(path.substr(0, path.rfind('/')), kPrivate));
  constexpr std::chrono::seconds kPatience(10);
  while (true) {
    Fd fd = TRY(OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    TRY(WaitForLock(fd.get(), kPatience, path));
    if (IsStill(fd.get(), path)) return fd;
  }
}

/// Whoever leaves must be able to do so on a file system that is full: what is shorter fits where the old text is, in
/// one write, with blanks up to the old length.
Status WriteShared(const StateRoot& root, const Json& all) {
  const std::string path = SharedPath(root);
  std::string text = JsonText(all);
  Status replaced = ReplaceFile(path, text, 0600);
  if (replaced.ok() || replaced.error().code != ENOSPC) return replaced;
  unlink((path + ".new").c_str());
  const auto old = ReadFile(path);
  if (!old.ok() || old->size() < text.size()) return replaced;
  text.resize(old->size(), ' ');
  const Fd fd = TRY(OpenFile(path, O_WRONLY | O_NOFOLLOW));
  if (pwrite(fd.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) return {};
  return SystemError(errno, "write " + Quote(path));
}

}  // namespace

void RemoveRootIfEmpty(const StateRoot& root) {
  for (const std::string& name : ListFolder(root.path)) {
    if (name != ".shared.lock" && name != ".shared.new") return;
  }
  unlink((root.path + "/.shared.new").c_str());
  unlink((root.path + "/.shared.lock").c_str());
  // Not empty after all: somebody came in between, and stays.
  rmdir(root.path.c_str());
}

std::vector<std::string> StateRoot::Labs() const {
  std::vector<std::string> labs = Folders();
  std::erase_if(labs, [this](const std::string& lab) { return access(JournalPath(lab).c_str(), F_OK) != 0; });
  return labs;
}

std::vector<std::string> StateRoot::Folders() const {
  std::vector<std::string> labs = ListFolder(path);
  std::erase_if(labs, [](const std::string& lab) { return lab.starts_with("."); });
  return labs;
}

Result<StateRoot> FindStateRoot(const std::string& option, Ground ground) {
  if (!option.empty()) return StateRoot{.path = WithoutLinks(option)};
  if (const char* folder = std::getenv("TOPORUN_STATE_DIR"); folder != nullptr && *folder != '\0') {
    return StateRoot{.path = WithoutLinks(folder)};
  }
  if (geteuid() == 0) {
    const std::string path = ground == Ground::kHolder ? "/run/toporun-rootless" : "/run/toporun";
    if (IsThere(path)) TRY(CheckPrivateFolder(path));
    return StateRoot{.path = path};
  }
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime != '\0') {
    TRY(CheckPrivateFolder(runtime));
    const std::string path = std::string(runtime) + "/toporun";
    if (IsThere(path)) TRY(CheckPrivateFolder(path));
    return StateRoot{.path = path};
  }
  const std::string own = "/tmp/toporun-" + std::to_string(geteuid());
  if (mkdir(own.c_str(), kPrivate) != 0 && errno != EEXIST) return SystemError(errno, "make folder " + Quote(own));
  TRY(CheckPrivateFolder(own));
  return StateRoot{.path = own};
}

Result<std::uint64_t> HostNamespaceId() {
  // Asked of a socket here: to enter the namespace that one is in already may be refused.
  const NetlinkSocket socket = TRY(NetlinkSocket::Open());
  const std::uint64_t cookie = socket.cookie();
  if (cookie != 0) return cookie;
  const Namespace host = TRY(Namespace::Current());
  return host.inode();
}

Result<LabLock> LabLock::Take(const StateRoot& root, const std::string& lab, std::chrono::milliseconds timeout) {
  auto lock = TakeOrFail(root, lab, timeout);
  // Without a record and without a holder, what was made for the lock goes away again.
  if (!lock.ok() && lock.error().code != EWOULDBLOCK) {
    TRY(LabLock(Fd(), root, lab).LeaveIfEmpty());
  }
  return lock;
}

bool LabLock::IsHeld(const StateRoot& root, const std::string& lab) {
  const auto file = OpenFile(LockPath(root, lab), O_RDONLY | O_NOFOLLOW);
  // Nobody has made it yet, or it went with the lab.
  if (!file.ok()) return false;
  return flock(file->get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

Result<LabLock> LabLock::TakeOrFail(const StateRoot& root, const std::string& lab, std::chrono::milliseconds timeout) {
  const std::string folder = root.LabFolder(lab);
  const std::string path = LockPath(root, lab);
  while (true) {
    TRY(MakeFolders(folder, kPrivate));
    TRY(CheckPrivateFolder(folder));
    auto opened = OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    // The folder went away in between, with a `down` that has just ended.
    if (!opened.ok() && opened.error().code == ENOENT) continue;
    Fd fd = TRY(std::move(opened));
    TRY(WaitForLock(fd.get(), timeout, path).Wrap("lab " + Quote(lab)));
    if (!IsStill(fd.get(), path)) continue;
    const std::string who = "pid " + std::to_string(getpid()) + " since " + Now() + "\n";
    if (ftruncate(fd.get(), 0) != 0 || pwrite(fd.get(), who.data(), who.size(), 0) < 0) {
      return SystemError(errno, "write " + Quote(path));
    }
    return LabLock(std::move(fd), root, lab);
  }
}

Status LabLock::LeaveIfEmpty() {
  if (access(root_.JournalPath(lab_).c_str(), F_OK) == 0) return {};
  const std::string folder = root_.LabFolder(lab_);
  if (access(folder.c_str(), F_OK) != 0) {
    RemoveRootIfEmpty(root_);
    return {};
  }
  for (const std::string& name : ListFolder(folder)) {
    if (name != "lock") unlink((folder + "/" + name).c_str());
  }
  unlink(LockPath(root_, lab_).c_str());
  if (rmdir(folder.c_str()) != 0 && errno != ENOENT) return SystemError(errno, "remove folder " + Quote(folder));
  RemoveRootIfEmpty(root_);
  return {};
}

Status SharedHost::Join(const std::string& key, const std::string& lab,
                        const std::function<Result<std::string>()>& former) {
  const Fd lock = TRY(LockShared(root_));
  Json all = TRY(ReadShared(root_));
  if (!all.contains(key)) all[key] = {{"former", TRY(former())}, {"labs", Json::array()}};
  Json& labs = all[key]["labs"];
  if (std::ranges::find(labs, Json(lab)) == labs.end()) labs.push_back(lab);
  return WriteShared(root_, all);
}

Status SharedHost::Leave(const std::string& key, const std::string& lab,
                         const std::function<Status(const std::string&)>& last) {
  const Fd lock = TRY(LockShared(root_));
  Json all = TRY(ReadShared(root_));
  if (!all.contains(key)) return {};
  Json& labs = all[key]["labs"];
  labs.erase(std::remove(labs.begin(), labs.end(), Json(lab)), labs.end());
  if (labs.empty()) {
    TRY(last(all[key]["former"].get<std::string>()));
    all.erase(key);
  }
  if (!all.empty()) return WriteShared(root_, all);
  if (unlink(SharedPath(root_).c_str()) != 0 && errno != ENOENT) {
    return SystemError(errno, "remove " + Quote(SharedPath(root_)));
  }
  return {};
}

std::vector<std::string> SharedHost::KeysOf(const std::string& lab) const {
  std::vector<std::string> keys;
  const auto all = ReadShared(root_);
  if (!all.ok()) return keys;
  for (const auto& [key, entry] : all->items()) {
    const auto users = Users(key);
    if (std::ranges::find(users, lab) != users.end()) keys.push_back(key);
  }
  return keys;
}

std::vector<std::string> SharedHost::Users(const std::string& key) const {
  std::vector<std::string> labs;
  const auto all = ReadShared(root_);
  if (!all.ok() || !all->contains(key)) return labs;
  for (const Json& lab : (*all)[key]["labs"]) labs.push_back(lab.get<std::string>());
  return labs;
}

}  // namespace runner
