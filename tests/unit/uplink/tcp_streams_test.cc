#include "uplink/tcp_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <numeric>

#include "base/fd.h"
#include "tests/unit/uplink/frame.h"
#include "uplink/frame_filter.h"
#include "uplink/sockets.h"

namespace runner {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t kLabPort = 4000;
constexpr std::uint32_t kFirst = 0xfffffff0;  // libslirp's number; it wraps
constexpr std::uint32_t kOfLab = 7000;
const Bytes kOptions = {2, 4, 0x05, 0x78, 1, 3, 3, 7};  // segments of 1400, windows times 128
constexpr std::size_t kFirstRoom = 64 << 10;            // and for the first of it
constexpr std::size_t kRoom = 512 << 10;                // for what comes from the lab
constexpr short kAsked = POLLIN | POLLPRI | POLLHUP | POLLERR;

struct TcpPart {
  std::uint8_t flags = kTcpAck;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledged = 0;
  std::uint16_t window = 512;
  Bytes options = {};
  Bytes payload = {};
};

// One connection between a node and a host, whose end is a socket; libslirp is played by the test.
class TcpStreamsTest : public testing::TestWithParam<bool> {
 protected:
  TcpStreamsTest() {
    spec_.ipv6 = IpPrefix::Parse("fd00::/64");
    spec_.mtu = 1500;
    streams_ = std::make_unique<TcpStreams>(
        spec_,
        [this](std::span<std::uint8_t> headers, std::span<const std::uint8_t> payload, std::size_t segment) {
          Bytes frame(headers.begin(), headers.end());
          frame.insert(frame.end(), payload.begin(), payload.end());
          sent_.push_back(std::move(frame));
          segments_.push_back(segment);
        },
        [this](std::span<const std::uint8_t> frame) { resets_.emplace_back(frame.begin(), frame.end()); });
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    host_.Reset(ends[0]);
    ours_.Reset(ends[1]);
  }

  std::string lab() const { return GetParam() ? "fd00::100" : "10.0.2.100"; }
  std::string other() const { return GetParam() ? "2001:db8::1" : "192.0.2.1"; }
  std::string gateway() const { return GetParam() ? "fd00::2" : "10.0.2.2"; }
  std::size_t tcp_place() const { return kEthernetHeader + (GetParam() ? 40U : 20U); }

  static Bytes Segment(const TcpPart& tcp, std::uint16_t from, std::uint16_t to) {
    Bytes segment(20);
    Put16(&segment[0], from);
    Put16(&segment[2], to);
    Put16(&segment[4], tcp.sequence >> 16);
    Put16(&segment[6], tcp.sequence & 0xffff);
    Put16(&segment[8], tcp.acknowledged >> 16);
    Put16(&segment[10], tcp.acknowledged & 0xffff);
    segment[12] = static_cast<std::uint8_t>((20 + tcp.options.size()) / 4 << 4);
    segment[13] = tcp.flags;
    Put16(&segment[14], tcp.window);
    segment.insert(segment.end(), tcp.options.begin(), tcp.options.end());
    segment.insert(segment.end(), tcp.payload.begin(), tcp.payload.end());
    return segment;
  }

  // What libslirp sees of it; empty: nothing.
  Bytes FromLab(const TcpPart& tcp, std::uint16_t port = 80) {
    Bytes frame = test::Transport(lab(), shown_, kProtoTcp, Segment(tcp, kLabPort, port), 16);
    Packet packet;
    EXPECT_EQ(ParseFrame(frame, packet), Verdict::kPass);
    packet.summed = summed_;
    const auto shown = streams_->FromLab(packet, now_);
    frame.assign(shown.begin(), shown.end());
    if (opens_ >= 0) streams_->Opened(std::exchange(opens_, -1), false);
    streams_->Seen();
    if (settles_) streams_->Settle();
    if (!frame.empty()) ExpectWhole(frame);
    return frame;
  }
  // What the lab sees of it.
  Bytes ToLab(const TcpPart& tcp, std::uint16_t port = 80) {
    Bytes frame = test::Transport(shown_, lab(), kProtoTcp, Segment(tcp, port, kLabPort), 16);
    const auto shown = streams_->ToLab(frame, now_);
    frame.assign(shown.begin(), shown.end());
    ExpectWhole(frame);
    return frame;
  }
  void ExpectWhole(const Bytes& frame) const {
    Bytes copy = frame;
    Packet packet;
    ASSERT_EQ(ParseFrame(copy, packet), Verdict::kPass);
    EXPECT_EQ(packet.frame.size(), frame.size()) << "the length of IP";
    if (!GetParam()) {
      EXPECT_EQ(Checksum(SumWords({&frame[kEthernetHeader], 20})), 0);
    }
    const auto l4 = packet.l4_bytes();
    EXPECT_EQ(Checksum(SumWords(l4, PseudoHeaderSum(packet.source, packet.destination, kProtoTcp, l4.size()))), 0);
  }
  std::uint32_t SequenceOf(const Bytes& frame) const { return Get32(&frame[tcp_place() + 4]); }
  std::uint32_t AcknowledgedOf(const Bytes& frame) const { return Get32(&frame[tcp_place() + 8]); }
  std::uint16_t WindowOf(const Bytes& frame) const { return Get16(&frame[tcp_place() + 14]); }
  std::uint8_t FlagsOf(const Bytes& frame) const { return frame[tcp_place() + 13]; }

