#include "commands/packet_listener.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/pcapng.h"
#include "commands/error_codec.h"
#include "commands/kept_packets.h"
#include "kernel/link.h"
#include "kernel/mark.h"
#include "kernel/monitor.h"
#include "kernel/netns.h"
#include "kernel/packet_socket.h"
#include "rootless/channel.h"
#include "uplink/loop.h"

namespace runner {
namespace {

constexpr const char* kHost = "host";

// A whole frame of the usual size; of segments that the kernel has not cut yet, the head.
constexpr std::uint32_t kMostOfPacket = 2048;
constexpr std::size_t kMostOfInterface = std::size_t{1} << 20;
constexpr std::size_t kMostOfLab = std::size_t{64} << 20;
// Taken from one interface before another has its turn.
constexpr int kAtOnce = 512;
// Between two looks at what there is, in milliseconds.
constexpr std::int64_t kRest = 20;

// What the kernel's modules put into every namespace; while it is down, it is nobody's.
constexpr std::array kOfModules = {"tunl0",   "gre0",    "gretap0",  "erspan0", "sit0",
                                   "ip_vti0", "ip6tnl0", "ip6_vti0", "ip6gre0"};

struct Tap {
  std::string name;
  int index = 0;
  std::optional<PacketSocket> socket;  // absent: the interface has gone, or `why_not`
  std::string why_not = {};
  std::uint64_t lost = 0;
  PacketHead head = PacketHead::kEthernet;
  KeptPackets kept = {};
};

struct Place {
  std::string node;
  std::string path;  // of the namespace; empty: the host's
  std::uint64_t inode = 0;
  std::vector<std::unique_ptr<Tap>> taps = {};
};

/// The kernel waits for each packet socket that is closed, about ten milliseconds; for several at once no longer.
void CloseSideBySide(std::vector<PacketSocket> sockets) {
  constexpr std::size_t kThreads = 16;
  std::vector<std::thread> threads;
  std::vector<std::vector<PacketSocket>> shares(std::min(kThreads, sockets.size()));
  for (std::size_t i = 0; i < sockets.size(); ++i) shares[i % shares.size()].push_back(std::move(sockets[i]));
  threads.reserve(shares.size());
  for (auto& share : shares) threads.emplace_back([&share] { share.clear(); });
  for (std::thread& thread : threads) thread.join();
}

/// In the process that listens.
class Listener {
 public:
  Listener(const Context& context, std::string lab, int channel, std::size_t most_sockets, Monitor monitor, Fd mounts)
      : directory_{.path = context.namespace_directory},
        lab_(std::move(lab)),
        channel_(channel),
        most_sockets_(most_sockets),
        monitor_(std::move(monitor)),
        mounts_(std::move(mounts)) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  ~Listener() {
    std::vector<PacketSocket> sockets;
    for (auto& [name, place] : places_) {
      for (auto& tap : place.taps) {
        if (tap->socket) sockets.push_back(std::move(*tap->socket));
      }
    }
    CloseSideBySide(std::move(sockets));
  }

  Status Run() {
    TRY(loop_.status());
    const Namespace host = TRY(Namespace::Current());
    TRY(Follow({.node = kHost, .path = "", .inode = host.inode()}, host));
    loop_.Watch(channel_, POLLIN, [this](short) { Answer(); });
    loop_.Watch(monitor_.fd(), POLLIN, [this](short) { TakeNews(); });
    // A name of a namespace is a mount. Of this file, news are an exception (proc_pid_mountinfo(5)).
    loop_.Watch(mounts_.get(), POLLPRI, [this](short) {
      are_names_old_ = true;
      LookSoon();
    });
    loop_.Run();
    return {};
  }

 private:
  // ---- What there is

  /// A change comes seldom alone.
  void LookSoon() {
    if (is_look_due_) return;
    is_look_due_ = true;
    loop_.After(std::max<std::int64_t>(0, looked_at_ + kRest - Loop::Now()), [this] {
      is_look_due_ = false;
      // What cannot be looked at now is, when it is asked for.
      (void)Look();
      looked_at_ = Loop::Now();
    });
  }

  void TakeNews() {
    auto news = monitor_.TakeNews();
    if (!news.ok() || news->anywhere) is_all_touched_ = true;
    if (news.ok()) touched_.insert(news->places.begin(), news->places.end());
    LookSoon();
  }

  Status LookAtAll() {
    are_names_old_ = true;
    is_all_touched_ = true;
    return Look();
  }

  Status Look() {
    if (std::exchange(are_names_old_, false)) TRY(LookAtNames());
    const bool all = std::exchange(is_all_touched_, false);
    const std::set<int> touched = std::exchange(touched_, {});
    Status looked;
    for (auto& [name, place] : places_) {
      const auto number = numbers_.find(name);
      if (number == numbers_.end() || (!all && !touched.contains(number->second))) continue;
      const auto there = place.path.empty() ? Namespace::Current() : Namespace::OpenPath(place.path);
      // Gone: the names tell so next.
      if (!there.ok() || there->inode() != place.inode) continue;
      if (Status one = LookAtPlace(place, *there); !one.ok()) looked = std::move(one).error().Wrap(place.node);
    }
    return looked;
  }

