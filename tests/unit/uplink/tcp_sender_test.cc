#include "uplink/tcp_sender.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <string>

namespace runner {
namespace {

constexpr std::size_t kSegment = 1000;
constexpr std::size_t kBurst = 8000;
constexpr std::uint32_t kFirstByte = 0xffff8000;  // numbers wrap early

std::uint8_t ByteAt(std::uint64_t place) { return static_cast<std::uint8_t>(place * 7 + place / 251); }

// A receiver at the other end of a way that loses, repeats and reorders; it reads so many bytes a millisecond.
class Receiver {
 public:
  Receiver(std::size_t buffer, std::size_t pace) : buffer_(buffer), pace_(pace) {}

  void Take(std::uint32_t sequence, const std::string& payload) {
    if (!SequenceBefore(sequence, next_ + static_cast<std::uint32_t>(window()) + 1)) ++outside_;
    if (SequenceBefore(next_, sequence)) {
      early_.emplace(sequence, payload);
      return;
    }
    Append(sequence, payload);
    for (auto at = early_.begin(); at != early_.end();) {
      if (SequenceBefore(next_, at->first)) {
        ++at;
        continue;
      }
      Append(at->first, at->second);
      at = early_.erase(at);
    }
  }
  bool Read() {
    const bool was_shut = window() == 0;
    unread_ -= std::min(unread_, pace_);
    return was_shut && window() > 0;
  }
  TcpSender::Acknowledgement Says() const { return {.number = next_, .sequence = 77, .window = window()}; }
  std::size_t window() const { return buffer_ - unread_; }
  std::uint64_t received() const { return received_; }
  bool right() const { return right_; }
  std::size_t outside() const { return outside_; }

 private:
  void Append(std::uint32_t sequence, const std::string& payload) {
    for (std::size_t i = next_ - sequence; i < payload.size() && window() > 0; ++i) {
      if (static_cast<std::uint8_t>(payload[i]) != ByteAt(received_)) right_ = false;
      ++received_;
      ++next_;
      ++unread_;
    }
  }

  std::size_t buffer_;
  std::size_t pace_;
  std::size_t unread_ = 0;
  std::uint32_t next_ = kFirstByte;
  std::uint64_t received_ = 0;
  bool right_ = true;
  std::size_t outside_ = 0;
  std::map<std::uint32_t, std::string> early_;
};

struct Way {
  const char* name;
  unsigned seed;
  double loss;     // of segments and of acknowledgements
  double swapped;  // segments that are overtaken
  std::size_t buffer;
  std::size_t pace;
};

class World {
 public:
  explicit World(const Way& way)
      : way_(way), random_(way.seed), receiver_(way.buffer, way.pace), sender_(kFirstByte, kSegment, kBurst) {
    sender_.Acknowledged(receiver_.Says(), now_);
  }

  // Until all of it has arrived and is acknowledged; the milliseconds it took, or -1.
  std::int64_t Carry(std::uint64_t total, std::int64_t limit) {
    const std::int64_t begin = now_;
    for (total_ += total; now_ - begin < limit; ++now_) {
      Feed();
      if (receiver_.Read()) Answer();
      while (!on_the_way_.empty() && on_the_way_.front().at <= now_) {
        const Flight flight = on_the_way_.front();
        on_the_way_.pop_front();
        receiver_.Take(flight.sequence, flight.payload);
        Answer();
      }
      while (!answers_.empty() && answers_.front().first <= now_) {
        sender_.Acknowledged(answers_.front().second, now_);
        answers_.pop_front();
        Send();
      }
      if (sender_.due() >= 0 && sender_.due() <= now_) sender_.Expired(now_);
      Send();
      if (receiver_.received() == total_ && sender_.kept() == 0) return now_ - begin;
    }
    return -1;
  }

  const Receiver& receiver() const { return receiver_; }
  const TcpSender& sender() const { return sender_; }
  std::uint64_t sent() const { return sent_; }

 private:
  struct Flight {
    std::int64_t at;
    std::uint32_t sequence;
    std::string payload;
  };

  bool Happens(double chance) { return std::uniform_real_distribution<>(0, 1)(random_) < chance; }