  void Connect(const Bytes& options = kOptions, std::uint16_t window = 512) {
    opens_ = ours_.get();
    FromLab({.flags = kTcpSyn, .sequence = kOfLab, .window = 64000, .options = options});
    ToLab({.flags = kTcpSyn | kTcpAck,
           .sequence = kFirst,
           .acknowledged = kOfLab + 1,
           .window = 60000,
           .options = {2, 4, 0xff, 0xc8}});
    FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1, .window = window});
  }
  // One round of the loop; what is left for libslirp.
  short Round(short ready = POLLIN, short asked = kAsked) {
    std::vector<pollfd> polled = {{.fd = ours_.get(), .events = asked, .revents = 0}};
    timeout_ = -1;
    streams_->Fill(polled);
    streams_->Sleep(now_, timeout_);
    waited_for_ = polled[0].events;
    polled[0].revents = ready;
    streams_->Dispatch(polled, now_);
    return polled[0].revents;
  }
  void Host(const Bytes& payload) {
    ASSERT_EQ(write(host_.get(), payload.data(), payload.size()), static_cast<ssize_t>(payload.size()));
  }
  // What has come to the host.
  Bytes Received() {
    Bytes bytes(1 << 20);
    const ssize_t size = read(host_.get(), bytes.data(), bytes.size());
    bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return bytes;
  }
  static Bytes Payload(std::size_t size) {
    Bytes payload(size);
    std::iota(payload.begin(), payload.end(), std::uint8_t{0});
    return payload;
  }
  Bytes SentPayload() const {
    Bytes all;
    for (const Bytes& frame : sent_) {
      all.insert(all.end(), frame.begin() + static_cast<std::ptrdiff_t>(tcp_place()) + 20, frame.end());
    }
    return all;
  }

  UplinkSpec spec_;
  std::int64_t now_ = 1000;
  std::string shown_ = other();
  std::unique_ptr<TcpStreams> streams_;
  Fd host_;
  Fd ours_;
  int opens_ = -1;
  bool summed_ = false;
  bool settles_ = true;
  std::int64_t timeout_ = -1;
  short waited_for_ = 0;
  std::vector<Bytes> sent_;
  std::vector<std::size_t> segments_;
  std::vector<Bytes> resets_;
};

TEST_P(TcpStreamsTest, PutsTheScaleIntoTheAnswerOfWhoHasOne) {
  opens_ = ours_.get();
  FromLab({.flags = kTcpSyn, .sequence = kOfLab, .window = 64000, .options = kOptions});
  const TcpPart answer = {.flags = kTcpSyn | kTcpAck,
                          .sequence = kFirst,
                          .acknowledged = kOfLab + 1,
                          .window = 60000,
                          .options = {2, 4, 0xff, 0xc8}};
  TcpPart scaled = answer;
  scaled.options = {2, 4, 0xff, 0xc8, 1, 3, 3, 5};
  scaled.window = 65535;
  const Bytes right = test::Transport(shown_, lab(), kProtoTcp, Segment(scaled, 80, kLabPort), 16);
  EXPECT_EQ(ToLab(answer), right);
  EXPECT_EQ(ToLab(answer), right) << "sent again";
  // As libslirp can understand it.
  EXPECT_EQ(WindowOf(FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1, .window = 512})), 65535);
  EXPECT_EQ(
      WindowOf(FromLab({.flags = kTcpFin | kTcpAck, .sequence = kOfLab + 1, .acknowledged = kFirst + 1, .window = 2})),
      256);
}

