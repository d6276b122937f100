#include "uplink/slirp_stack.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <slirp/libslirp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "uplink/packet.h"
#include "uplink/sockets.h"
#include "uplink/tcp_streams.h"

namespace runner {
namespace {

// Packets of the lab come uncut; IPv6 is refused when it is longer than this.
constexpr std::size_t kStackMtu = 65520;
// What makes libslirp's segments: two fit the window of 64 kB that it knows, so that while one is on its way the next
// is made.
constexpr std::size_t kStackMru = 32768;
constexpr int kBacklog = 1024;
// What libslirp asks for when no TCP timer runs.
constexpr std::uint32_t kNothingDue = 1000;
// Idle UDP and ICMP sockets expire in Fill only, after four minutes: often enough for that.
constexpr std::int64_t kExpiryCheck = 30000;
constexpr int kSettleRounds = 16;
constexpr std::int64_t kFullPause = 100;
constexpr std::int64_t kStaleClock = 100;

// The fields of SlirpConfig and SlirpCb that are filled in, and the way sockets are told, which 4.9 renamed.
#if SLIRP_CHECK_VERSION(4, 9, 0)
constexpr std::uint32_t kConfigVersion = 6;
constexpr auto PollFill = slirp_pollfds_fill_socket;
#else
constexpr std::uint32_t kConfigVersion = 4;
constexpr auto PollFill = slirp_pollfds_fill;
#endif

in_addr ToIn(const IpAddress& address) {
  in_addr in = {};
  std::memcpy(&in, address.bytes(), sizeof in);
  return in;
}

in6_addr ToIn6(const IpAddress& address) {
  in6_addr in = {};
  std::memcpy(&in, address.bytes(), sizeof in);
  return in;
}

// The addresses that outgoing connections are bound to: as given, or the first of an interface.
struct Outbound {
  std::optional<IpAddress> ipv4;
  std::optional<IpAddress> ipv6;
};

Result<Outbound> ResolveOutbound(const std::vector<std::string>& wanted) {
  Outbound outbound;
  for (const std::string& name : wanted) {
    if (const auto address = IpAddress::Parse(name)) {
      (address->is_ipv6() ? outbound.ipv6 : outbound.ipv4) = *address;
      continue;
    }
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return SystemError(errno, "list the addresses of the host");
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
    bool found = false;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
      if (name != entry->ifa_name || entry->ifa_addr == nullptr) continue;
      const auto endpoint = FromSockaddr(*entry->ifa_addr);
      if (!endpoint || endpoint->address.is_link_local()) continue;
      auto& slot = endpoint->address.is_ipv6() ? outbound.ipv6 : outbound.ipv4;
      if (!slot) slot = endpoint->address;
      found = true;
    }
    if (!found) {
      return Fail(fmt::format("outbound address \"{}\"", name),
                  "no interface of that name has an address where the uplink leaves");
    }
  }
  return outbound;
}

class Stack final : public SlirpStack {
 public:
  Stack(Loop& loop, const UplinkSpec& spec, Log& log, Send send)
      : loop_(loop),
        spec_(spec),
        log_(log),
        send_(std::move(send)),
        streams_(
            spec,
            [this](std::span<std::uint8_t> headers, std::span<const std::uint8_t> payload, std::size_t segment) {
              send_(headers, {.rest = payload, .cut = segment});
            },
            [this](std::span<const std::uint8_t> frame) { Put(frame); }) {}
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() override {
    if (slirp_ != nullptr) slirp_cleanup(slirp_);
  }

  Status Start();
  void Input(const Packet& packet) override;
  void Inject(std::span<std::uint8_t> frame) override;
  void Settle() override;
  void LimitWindow(std::size_t bytes) override { streams_.LimitWindow(bytes); }
  bool Owns(const UdpEndpoint& near) const override;
  Status Listen(const ForwardSpec& forward, std::vector<Fd> sockets) override;
  void Unlisten(const ForwardSpec& forward) override;
  bool Fill(std::vector<pollfd>& polled, std::int64_t& timeout_ms) override;
  void Dispatch(std::span<const pollfd> polled) override;

