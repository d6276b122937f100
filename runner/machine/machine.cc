#include "machine/machine.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/text.h"
#include "machine/links.h"
#include "machine/scratch.h"
#include "uplink/landlock.h"
#include "uplink/own_namespaces.h"
#include "uplink/slirp_stack.h"

namespace runner::machine {
namespace {

constexpr const char* kSafeSlirp = "4.9.2";
constexpr rlim_t kManyFiles = 4096;

std::string Sysctl(const std::string& key) {
  std::string path = "/proc/sys/" + key;
  auto text = ReadFile(path);
  if (!text) return {};
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  return *text;
}

std::string ProgramPath() {
  std::array<char, 4096> path = {};
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size)) : "toporun";
}

bool HoldsAdministration() {
  const auto status = ReadFile("/proc/self/status");
  constexpr std::string_view kKey = "\nCapEff:\t";
  const std::size_t at = status ? status->find(kKey) : std::string::npos;
  if (at == std::string::npos) return false;
  const auto held = std::strtoull(status->c_str() + at + kKey.size(), nullptr, 16);
  return (held >> CAP_SYS_ADMIN & 1) != 0 && (held >> CAP_NET_ADMIN & 1) != 0;
}

Feature RootMode() {
  if (HoldsAdministration()) return {.name = "root mode"};
  return {.name = "root mode",
          .level = Level::kLimited,
          .detail = "CAP_SYS_ADMIN and CAP_NET_ADMIN are not held",
          .remedy = "run as root; rootless mode needs neither"};
}

Feature NewIdMaps() {
  for (const char* folder : {"/usr/bin/", "/bin/", "/usr/local/bin/"}) {
    if (access((std::string(folder) + "newuidmap").c_str(), X_OK) == 0) return {.name = "more user ids"};
  }
  return {.name = "more user ids",
          .level = Level::kLimited,
          .detail = "newuidmap is not installed: a rootless lab has one user id",
          .remedy = "apt-get install uidmap"};
}

Feature Limits() {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  Feature feature = {
      .name = "limits",
      .detail = fmt::format("{} open files, {} network namespaces",
                            files.rlim_max == RLIM_INFINITY ? "any number of" : std::to_string(files.rlim_max),
                            Sysctl("user/max_net_namespaces"))};
  const auto namespaces = ParseInteger(Sysctl("user/max_net_namespaces"));
  if (namespaces && *namespaces < 16) {
    feature.level = Level::kMissing;
    feature.remedy = "sysctl user.max_net_namespaces=65536";
  } else if (files.rlim_max < kManyFiles) {
    feature.level = Level::kLimited;
    feature.remedy =
        fmt::format("an uplink serves few connections: ulimit -n {} (/etc/security/limits.conf)", kManyFiles);
  }
  return feature;
}

Feature Ping() {
  const auto words = Split(Sysctl("net/ipv4/ping_group_range"), '\t');
  const auto first = words.size() == 2 ? ParseInteger(words[0]) : std::nullopt;
  const auto last = words.size() == 2 ? ParseInteger(words[1]) : std::nullopt;
  // As root starts it a helper is nobody, else the caller.
  const std::int64_t group = geteuid() == 0 ? 65534 : static_cast<std::int64_t>(getegid());
  if (first && last && *first <= group && group <= *last) return {.name = "ping through an uplink"};
  return {.name = "ping through an uplink",
          .level = Level::kLimited,
          .detail = "only gateway and DNS address answer: net.ipv4.ping_group_range leaves the helper's group out",
          .remedy = "sysctl net.ipv4.ping_group_range=\"0 2147483647\""};
}

Feature LowPorts() {
  const std::string start = Sysctl("net/ipv4/ip_unprivileged_port_start");
  if (geteuid() == 0 && HoldsAdministration()) return {.name = "ports below 1024"};
  if (const auto number = ParseInteger(start); number && *number <= 1) return {.name = "ports below 1024"};
  return {.name = "ports below 1024",
          .level = Level::kLimited,
          .detail = fmt::format("a rootless lab publishes ports from {} on", start),
          .remedy = "sysctl net.ipv4.ip_unprivileged_port_start=80, for example"};
}

Feature Slirp() {
  const std::string version = SlirpStack::Version();
  Feature feature = {.name = "libslirp", .detail = version};
  if (IsAtLeast(version, kSafeSlirp).value_or(false)) return feature;
  feature.level = Level::kLimited;
  feature.detail = fmt::format(
      "{} is older than {}; of its open defects CVE-2026-9539 (urgent data) cannot be reached, since the uplink clears "
      "URG; "
      "fragments, DHCP, TFTP and NC-SI never get to it; IPv6 pings outwards need 4.8",
      version, kSafeSlirp);
  feature.remedy = fmt::format("libslirp {} or newer", kSafeSlirp);
  return feature;
}