TEST_P(TcpStreamsTest, LeavesTheAnswerToWhoHasNone) {
  opens_ = ours_.get();
  FromLab({.flags = kTcpSyn, .sequence = kOfLab, .window = 64000, .options = {2, 4, 0x05, 0x78}});
  const TcpPart answer = {.flags = kTcpSyn | kTcpAck, .sequence = kFirst, .acknowledged = kOfLab + 1, .window = 65535};
  EXPECT_EQ(ToLab(answer), test::Transport(shown_, lab(), kProtoTcp, Segment(answer, 80, kLabPort), 16));
  EXPECT_EQ(WindowOf(FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1, .window = 512})), 512);
}

TEST_P(TcpStreamsTest, CarriesBytesPastLibslirp) {
  Connect();
  const Bytes payload = Payload(5000);
  Host(payload);
  EXPECT_EQ(Round(), 0) << "libslirp reads none of it";
  EXPECT_EQ(waited_for_, POLLIN);
  EXPECT_EQ(SentPayload(), payload);
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(SequenceOf(sent_[0]), kFirst + 1);
  EXPECT_EQ(AcknowledgedOf(sent_[0]), kOfLab + 1);
  EXPECT_EQ(WindowOf(sent_[0]), kFirstRoom >> 5);
  EXPECT_EQ(FlagsOf(sent_[0]), kTcpAck | kTcpPush);
  EXPECT_EQ(segments_[0], 1400U);
  EXPECT_EQ(Get16(&sent_[0][kEthernetHeader + (GetParam() ? 4U : 2U)]), 5020 + (GetParam() ? 0 : 20));
  // Neither side misses the bytes.
  EXPECT_TRUE(FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1 + 2800}).empty());
  EXPECT_TRUE(FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1 + 5000}).empty());
  EXPECT_EQ(SequenceOf(ToLab({.sequence = kFirst + 1, .acknowledged = kOfLab + 1, .window = 50000})),
            kFirst + 1 + 5000);
  Host({1, 2, 3});
  Round();
  ASSERT_EQ(sent_.size(), 2U);
  EXPECT_EQ(SequenceOf(sent_[1]), kFirst + 1 + 5000);
}

TEST_P(TcpStreamsTest, PaddingIsNoPartOfASegment) {
  Connect();
  Bytes frame = test::Transport(shown_, lab(), kProtoTcp,
                                Segment({.sequence = kFirst + 1, .acknowledged = kOfLab + 1}, 80, kLabPort), 16);
  frame.resize(frame.size() + 6, 0xee);
  const auto shown = streams_->ToLab(frame, now_);
  ExpectWhole({shown.begin(), shown.end()});
}

TEST_P(TcpStreamsTest, LeavesTheEndToLibslirpWhenAllIsSent) {
  Connect(kOptions, 22);  // a window of 2816: two segments
  Host(Payload(3000));
  host_.Reset();
  EXPECT_EQ(Round(), 0);
  EXPECT_EQ(SentPayload().size(), 2800U);
  EXPECT_EQ(Round(POLLIN | POLLHUP), 0);
  Round(0);
  EXPECT_EQ(waited_for_, 0) << "the end would wake the loop for nothing";
  FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1 + 2800, .window = 22});
  EXPECT_EQ(SentPayload().size(), 3000U);
  EXPECT_EQ(Round(POLLIN | POLLHUP), POLLIN | POLLHUP);
  EXPECT_EQ(waited_for_, kAsked);
  // Its FIN stands behind the bytes that it does not know, and is acknowledged to it.
  EXPECT_EQ(SequenceOf(ToLab({.flags = kTcpFin | kTcpAck, .sequence = kFirst + 1, .acknowledged = kOfLab + 1})),
            kFirst + 1 + 3000);
  EXPECT_EQ(AcknowledgedOf(FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1 + 3000})), kFirst + 1);
  EXPECT_EQ(AcknowledgedOf(FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1 + 3001})), kFirst + 2);
  // After both have ended, too.
  streams_->Closed(ours_.get());
  EXPECT_EQ(AcknowledgedOf(FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1 + 3001})), kFirst + 2);
}

