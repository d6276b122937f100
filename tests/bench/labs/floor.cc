// The least that a star or a ring of network namespaces costs: one netlink request an object, no answer asked for,
// nothing checked, nothing remembered. What the runner takes is held against this. Also what merely looking at such a
// lab costs.
//
//   floor up|down star|ring COUNT    names below /run/netns: h1 … (star, ports p1 … of bridge br0 here), r1 … (ring)
//   floor look COUNT                 enters the first COUNT namespaces of /run/netns and dumps links, addresses and
//   routes
//
// Whatever fails ends it with status 1: a benchmark that did not do its work has no figure.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int kBridgeGroup = 4711;  // what `down` deletes in one request

void Need(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "floor: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

std::string PathOf(const std::string& name) { return "/run/netns/" + name; }

// One request being written; attributes nest by number of the byte where they began.
class Request {
 public:
  template <typename Header>
  Request(uint16_t type, uint16_t flags, const Header& header) : bytes_(NLMSG_HDRLEN) {
    Append(&header, sizeof header);
    Head()->nlmsg_type = type;
    Head()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  }

  void Add(uint16_t type, const void* value, size_t size) {
    const size_t begin = Begin(type);
    Append(value, size);
    End(begin);
  }
  void Add(uint16_t type, uint32_t value) { Add(type, &value, sizeof value); }
  void Add(uint16_t type, const std::string& text) { Add(type, text.c_str(), text.size() + 1); }

  size_t Begin(uint16_t type) {
    const size_t begin = bytes_.size();
    const rtattr attribute{0, type};
    Append(&attribute, sizeof attribute);
    return begin;
  }
  void End(size_t begin) {
    const auto size = static_cast<uint16_t>(bytes_.size() - begin);
    std::memcpy(bytes_.data() + begin, &size, sizeof size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }
  template <typename Plain>
  void Append(const Plain& plain) {
    Append(&plain, sizeof plain);
  }

  const std::vector<char>& Finish() {
    Head()->nlmsg_len = static_cast<uint32_t>(bytes_.size());
    return bytes_;
  }

 private:
  nlmsghdr* Head() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  void Append(const void* value, size_t size) {
    const auto* begin = static_cast<const char*>(value);
    bytes_.insert(bytes_.end(), begin, begin + size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }

  std::vector<char> bytes_;
};

// A socket of the namespace that the process is in when it is made.
class Socket {
 public:
  Socket() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) { Need(fd_ >= 0, "socket"); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(fd_); }

  // The kernel works a request off before send returns; only a refusal would be answered.
  void Send(Request request) const {
    const auto& bytes = request.Finish();
    Need(send(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "send");
  }

  void ExpectNoRefusal() const {
    char answer[4096];
    if (recv(fd_, answer, sizeof answer, MSG_DONTWAIT) < 0) return;
    const auto* head = reinterpret_cast<const nlmsghdr*>(answer);
    const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(head));
    errno = -error->error;
    Need(false, "request of type " + std::to_string(error->msg.nlmsg_type));
  }

  void Dump(uint16_t type) const {
    Send(Request(type, NLM_F_DUMP, rtgenmsg{.rtgen_family = AF_UNSPEC}));
    static char answer[32768];
    for (;;) {
      ssize_t size = recv(fd_, answer, sizeof answer, 0);
      Need(size > 0, "recv");
      for (const auto* head = reinterpret_cast<const nlmsghdr*>(answer); NLMSG_OK(head, size);
           head = NLMSG_NEXT(head, size)) {
        Need(head->nlmsg_type != NLMSG_ERROR, "dump");
        if (head->nlmsg_type == NLMSG_DONE) return;
      }
    }
  }

 private:
  int fd_;
};

ifinfomsg Link(int index, unsigned flags = 0) {
  ifinfomsg header{};
  header.ifi_index = index;
  header.ifi_flags = header.ifi_change = flags;
  return header;
}

int OpenNamespace(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  Need(fd >= 0, path);
  return fd;
}

// The process is in the new namespace afterwards.
int MakeNamespace(const std::string& name) {
  const std::string path = PathOf(name);
  const int file = open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
  Need(file >= 0, path);
  close(file);
  Need(unshare(CLONE_NEWNET) == 0, "unshare");
  Need(mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) == 0, "mount " + path);
  return OpenNamespace(path);
}

void SetUp(const Socket& socket, int index) { socket.Send(Request(RTM_NEWLINK, 0, Link(index, IFF_UP))); }

// `near` in the socket's namespace, up; `far` in another one, with an index of our choice so that nobody has to ask.
void AddVeth(const Socket& socket, const std::string& near, int near_index, int master, int far_namespace,
             const std::string& far, int far_index) {
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, Link(near_index, IFF_UP));
  request.Add(IFLA_IFNAME, near);
  if (master) request.Add(IFLA_MASTER, static_cast<uint32_t>(master));
  if (master) request.Add(IFLA_GROUP, kBridgeGroup);
  const size_t info = request.Begin(IFLA_LINKINFO);
  request.Add(IFLA_INFO_KIND, "veth", 4);
  const size_t data = request.Begin(IFLA_INFO_DATA);
  const size_t peer = request.Begin(VETH_INFO_PEER);
  request.Append(Link(far_index));
  request.Add(IFLA_IFNAME, far);
  request.Add(IFLA_NET_NS_FD, static_cast<uint32_t>(far_namespace));
  request.End(peer);
  request.End(data);
  request.End(info);
  socket.Send(std::move(request));
}