  void Feed() {
    while (fed_ < total_) {
      auto room = sender_.Room();
      if (room.empty()) return;
      room = room.first(std::min<std::uint64_t>(room.size(), total_ - fed_));
      for (std::uint8_t& byte : room) byte = ByteAt(fed_++);
      sender_.Filled(room.size());
    }
  }
  void Send() {
    while (const auto burst = sender_.Next(now_)) {
      ASSERT_FALSE(burst->payload.empty());
      // As the kernel cuts it.
      for (std::size_t at = 0; at < burst->payload.size(); at += kSegment) {
        const auto part = burst->payload.subspan(at, std::min(kSegment, burst->payload.size() - at));
        sent_ += part.size();
        if (Happens(way_.loss)) continue;
        Flight flight = {now_ + 5, burst->sequence + static_cast<std::uint32_t>(at), {part.begin(), part.end()}};
        if (!on_the_way_.empty() && Happens(way_.swapped)) std::swap(flight, on_the_way_.back());
        on_the_way_.push_back(std::move(flight));
        on_the_way_.back().at = now_ + 5;
      }
    }
  }
  void Answer() {
    if (!Happens(way_.loss)) answers_.emplace_back(now_ + 5, receiver_.Says());
  }

  Way way_;
  std::mt19937 random_;
  Receiver receiver_;
  TcpSender sender_;
  std::int64_t now_ = 1000000;
  std::uint64_t total_ = 0;
  std::uint64_t fed_ = 0;
  std::uint64_t sent_ = 0;
  std::deque<Flight> on_the_way_;
  std::deque<std::pair<std::int64_t, TcpSender::Acknowledgement>> answers_;
};

class TcpSenderOverTest : public testing::TestWithParam<Way> {};

TEST_P(TcpSenderOverTest, AllOfItArrivesInOrder) {
  World world(GetParam());
  // More than the ring holds, in parts with silences between them, and a last byte by itself.
  for (const std::uint64_t part :
       {std::uint64_t{3000000}, std::uint64_t{700}, std::uint64_t{200000}, std::uint64_t{1}}) {
    const std::uint64_t bytes = std::min<std::uint64_t>(part, 5000 * GetParam().buffer);
    ASSERT_GE(world.Carry(bytes, 3600 * 1000), 0) << world.receiver().received() << " of it arrived";
    ASSERT_TRUE(world.receiver().right());
    EXPECT_EQ(world.sender().due(), -1) << "nothing is waited for";
    EXPECT_TRUE(world.sender().all_sent());
  }
  EXPECT_EQ(world.receiver().outside(), 0U) << "beyond the window";
  EXPECT_FALSE(world.sender().given_up());
}

INSTANTIATE_TEST_SUITE_P(
    Ways, TcpSenderOverTest,
    testing::Values(Way{"plain", 1, 0, 0, 1 << 20, 1 << 20}, Way{"lossy", 2, 0.01, 0, 1 << 18, 1 << 20},
                    Way{"very lossy", 3, 0.2, 0, 1 << 16, 1 << 20}, Way{"overtaken", 4, 0, 0.05, 1 << 18, 1 << 20},
                    Way{"lossy and overtaken", 5, 0.03, 0.05, 1 << 17, 1 << 20},
                    Way{"slow reader", 6, 0, 0, 30000, 900}, Way{"slow reader, lossy", 7, 0.05, 0.02, 30000, 900},
                    Way{"window below a segment", 8, 0.02, 0, 700, 300}, Way{"window of a byte", 9, 0, 0, 1, 1}),
    [](const auto& tested) {
      std::string name = tested.param.name;
      std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
      return name;
    });

TEST(TcpSender, FillsAWideWindowWithoutLoss) {
  World world({"", 1, 0, 0, 1 << 20, 1 << 20});
  // A round trip takes 10 ms: 64 kB at a time would take 500 ms.
  const std::int64_t took = world.Carry(3200000, 10000);
  ASSERT_GE(took, 0);
  EXPECT_LT(took, 150);
  EXPECT_EQ(world.sent(), 3200000U) << "nothing twice";
}

TEST(TcpSender, SendsLittleTwiceWhenLittleIsLost) {
  World world({"", 3, 0.005, 0, 1 << 18, 1 << 20});
  ASSERT_GE(world.Carry(3000000, 60000), 0);
  EXPECT_LT(world.sent(), 3000000U * 11 / 10);
}

void Put(TcpSender& sender, std::size_t bytes) {
  while (bytes > 0) {
    const auto room = sender.Room();
    ASSERT_FALSE(room.empty());
    const std::size_t part = std::min(room.size(), bytes);
    std::fill_n(room.begin(), part, std::uint8_t{1});
    sender.Filled(part);
    bytes -= part;
  }
}

std::size_t SendAll(TcpSender& sender, std::int64_t now) {
  std::size_t bytes = 0;
  while (const auto segment = sender.Next(now)) bytes += segment->payload.size();
  return bytes;
}

TEST(TcpSender, BeginsWithTenSegmentsAndDoubles) {
  TcpSender sender(1, kSegment, kBurst);
  sender.Acknowledged({.number = 1, .window = 1 << 20}, 0);
  Put(sender, 200000);
  EXPECT_EQ(SendAll(sender, 0), 10 * kSegment);
  sender.Acknowledged({.number = 1 + 10 * kSegment, .window = 1 << 20}, 10);
  EXPECT_EQ(SendAll(sender, 10), 20 * kSegment);
}

TEST(TcpSender, BeginsAnewAfterALongPause) {
  TcpSender sender(1, kSegment, kBurst);
  std::uint32_t number = 1;
  std::int64_t now = 0;
  sender.Acknowledged({.number = number, .window = 1 << 20}, now);
  for (int round = 0; round < 3; ++round) {
    Put(sender, 100 * kSegment);
    while (sender.kept() > 0) {
      number += static_cast<std::uint32_t>(SendAll(sender, now));
      now += 10;
      sender.Acknowledged({.number = number, .window = 1 << 20}, now);
    }
  }
  Put(sender, 200000);
  now += 60000;
  EXPECT_EQ(SendAll(sender, now), 10 * kSegment);
}

TEST(TcpSender, ThirdDuplicateSendsTheOldestOnceAndHalvesTheWindow) {
  TcpSender sender(1, kSegment, kBurst);
  sender.Acknowledged({.number = 1, .window = 1 << 20}, 0);
  Put(sender, 200000);
  EXPECT_EQ(SendAll(sender, 0), 10 * kSegment);
  const TcpSender::Acknowledgement duplicate = {.number = 1, .window = 1 << 20};
  sender.Acknowledged(duplicate, 5);
  EXPECT_EQ(SendAll(sender, 5), kSegment) << "a new one";
  sender.Acknowledged(duplicate, 5);
  EXPECT_EQ(SendAll(sender, 5), kSegment);
  // Neither a new window nor payload makes a duplicate.
  sender.Acknowledged({.number = 1, .window = (1 << 20) + 1}, 5);
  sender.Acknowledged({.number = 1, .window = (1 << 20) + 1, .bare = false}, 5);
  EXPECT_EQ(SendAll(sender, 5), 0U);
  sender.Acknowledged({.number = 1, .window = (1 << 20) + 1}, 5);
  const auto again = sender.Next(5);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sequence, 1U);
  EXPECT_EQ(again->payload.size(), kSegment);
  EXPECT_EQ(SendAll(sender, 5), 0U);
  // All of it arrives: half of what was in flight, and one more.
  sender.Acknowledged({.number = 1 + 12 * kSegment, .window = 1 << 20}, 10);
  EXPECT_LE(SendAll(sender, 10), 7 * kSegment);
}

TEST(TcpSender, EachFurtherHoleIsSentAtOnce) {
  TcpSender sender(1, kSegment, kBurst);
  sender.Acknowledged({.number = 1, .window = 1 << 20}, 0);
  Put(sender, 200000);
  EXPECT_EQ(SendAll(sender, 0), 10 * kSegment);
  for (int i = 0; i < 3; ++i) sender.Acknowledged({.number = 1, .window = 1 << 20}, 5);
  EXPECT_EQ(sender.Next(5)->sequence, 1U);
  // The fourth was lost as well.
  sender.Acknowledged({.number = 1 + 3 * kSegment, .window = 1 << 20}, 10);
  const auto second = sender.Next(10);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->sequence, 1 + 3 * kSegment);
  EXPECT_EQ(second->payload.size(), kSegment);
}