Feature Landlock() {
  const int version = LandlockVersion();
  if (version > 0) return {.name = "Landlock", .detail = fmt::format("version {}", version)};
  return {.name = "Landlock",
          .level = Level::kLimited,
          .detail = "the kernel has none, or it is off; the uplink's empty root takes its place",
          .remedy = "lsm=landlock,… on the kernel's command line"};
}

// By doing what a helper does.
Feature Confinement() {
  const Feature none = {.name = "an uplink's own namespaces", .level = Level::kMissing};
  return InScratch(Entry::kHere, none,
                   [none] {
                     const auto refused = EnterOwnNamespaces();
                     Feature feature = {.name = none.name};
                     if (refused && refused->empty()) return Features{feature};
                     feature.level = refused ? Level::kLimited : Level::kMissing;
                     feature.detail = refused ? Join(*refused, ", ") : refused.error().text();
                     feature.remedy =
                         "an uplink has Landlock and its list of system calls in their place; see \"rootless mode\"";
                     return Features{feature};
                   })
      .front();
}

Feature Seccomp() {
  const auto actions = ReadFile("/proc/sys/kernel/seccomp/actions_avail");
  if (actions && actions->find("kill_process") != std::string::npos) return {.name = "seccomp"};
  return {.name = "seccomp",
          .level = Level::kMissing,
          .detail = "the kernel cannot limit the system calls of an uplink, which therefore does not start",
          .remedy = "a kernel with CONFIG_SECCOMP_FILTER"};
}

Features InsideNamespaces() {
  Features found = ProbeKernel(KernelFeatures());
  found.push_back(ProbeNftables());
  found.push_back(ProbeSysfs());
  return found;
}

}  // namespace

std::optional<bool> IsAtLeast(const std::string& version, const std::string& least) {
  const auto have = Split(version, '.');
  const auto want = Split(least, '.');
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto mine = i < have.size() ? ParseInteger(have[i]) : std::optional<std::int64_t>(0);
    const auto wanted = ParseInteger(want[i]);
    if (!mine || !wanted) return std::nullopt;
    if (*mine != *wanted) return *mine > *wanted;
  }
  return true;
}

Feature ProbeTap() {
  const auto opened = OpenFile("/dev/net/tun", O_RDWR);
  Feature feature = {.name = "tap device"};
  if (opened) return feature;
  // A packet socket takes its place.
  const Fd packets(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  feature.level = !packets.is_open() && errno == EAFNOSUPPORT ? Level::kMissing : Level::kLimited;
  feature.detail = "/dev/net/tun: " + opened.error().why;
  switch (opened.error().code) {
    case EACCES:
      feature.remedy = "chmod 0666 /dev/net/tun, or run as root";
      break;
    case EPERM:
      feature.remedy = "the device is not allowed to this container: start it with --device /dev/net/tun";
      break;
    default:
      feature.remedy = "modprobe tun";
  }
  return feature;
}

Feature ProbeUserNamespaces(const std::string& program) {
  const Feature refusal = {.name = "rootless mode", .level = Level::kMissing};
  auto found = InScratch(Entry::kUserNamespace, refusal, [] { return Features{{.name = "rootless mode"}}; });
  Feature& feature = found.front();
  if (feature.level == Level::kWorks) return feature;
  if (Sysctl("user/max_user_namespaces") == "0") {
    feature.remedy = "sysctl user.max_user_namespaces=65536";
  } else if (Sysctl("kernel/unprivileged_userns_clone") == "0") {
    feature.remedy = "sysctl kernel.unprivileged_userns_clone=1";
  } else if (Sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1") {
    feature.remedy = fmt::format(
        "AppArmor gives user namespaces no power: write `abi <abi/4.0>, include <tunables/global> profile toporun {} "
        "flags=(unconfined) {{ userns, }}` to /etc/apparmor.d/toporun and run apparmor_parser -r "
        "/etc/apparmor.d/toporun",
        program);
  } else {
    feature.remedy = "a container may forbid it: seccomp=unconfined, or run outside of it";
  }
  return feature;
}

Features ProbeNeeds(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  const Feature refusal = {.name = "links", .level = Level::kLimited};
  const Entry entry = HoldsAdministration() ? Entry::kPrivileged : Entry::kUserNamespace;
  return InScratch(entry, refusal, [&names] { return ProbeKernel(names); });
}

Features Probe() {
  Features found = {RootMode(),    ProbeUserNamespaces(ProgramPath()),
                    NewIdMaps(),   Limits(),
                    ProbeTap(),    Ping(),
                    LowPorts(),    Slirp(),
                    Confinement(), Seccomp(),
                    Landlock()};
  const Feature refusal = {
      .name = "links", .level = Level::kMissing, .remedy = "neither root mode nor rootless mode works here: see above"};
  const Entry entry = HoldsAdministration() ? Entry::kPrivileged : Entry::kUserNamespace;
  for (Feature& feature : InScratch(entry, refusal, InsideNamespaces)) found.push_back(std::move(feature));
  return found;
}

}  // namespace runner::machine
