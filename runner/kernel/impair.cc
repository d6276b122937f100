#include "kernel/impair.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>

namespace runner {
namespace {

constexpr std::uint32_t kDefaultLimit = 1000;  // packets, as tc-netem(8) has it
constexpr int kNetemSeed = 14;                 // TCA_NETEM_PRNG_SEED, from Linux 6.6 on
constexpr int kHighestNetem = 16;
constexpr std::size_t kTableSize = 4096;  // NETEM_DIST_MAX is 16384
constexpr double kTableScale = 8192;      // NETEM_DIST_SCALE

/// To the nearest of 0 to 2^32 - 1.
std::uint32_t Rate32(std::uint64_t rate) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(rate, std::numeric_limits<std::uint32_t>::max()));
}

void PutU64(NetlinkMessage& message, int attribute, std::uint64_t value) {
  message.PutBytes(attribute, &value, sizeof value);
}

template <class T>
std::optional<T> Get(std::string_view bytes) {
  T value{};
  if (bytes.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

NetlinkMessage Request(int type, int flags, int index) {
  NetlinkMessage message(type, flags);
  tcmsg header{};
  header.tcm_ifindex = index;
  header.tcm_parent = TC_H_ROOT;
  if (type == RTM_NEWQDISC) header.tcm_handle = kImpairHandle;
  message.Append(header);
  return message;
}

Status AddNetem(NetlinkSocket& socket, int index, const NetemSettings& settings) {
  NetlinkMessage message = Request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index);
  message.PutString(TCA_KIND, "netem");
  {
    const NetlinkMessage::Nest nest(message, TCA_OPTIONS);
    tc_netem_qopt options{};
    options.limit = settings.limit == 0 ? kDefaultLimit : settings.limit;
    options.loss = settings.loss;
    options.duplicate = settings.duplicate;
    // Without a gap nothing is sent early.
    options.gap = settings.reorder != 0 ? 1 : 0;
    message.Append(options);
    PutU64(message, TCA_NETEM_LATENCY64, static_cast<std::uint64_t>(settings.delay_ns));
    PutU64(message, TCA_NETEM_JITTER64, static_cast<std::uint64_t>(settings.jitter_ns));
    if (settings.correlation != 0) {
      tc_netem_corr correlation{};
      correlation.delay_corr = settings.correlation;
      message.PutBytes(TCA_NETEM_CORR, &correlation, sizeof correlation);
    }
    if (settings.reorder != 0) {
      tc_netem_reorder reorder{};
      reorder.probability = settings.reorder;
      message.PutBytes(TCA_NETEM_REORDER, &reorder, sizeof reorder);
    }
    if (settings.corrupt != 0) {
      tc_netem_corrupt corrupt{};
      corrupt.probability = settings.corrupt;
      message.PutBytes(TCA_NETEM_CORRUPT, &corrupt, sizeof corrupt);
    }
    if (settings.rate != 0) {
      tc_netem_rate rate{};
      rate.rate = Rate32(settings.rate);
      message.PutBytes(TCA_NETEM_RATE, &rate, sizeof rate);
      if (settings.rate > rate.rate) PutU64(message, TCA_NETEM_RATE64, settings.rate);
    }
    if (settings.seed) PutU64(message, kNetemSeed, *settings.seed);
    const auto table = DistributionTable(settings.distribution);
    if (!table.empty()) message.PutBytes(TCA_NETEM_DELAY_DIST, table.data(), table.size() * sizeof table.front());
  }
  return socket.Request(message, "impair");
}

Status AddTbf(NetlinkSocket& socket, int index, std::uint64_t rate) {
  // Some milliseconds' worth, and never less than a few frames: a smaller burst cannot be kept up with.
  constexpr std::uint64_t kSmallestBurst = 16 * 1024;
  const std::uint64_t burst = std::max(rate / 250, kSmallestBurst);
  constexpr std::uint64_t kQueuesPerSecond = 20;  // 50 ms of queue
  NetlinkMessage message = Request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index);
  message.PutString(TCA_KIND, "tbf");
  {
    const NetlinkMessage::Nest nest(message, TCA_OPTIONS);
    tc_tbf_qopt options{};
    options.rate.rate = Rate32(rate);
    options.rate.linklayer = TC_LINKLAYER_ETHERNET;
    options.limit = Rate32(burst + rate / kQueuesPerSecond);
    message.PutBytes(TCA_TBF_PARMS, &options, sizeof options);
    message.PutU32(TCA_TBF_BURST, Rate32(burst));
    if (rate > options.rate.rate) PutU64(message, TCA_TBF_RATE64, rate);
  }
  return socket.Request(message, "limit the rate");
}