 private:
  struct Timer {
    SlirpTimerId id = SLIRP_TIMER_RA;
    void* opaque = nullptr;
    std::int64_t due = -1;
  };

  static Stack* Of(void* opaque) { return static_cast<Stack*>(opaque); }
  static const SlirpCb& Callbacks();
  static int AddPoll(int fd, int events, void* opaque) noexcept;
  // libslirp has opened, is about to close a socket.
  static void Opened(int fd, void* opaque);
  static void Closed(int fd, void* opaque);
  static int Revents(int index, void* opaque) noexcept;

  void FillAnew(std::vector<pollfd>& polled);
  void Put(std::span<const std::uint8_t> frame);
  void ToLab(std::span<std::uint8_t> frame);
  bool AnswerNeighbour(std::span<const std::uint8_t> frame);
  Status ListenOn(const ForwardSpec& forward, std::uint16_t port, std::uint16_t target, const Fd& bound);
  std::vector<int> Listeners();
  void RaiseBacklogs();
  void Serve();
  void RunTimers();

  Loop& loop_;
  UplinkSpec spec_;
  Log& log_;
  Send send_;
  TcpStreams streams_;
  bool accepting_ = false;  // libslirp serves its sockets
  Slirp* slirp_ = nullptr;
  sockaddr_in outbound_ = {};
  sockaddr_in6 outbound6_ = {};
  std::set<int> connections_;  // registered by libslirp: connections of the lab
  std::set<int> listeners_;
  std::uint64_t opened_ = 0;          // connections so far
  std::int64_t listening_again_ = 0;  // when, after a client could not be accepted
  std::vector<std::unique_ptr<Timer>> timers_;
  std::vector<std::vector<std::uint8_t>> neighbours_;  // answers that wait to be put in
  std::vector<pollfd>* filling_ = nullptr;
  std::vector<pollfd> polled_;  // what libslirp is told
  // Walking over all its sockets is left out in rounds that are none of its business.
  bool changed_ = true;     // what it waits for may be something else now
  std::int64_t due_ = -1;   // when it wants to run; -1 is never
  std::int64_t clock_ = 0;  // when it read its clock
};

const SlirpCb& Stack::Callbacks() {
  static const SlirpCb callbacks = [] {
    SlirpCb made = {};
    made.send_packet = [](const void* bytes, std::size_t size, void* opaque) -> ssize_t {
      auto* at = static_cast<std::uint8_t*>(const_cast<void*>(bytes));
      if (!Of(opaque)->AnswerNeighbour({at, size})) Of(opaque)->ToLab({at, size});
      // Whatever became of the frame: libslirp complains about each one that is not taken.
      return static_cast<ssize_t>(size);
    };
    made.guest_error = [](const char* message, void* opaque) { Of(opaque)->log_.Thinned(message); };
    made.clock_get_ns = [](void*) -> std::int64_t {
      timespec now = {};
      clock_gettime(CLOCK_MONOTONIC, &now);
      return std::int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
    };
    made.timer_new_opaque = [](SlirpTimerId id, void* timer_opaque, void* opaque) -> void* {
      auto& timers = Of(opaque)->timers_;
      timers.push_back(std::make_unique<Timer>(Timer{.id = id, .opaque = timer_opaque}));
      return timers.back().get();
    };
    made.timer_mod = [](void* timer, std::int64_t due, void*) { static_cast<Timer*>(timer)->due = due; };
    made.timer_free = [](void* timer, void* opaque) {
      auto& timers = Of(opaque)->timers_;
      std::erase_if(timers, [timer](const auto& entry) { return entry.get() == timer; });
    };
#if SLIRP_CHECK_VERSION(4, 9, 0)
    made.register_poll_socket = &Stack::Opened;
    made.unregister_poll_socket = &Stack::Closed;
#else
    made.register_poll_fd = &Stack::Opened;
    made.unregister_poll_fd = &Stack::Closed;
#endif
    made.notify = [](void*) {};
    made.init_completed = [](Slirp* slirp, void* opaque) { Of(opaque)->slirp_ = slirp; };
    return made;
  }();
  return callbacks;
}

void Stack::Opened(int fd, void* opaque) {
  Of(opaque)->changed_ = true;
  Of(opaque)->loop_.SourceChanged(fd);
  Of(opaque)->connections_.insert(fd);
  Of(opaque)->streams_.Opened(fd, Of(opaque)->accepting_);
  ++Of(opaque)->opened_;
}

void Stack::Closed(int fd, void* opaque) {
  Of(opaque)->changed_ = true;
  Of(opaque)->loop_.SourceChanged(fd);
  Of(opaque)->connections_.erase(fd);
  Of(opaque)->streams_.Closed(fd);
}

Status Stack::Start() {
  SlirpConfig config = {};
  // Not SLIRP_CONFIG_VERSION_MAX: a library older than the header would refuse it.
  config.version = kConfigVersion;
  config.in_enabled = true;
  const IpPrefix network = spec_.cidr.Masked();
  config.vnetwork = ToIn(network.address());
  config.vnetmask.s_addr = network.length() == 0 ? 0 : htonl(0xffffffffU << (32 - network.length()));
  config.vhost = ToIn(spec_.gateway());
  config.vnameserver = ToIn(spec_.dns_address());
  config.vdhcp_start = ToIn(spec_.node_address());
  if (spec_.ipv6) {
    config.in6_enabled = true;
    config.vprefix_addr6 = ToIn6(spec_.ipv6->Masked().address());
    config.vprefix_len = static_cast<std::uint8_t>(spec_.ipv6->length());
    config.vhost6 = ToIn6(*spec_.gateway6());
    config.vnameserver6 = ToIn6(*spec_.dns_address6());
  }
  // Large inside whatever the tap's MTU is: the kernel cuts what we send, and takes what the lab sends uncut.
  config.if_mtu = kStackMtu;
  config.if_mru = kStackMru;
  // Both are the filter's: libslirp's own are no boundary, and fixed for its life.
  config.disable_host_loopback = false;
  config.disable_dns = false;
  config.disable_dhcp = true;
  const Outbound outbound = TRY(ResolveOutbound(spec_.outbound));
  if (outbound.ipv4) {
    outbound_.sin_family = AF_INET;
    outbound_.sin_addr = ToIn(*outbound.ipv4);
    config.outbound_addr = &outbound_;
  }
  if (outbound.ipv6) {
    outbound6_.sin6_family = AF_INET6;
    outbound6_.sin6_addr = ToIn6(*outbound.ipv6);
    config.outbound_addr6 = &outbound6_;
  }
  slirp_ = slirp_new(&config, &Callbacks(), this);
  if (slirp_ == nullptr) return Fail("start libslirp", "it refuses the configuration; its own words are in the log");
  return {};
}

void Stack::Input(const Packet& packet) {
  if (!packet.is_ip() || packet.protocol != kProtoTcp) return Put(packet.frame);
  const auto frame = streams_.FromLab(packet, Loop::Now());
  if (!frame.empty()) Put(frame);
  streams_.Seen();
}

void Stack::Inject(std::span<std::uint8_t> frame) {
  streams_.InItsName(frame);
  Put(frame);
}

void Stack::Put(std::span<const std::uint8_t> frame) {
  changed_ = true;
  slirp_input(slirp_, frame.data(), static_cast<int>(frame.size()));
}

void Stack::ToLab(std::span<std::uint8_t> frame) {
  if (ProtocolOf(frame) != kProtoTcp) return send_(frame, {});
  frame = streams_.ToLab(frame, Loop::Now());
  send_(frame, {.segment = streams_.SegmentOf(frame)});
}

void Stack::Settle() {
  // Each answer may let a packet go that asks for the next neighbour.
  for (int round = 0; round < kSettleRounds && !neighbours_.empty(); ++round) {
    const auto answers = std::exchange(neighbours_, {});
    for (const auto& answer : answers) Put(answer);
    // An error of poll: it serves no socket, it sends what is queued.
    slirp_pollfds_poll(slirp_, 1, &Stack::Revents, this);
  }
  streams_.Settle();
}

// Whoever libslirp looks for on the tap is the node or stands behind it: the node's tap is the answer to all, at once,
// without proxy ARP and without a packet lost while it waits.
bool Stack::AnswerNeighbour(std::span<const std::uint8_t> frame) {
  if (frame.size() < kEthernetHeader + 28) return false;
  const std::uint16_t ethertype = Get16(&frame[12]);
  const auto body = frame.subspan(kEthernetHeader);
  if (ethertype == kEtherArp && Get16(&body[6]) == 1) {
    std::vector<std::uint8_t> answer(kEthernetHeader + 28);
    std::copy_n(&frame[6], 6, answer.begin());
    std::copy_n(spec_.mac.bytes(), 6, &answer[6]);
    std::copy_n(&frame[12], 8, &answer[12]);  // ethertype, hardware, protocol, sizes
    std::uint8_t* arp = &answer[kEthernetHeader];
    Put16(arp + 6, 2);
    std::copy_n(spec_.mac.bytes(), 6, arp + 8);
    std::copy_n(&body[24], 4, arp + 14);
    std::copy_n(&body[8], 10, arp + 18);
    neighbours_.push_back(std::move(answer));
    return true;
  }
  constexpr std::size_t kSolicitation = 40 + 24;
  constexpr std::uint8_t kRouterAdvertisement = 134;
  // The runner gives the node its address; an advertisement would give it a second one.
  if (ethertype == kEtherIpv6 && body.size() > 40 && body[6] == kProtoIcmp6 && body[40] == kRouterAdvertisement) {
    return true;
  }
  if (ethertype != kEtherIpv6 || body.size() < kSolicitation || body[6] != kProtoIcmp6 || body[40] != 135) return false;
  constexpr std::size_t kAdvertisement = 32;
  std::vector<std::uint8_t> answer(kEthernetHeader + 40 + kAdvertisement);
  std::copy_n(&frame[6], 6, answer.begin());
  std::copy_n(spec_.mac.bytes(), 6, &answer[6]);
  Put16(&answer[12], kEtherIpv6);
  std::uint8_t* ip = &answer[kEthernetHeader];
  ip[0] = 0x60;
  Put16(ip + 4, kAdvertisement);
  ip[6] = kProtoIcmp6;
  ip[7] = 255;
  std::copy_n(&body[48], 16, ip + 8);  // from the address that is looked for
  std::copy_n(&body[8], 16, ip + 24);
  std::uint8_t* icmp = ip + 40;
  icmp[0] = 136;
  icmp[4] = 0x60;  // solicited, override
  std::copy_n(&body[48], 16, icmp + 8);
  icmp[24] = 2;  // option: target's link-layer address, one unit of eight bytes
  icmp[25] = 1;
  std::copy_n(spec_.mac.bytes(), 6, icmp + 26);
  const std::uint32_t sum = PseudoHeaderSum(IpAddress::FromBytes(Family::kIpv6, ip + 8),
                                            IpAddress::FromBytes(Family::kIpv6, ip + 24), kProtoIcmp6, kAdvertisement);
  Put16(icmp + 2, Checksum(SumWords({icmp, kAdvertisement}, sum)));
  neighbours_.push_back(std::move(answer));
  return true;
}

bool Stack::Owns(const UdpEndpoint& near) const {
  return std::ranges::any_of(connections_, [&near](int fd) {
    sockaddr_storage bound = {};
    socklen_t size = sizeof bound;
    return getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0 &&
           FromSockaddr(reinterpret_cast<const sockaddr&>(bound)) == near;
  });
}

// libslirp cannot be given a socket, but goes by its number: it listens on a port of its own, and the bound socket
// takes that number.
Status Stack::ListenOn(const ForwardSpec& forward, std::uint16_t port, std::uint16_t target, const Fd& bound) {
  const bool ipv6 = forward.host_address.is_ipv6();
  const IpAddress loopback = *IpAddress::Parse(ipv6 ? "::1" : "127.0.0.1");
  const SocketAddress host(bound.is_open() ? loopback : forward.host_address,
                           bound.is_open() ? std::uint16_t{0} : port);
  const SocketAddress guest(forward.target, target);
  const int flags = ipv6 ? SLIRP_HOSTFWD_V6ONLY : 0;
  if (slirp_add_hostxfwd(slirp_, host.get(), host.size(), guest.get(), guest.size(), flags) != 0) {
    return SystemError(errno, fmt::format("listen on {} port {}/tcp", forward.host_address.text(), port));
  }
  if (!bound.is_open()) return {};
  const std::vector<int> all = Listeners();
  const auto place = std::ranges::find_if(all, [this](int fd) { return !listeners_.contains(fd); });
  if (place == all.end() || dup3(bound.get(), *place, O_CLOEXEC) < 0) {
    return SystemError(errno, "take a bound socket over");
  }
  listeners_.insert(*place);
  return {};
}

Status Stack::Listen(const ForwardSpec& forward, std::vector<Fd> sockets) {
  for (int i = 0; i <= forward.last_host_port - forward.first_host_port; ++i) {
    const auto host_port = static_cast<std::uint16_t>(forward.first_host_port + i);
    const auto target = static_cast<std::uint16_t>(forward.first_port + i);
    const Fd none;
    if (Status listens =
            ListenOn(forward, host_port, target, sockets.empty() ? none : sockets[static_cast<std::size_t>(i)]);
        !listens) {
      ForwardSpec done = forward;
      done.last_host_port = static_cast<std::uint16_t>(host_port - 1);
      if (i > 0) Unlisten(done);
      return listens;
    }
  }
  RaiseBacklogs();
  return {};
}

void Stack::Unlisten(const ForwardSpec& forward) {
  const int flags = forward.host_address.is_ipv6() ? SLIRP_HOSTFWD_V6ONLY : 0;
  for (int port = forward.first_host_port; port <= forward.last_host_port; ++port) {
    const SocketAddress host(forward.host_address, static_cast<std::uint16_t>(port));
    if (slirp_remove_hostxfwd(slirp_, host.get(), host.size(), flags) != 0) {
      log_.Line(fmt::format("{} port {}/tcp was not published any more", forward.host_address.text(), port));
    }
  }
  for (const int fd : listeners_) loop_.SourceChanged(fd);
  listeners_.clear();
  RaiseBacklogs();
}

// libslirp tells the descriptors it listens on not at all, or like a connection's (4.9), but polls them.
std::vector<int> Stack::Listeners() {
  std::vector<pollfd> polled;
  FillAnew(polled);
  changed_ = true;
  std::vector<int> found;
  for (const pollfd& entry : polled) {
    int accepts = 0;
    socklen_t size = sizeof accepts;
    if (getsockopt(entry.fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts != 0)
      found.push_back(entry.fd);
  }
  return found;
}

// libslirp listens with a backlog of one.
void Stack::RaiseBacklogs() {
  for (const int fd : Listeners()) {
    listeners_.insert(fd);
    connections_.erase(fd);
    if (listen(fd, kBacklog) != 0) log_.Line("a published port keeps a short queue of clients");
  }
}

int Stack::AddPoll(int fd, int events, void* opaque) noexcept {
  short wanted = 0;
  if ((events & SLIRP_POLL_IN) != 0) wanted |= POLLIN;
  if ((events & SLIRP_POLL_OUT) != 0) wanted |= POLLOUT;
  if ((events & SLIRP_POLL_PRI) != 0) wanted |= POLLPRI;
  auto& polled = *Of(opaque)->filling_;
  polled.push_back({.fd = fd, .events = wanted, .revents = 0});
  return static_cast<int>(polled.size()) - 1;
}

int Stack::Revents(int index, void* opaque) noexcept {
  const auto& polled = Of(opaque)->polled_;
  if (index < 0 || static_cast<std::size_t>(index) >= polled.size()) return 0;
  const short got = polled[static_cast<std::size_t>(index)].revents;
  int events = 0;
  if ((got & POLLIN) != 0) events |= SLIRP_POLL_IN;
  if ((got & POLLOUT) != 0) events |= SLIRP_POLL_OUT;
  if ((got & POLLPRI) != 0) events |= SLIRP_POLL_PRI;
  if ((got & POLLERR) != 0) events |= SLIRP_POLL_ERR;
  if ((got & POLLHUP) != 0) events |= SLIRP_POLL_HUP;
  return events;
}

bool Stack::Fill(std::vector<pollfd>& polled, std::int64_t& timeout_ms) {
  const std::int64_t now = Loop::Now();
  const bool anew = changed_ || streams_.TakeChanged();
  // The loop fills this source first, so that libslirp's indices are those of the span it gets back.
  if (anew) FillAnew(polled);
  changed_ = false;
  if (due_ >= 0) timeout_ms = std::max<std::int64_t>(0, due_ - now);
  streams_.Sleep(now, timeout_ms);
  return anew;
}

void Stack::FillAnew(std::vector<pollfd>& polled) {
  polled.clear();
  std::uint32_t asked = UINT32_MAX;
  filling_ = &polled;
  PollFill(slirp_, &asked, &Stack::AddPoll, this);
  filling_ = nullptr;
  streams_.Fill(polled);

  const bool only_listeners =
      connections_.empty() &&
      std::all_of(polled.begin(), polled.end(), [this](const pollfd& entry) { return listeners_.contains(entry.fd); });
  const std::int64_t now = Loop::Now();
  due_ = only_listeners ? -1 : now + (asked >= kNothingDue ? kExpiryCheck : std::int64_t{asked});
  for (const auto& timer : timers_) {
    if (timer->due >= 0) due_ = due_ < 0 ? timer->due : std::min(due_, timer->due);
  }
  if (now >= listening_again_) return;
  for (pollfd& entry : polled) {
    if (listeners_.contains(entry.fd)) entry.events = 0;
  }
  due_ = due_ < 0 ? listening_again_ : std::min(due_, listening_again_);
}

void Stack::RunTimers() {
  const std::int64_t now = Loop::Now();
  // A timer may set itself anew, or be freed, while it runs.
  for (std::size_t i = 0; i < timers_.size(); ++i) {
    if (timers_[i]->due < 0 || timers_[i]->due > now) continue;
    timers_[i]->due = -1;
    slirp_handle_timer(slirp_, timers_[i]->id, timers_[i]->opaque);
  }
}

void Stack::Dispatch(std::span<const pollfd> polled) {
  const std::int64_t now = Loop::Now();
  polled_.assign(polled.begin(), polled.end());
  streams_.Dispatch(polled_, now);
  const bool ready = std::ranges::any_of(polled_, [](const pollfd& entry) { return entry.revents != 0; });
  // Also when nothing of it is ready: it reads its clock there only, and a stale one expires new sockets at once.
  if (ready || changed_ || (due_ >= 0 && now >= due_) || now - clock_ > kStaleClock) Serve();
  Settle();
}

void Stack::Serve() {
  const std::uint64_t opened_before = opened_;
  changed_ = true;
  clock_ = Loop::Now();
  accepting_ = true;
  slirp_pollfds_poll(slirp_, 0, &Stack::Revents, this);
  accepting_ = false;
  const auto has_client = [this](const pollfd& entry) { return entry.revents != 0 && listeners_.contains(entry.fd); };
  if (opened_ == opened_before && std::any_of(polled_.begin(), polled_.end(), has_client)) {
    // No descriptor is free. The client waits in the queue; asking again at once would only keep the processor busy.
    listening_again_ = Loop::Now() + kFullPause;
    log_.Thinned("no descriptor is free: clients of published ports wait");
  }
  RunTimers();
}

}  // namespace

Result<std::unique_ptr<SlirpStack>> SlirpStack::Open(Loop& loop, const UplinkSpec& spec, Log& log, Send send) {
  auto stack = std::make_unique<Stack>(loop, spec, log, std::move(send));
  TRY(stack->Start());
  return std::unique_ptr<SlirpStack>(std::move(stack));
}

std::string SlirpStack::Version() { return slirp_version_string(); }

}  // namespace runner