TEST_P(TcpStreamsTest, TheEndStaysWhereItWasWhenTheWindowShuts) {
  Connect();
  Host(Payload(1000));
  host_.Reset();
  Round();
  EXPECT_EQ(Round(), POLLIN);
  const TcpPart end = {.flags = kTcpFin | kTcpAck, .sequence = kFirst + 1, .acknowledged = kOfLab + 1};
  EXPECT_EQ(SequenceOf(ToLab(end)), kFirst + 1 + 1000);
  FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1, .window = 0});
  now_ += 5000;
  Round(0);
  ASSERT_EQ(sent_.size(), 2U);
  EXPECT_EQ(sent_[1].size(), tcp_place() + 20 + 1) << "a byte, to ask";
  EXPECT_EQ(SequenceOf(ToLab(end)), kFirst + 1 + 1000);
  EXPECT_EQ(SequenceOf(ToLab({.sequence = kFirst + 2, .acknowledged = kOfLab + 1})), kFirst + 1)
      << "inside the window, or the lab takes it for a stray";
}

TEST_P(TcpStreamsTest, SendsAgainWhatTheLabDidNotAcknowledge) {
  Connect();
  Host(Payload(1000));
  Round();
  Round(0);
  EXPECT_GT(timeout_, 0);
  now_ += timeout_;
  Round(0);
  ASSERT_EQ(sent_.size(), 2U);
  EXPECT_EQ(SequenceOf(sent_[1]), kFirst + 1);
  FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1 + 1000});
  Round(0);
  EXPECT_EQ(timeout_, -1) << "nothing is waited for";
  // Who never answers is given up, in the lab's name.
  Host(Payload(1000));
  Round();
  for (int i = 0; i < 50 && resets_.empty(); ++i) {
    Round(0);
    ASSERT_GT(timeout_, 0);
    now_ += timeout_;
    Round(0);
    streams_->Settle();
  }
  ASSERT_EQ(resets_.size(), 1U);
  ExpectWhole(resets_[0]);
  EXPECT_EQ(FlagsOf(resets_[0]), kTcpReset);
  EXPECT_EQ(SequenceOf(resets_[0]), kOfLab + 1);
  Packet packet;
  ASSERT_EQ(ParseFrame(resets_[0], packet), Verdict::kPass);
  EXPECT_EQ(packet.source.text(), lab());
}

TEST_P(TcpStreamsTest, DoesNotReadWhatHasNoRoom) {
  Connect(kOptions, 0);
  std::size_t given = 0;
  const Bytes payload = Payload(60000);
  while (given < 2 * TcpSender::kAhead) {
    const ssize_t size = write(host_.get(), payload.data(), payload.size());
    if (size > 0) given += static_cast<std::size_t>(size);
    Round();
    if (size < 0 && waited_for_ == 0) break;
  }
  EXPECT_EQ(waited_for_, 0);
  EXPECT_TRUE(sent_.empty());
  Round(0, kAsked | POLLOUT);
  EXPECT_EQ(waited_for_, POLLOUT) << "the other direction goes on";
}

TEST_P(TcpStreamsTest, LeavesAnErrorToLibslirp) {
  Connect();
  EXPECT_EQ(Round(POLLIN | POLLERR | POLLHUP), POLLIN | POLLERR | POLLHUP);
}

TEST_P(TcpStreamsTest, ALabThatAnswersWhatNobodyAskedHarmsNobody) {
  opens_ = ours_.get();
  FromLab({.flags = kTcpSyn, .sequence = kOfLab, .window = 64000, .options = kOptions});
  FromLab({.flags = kTcpSyn | kTcpAck, .sequence = kOfLab, .acknowledged = 1, .window = 64000, .options = kOptions});
  Host(Payload(1000));
  EXPECT_EQ(Round(), POLLIN) << "nothing is known of it";
  EXPECT_TRUE(sent_.empty());
  Connect();
  FromLab({.flags = kTcpSyn | kTcpAck, .sequence = 1, .acknowledged = 1, .window = 1, .options = {3, 3, 14, 0}});
  Round();
  EXPECT_EQ(SentPayload(), Payload(1000));
}