NetemSettings DecodeNetem(std::string_view bytes) {
  NetemSettings settings;
  const auto options = Get<tc_netem_qopt>(bytes);
  if (!options) return settings;
  settings.loss = options->loss;
  settings.duplicate = options->duplicate;
  settings.limit = options->limit;
  bytes.remove_prefix(NLMSG_ALIGN(sizeof *options));
  const NetlinkAttributes more(bytes.data(), bytes.size(), kHighestNetem);
  settings.delay_ns = Get<std::int64_t>(more.Bytes(TCA_NETEM_LATENCY64)).value_or(0);
  settings.jitter_ns = Get<std::int64_t>(more.Bytes(TCA_NETEM_JITTER64)).value_or(0);
  if (const auto correlation = Get<tc_netem_corr>(more.Bytes(TCA_NETEM_CORR))) {
    settings.correlation = correlation->delay_corr;
  }
  if (const auto reorder = Get<tc_netem_reorder>(more.Bytes(TCA_NETEM_REORDER)))
    settings.reorder = reorder->probability;
  if (const auto corrupt = Get<tc_netem_corrupt>(more.Bytes(TCA_NETEM_CORRUPT)))
    settings.corrupt = corrupt->probability;
  if (const auto rate = Get<tc_netem_rate>(more.Bytes(TCA_NETEM_RATE))) settings.rate = rate->rate;
  if (const auto rate = Get<std::uint64_t>(more.Bytes(TCA_NETEM_RATE64))) settings.rate = *rate;
  settings.seed = Get<std::uint64_t>(more.Bytes(kNetemSeed));
  return settings;
}

std::uint64_t DecodeTbf(const NetlinkAttributes& options) {
  if (const auto rate = Get<std::uint64_t>(options.Bytes(TCA_TBF_RATE64))) return *rate;
  const auto parameters = Get<tc_tbf_qopt>(options.Bytes(TCA_TBF_PARMS));
  return parameters ? parameters->rate.rate : 0;
}

std::optional<RootQdisc> DecodeQdisc(const nlmsghdr& message) {
  const auto* header = FixedPart<tcmsg>(message);
  if (message.nlmsg_type != RTM_NEWQDISC || header == nullptr) return std::nullopt;
  // The defaults have no handle.
  if (header->tcm_parent != TC_H_ROOT || header->tcm_handle == 0) return std::nullopt;
  const auto attributes = NetlinkAttributes::Of(message, sizeof *header, TCA_MAX);
  RootQdisc qdisc{.index = header->tcm_ifindex,
                  .handle = header->tcm_handle,
                  .kind = attributes.String(TCA_KIND).value_or(""),
                  .netem = {}};
  if (qdisc.kind == "netem") qdisc.netem = DecodeNetem(attributes.Bytes(TCA_OPTIONS));
  if (qdisc.kind == "tbf") qdisc.netem.rate = DecodeTbf(attributes.Nested(TCA_OPTIONS, TCA_TBF_MAX));
  return qdisc;
}

/// The x below which a share `p` of a standard normal variable lies; by bisection of the error function.
double NormalQuantile(double p) {
  double low = -8;
  double high = 8;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return low;
}

/// Of a Pareto distribution with shape 3, moved and scaled to mean 0 and standard deviation 1.
double ParetoQuantile(double p) {
  constexpr double kMean = 1.5;
  const double deviation = std::sqrt(0.75);
  return (std::pow(1 - p, -1.0 / 3) - kMean) / deviation;
}

}  // namespace

bool NetemSettings::is_rate_alone() const {
  NetemSettings other = *this;
  other.rate = 0;
  return rate != 0 && other == NetemSettings{};
}

std::vector<std::int16_t> DistributionTable(const std::string& distribution) {
  std::vector<std::int16_t> table;
  if (distribution.empty() || distribution == "uniform") return table;
  constexpr double kNormalShare = 0.25;  // of paretonormal, as tc-netem(8) mixes it
  for (std::size_t i = 0; i < kTableSize; ++i) {
    const double p = (static_cast<double>(i) + 0.5) / kTableSize;
    double value = distribution == "normal" ? NormalQuantile(p) : ParetoQuantile(p);
    if (distribution == "paretonormal") value = kNormalShare * NormalQuantile(p) + (1 - kNormalShare) * value;
    constexpr double kMost = std::numeric_limits<std::int16_t>::max();
    table.push_back(static_cast<std::int16_t>(std::clamp(std::round(value * kTableScale), -kMost, kMost)));
  }
  return table;
}

Result<std::vector<RootQdisc>> ReadRootQdiscs(NetlinkSocket& socket) {
  NetlinkMessage message(RTM_GETQDISC, 0);
  message.Append(tcmsg{});
  std::vector<RootQdisc> found;
  TRY(socket.Dump(message, "read queueing disciplines", [&](const nlmsghdr& answer) -> Status {
    if (auto qdisc = DecodeQdisc(answer)) found.push_back(std::move(*qdisc));
    return {};
  }));
  return found;
}

Status ClearImpairment(NetlinkSocket& socket, int index) {
  NetlinkMessage message = Request(RTM_DELQDISC, 0, index);
  Status status = socket.Request(message, "clear the impairment");
  const bool none = !status.ok() && (status.error().code == ENOENT || status.error().code == EINVAL);
  return none ? Status() : status;
}

Status SetImpairment(NetlinkSocket& socket, int index, const NetemSettings& settings) {
  // A discipline changes into none of another kind, and netem keeps a distribution that is no longer asked for.
  TRY(ClearImpairment(socket, index));
  Status status = AddNetem(socket, index, settings);
  const bool unknown = !status.ok() && (status.error().code == ENOENT || status.error().code == EOPNOTSUPP);
  if (!unknown || !settings.is_rate_alone()) return status;
  return AddTbf(socket, index, settings.rate);
}

}  // namespace runner
