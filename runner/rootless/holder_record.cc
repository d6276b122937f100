// The record of a holder, and how the holder is found again.
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "kernel/boot.h"
#include "rootless/holder.h"
#include "rootless/holder_record.h"

namespace runner::rootless {
namespace {

std::optional<std::uint64_t> NumberOf(pid_t pid, const char* kind) {
  struct stat info {};
  if (stat(fmt::format("/proc/{}/ns/{}", pid, kind).c_str(), &info) != 0) return std::nullopt;
  return info.st_ino;
}

/// Whether it is a holder of this lab that has finished its work.
bool IsHolderOf(pid_t pid, const HolderPlace& place) {
  const auto line = ReadFile(fmt::format("/proc/{}/cmdline", pid));
  if (!line.ok()) return false;
  const auto words = Split(*line, '\0');
  if (words.size() < 4 || words[1] != kHolderCommand || words[2] != place.lab || words[3] != place.state) return false;
  // Anybody may call a program so; and one that is not ready is somebody's who still waits for it.
  struct stat info {};
  const auto name = ReadFile(fmt::format("/proc/{}/comm", pid));
  return stat(fmt::format("/proc/{}", pid).c_str(), &info) == 0 && info.st_uid == geteuid() && name.ok() &&
         *name == std::string(kHolderName) + "\n";
}

/// The process as it is now; nothing when it has gone.
Result<std::optional<Holder>> LookAt(pid_t pid) {
  const auto process = kernel::ReadProcessIdentity(pid);
  if (!process || !kernel::IsRunning(*process)) return std::optional<Holder>();
  auto pidfd = kernel::OpenProcess(*process);
  const auto namespaces = ReadNamespaceNumbers(pid);
  if (!pidfd.ok() || !namespaces) return std::optional<Holder>();
  Holder holder{.record = {.process = *process, .boot_id = TRY(BootId()), .namespaces = *namespaces},
                .pidfd = std::move(*pidfd)};
  return std::optional(std::move(holder));
}

std::optional<pid_t> FindByCommandLine(const HolderPlace& place) {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (proc == nullptr) return std::nullopt;
  while (const dirent* entry = readdir(proc.get())) {
    const auto pid = ParseInteger(entry->d_name);
    if (pid && IsHolderOf(static_cast<pid_t>(*pid), place)) return static_cast<pid_t>(*pid);
  }
  return std::nullopt;
}

}  // namespace

std::optional<NamespaceNumbers> ReadNamespaceNumbers(pid_t pid) {
  const auto user = NumberOf(pid, "user");
  const auto mount = NumberOf(pid, "mnt");
  const auto network = NumberOf(pid, "net");
  if (!user || !mount || !network) return std::nullopt;
  return NamespaceNumbers{.user = *user, .mount = *mount, .network = *network};
}

Result<HolderRecord> ReadHolderRecord(const std::string& path) {
  const std::string text = TRY(ReadFile(path));
  const Json json = TRY(ParseJson(text).Wrap(Quote(path)));
  HolderRecord record;
  const auto number = [&json](const char* key, auto& to) {
    if (!json.is_object() || !json.contains(key) || !json[key].is_number_integer()) return false;
    to = json[key].get<std::decay_t<decltype(to)>>();
    return true;
  };
  if (!number("pid", record.process.pid) || !number("start_time", record.process.start_time) ||
      !number("user", record.namespaces.user) || !number("mount", record.namespaces.mount) ||
      !number("network", record.namespaces.network) || !json.contains("boot_id") || !json["boot_id"].is_string()) {
    return Fail("read " + Quote(path), "it is damaged");
  }
  record.boot_id = json["boot_id"].get<std::string>();
  return record;
}

Status WriteHolderRecord(const std::string& path, const HolderRecord& record) {
  Json json;
  json["pid"] = record.process.pid;
  json["start_time"] = record.process.start_time;
  json["boot_id"] = record.boot_id;
  json["user"] = record.namespaces.user;
  json["mount"] = record.namespaces.mount;
  json["network"] = record.namespaces.network;
  return ReplaceFile(path, JsonText(json) + "\n", 0600);
}

Result<std::optional<Holder>> FindHolder(const HolderPlace& place) {
  // A record that cannot be read tells nothing; the command line still does.
  if (const auto record = ReadHolderRecord(place.RecordPath()); record.ok()) {
    auto holder = TRY(LookAt(record->process.pid));
    if (holder && holder->record == *record) return holder;
  }
  const auto pid = FindByCommandLine(place);
  if (!pid) return std::optional<Holder>();
  return LookAt(*pid);
}

}  // namespace runner::rootless