TEST_P(TcpStreamsTest, ANewConnectionOfTheSamePortsBeginsAnew) {
  Connect();
  Host(Payload(5000));
  Round();
  streams_->Closed(ours_.get());
  sent_.clear();
  Connect({2, 4, 0x02, 0x18});  // segments of 536, no scale
  Host(Payload(100));
  Round();
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(SequenceOf(sent_[0]), kFirst + 1);
  EXPECT_EQ(segments_.back(), 536U);
  // A SYN that is only sent again changes nothing.
  FromLab({.flags = kTcpSyn, .sequence = kOfLab, .window = 64000, .options = kOptions});
  EXPECT_EQ(AcknowledgedOf(FromLab({.flags = kTcpFin | kTcpAck, .sequence = kOfLab + 1, .acknowledged = kFirst + 101})),
            kFirst + 1);
}

TEST_P(TcpStreamsTest, CarriesTheLabsBytesPastLibslirp) {
  Connect();
  const Bytes payload = Payload(5000);
  EXPECT_TRUE(FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1, .payload = payload}).empty());
  EXPECT_EQ(Received(), payload);
  // More than two segments: at once.
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(SentPayload().size(), 0U);
  EXPECT_EQ(AcknowledgedOf(sent_[0]), kOfLab + 1 + 5000);
  EXPECT_EQ(SequenceOf(sent_[0]), kFirst + 1);
  EXPECT_EQ(WindowOf(sent_[0]), kFirstRoom >> 5);
  // libslirp, which knows nothing of it, acknowledges the same.
  const Bytes bare = ToLab({.sequence = kFirst + 1, .acknowledged = kOfLab + 1, .window = 50000});
  EXPECT_EQ(AcknowledgedOf(bare), kOfLab + 1 + 5000);
  EXPECT_EQ(WindowOf(bare), kFirstRoom >> 5);
  // Bytes of the host carry it, too.
  FromLab({.sequence = kOfLab + 5001, .acknowledged = kFirst + 1, .payload = {1, 2, 3}});
  EXPECT_EQ(sent_.size(), 1U) << "a little waits for the answer";
  Host(Payload(10));
  Round();
  ASSERT_EQ(sent_.size(), 2U);
  EXPECT_EQ(AcknowledgedOf(sent_[1]), kOfLab + 5004);
  Round(0);
  EXPECT_EQ(sent_.size(), 2U) << "that was it";
}

TEST_P(TcpStreamsTest, AcknowledgesALittleAfterAMillisecond) {
  Connect();
  FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1, .payload = {1, 2, 3}});
  Round(0);
  EXPECT_EQ(timeout_, 1);
  EXPECT_TRUE(sent_.empty());
  ++now_;
  Round(0);
  streams_->Settle();
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(AcknowledgedOf(sent_[0]), kOfLab + 4);
  Round(0);
  EXPECT_EQ(timeout_, -1);
}

TEST_P(TcpStreamsTest, PutsWhatCameEarlyInOrder) {
  Connect();
  const Bytes payload = Payload(3000);
  const auto part = [&](std::size_t from, std::size_t to) {
    const auto at = [&](std::size_t place) { return payload.begin() + static_cast<std::ptrdiff_t>(place); };
    FromLab({.sequence = kOfLab + 1 + static_cast<std::uint32_t>(from),
             .acknowledged = kFirst + 1,
             .payload = {at(from), at(to)}});
  };
  settles_ = false;
  part(2000, 3000);
  part(1000, 2000);
  settles_ = true;
  // One for each, so that the lab sends again what is missing.
  ASSERT_EQ(sent_.size(), 2U);
  EXPECT_EQ(AcknowledgedOf(sent_[0]), kOfLab + 1);
  EXPECT_EQ(AcknowledgedOf(sent_[1]), kOfLab + 1);
  EXPECT_TRUE(Received().empty());
  part(0, 1500);
  EXPECT_EQ(Received(), payload);
  part(500, 2500);  // again
  EXPECT_TRUE(Received().empty());
  EXPECT_EQ(AcknowledgedOf(sent_.back()), kOfLab + 1 + 3000);
  // Whether anybody is there (RFC 9293 3.8.4).
  const std::size_t before = sent_.size();
  FromLab({.sequence = kOfLab + 3000, .acknowledged = kFirst + 1});
  ASSERT_EQ(sent_.size(), before + 1);
  EXPECT_EQ(AcknowledgedOf(sent_.back()), kOfLab + 1 + 3000);
}

