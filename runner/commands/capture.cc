#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/fd.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/interrupts.h"
#include "commands/pcapng.h"
#include "commands/place.h"
#include "kernel/link.h"
#include "kernel/netlink.h"

namespace runner {
namespace {

struct Point {
  std::string name;  // NODE:IFNAME, as the user wrote it
  std::string node;
  std::string interface;
};

Result<std::vector<Point>> Points(const CaptureOptions& options) {
  std::vector<Point> points;
  for (const std::string& name : options.interfaces) {
    const std::size_t colon = name.find(':');
    if (colon == 0 || colon == std::string::npos || colon + 1 == name.size()) {
      return Fail("capture " + Quote(name), "an interface is written NODE:IFNAME");
    }
    points.push_back({.name = name, .node = name.substr(0, colon), .interface = name.substr(colon + 1)});
  }
  return points;
}

std::vector<std::string> Words(const Context& context, const Point& point, const CaptureOptions& options) {
  std::vector<std::string> words = {"tcpdump", "-i", point.interface};
  // A rootless lab has one user, and tcpdump insists on becoming one. Root's becomes somebody else by itself.
  if (context.ground == Ground::kHolder) words.insert(words.end(), {"-Z", "root"});
  if (options.file.empty()) {
    words.insert(words.end(), {"-n", "-l"});
  } else {
    words.insert(words.end(), {"-U", "-w", "-"});
  }
  words.emplace_back("--");
  words.insert(words.end(), options.filter.begin(), options.filter.end());
  return words;
}

/// An interface that is not there is told with a near name, before anything runs.
Status CheckInterface(const Entrance& entrance, const Point& point) {
  NetlinkSocket socket = TRY(entrance.place ? NetlinkSocket::OpenIn(*entrance.place) : NetlinkSocket::Open());
  std::vector<std::string> there;
  for (const LinkInfo& link : TRY(ReadLinks(socket))) there.push_back(link.name);
  if (std::ranges::find(there, point.interface) != there.end()) return {};
  return Fail("node " + Quote(point.node) + " has no interface " + Quote(point.interface) +
              DidYouMean(point.interface, there));
}

/// Where the packets are written, opened before the lab is entered, where the user's paths may be others.
Result<Fd> OpenTarget(const std::string& file) {
  if (file != "-") return OpenFile(file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (isatty(STDOUT_FILENO) == 1) {
    return Fail("write packets", "standard output is a terminal; send it to a program: … | wireshark -k -i -");
  }
  Fd target(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  if (!target.is_open()) return SystemError(errno, "write to standard output");
  return target;
}

Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(errno, "write the packets");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

/// All of it: the tcpdumps side by side, and where their output goes.
class Capturing {
 public:
  Capturing(const Context& context, std::vector<Point> points, int target)
      : context_(context),
        points_(std::move(points)),
        target_(target),
        merger_(Names(points_), [this](std::string_view bytes) { return WriteAll(target_, bytes); }) {}

  Ending Run(const LabPlaces& lab, const CaptureOptions& options) {
    std::vector<Entrance> entrances;  // keeps the namespaces open
    std::vector<kernel::CapturedCommand> commands;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      Entrance entrance = TRY(OpenEntrance(context_, lab, points_[i].node));
      TRY(CheckInterface(entrance, points_[i]));
      entrance.spec.argv = Words(context_, points_[i], options);
      if (context_.ground == Ground::kHolder) entrance.spec.groups = kernel::Groups::kPassedOver;
      commands.push_back({.spec = entrance.spec, .sink = Lines(i), .bytes = {}});
      if (target_ >= 0) commands.back().bytes = [this, i](std::string_view bytes) { Take(i, bytes); };
      entrances.push_back(std::move(entrance));
    }
    const Interrupts interrupts;
    if (target_ >= 0) TRY(merger_.Begin());
    const std::vector<int> statuses = TRY(kernel::RunCapturedAll(commands, commands.size(), Interrupts::flag()));
    if (failure_) return *failure_;
    // To interrupt it is how it ends.
    return Interrupts::asked() ? kExitDone : std::ranges::max(statuses);
  }

 private:
  static std::vector<std::string> Names(const std::vector<Point>& points) {
    std::vector<std::string> names;
    for (const Point& point : points) names.push_back(point.name);
    return names;
  }

  kernel::LineSink Lines(std::size_t index) {
    const std::string mark = points_.size() == 1 ? "" : points_[index].name + " | ";
    return [this, mark](kernel::Stream stream, std::string_view line) {
      std::ostream& to = stream == kernel::Stream::kOutput ? *context_.out : *context_.err;
      to << mark << line << std::endl;
    };
  }

  void Take(std::size_t index, std::string_view bytes) {
    if (failure_) return;
    Status taken = merger_.Take(index, bytes);
    if (taken.ok()) return;
    failure_ = std::move(taken).error();
    // Whoever reads has gone, or the disk is full: the tcpdumps end as for an interrupt.
    raise(SIGTERM);
  }

  const Context& context_;
  std::vector<Point> points_;
  int target_;
  PcapMerger merger_;
  std::optional<Error> failure_;
};

}  // namespace

Ending Capture(const Context& context, const CaptureOptions& options) {
  TRY(CheckPrivilege(context));
  std::vector<Point> points = TRY(Points(options));
  const LabPlaces lab = TRY(FindPlaces(context, options.lab));
  const Fd target = options.file.empty() ? Fd() : TRY(OpenTarget(options.file));
  return InPlaces(context, lab, [&](const Context& inside) -> Ending {
    return Capturing(inside, std::move(points), target.get()).Run(lab, options);
  });
}

}  // namespace runner
