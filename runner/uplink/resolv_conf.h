// The upstream name servers: resolv.conf, read again whenever it is another file or has another content.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace runner {

struct NameServer {
  IpAddress address;
  std::uint32_t scope = 0;  // the interface of a link-local address
  friend bool operator==(const NameServer&, const NameServer&) = default;
};

/// The `nameserver` lines, in their order.
std::vector<NameServer> ParseResolvConf(std::string_view text);

class ResolvConf {
 public:
  explicit ResolvConf(std::string path) : path_(std::move(path)) {}
  /// Costs one stat(2) while nothing changes. Empty when the file is missing or names nobody.
  const std::vector<NameServer>& Servers();
  const std::string& path() const { return path_; }

 private:
  struct Version {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    std::int64_t modified = 0;
    std::int64_t changed = 0;
    friend bool operator==(const Version&, const Version&) = default;
  };
  std::string path_;
  Version version_;
  std::vector<NameServer> servers_;
};

}  // namespace runner