TEST_P(TcpStreamsTest, KeepsWhatTheHostDoesNotTake) {
  Connect();
  const Bytes payload = Payload(60000);
  std::uint32_t sent = 0;
  // Beyond its window, too: that is not taken.
  while (sent < 2000000) {
    FromLab({.sequence = kOfLab + 1 + sent, .acknowledged = kFirst + 1, .payload = payload});
    sent += 60000;
  }
  EXPECT_EQ(WindowOf(sent_.back()), 0);
  const std::uint32_t acknowledged = AcknowledgedOf(sent_.back()) - kOfLab - 1;
  EXPECT_GE(acknowledged, kRoom);
  EXPECT_LT(acknowledged, 2000000U);
  Round(0);
  EXPECT_EQ(waited_for_ & POLLOUT, POLLOUT);
  // Now the host reads.
  sent_.clear();
  Bytes all;
  for (int i = 0; i < 1000 && all.size() < acknowledged; ++i) {
    const Bytes some = Received();
    all.insert(all.end(), some.begin(), some.end());
    EXPECT_EQ(Round(POLLOUT) & POLLOUT, 0) << "none of libslirp's";
    streams_->Settle();
  }
  ASSERT_EQ(all.size(), acknowledged);
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], payload[i % 60000]) << i;
  ASSERT_FALSE(sent_.empty());
  EXPECT_LT(sent_.size(), 40U) << "not for each byte";
  EXPECT_GE(std::size_t{WindowOf(sent_.back())} << 5, kRoom / 2) << "the lab learns of it";
  Round(0);
  EXPECT_EQ(waited_for_ & POLLOUT, 0);
}

TEST_P(TcpStreamsTest, TellsNoLargerWindowThanItsLimit) {
  for (const std::size_t limit : {std::size_t{1}, std::size_t{200000}, std::size_t{1} << 30}) {
    streams_->LimitWindow(limit);
    Connect();
    sent_.clear();
    for (std::uint32_t sent = 0; sent < 1200000; sent += 60000) {
      FromLab({.sequence = kOfLab + 1 + sent, .acknowledged = kFirst + 1, .payload = Payload(60000)});
      while (!Received().empty()) Round(POLLOUT);
    }
    EXPECT_EQ(std::size_t{WindowOf(sent_.back())} << 5, limit == 1        ? kFirstRoom
                                                        : limit == 200000 ? 2 * kFirstRoom
                                                                          : kRoom);
    streams_->Closed(ours_.get());
  }
}

TEST_P(TcpStreamsTest, PassesTheLabsEndBehindTheLastByte) {
  Connect();
  const Bytes payload = Payload(60000);
  // With the host's buffer full, and once with bytes that are missing.
  std::uint32_t sent = 0;
  while (sent < 480000) {
    FromLab({.sequence = kOfLab + 1 + sent, .acknowledged = kFirst + 1, .payload = payload});
    sent += 60000;
  }
  const Bytes early =
      FromLab({.flags = kTcpFin | kTcpAck, .sequence = kOfLab + 1 + sent + 5, .acknowledged = kFirst + 1});
  EXPECT_EQ(FlagsOf(early), kTcpAck) << "not yet";
  const Bytes last = FromLab({.sequence = kOfLab + 1 + sent, .acknowledged = kFirst + 1, .payload = {1, 2, 3, 4, 5}});
  EXPECT_EQ(FlagsOf(last), kTcpAck);
  EXPECT_EQ(SequenceOf(last), kOfLab + 1);
  EXPECT_EQ(last.size(), tcp_place() + 20) << "without them";
  Round(POLLOUT);
  EXPECT_TRUE(resets_.empty()) << "bytes still wait";
  std::size_t read = 0;
  for (int i = 0; i < 1000 && read < sent + 5; ++i) {
    read += Received().size();
    Round(POLLOUT);
  }
  EXPECT_EQ(read, sent + 5);
  ASSERT_EQ(resets_.size(), 1U);
  ExpectWhole(resets_[0]);
  EXPECT_EQ(FlagsOf(resets_[0]), kTcpFin | kTcpAck);
  EXPECT_EQ(SequenceOf(resets_[0]), kOfLab + 1);
  EXPECT_EQ(AcknowledgedOf(resets_[0]), kFirst + 1);
  // libslirp takes it.
  EXPECT_EQ(AcknowledgedOf(ToLab({.sequence = kFirst + 1, .acknowledged = kOfLab + 2})), kOfLab + 1 + sent + 6);
  // What the lab acknowledges behind it, and the end sent again.
  const Bytes behind = FromLab({.sequence = kOfLab + 1 + sent + 6, .acknowledged = kFirst + 1});
  EXPECT_EQ(FlagsOf(behind), kTcpAck);
  EXPECT_EQ(SequenceOf(behind), kOfLab + 2);
  const Bytes again =
      FromLab({.flags = kTcpFin | kTcpAck, .sequence = kOfLab + 1 + sent + 5, .acknowledged = kFirst + 1});
  EXPECT_EQ(FlagsOf(again), kTcpFin | kTcpAck);
  EXPECT_EQ(SequenceOf(again), kOfLab + 1);
  Host(Payload(10));
  Round();
  EXPECT_EQ(AcknowledgedOf(sent_.back()), kOfLab + 1 + sent + 6);
}

