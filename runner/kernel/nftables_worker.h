// The worker's side of nftables.h: what goes over the socket, and the loop that serves it.
#pragma once
#include <cstdint>

namespace runner::kernel {

enum class NftMode : std::uint32_t { kRun, kCheck, kRehearse };

/// What stands before each request and each answer on the stream socket; `size` bytes follow. A request carries the
/// namespace as a descriptor beside the head, and a rehearsal its interfaces, each ended by a zero byte, before the
/// input.
struct NftRequestHead {
  std::uint64_t size = 0;
  std::uint64_t interfaces_size = 0;  // of it, the interfaces' names
  NftMode mode = NftMode::kRun;
  std::uint32_t is_text = 0;
};

struct NftAnswerHead {
  std::uint64_t size = 0;
  std::int32_t status = 0;  // the library's return value; 0 is done
  std::int32_t code = 0;    // errno where entering the namespace or making the context failed: the text says what
};

/// The JSON request for all tables of the namespace.
inline constexpr const char* kListTables = R"({"nftables": [{"list": {"tables": null}}]})";

/// What text input is called in the library's complaints: the descriptor that it is read from.
inline constexpr int kNftInputFd = 4;

/// Serves requests until the other end closes. Call it in a fresh child; never returns.
[[noreturn]] void ServeNft(int socket, int complaints);

}  // namespace runner::kernel