TEST(TcpSender, AfterSilenceBeginsWithOneSegment) {
  TcpSender sender(1, kSegment, kBurst);
  sender.Acknowledged({.number = 1, .window = 1 << 20}, 0);
  Put(sender, 50000);
  EXPECT_EQ(SendAll(sender, 0), 10 * kSegment);
  sender.Expired(sender.due());
  EXPECT_EQ(SendAll(sender, 2000), kSegment);
  sender.Acknowledged({.number = 1 + kSegment, .window = 1 << 20}, 2010);
  EXPECT_EQ(SendAll(sender, 2010), 2 * kSegment);
}

TEST(TcpSender, AfterSilenceSendsAgainLaterAndLater) {
  TcpSender sender(1, kSegment, kBurst);
  sender.Acknowledged({.number = 1, .window = 1 << 20}, 0);
  Put(sender, 5000);
  EXPECT_EQ(SendAll(sender, 0), 5000U);
  std::int64_t now = 0;
  std::int64_t pause = 0;
  int times = 0;
  while (!sender.given_up()) {
    ASSERT_GT(sender.due(), now);
    EXPECT_GE(sender.due() - now, pause) << times;
    pause = sender.due() - now;
    now = sender.due();
    sender.Expired(now - 1);  // not yet
    EXPECT_EQ(SendAll(sender, now - 1), 0U);
    sender.Expired(now);
    if (sender.given_up()) break;
    EXPECT_EQ(SendAll(sender, now), kSegment);
    ASSERT_LT(++times, 50);
  }
  EXPECT_EQ(times, 12);
  EXPECT_GT(now, 240000);
  EXPECT_EQ(sender.due(), -1);
}

