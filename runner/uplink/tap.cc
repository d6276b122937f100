#include "uplink/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "kernel/netns.h"
#include "uplink/offload.h"

namespace runner {
namespace {

constexpr int kTapFlags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

ifreq Request(const std::string& name) {
  ifreq request = {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

// The namespace of a tap is that of the thread at open(2).
Result<Fd> OpenDevice() {
  auto opened = OpenFile("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (!opened) {
    switch (opened.error().code) {
      case EACCES:
        opened.error().why += "; only its owner may open it: chmod 0666 /dev/net/tun, or run as root";
        break;
      case EPERM:
        opened.error().why += "; the device is not allowed to this container: start it with --device /dev/net/tun";
        break;
      case ENOENT:
      case ENODEV:
        opened.error().why += "; the kernel has no tun driver loaded: modprobe tun";
        break;
      default:
        break;
    }
  }
  return opened;
}

// With IFF_TUN_EXCL it is made, else it is there.
Status Bind(const Fd& tap, const std::string& name, int flags) {
  ifreq request = Request(name);
  request.ifr_flags = static_cast<short>(flags);
  if (ioctl(tap.get(), TUNSETIFF, &request) == 0) return {};
  const int code = errno;
  Error error = SystemError(code, fmt::format("attach to the tap \"{}\"", name));
  if (code == EBUSY && (flags & IFF_TUN_EXCL) != 0) error.why = "an interface of that name exists";
  if (code == EBUSY && (flags & IFF_TUN_EXCL) == 0) error.why = "another process serves it";
  return error;
}

Result<Fd> Attach(const std::string& name, int flags) {
  Fd tap = TRY(OpenDevice());
  TRY(Bind(tap, name, flags));
  int header = sizeof(VnetHeader);
  if (ioctl(tap.get(), TUNSETVNETHDRSZ, &header) != 0) return SystemError(errno, "set the size of the tap's header");
  if (ioctl(tap.get(), TUNSETOFFLOAD, static_cast<unsigned long>(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)) != 0) {
    return SystemError(errno, fmt::format("turn on offloads of the tap \"{}\"", name));
  }
  return tap;
}

}  // namespace

Status CreateTap(int netns, const std::string& name, const MacAddress& mac, std::uint32_t mtu) {
  const auto inside = TRY(InNamespace::Enter(netns));
  const Fd tap = TRY(Attach(name, kTapFlags | IFF_TUN_EXCL));
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return SystemError(errno, "open a socket");
  ifreq request = Request(name);
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, mac.bytes(), 6);
  if (ioctl(socket.get(), SIOCSIFHWADDR, &request) != 0) {
    return SystemError(errno, fmt::format("give \"{}\" the address {}", name, mac.text()));
  }
  request = Request(name);
  request.ifr_mtu = static_cast<int>(mtu);
  if (ioctl(socket.get(), SIOCSIFMTU, &request) != 0) {
    return SystemError(errno, fmt::format("give \"{}\" the MTU {}", name, mtu));
  }
  // Last: until here a failure takes the tap along with its descriptor.
  if (ioctl(tap.get(), TUNSETPERSIST, 1UL) != 0) return SystemError(errno, fmt::format("keep the tap \"{}\"", name));
  return {};
}

Status CreatePersistentTap(int netns, const std::string& name, const TapSettings& settings) {
  const auto inside = TRY(InNamespace::Enter(netns));
  const Fd tap = TRY(OpenDevice());
  const int queues = settings.multi_queue ? IFF_MULTI_QUEUE : 0;
  TRY(Bind(tap, name, (settings.tun ? IFF_TUN : IFF_TAP) | IFF_NO_PI | IFF_TUN_EXCL | queues));
  if (settings.owner && ioctl(tap.get(), TUNSETOWNER, static_cast<unsigned long>(*settings.owner)) != 0) {
    return SystemError(errno, fmt::format("give \"{}\" to user {}", name, *settings.owner));
  }
  if (ioctl(tap.get(), TUNSETPERSIST, 1UL) != 0) return SystemError(errno, fmt::format("keep the tap \"{}\"", name));
  return {};
}

Result<Fd> OpenTap(int netns, const std::string& name) {
  const auto inside = TRY(InNamespace::Enter(netns));
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return SystemError(errno, "open a socket");
  ifreq request = Request(name);
  // TUNSETIFF would make a tap of that name where there is none.
  if (ioctl(socket.get(), SIOCGIFINDEX, &request) != 0) {
    return SystemError(errno, fmt::format("find the tap \"{}\"", name));
  }
  return Attach(name, kTapFlags);
}

Status WaitForCarrier(int netns, const std::string& name, int limit_ms) {
  const auto inside = TRY(InNamespace::Enter(netns));
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return SystemError(errno, "open a socket");
  for (int waited = 0; waited <= limit_ms; ++waited) {
    ifreq request = Request(name);
    if (ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) {
      return SystemError(errno, fmt::format("look at the tap \"{}\"", name));
    }
    const int flags = request.ifr_flags;
    // It tells the new state a moment before it acts on it: one round more.
    const bool done = (flags & IFF_UP) == 0 || (flags & IFF_RUNNING) != 0;
    poll(nullptr, 0, 1);
    if (done) return {};
  }
  return Fail(fmt::format("the tap \"{}\" has no carrier though it is served", name));
}

}  // namespace runner