void AddAddress(const Socket& socket, int index, uint32_t address, uint8_t length) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = length;
  header.ifa_index = static_cast<uint32_t>(index);
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, header);
  request.Add(IFA_LOCAL, htonl(address));
  request.Add(IFA_ADDRESS, htonl(address));
  socket.Send(std::move(request));
}

void AddDefaultRoute(const Socket& socket, uint32_t gateway) {
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, header);
  request.Add(RTA_GATEWAY, htonl(gateway));
  socket.Send(std::move(request));
}

void Forward() {
  const int fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);
  Need(fd >= 0 && write(fd, "1", 1) == 1, "ip_forward");
  close(fd);
}

constexpr uint32_t kStarNet = 0x0a000000;  // 10.0.0.0/16, the bridge has .0.1
constexpr uint32_t kRingNet = 0x0a000000;  // 10.0.0.0/8, two addresses a cable

void UpStar(int count) {
  const Socket here;
  const int home = OpenNamespace("/proc/thread-self/ns/net");
  const int bridge = 100000;
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, Link(bridge, IFF_UP));
  request.Add(IFLA_IFNAME, std::string("br0"));
  request.Add(IFLA_GROUP, kBridgeGroup);
  const size_t info = request.Begin(IFLA_LINKINFO);
  request.Add(IFLA_INFO_KIND, "bridge", 6);
  request.End(info);
  here.Send(std::move(request));
  AddAddress(here, bridge, kStarNet + 1, 16);
  for (int i = 1; i <= count; ++i) {
    const int node = MakeNamespace("h" + std::to_string(i));
    const Socket there;
    AddVeth(here, "p" + std::to_string(i), bridge + i, bridge, node, "eth0", 2);
    close(node);
    SetUp(there, 1);
    SetUp(there, 2);
    AddAddress(there, 2, kStarNet + 1 + static_cast<uint32_t>(i), 16);
    AddDefaultRoute(there, kStarNet + 1);
    there.ExpectNoRefusal();
  }
  here.ExpectNoRefusal();
  Need(setns(home, CLONE_NEWNET) == 0, "setns");
}

// A router with its namespace and a socket in it.
struct Router {
  int space;
  std::unique_ptr<Socket> socket;
};

Router MakeRouter(int number) {
  Router router{.space = MakeNamespace("r" + std::to_string(number)), .socket = std::make_unique<Socket>()};
  SetUp(*router.socket, 1);
  Forward();
  return router;
}

// A cable from a router's `right` to the next one's `left`.
void Connect(const Router& from, const Router& to, int number) {
  const uint32_t net = kRingNet + 2 * static_cast<uint32_t>(number - 1);
  AddVeth(*to.socket, "left", 2, 0, from.space, "right", 3);
  AddAddress(*to.socket, 2, net + 1, 31);
  SetUp(*from.socket, 3);
  AddAddress(*from.socket, 3, net, 31);
  AddDefaultRoute(*from.socket, net + 1);
  to.socket->ExpectNoRefusal();
  from.socket->ExpectNoRefusal();
}

void UpRing(int count) {
  Router first = MakeRouter(1);
  Router before{.space = dup(first.space), .socket = nullptr};
  std::swap(before.socket, first.socket);
  for (int i = 2; i <= count; ++i) {
    Router router = MakeRouter(i);
    Connect(before, router, i - 1);
    close(before.space);
    if (i == 2) std::swap(first.socket, before.socket);
    before = std::move(router);
  }
  Connect(before, first, count);
}

void Down(const std::string& prefix, int count) {
  for (int i = 1; i <= count; ++i) {
    const std::string path = PathOf(prefix + std::to_string(i));
    Need(umount2(path.c_str(), MNT_DETACH) == 0, "umount " + path);
    Need(unlink(path.c_str()) == 0, "unlink " + path);
  }
}

void DownStar(int count) {
  // The names of what hangs on the bridge are free at once only when the links are deleted before their namespaces.
  const Socket here;
  Request request(RTM_DELLINK, 0, Link(0));
  request.Add(IFLA_GROUP, kBridgeGroup);
  here.Send(std::move(request));
  here.ExpectNoRefusal();
  Down("h", count);
}

void Look(int count) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns")) names.push_back(entry.path().string());
  std::sort(names.begin(), names.end());
  Need(names.size() >= static_cast<size_t>(count), "fewer namespaces than that");
  for (int i = 0; i < count; ++i) {
    const int node = OpenNamespace(names[static_cast<size_t>(i)]);
    Need(setns(node, CLONE_NEWNET) == 0, "setns");
    close(node);
    const Socket there;
    for (const uint16_t type : {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE}) there.Dump(type);
  }
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> said(words + 1, words + count);
  const std::string verb = said.empty() ? "" : said[0];
  if (verb == "look" && said.size() == 2) {
    Look(std::atoi(said[1].c_str()));
    return 0;
  }
  const bool star = said.size() == 3 && said[1] == "star";
  if (said.size() != 3 || (verb != "up" && verb != "down") || (!star && said[1] != "ring")) {
    std::fprintf(stderr, "usage: floor up|down star|ring COUNT, floor look COUNT\n");
    return 2;
  }
  const int size = std::atoi(said[2].c_str());
  if (verb == "up") {
    // As everyone does who names namespaces; a private mount keeps a thousand binds from being copied elsewhere.
    mkdir("/run/netns", 0755);
    star ? UpStar(size) : UpRing(size);
  } else {
    star ? DownStar(size) : Down("r", size);
  }
  return 0;
}