TEST(TcpSender, AsksAShutWindowByteByByteForAsLongAsItAnswers) {
  TcpSender sender(1, kSegment, kBurst);
  sender.Acknowledged({.number = 1, .window = 0}, 0);
  Put(sender, 1);
  std::int64_t now = 0;
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(SendAll(sender, now), 0U);
    ASSERT_GT(sender.due(), now);
    now = sender.due();
    sender.Expired(now);
    const auto probe = sender.Next(now);
    ASSERT_TRUE(probe) << i;
    EXPECT_EQ(probe->sequence, 1U);
    EXPECT_EQ(probe->payload.size(), 1U);
    EXPECT_TRUE(sender.probing());
    EXPECT_EQ(sender.next(), 1U);
    EXPECT_FALSE(sender.all_sent()) << "the end may not be told yet";
    sender.Acknowledged({.number = 1, .window = 0}, now);
  }
  EXPECT_FALSE(sender.given_up());
  sender.Acknowledged({.number = 1, .window = 1000}, now);
  EXPECT_EQ(SendAll(sender, now), 1U);
  EXPECT_TRUE(sender.all_sent());
  sender.Acknowledged({.number = 2, .window = 1000}, now);
  EXPECT_EQ(sender.kept(), 0U);
  EXPECT_EQ(sender.due(), -1);
}

TEST(TcpSender, AnOlderWindowChangesNothing) {
  TcpSender sender(1, kSegment, kBurst);
  sender.Acknowledged({.number = 1, .sequence = 500, .window = 0}, 0);
  sender.Acknowledged({.number = 1, .sequence = 400, .window = 5000}, 0);
  Put(sender, 2000);
  EXPECT_EQ(SendAll(sender, 0), 0U);
  sender.Acknowledged({.number = 9000, .sequence = 600, .window = 5000}, 0);  // never sent
  EXPECT_EQ(SendAll(sender, 0), 0U);
  sender.Acknowledged({.number = 1, .sequence = 500, .window = 5000}, 0);
  EXPECT_EQ(SendAll(sender, 0), 2000U);
}

TEST(TcpSender, KeepsNoMoreThanItsLimit) {
  TcpSender sender(1, kSegment, kBurst);
  std::size_t kept = 0;
  for (auto room = sender.Room(70000); !room.empty(); room = sender.Room(70000)) {
    kept += room.size();
    sender.Filled(room.size());
  }
  EXPECT_EQ(kept, 70000U);
  EXPECT_FALSE(sender.wants(70000));
  EXPECT_TRUE(sender.wants(80000));
  // Nothing was sent: no more than what is read ahead.
  for (auto room = sender.Room(); !room.empty(); room = sender.Room()) {
    kept += room.size();
    sender.Filled(room.size());
  }
  EXPECT_EQ(kept, TcpSender::kAhead);
  sender.Discard();
  EXPECT_EQ(sender.kept(), 0U);
  EXPECT_FALSE(sender.Next(0));
}

}  // namespace
}  // namespace runner