  Status LookAtNames() {
    const std::string prefix = lab_ + ".";
    std::set<std::string> seen = {""};
    for (const NamespaceEntry& entry : TRY(ListNamespaces(directory_))) {
      if (!entry.name.starts_with(prefix) || entry.state != NamespaceEntry::State::kNamespace) continue;
      const std::string node = entry.name.substr(prefix.size());
      // An uplink's far end is no node.
      if (node.find('.') != std::string::npos) continue;
      seen.insert(entry.name);
      const auto known = places_.find(entry.name);
      if (known != places_.end() && known->second.inode == entry.inode && numbers_.contains(entry.name)) continue;
      const std::string path = directory_.Path(entry.name);
      const auto there = Namespace::OpenPath(path);
      if (there.ok()) TRY(Follow({.node = node, .path = path, .inode = there->inode()}, *there));
    }
    for (auto& [name, place] : places_) {
      if (!seen.contains(name)) Leave(name, place);
    }
    return {};
  }

  Status Follow(Place found, const Namespace& there) {
    const std::string name = found.path.empty() ? "" : lab_ + "." + found.node;
    Place& place = places_[name];
    // Another one of this name: what passed the former is kept.
    Leave(name, place);
    found.taps = std::move(place.taps);
    place = std::move(found);
    numbers_[name] = TRY(monitor_.Follow(there));
    return LookAtPlace(place, there);
  }

  void Leave(const std::string& name, Place& place) {
    if (numbers_.erase(name) == 0) return;
    for (auto& tap : place.taps) Retire(*tap);
  }

  bool IsWanted(const Place& place, const LinkInfo& link) const {
    if (place.path.empty()) return link.group == LinkGroup(lab_);
    return link.up || std::ranges::find(kOfModules, link.name) == kOfModules.end();
  }

  Status LookAtPlace(Place& place, const Namespace& there) {
    NetlinkSocket netlink = TRY(NetlinkSocket::OpenIn(there));
    const std::vector<LinkInfo> links = TRY(ReadLinks(netlink));
    for (auto& tap : place.taps) {
      const auto link = std::ranges::find(links, tap->index, &LinkInfo::index);
      if (link == links.end()) {
        Retire(*tap);
      } else if (tap->socket) {
        tap->name = link->name;
      }
    }
    const InNamespace inside = TRY(InNamespace::Enter(there));
    for (const LinkInfo& link : links) {
      const bool is_known = std::ranges::any_of(
          place.taps, [&link](const auto& tap) { return tap->index == link.index && tap->socket.has_value(); });
      if (!is_known && IsWanted(place, link)) Open(place, link);
    }
    return {};
  }

  /// Inside the namespace.
  void Open(Place& place, const LinkInfo& link) {
    auto socket = sockets_ < most_sockets_ ? PacketSocket::Open(link.index, kMostOfPacket)
                                           : SystemError(EMFILE, "open a packet socket");
    std::erase_if(place.taps, [&link](const auto& tap) { return tap->index == link.index && !tap->why_not.empty(); });
    Tap& tap = *place.taps.emplace_back(std::make_unique<Tap>());
    tap.name = link.name;
    tap.index = link.index;
    if (!socket.ok()) {
      tap.why_not = socket.error().text();
      return;
    }
    tap.head = socket->head();
    tap.socket = std::move(*socket);
    ++sockets_;
    loop_.Watch(tap.socket->fd(), POLLIN, [this, &tap](short) { Drain(tap); });
    Share();
  }

  /// What it holds is kept.
  void Retire(Tap& tap) {
    tap.index = 0;
    if (!tap.socket) return;
    Drain(tap);
    tap.lost += tap.socket->TakeLost();
    loop_.Forget(tap.socket->fd());
    tap.socket.reset();
    --sockets_;
  }

  // ---- What passes

  void Drain(Tap& tap) const {
    for (int i = 0; i < kAtOnce; ++i) {
      auto packet = tap.socket->Take();
      if (!packet) break;
      tap.kept.Add(std::move(*packet));
    }
    tap.kept.Trim(share_);
  }

  /// The bound of the lab, in equal parts.
  void Share() {
    std::size_t count = 0;
    for (auto& [name, place] : places_) {
      std::erase_if(place.taps, [](const auto& tap) { return tap->index == 0 && tap->kept.passed() == 0; });
      count += place.taps.size();
    }
    share_ = std::min(kMostOfInterface, kMostOfLab / std::max<std::size_t>(count, 1));
    if (share_ == kMostOfInterface) return;
    for (auto& [name, place] : places_) {
      for (auto& tap : place.taps) tap->kept.Trim(share_);
    }
  }