TEST_P(TcpStreamsTest, TheEndMayComeWithTheLastBytes) {
  Connect();
  const Bytes seen = FromLab({.flags = kTcpFin | kTcpAck | kTcpPush,
                              .sequence = kOfLab + 1,
                              .acknowledged = kFirst + 1,
                              .payload = Payload(100)});
  EXPECT_EQ(Received(), Payload(100));
  EXPECT_EQ(FlagsOf(seen), kTcpFin | kTcpAck | kTcpPush);
  EXPECT_EQ(SequenceOf(seen), kOfLab + 1);
  EXPECT_EQ(seen.size(), tcp_place() + 20);
  EXPECT_EQ(AcknowledgedOf(ToLab({.sequence = kFirst + 1, .acknowledged = kOfLab + 2})), kOfLab + 102);
}

TEST_P(TcpStreamsTest, AResetKeepsItsPlace) {
  Connect();
  FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 1, .payload = Payload(5000)});
  EXPECT_EQ(SequenceOf(FromLab({.flags = kTcpReset, .sequence = kOfLab + 5001})), kOfLab + 1);
  EXPECT_EQ(SequenceOf(FromLab({.flags = kTcpReset, .sequence = kOfLab + 9001})), kOfLab + 1) << "bytes were lost";
  EXPECT_NE(SequenceOf(FromLab({.flags = kTcpReset, .sequence = kOfLab + 900001})), kOfLab + 1) << "it is no one's";
  // One that is made in the lab's name carries the lab's number.
  auto made = BuildOfLab({{*IpAddress::Parse(lab()), kLabPort}, {*IpAddress::Parse(shown_), 80}},
                         {.flags = kTcpReset, .sequence = kOfLab + 5001});
  streams_->InItsName(made);
  ExpectWhole(made);
  EXPECT_EQ(SequenceOf(made), kOfLab + 1);
}

TEST_P(TcpStreamsTest, TakesNothingWithAWrongSum) {
  Connect();
  const Bytes payload = Payload(1000);
  auto frame = test::Transport(
      lab(), shown_, kProtoTcp,
      Segment({.sequence = kOfLab + 1, .acknowledged = kFirst + 1, .payload = payload}, kLabPort, 80), 16);
  frame.back() ^= 1;
  Packet packet;
  ASSERT_EQ(ParseFrame(frame, packet), Verdict::kPass);
  EXPECT_EQ(streams_->FromLab(packet, now_).size(), frame.size()) << "libslirp looks at it, and drops it";
  EXPECT_TRUE(Received().empty());
  // Where the kernel answers for it nobody looks.
  packet.summed = true;
  EXPECT_TRUE(streams_->FromLab(packet, now_).empty());
  EXPECT_EQ(Received().size(), 1000U);
}

TEST_P(TcpStreamsTest, BytesInASynComeAgain) {
  const Bytes seen = FromLab({.flags = kTcpSyn, .sequence = kOfLab, .options = kOptions, .payload = {1, 2, 3}});
  EXPECT_EQ(seen.size(), tcp_place() + 28);
}

TEST_P(TcpStreamsTest, EndsWhatNobodyTakesAnyMore) {
  Connect();
  Host(Payload(10));
  ASSERT_EQ(shutdown(host_.get(), SHUT_WR), 0);
  Round();
  Round();  // libslirp has told the end
  host_.Reset();
  FromLab({.sequence = kOfLab + 1, .acknowledged = kFirst + 11, .payload = Payload(3000)});
  EXPECT_EQ(FlagsOf(sent_.back()), kTcpReset | kTcpAck) << "to the lab";
  EXPECT_EQ(SequenceOf(sent_.back()), kFirst + 11);
  ASSERT_EQ(resets_.size(), 1U) << "and to libslirp";
  EXPECT_EQ(FlagsOf(resets_[0]), kTcpReset);
  EXPECT_EQ(SequenceOf(resets_[0]), kOfLab + 1);
}

