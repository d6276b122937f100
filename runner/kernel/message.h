// One netlink message being written, and the attributes of one being read: a thin skin over libnl's nl_msg and nla_*,
// so that nobody else counts bytes.
#pragma once
#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/mac.h"

struct nl_msg;

namespace runner {

/// A request under construction. What does not fit is remembered, and the socket then refuses to send the message.
class NetlinkMessage {
 public:
  /// `type` is RTM_…, `flags` NLM_F_…; NLM_F_REQUEST is added.
  NetlinkMessage(int type, int flags);

  /// The fixed part (ifinfomsg, rtmsg, …) that follows the message's header, or stands at the head of a nest.
  template <class Header>
  void Append(const Header& header) {
    AppendBytes(&header, sizeof header);
  }

  /// The same, and attributes, as they stood in another message.
  void AppendWhole(std::string_view bytes) { AppendBytes(bytes.data(), bytes.size()); }

  void PutU8(int attribute, std::uint8_t value);
  void PutU16(int attribute, std::uint16_t value);
  void PutU32(int attribute, std::uint32_t value);
  void PutString(int attribute, std::string_view value);
  void PutBytes(int attribute, const void* data, std::size_t size);
  void PutAddress(int attribute, const IpAddress& address) { PutBytes(attribute, address.bytes(), address.size()); }
  void PutMac(int attribute, const MacAddress& mac) { PutBytes(attribute, mac.bytes(), 6); }

  /// An attribute that holds others until this object ends.
  class Nest {
   public:
    Nest(NetlinkMessage& message, int attribute);
    ~Nest();
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    NetlinkMessage& message_;
    nlattr* start_;
  };

  nlmsghdr* header() const;
  bool is_complete() const { return complete_; }

 private:
  friend class NetlinkSocket;
  struct Free {
    void operator()(nl_msg* message) const;
  };
  void AppendBytes(const void* data, std::size_t size);

  std::unique_ptr<nl_msg, Free> message_;
  bool complete_ = true;
};

/// The attributes of a received message or nest, by number; those that are absent, short or unknown give nothing. It
/// looks into the message and must not outlive it.
class NetlinkAttributes {
 public:
  NetlinkAttributes(const void* data, std::size_t size, int highest);
  /// What follows the fixed part of `size` bytes; nothing when the message is shorter than that.
  static NetlinkAttributes Of(const nlmsghdr& message, std::size_t size, int highest);

  bool Has(int attribute) const { return Find(attribute) != nullptr; }
  std::optional<std::uint8_t> U8(int attribute) const;
  std::optional<std::uint16_t> U16(int attribute) const;
  std::optional<std::uint32_t> U32(int attribute) const;
  std::optional<std::int32_t> S32(int attribute) const;
  std::optional<std::string> String(int attribute) const;
  std::optional<IpAddress> Address(int attribute, Family family) const;
  std::optional<MacAddress> Mac(int attribute) const;
  std::string_view Bytes(int attribute) const;
  NetlinkAttributes Nested(int attribute, int highest) const;
  /// The nests of a list, in their order, whatever their numbers.
  void ForEach(int attribute, int highest, const std::function<void(const NetlinkAttributes&)>& each) const;

 private:
  const nlattr* Find(int attribute) const;
  std::vector<const nlattr*> table_;
};

/// The fixed part of a received message, or nothing when the message is shorter.
template <class Header>
const Header* FixedPart(const nlmsghdr& message) {
  if (message.nlmsg_len < sizeof(nlmsghdr) + sizeof(Header)) return nullptr;
  return reinterpret_cast<const Header*>(&message + 1);
}

}  // namespace runner
