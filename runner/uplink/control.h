// The helper's control socket: one JSON object a line, one answer a line. Whatever a client sends or does not send,
// frames go on: nothing here blocks, and what a client may use up is bounded.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/json_fwd.h"
#include "uplink/loop.h"

namespace runner {

class ControlServer {
 public:
  using Handle = std::function<Json(const Json& request)>;

  static constexpr std::size_t kLongestRequest = 1 << 20;  // a whole spec, with the names of a large lab

  ControlServer(Loop& loop, Handle handle) : loop_(loop), handle_(std::move(handle)) {}
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  /// Removes the socket's file.
  ~ControlServer();

  /// Takes the place of a file that a killed helper left.
  Status Listen(const std::string& folder, const std::string& name);

 private:
  struct Client {
    Fd socket;
    std::string in;
    std::string out;
    bool last_answer = false;  // hang up after it
    Loop::TimerId timer = 0;
  };

  void Accept();
  void Ready(int fd, short revents);
  void Reply(Client& client, const Json& answer);
  void Flush(int fd);
  void Drop(int fd);

  Loop& loop_;
  Handle handle_;
  Fd folder_;
  std::string name_;
  Fd listener_;
  std::map<int, Client> clients_;
};

/// {"ok": false, "error": TEXT}
Json ControlError(const std::string& text);

/// Asks the server at FOLDER/NAME and waits at most `limit_ms`. The error's code is ECONNREFUSED or ENOENT when nobody
/// listens, ETIMEDOUT when nobody answers. `peer` is the pid that listens.
Result<Json> AskControl(const std::string& folder, const std::string& name, const Json& request, int limit_ms,
                        pid_t* peer = nullptr);

}  // namespace runner
