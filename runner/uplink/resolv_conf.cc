#include "uplink/resolv_conf.h"

#include <net/if.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"

namespace runner {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view NextWord(std::string_view& line) {
  const std::size_t begin = line.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  line.remove_prefix(begin);
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

std::int64_t Nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1000000000 + time.tv_nsec; }

}  // namespace

std::vector<NameServer> ParseResolvConf(std::string_view text) {
  std::vector<NameServer> servers;
  for (std::string_view line : Split(text, '\n')) {
    if (NextWord(line) != "nameserver") continue;
    const std::string_view word = NextWord(line);
    const std::size_t zone = word.find('%');
    const auto address = IpAddress::Parse(word.substr(0, zone));
    if (!address) continue;  // The C library passes over what it does not understand, too.
    NameServer server{.address = *address};
    if (zone != std::string_view::npos) server.scope = if_nametoindex(std::string(word.substr(zone + 1)).c_str());
    servers.push_back(server);
  }
  return servers;
}

const std::vector<NameServer>& ResolvConf::Servers() {
  struct stat status = {};
  // Follows links: the target may be replaced, too.
  if (stat(path_.c_str(), &status) != 0) {
    servers_.clear();
    version_ = {};
    return servers_;
  }
  const Version version{.device = status.st_dev,
                        .inode = status.st_ino,
                        .size = status.st_size,
                        .modified = Nanoseconds(status.st_mtim),
                        .changed = Nanoseconds(status.st_ctim)};
  if (version == version_) return servers_;
  const auto text = ReadFile(path_);
  servers_ = text ? ParseResolvConf(*text) : std::vector<NameServer>();
  version_ = version;
  return servers_;
}

}  // namespace runner