  // ---- What is asked

  void Answer() {
    const auto message = rootless::ReceiveMessage(channel_);
    const auto request = message.ok() && *message ? ParseJson((*message)->text) : Result<Json>(Fail("gone"));
    if (!request.ok() || (*request)["do"] == kEndListening) return loop_.Stop();
    auto answer = Do(*request);
    Json json = {{"value", Json()}, {"errors", Json::array()}};
    if (answer.ok()) {
      json["value"] = std::move(*answer);
    } else {
      json["errors"] = EncodeErrors({std::move(answer).error()});
    }
    if (!rootless::SendMessage(channel_, JsonText(json)).ok()) loop_.Stop();
  }

  Result<Json> Do(const Json& request) {
    TRY(LookAtAll());
    Json nodes = Json::array();
    if (request["do"] != kWritePackets) return nodes;
    const auto folder = request["folder"].get<std::string>();
    TRY(MakeFolders(folder));
    for (auto& [name, place] : places_) {
      if (place.taps.empty()) continue;
      nodes.push_back(TRY(Write(place, folder)));
    }
    return nodes;
  }

  Result<Json> Write(Place& place, const std::string& folder) const {
    struct Entry {
      std::uint32_t interface = 0;
      const PassedPacket* packet = nullptr;
    };
    std::string text = PcapngHeader();
    std::string statistics;
    std::vector<Entry> entries;
    Json interfaces = Json::array();
    std::uint32_t number = 0;
    for (auto& tap : place.taps) {
      if (tap->socket) {
        Drain(*tap);
        tap->lost += tap->socket->TakeLost();
      }
      const std::uint64_t passed = tap->kept.passed() + tap->lost;
      interfaces.push_back({{"name", tap->name},
                            {"passed", passed},
                            {"lost", tap->lost},
                            {"kept", tap->kept.packets().size()},
                            {"why_not", tap->why_not}});
      if (!tap->why_not.empty()) continue;
      text += PcapngBlock(PcapngInterface{.name = place.node + ":" + tap->name,
                                          .link_type = static_cast<std::uint16_t>(tap->head),
                                          .longest_packet = kMostOfPacket,
                                          .time = PcapngTime::kNanoseconds});
      for (const PassedPacket& packet : tap->kept.packets())
        entries.push_back({.interface = number, .packet = &packet});
      statistics += PcapngBlock(PcapngStatistics{.interface = number,
                                                 .time = TimeOf(*tap),
                                                 .passed = passed,
                                                 .lost = tap->lost,
                                                 .delivered = tap->kept.packets().size()});
      ++number;
    }
    std::ranges::stable_sort(entries, {}, [](const Entry& entry) { return entry.packet->time; });
    for (const Entry& entry : entries) {
      text += PcapngBlock(PcapngPacket{.interface = entry.interface,
                                       .time = static_cast<std::uint64_t>(entry.packet->time),
                                       .length = entry.packet->length,
                                       .bytes = entry.packet->bytes,
                                       .is_outgoing = entry.packet->is_outgoing});
    }
    const std::string file = place.node + ".pcapng";
    TRY(ReplaceFile(folder + "/" + file, text + statistics));
    return Json{{"node", place.node}, {"file", file}, {"interfaces", std::move(interfaces)}};
  }

  /// Of the last that is kept.
  static std::uint64_t TimeOf(const Tap& tap) {
    return tap.kept.packets().empty() ? 0 : static_cast<std::uint64_t>(tap.kept.packets().back().time);
  }

  const NamespaceDirectory directory_;
  const std::string lab_;
  const int channel_;
  const std::size_t most_sockets_;
  Monitor monitor_;
  const Fd mounts_;
  Loop loop_;

  std::map<std::string, Place> places_;  // by the names of their namespaces; "" is the host's
  std::map<std::string, int> numbers_;   // in the monitor, of those that are there
  std::set<int> touched_;
  bool is_all_touched_ = false;
  bool are_names_old_ = false;
  bool is_look_due_ = false;
  std::int64_t looked_at_ = 0;
  std::size_t sockets_ = 0;
  std::size_t share_ = kMostOfInterface;
};

/// A socket an interface is more than the usual limit allows. Returns how many sockets there may be, and leaves some
/// descriptors for all else.
std::size_t AllowManySockets() {
  constexpr rlim_t kForAllElse = 64;
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kForAllElse;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  return limit.rlim_cur > kForAllElse ? limit.rlim_cur - kForAllElse : 0;
}

}  // namespace

Status ListenToLab(const Context& inside, const std::string& lab, int channel) {
  const std::size_t most = AllowManySockets();
  Monitor monitor = TRY(Monitor::Open());
  Fd mounts = TRY(OpenFile("/proc/self/mountinfo", O_RDONLY));
  return Listener(inside, lab, channel, most, std::move(monitor), std::move(mounts)).Run();
}

}  // namespace runner
