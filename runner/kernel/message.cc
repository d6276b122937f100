#include "kernel/message.h"

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstring>

namespace runner {
namespace {

// Room for a route with some hundred next hops, the longest thing that we write.
constexpr std::size_t kMessageSize = 16384;

}  // namespace

void NetlinkMessage::Free::operator()(nl_msg* message) const { nlmsg_free(message); }

NetlinkMessage::NetlinkMessage(int type, int flags) : message_(nlmsg_alloc_size(kMessageSize)) {
  complete_ = message_ != nullptr && nlmsg_put(message_.get(), 0, 0, type, 0, flags | NLM_F_REQUEST) != nullptr;
}

void NetlinkMessage::AppendBytes(const void* data, std::size_t size) {
  if (complete_) complete_ = nlmsg_append(message_.get(), const_cast<void*>(data), size, NLMSG_ALIGNTO) == 0;
}

void NetlinkMessage::PutBytes(int attribute, const void* data, std::size_t size) {
  if (complete_) complete_ = nla_put(message_.get(), attribute, static_cast<int>(size), data) == 0;
}

void NetlinkMessage::PutU8(int attribute, std::uint8_t value) { PutBytes(attribute, &value, sizeof value); }
void NetlinkMessage::PutU16(int attribute, std::uint16_t value) { PutBytes(attribute, &value, sizeof value); }
void NetlinkMessage::PutU32(int attribute, std::uint32_t value) { PutBytes(attribute, &value, sizeof value); }

void NetlinkMessage::PutString(int attribute, std::string_view value) {
  const std::string terminated(value);
  PutBytes(attribute, terminated.c_str(), terminated.size() + 1);
}

NetlinkMessage::Nest::Nest(NetlinkMessage& message, int attribute)
    : message_(message), start_(message.complete_ ? nla_nest_start(message.message_.get(), attribute) : nullptr) {
  message_.complete_ = start_ != nullptr;
}

NetlinkMessage::Nest::~Nest() {
  if (!message_.complete_) return;
  // nla_nest_end() would take an empty nest out again.
  message_.complete_ = nla_nest_end_keep_empty(message_.message_.get(), start_) == 0;
}

nlmsghdr* NetlinkMessage::header() const { return nlmsg_hdr(message_.get()); }

NetlinkAttributes::NetlinkAttributes(const void* data, std::size_t size, int highest)
    : table_(static_cast<std::size_t>(highest) + 1) {
  int left = static_cast<int>(size);
  for (const auto* attribute = static_cast<const nlattr*>(data); nla_ok(attribute, left);
       attribute = nla_next(attribute, &left)) {
    const int type = nla_type(attribute);
    if (type <= highest) table_[static_cast<std::size_t>(type)] = attribute;
  }
}

NetlinkAttributes NetlinkAttributes::Of(const nlmsghdr& message, std::size_t size, int highest) {
  const std::size_t start = NLMSG_HDRLEN + NLMSG_ALIGN(size);
  if (message.nlmsg_len < start) return {nullptr, 0, highest};
  return {reinterpret_cast<const char*>(&message) + start, message.nlmsg_len - start, highest};
}

const nlattr* NetlinkAttributes::Find(int attribute) const {
  const auto index = static_cast<std::size_t>(attribute);
  return index < table_.size() ? table_[index] : nullptr;
}

std::string_view NetlinkAttributes::Bytes(int attribute) const {
  const nlattr* found = Find(attribute);
  if (found == nullptr) return {};
  return {static_cast<const char*>(nla_data(found)), static_cast<std::size_t>(nla_len(found))};
}

namespace {

template <class T>
std::optional<T> Number(std::string_view bytes) {
  T value;
  if (bytes.size() < sizeof value) return {};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

std::optional<std::uint8_t> NetlinkAttributes::U8(int attribute) const {
  return Number<std::uint8_t>(Bytes(attribute));
}
std::optional<std::uint16_t> NetlinkAttributes::U16(int attribute) const {
  return Number<std::uint16_t>(Bytes(attribute));
}
std::optional<std::uint32_t> NetlinkAttributes::U32(int attribute) const {
  return Number<std::uint32_t>(Bytes(attribute));
}
std::optional<std::int32_t> NetlinkAttributes::S32(int attribute) const {
  return Number<std::int32_t>(Bytes(attribute));
}

std::optional<std::string> NetlinkAttributes::String(int attribute) const {
  if (!Has(attribute)) return {};
  const std::string_view bytes = Bytes(attribute);
  return std::string(bytes.substr(0, bytes.find('\0')));
}

std::optional<IpAddress> NetlinkAttributes::Address(int attribute, Family family) const {
  const std::string_view bytes = Bytes(attribute);
  if (bytes.size() != (family == Family::kIpv6 ? 16U : 4U)) return {};
  return IpAddress::FromBytes(family, bytes.data());
}

std::optional<MacAddress> NetlinkAttributes::Mac(int attribute) const {
  const std::string_view bytes = Bytes(attribute);
  std::array<std::uint8_t, 6> mac{};
  if (bytes.size() != mac.size()) return {};
  std::memcpy(mac.data(), bytes.data(), mac.size());
  return MacAddress(mac);
}

NetlinkAttributes NetlinkAttributes::Nested(int attribute, int highest) const {
  const std::string_view bytes = Bytes(attribute);
  return {bytes.data(), bytes.size(), highest};
}

void NetlinkAttributes::ForEach(int attribute, int highest,
                                const std::function<void(const NetlinkAttributes&)>& each) const {
  const std::string_view bytes = Bytes(attribute);
  int left = static_cast<int>(bytes.size());
  for (const auto* one = reinterpret_cast<const nlattr*>(bytes.data()); nla_ok(one, left); one = nla_next(one, &left)) {
    each({nla_data(one), static_cast<std::size_t>(nla_len(one)), highest});
  }
}

}  // namespace runner
