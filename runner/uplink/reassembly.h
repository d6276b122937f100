// Fragments of the lab put together before libslirp sees them: it does so for IPv4 with a bad history, and for IPv6 not
// at all. Strict and bounded: what overlaps is thrown away whole (RFC 5722), what does not come in time too.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "base/ip.h"

namespace runner {

class Reassembler {
 public:
  static constexpr std::size_t kMostDatagrams = 64;
  static constexpr std::int64_t kPatience = 5000;

  /// Takes a frame that ParseFrame calls a fragment; the whole frame, unfragmented, when this was the last that missed.
  /// `now` is in milliseconds.
  std::optional<std::vector<std::uint8_t>> Take(std::span<const std::uint8_t> frame, std::int64_t now);

  std::size_t pending() const { return partials_.size(); }

 private:
  struct Fragment {
    IpAddress source = {};
    IpAddress destination = {};
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;
    std::size_t offset = 0;
    bool last = false;
    std::span<const std::uint8_t> headers = {};  // Ethernet and IP, without IPv6's fragment header
    std::span<const std::uint8_t> payload = {};
  };
  using Key = std::tuple<IpAddress, IpAddress, std::uint32_t, std::uint8_t>;
  struct Partial {
    std::vector<std::uint8_t> headers;  // of the first fragment; empty until it came
    std::vector<std::uint8_t> payload;
    std::map<std::size_t, std::size_t> parts;  // begin → end of what came
    std::size_t received = 0;
    std::optional<std::size_t> total;
    std::int64_t started = 0;
  };

  static std::optional<Fragment> Parse(std::span<const std::uint8_t> frame);
  static bool Add(Partial& partial, const Fragment& fragment);
  static std::vector<std::uint8_t> Finish(const Partial& partial, std::uint8_t protocol);
  void MakeRoom(std::int64_t now);

  std::map<Key, Partial> partials_;
};

}  // namespace runner