// Sockets of real clients of a published port.
class TcpStreamsAcceptTest : public TcpStreamsTest {
 protected:
  struct Pair {
    Fd client;
    Fd accepted;
    std::uint16_t port = 0;
  };
  Pair Client(std::uint16_t port = 0, const char* from4 = "127.0.0.1") {
    const IpAddress from = *IpAddress::Parse(GetParam() ? "::1" : from4);
    const int family = GetParam() ? AF_INET6 : AF_INET;
    Pair made;
    if (!listener_.is_open()) {
      listener_.Reset(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const SocketAddress any(*IpAddress::Parse(GetParam() ? "::1" : "127.0.0.1"), 0);
      EXPECT_EQ(bind(listener_.get(), any.get(), any.size()), 0);
      EXPECT_EQ(listen(listener_.get(), 8), 0);
    }
    made.client.Reset(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress source(from, port);
    EXPECT_EQ(bind(made.client.get(), source.get(), source.size()), 0);
    sockaddr_storage place = {};
    socklen_t size = sizeof place;
    EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&place), &size), 0);
    EXPECT_EQ(connect(made.client.get(), reinterpret_cast<sockaddr*>(&place), size), 0);
    size = sizeof place;
    made.accepted.Reset(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&place), &size, SOCK_NONBLOCK));
    made.port = FromSockaddr(reinterpret_cast<sockaddr&>(place))->port;
    return made;
  }

  Fd listener_;
};

TEST_P(TcpStreamsAcceptTest, ServesClientsOfPublishedPorts) {
  Pair pair = Client();
  shown_ = gateway();
  streams_->Opened(pair.accepted.get(), true);
  const Bytes syn = ToLab({.flags = kTcpSyn, .sequence = kFirst, .options = {2, 4, 0xff, 0xc8}}, pair.port);
  EXPECT_EQ(Bytes(syn.end() - 4, syn.end()), (Bytes{1, 3, 3, 5}));
  const Bytes answer = FromLab({.flags = kTcpSyn | kTcpAck,
                                .sequence = kOfLab,
                                .acknowledged = kFirst + 1,
                                .window = 64000,
                                .options = kOptions},
                               pair.port);
  EXPECT_EQ(WindowOf(answer), 64000) << "that of a SYN is not scaled";
  ToLab({.sequence = kFirst + 1, .acknowledged = kOfLab + 1}, pair.port);
  host_ = std::move(pair.client);
  ours_ = std::move(pair.accepted);
  Host(Payload(3000));
  pollfd ready = {.fd = ours_.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&ready, 1, 10000), 1);
  EXPECT_EQ(Round(), 0);
  EXPECT_EQ(SentPayload(), Payload(3000));
  EXPECT_EQ(segments_[0], 1400U);
}

// IPv6 has one address of loopback.
class TcpStreamsAcceptIpv4Test : public TcpStreamsAcceptTest {};

TEST_P(TcpStreamsAcceptIpv4Test, LeavesToLibslirpWhoCannotBeToldApart) {
  const Pair one = Client();
  const Pair two = Client(one.port, "127.0.0.2");
  shown_ = gateway();
  streams_->Opened(one.accepted.get(), true);
  streams_->Opened(two.accepted.get(), true);
  const TcpPart syn = {.flags = kTcpSyn, .sequence = kFirst, .options = {2, 4, 0xff, 0xc8}};
  EXPECT_EQ(ToLab(syn, one.port), test::Transport(shown_, lab(), kProtoTcp, Segment(syn, one.port, kLabPort), 16));
  // One of them goes: the other one can be told.
  streams_->Closed(two.accepted.get());
  EXPECT_EQ(ToLab(syn, one.port).size(), tcp_place() + 28);
}

INSTANTIATE_TEST_SUITE_P(Families, TcpStreamsTest, testing::Bool());
INSTANTIATE_TEST_SUITE_P(Families, TcpStreamsAcceptTest, testing::Bool());
INSTANTIATE_TEST_SUITE_P(Families, TcpStreamsAcceptIpv4Test, testing::Values(false));

}  // namespace
}  // namespace runner
