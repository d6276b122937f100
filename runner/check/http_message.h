// The part of HTTP/1.1 that a check speaks: where a URL leads, and what an answer says.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runner::check {

struct HttpUrl {
  std::string host = {};       // without brackets
  std::string authority = {};  // as written, for the Host header
  std::uint16_t port = 80;
  std::string path = "/";
};
/// `http://HOST[:PORT][/PATH]`; nothing else (no https: that needs a tool, as `run: [curl, …]`).
std::optional<HttpUrl> ParseHttpUrl(std::string_view url);

struct HttpAnswer {
  int code = 0;
  std::string body = {};
};
/// Of a message that the other side ended; a body in chunks is put together. Nothing for what is no HTTP.
std::optional<HttpAnswer> ParseHttpAnswer(std::string_view message);

}  // namespace runner::check
